"""`pigeonhole bulk` against the deployed stack, as a user runs it: plan, run, watch and fetch a file of this machine."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from support.stack.deployment import Deployment
from support.stack.shell import Shell, tenant_name

LABELS = ("--label", "positive", "--label", "negative")
VALUES = ("I love it, it is wonderful.", "The worst I ever had.")


@pytest.fixture
def shell(deployed: Deployment, tmp_path: Path, request: pytest.FixtureRequest) -> Shell:
    return Shell(deployed, tenant_name(request), tmp_path)


def test_a_file_is_planned_uploaded_classified_and_fetched(shell: Shell) -> None:
    rows = [{"type": "text", "value": VALUES[k % 2], "custom_id": str(k)} for k in range(20)]
    lines = "".join(json.dumps(row) + "\n" for row in rows) + "no JSON\n"
    (shell.folder / "in.jsonl.gz").write_bytes(gzip.compress(lines.encode()))

    planned = json.loads(shell("bulk", "plan", "in.jsonl.gz", *LABELS, "--json"))["estimate"]
    job_id = shell("bulk", "run", "in.jsonl.gz", *LABELS).strip()
    watched = shell("bulk", "status", job_id, "--watch", exit_code=4)
    shell("bulk", "fetch", job_id, "--out", "results", exit_code=4)

    assert (planned["samples"], planned["spans"], planned["is_exact"]) == (21, 1, True)
    assert "21: 20 with a result, 1 with an error" in watched
    found = [json.loads(line) for line in (shell.folder / "results" / "part-00000.jsonl").read_text().splitlines()]
    assert [(row["custom_id"], row["prediction"]) for row in found] == [
        (str(k), ("positive", "negative")[k % 2]) for k in range(20)
    ]
    shell("bulk", "cancel", job_id, exit_code=1)
    assert "has ended" in shell.stderr
