"""Deploy template.yaml to a running ministack through its CloudFormation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

from pigeonhole_cli.local.batch import Definition
from pigeonhole_cli.local.process import REGION, ROOT_CREDENTIALS, LocalError
from pigeonhole_cli.local.rewrites import LocalMachine, gateway_responses, gpu_definition, rewrite

BUCKET = "pigeonhole-local-code"
NO_CHANGE = "No updates are to be performed"


def read_template(path: Path) -> dict[str, Any]:
    """Parse a template. Tags such as `!Ref` become `{"Ref": …}`."""
    from samtranslator.yaml_helper import yaml_parse

    return cast("dict[str, Any]", yaml_parse(path.read_text()))


class LocalStack:
    """A stack in the ministack at `aws_url`. It is a context manager that closes its connections."""

    def __init__(self, aws_url: str, name: str, root: Path) -> None:
        """Create a client of the stack `name`. `root` is the repository's root."""
        self.aws_url, self.name, self.root = aws_url, name, root
        self._clients: dict[str, Any] = {}
        self._cloudformation = self.client("cloudformation")

    def __enter__(self) -> LocalStack:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for client in self._clients.values():
            client.close()

    def client(self, service: str) -> Any:
        """Return the boto3 client of a service, with the root credentials of the local stack."""
        if service not in self._clients:
            # A proxy from the environment can't reach this machine.
            config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, proxies={})
            endpoint = {"endpoint_url": self.aws_url, "region_name": REGION, **ROOT_CREDENTIALS}
            create: Any = boto3.client  # its types take only literals as names of services
            self._clients[service] = create(service, config=config, **endpoint)
        return self._clients[service]

    def deploy(
        self,
        *,
        classify_concurrency: int,
        settings: Mapping[str, Mapping[str, str]],
        parameters: Mapping[str, str] | None = None,
    ) -> dict[str, str]:
        """Create or update the stack with the changes of `local/rewrites.py`, and return its outputs.

        Args:
            classify_concurrency: The largest number of concurrent runs of the classify function.
            settings: Environment variables of each function, by its logical id.
            parameters: The template's parameters that differ from their defaults.

        Raises:
            LocalError: The stack can't be deployed. The message has CloudFormation's reason.
        """
        template = read_template(self.root / "template.yaml")
        responses = list(gateway_responses(template))
        rewrite(template, LocalMachine(self.root, self._store, settings, parameters or {}))
        arguments = {
            "StackName": self.name,
            "TemplateURL": self._store_template(template),
            "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in (parameters or {}).items()],
        }
        operation = "update" if self._exists() else "create"
        try:
            getattr(self._cloudformation, f"{operation}_stack")(**arguments)
            self._wait(operation)
        except ClientError as error:
            if NO_CHANGE not in str(error):
                raise LocalError(f"template.yaml could not be deployed: {error}") from None
        except WaiterError:
            raise LocalError(f"template.yaml could not be deployed: {self._reason()}") from None
        outputs = self.outputs()
        self._put_responses(responses, outputs["ApiId"], outputs["StageName"])
        self.client("lambda").put_function_concurrency(
            FunctionName=self.resources()["ClassifyFunction"], ReservedConcurrentExecutions=classify_concurrency
        )
        return outputs

    def outputs(self) -> dict[str, str]:
        """Return the stack's outputs by name."""
        described = self._cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}

    def resources(self) -> dict[str, str]:
        """Return the physical id of each resource by its logical id."""
        resources = self._cloudformation.describe_stack_resources(StackName=self.name)["StackResources"]
        return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources}

    def gpu_definition(self, settings: Mapping[str, str], parameters: Mapping[str, str]) -> Definition:
        """Return the job definition of the deployed stack's GPU workers, which runs as the definition's role.

        Args:
            settings: Environment variables that the local stack adds.
            parameters: The template's parameters that differ from their defaults.
        """
        template = read_template(self.root / "template.yaml")
        defaults = {name: str(parameter["Default"]) for name, parameter in template["Parameters"].items()}
        names = {**defaults, **parameters, **self.resources(), "AWS::Region": REGION, "AWS::StackName": self.name}
        definition = gpu_definition(template, self.root, names)
        role = self.client("iam").get_role(RoleName=names["GpuRole"])["Role"]["Arn"]
        return replace(definition, role=role, environment={**definition.environment, **settings})

    def last_error(self, log_group: str) -> str:
        """Return the last exception's message in a log group, or an empty text.

        Args:
            log_group: The log group's logical id.
        """
        group = self.resources()[log_group]
        message = ""
        for event in self.client("logs").filter_log_events(logGroupName=group, filterPattern="ERROR")["events"]:
            try:
                message = json.loads(event["message"])["exception"].strip().splitlines()[-1]
            except (ValueError, KeyError, TypeError):
                continue
        return message

    def _exists(self) -> bool:
        try:
            (stack,) = self._cloudformation.describe_stacks(StackName=self.name)["Stacks"]
        except ClientError:
            return False
        if stack["StackStatus"] == "ROLLBACK_COMPLETE":
            # Its creation failed. CloudFormation requires its deletion before a new one is created.
            self._cloudformation.delete_stack(StackName=self.name)
            self._wait("delete")
            return False
        return True

    def _wait(self, operation: str) -> None:
        waiter = self._cloudformation.get_waiter(f"stack_{operation}_complete")
        waiter.wait(StackName=self.name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 600})

    def _reason(self) -> str:
        events = self._cloudformation.describe_stack_events(StackName=self.name)["StackEvents"]
        failed = [event for event in events if event["ResourceStatus"].endswith("FAILED")]
        reasons = [f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}" for event in failed]
        return "; ".join(reasons) or "no reason given"

    def _store(self, object_key: str, content: bytes) -> str:
        storage = self.client("s3")
        storage.create_bucket(Bucket=BUCKET)
        storage.put_object(Bucket=BUCKET, Key=object_key, Body=content)
        return BUCKET

    def _store_template(self, template: Mapping[str, Any]) -> str:
        """Store a template in the stack's bucket, because an inline one may have 51,200 bytes at most, and return its URL."""
        content = json.dumps(template, separators=(",", ":")).encode()
        object_key = f"template-{hashlib.sha256(content).hexdigest()[:16]}.json"
        return f"{self.aws_url}/{self._store(object_key, content)}/{object_key}"

    def _put_responses(self, responses: list[tuple[str, str, dict[str, Any]]], api_id: str, stage: str) -> None:
        gateway = self.client("apigateway")
        for _, response_type, response in responses:
            gateway.put_gateway_response(restApiId=api_id, responseType=response_type, **response)
        gateway.create_deployment(restApiId=api_id, stageName=stage)
