"""The outputs of a deployed stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from pigeonhole.errors import NotFound

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient


def read_stack_outputs(client: CloudFormationClient, stack_name: str, *required: str) -> dict[str, str]:
    """Read the outputs of a stack by their names.

    Args:
        client: Of the account and region in which the stack is.
        stack_name: The stack's name.
        required: Outputs that the stack must have.

    Raises:
        NotFound: The stack doesn't exist in the client's account and region, or lacks an output in `required`.
    """
    try:
        stacks = client.describe_stacks(StackName=stack_name)["Stacks"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":  # CloudFormation's code for an unknown stack
            raise
        raise NotFound(
            f"there is no stack {stack_name!r} in {client.meta.region_name}; "
            "give --stack-name, AWS_REGION, or --endpoint-url for the local stack"
        ) from error
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stacks[0].get("Outputs", [])}
    missing = [name for name in required if name not in outputs]
    if missing:
        raise NotFound(f"the stack {stack_name!r} has no output {' or '.join(missing)}: is it one of this template.yaml?")
    return outputs
