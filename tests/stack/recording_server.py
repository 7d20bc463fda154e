"""The local stack's server, which also notes each AWS call that ministack decides on: who, what, on what, and whether it may.

`RECORD` is the file to write, a line of JSON per call.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any


def record(path: Path) -> None:
    """Note every decision of ministack's IAM evaluator from now on."""
    from ministack.core import iam_evaluator

    decide = iam_evaluator.enforce
    check = iam_evaluator.check_credentials

    def note(access_key: str, action: str, resource: str, allowed: bool) -> None:
        known = iam_evaluator.resolve_credential(access_key)
        line = {"principal": getattr(known, "principal_arn", ""), "action": action, "resource": resource, "allowed": allowed}
        with path.open("a") as lines:
            lines.write(json.dumps(line) + "\n")

    def enforce(access_key: str, action: str, service: str, region: str, resource_arn: str = "*", **context: Any) -> Any:
        denied = decide(access_key, action, service, region, resource_arn, **context)
        note(access_key, action, resource_arn, denied is None)
        return denied

    def check_credentials(access_key: str, service: str | None = None) -> Any:
        failure = check(access_key, service)
        note(access_key, f"{service}:(unknown to ministack)", "*", failure is None)
        return failure

    iam_evaluator.enforce = enforce
    iam_evaluator.check_credentials = check_credentials


if __name__ == "__main__":
    del os.environ["PYTHONPATH"]  # how this module was found; the functions need not see it
    record(Path(os.environ.pop("RECORD")))

    from pigeonhole_cli.local_server import serve

    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
