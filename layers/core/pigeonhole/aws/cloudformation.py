"""What a deployed stack tells about itself."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from pigeonhole.errors import NotFound


def stack_outputs(client: Any, stack_name: str, *needed: str) -> dict[str, str]:
    """The outputs of a stack, by name. `client`: a boto3 CloudFormation client.

    Raises NotFound if there is no such stack in the client's account and region, or if it lacks an output in `needed`.
    """
    try:
        stacks = client.describe_stacks(StackName=stack_name)["Stacks"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":  # CloudFormation's code for a name that it doesn't know
            raise
        raise NotFound(
            f"there is no stack {stack_name!r} in {client.meta.region_name}; "
            "give --stack-name, AWS_REGION, or --endpoint-url for the local stack"
        ) from error
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stacks[0].get("Outputs", [])}
    missing = [name for name in needed if name not in outputs]
    if missing:
        raise NotFound(f"the stack {stack_name!r} has no output {' or '.join(missing)}: is it one of this template.yaml?")
    return outputs
