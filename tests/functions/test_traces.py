"""What a function sends to X-Ray, in a process that looks like Lambda. Traces are off everywhere else."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
READ_AN_OBJECT = """
import sys
import boto3
from moto import mock_aws
from support.fakes import LambdaContext
from pigeonhole.aws.s3 import S3BlobStore
from pigeonhole.observability import observed

@observed(sys.argv[1], log_id_path="log_id")
def handler(event, context):
    read = S3BlobStore(client).read("granted-images", "acme/alice-passport.png", 1000)
    return {"bytes": len(read)}

with mock_aws():
    client = boto3.client("s3", region_name="us-east-1")
    client.create_bucket(Bucket="granted-images")
    client.put_object(Bucket="granted-images", Key="acme/alice-passport.png", Body=b"pixels")
    assert handler({"log_id": "l"}, LambdaContext()) == {"bytes": 6}
"""


def sent_to_the_daemon(service: str) -> str:
    """Return what `service` sends to X-Ray while it reads an object."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "POWERTOOLS_"))} | {
            "PYTHONPATH": str(TESTS),
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_LAMBDA_FUNCTION_NAME": service,
            "LAMBDA_TASK_ROOT": str(TESTS),
            "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{daemon.getsockname()[1]}",
            "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
        }
        subprocess.run([sys.executable, "-c", READ_AN_OBJECT, service], env=environment, check=True, timeout=60)
        daemon.setblocking(False)
        segments = []
        for _ in range(100):
            try:
                segments.append(daemon.recv(65_536).decode())
            except BlockingIOError:
                break
    return "\n".join(segments)


def test_the_calls_of_the_api_are_traced() -> None:
    segments = sent_to_the_daemon("api")

    assert "## handler" in segments
    assert "GetObject" in segments


@pytest.mark.parametrize("service", ["classify", "worker"])
def test_no_trace_names_an_object_of_a_caller(service: str) -> None:
    segments = sent_to_the_daemon(service)

    assert "alice" not in segments
    assert "granted-images" not in segments
