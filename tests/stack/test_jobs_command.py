"""`pigeonhole jobs`, run as a user runs it against the deployed stack."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.stack.deployment import Deployment
from support.stack.job_calls import copy_interrupted
from support.stack.shell import Shell, tenant_name


class JobShell(Shell):
    """Runs `pigeonhole jobs`."""

    def __call__(self, *arguments: str, exit_code: int = 0, stdin: str = "") -> str:
        return super().__call__("jobs", *arguments, exit_code=exit_code, stdin=stdin)

    def die(self, job_id: str, start: int, stop: int) -> None:
        """Send the message of a chunk to where the last crash of its worker would have moved it, with its attempts."""
        self.deployed.stack.client("dynamodb").put_item(
            TableName=self.deployed.outputs["TableName"],
            Item={
                "pk": {"S": f"ATTEMPTS#{self.tenant}#{job_id}"},
                "sk": {"S": f"{start:06}-{stop:06}"},
                "attempts": {"N": "4"},
            },
        )
        message = {"version": 1, "kind": "chunk", "tenant_id": self.tenant, "job_id": job_id, "start": start, "stop": stop}
        queue = self.deployed.stack.resources()["DeadLetterQueue"]
        self.deployed.stack.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(message))


@pytest.fixture
def shell(deployed: Deployment, tmp_path: Path, request: pytest.FixtureRequest) -> JobShell:
    return JobShell(deployed, tenant_name(request), tmp_path)


def test_texts_are_classified_while_the_command_waits(shell: JobShell) -> None:
    printed = shell(
        "submit", "--texts", "-", "--label", "positive", "--label", "negative", "--wait", stdin="I love it\n\nterrible\n"
    )

    assert printed == "0\tpositive\n1\tnegative\n"


def test_photos_are_classified_and_an_unreadable_one_shows_in_the_exit_code(shell: JobShell, photos: dict[str, bytes]) -> None:
    folder = shell.folder / "photos"
    folder.mkdir()
    for name in ("cat", "temple"):
        (folder / f"{name}.png").write_bytes(photos[name])
    labels = ("--label", "cat", "--label", "temple")

    assert shell("submit", "photos", *labels, "--wait") == "0\tcat\n1\ttemple\n"
    assert "1\tphotos/temple.png\n" in shell.stderr

    (folder / "broken.png").write_bytes(photos["cat"][:100])
    job_id = shell("submit", "photos", *labels).strip()
    first, *rest = shell("wait", job_id, exit_code=4).splitlines()
    assert first.startswith("0\t\tunreadable_image: ")
    assert rest == ["1\tcat", "2\ttemple"]
    assert "3: 2 with a result, 1 with an error" in shell("status", job_id, exit_code=4)
    answer = json.loads(shell("wait", job_id, "--json", exit_code=4))
    assert answer["predictions"] == [None, "cat", "temple"]


def test_photos_that_are_too_large_together_for_a_request_are_uploaded(shell: JobShell, photos: dict[str, bytes]) -> None:
    folder = shell.folder / "photos"
    folder.mkdir()
    names = ["cat", "rocket"] * 15
    for number, name in enumerate(names):
        (folder / f"{number:02d} ü&{name}.png").write_bytes(photos[name])
    assert sum(file.stat().st_size for file in folder.iterdir()) > 4_000_000

    printed = shell("submit", "photos", "--label", "cat", "--label", "rocket", "--wait")

    assert printed.splitlines() == [f"{number}\t{name}" for number, name in enumerate(names)]
    assert "Uploading 30 images" in shell.stderr


def test_jobs_are_listed_and_canceled(shell: JobShell) -> None:
    (shell.folder / "many.txt").write_text("".join(f"{'I love it and it is new ' * 20}{number}\n" for number in range(3_000)))
    texts = ("submit", "--texts", "many.txt", "--label", "positive", "--label", "negative", "--idempotency-key", "many")
    job_id = shell(*texts).strip()

    assert shell(*texts).strip() == job_id, "the same key and samples"
    shell("cancel", job_id)
    assert f"Job {job_id} was canceled" in shell.stderr
    (row,) = shell("list", "--status", "canceled").splitlines()[1:]
    assert row.split()[:3] == [job_id, "canceled", "3000"]
    assert shell("list", "--status", "succeeded").splitlines()[1:] == []
    assert shell("wait", job_id, exit_code=3) == ""
    shell("cancel", job_id, exit_code=1)
    assert "error: The job has ended already" in shell.stderr


def test_results_too_large_for_an_answer_are_printed(shell: JobShell) -> None:
    body = {
        "dataset": [{"type": "text", "value": f"I love it {number}"} for number in range(400)],
        "labels": [{"type": "text", "value": f"{'long ' * 90}{number}"} for number in range(24)],
        "scores": True,
    }
    (shell.folder / "body.json").write_text(json.dumps(body))

    job_id = shell("submit", "--body", "body.json").strip()
    lines = shell("wait", job_id).splitlines()

    assert "results_url" in json.loads(shell("status", job_id, "--json"))
    assert [line.split("\tlong ")[0] for line in lines] == [str(number) for number in range(400)]


def test_failed_samples_are_redriven_once(shell: JobShell, deployed: Deployment) -> None:
    texts = ("submit", "--texts", "-", "--label", "positive", "--label", "negative", "--wait", "--json")
    job = json.loads(shell(*texts, stdin="I love it\nterrible\nwonderful\n"))
    dead = copy_interrupted(deployed, job["job"]["id"], tenant=shell.tenant, status={"S": "processing"})
    shell.die(dead, 0, 3)
    shell("wait", dead, exit_code=3)

    redriven = json.loads(shell("redrive", shell.tenant, dead, "--json"))

    assert redriven["samples"] == [0, 1, 2]
    assert "0-2 -> 0-2" in shell.stderr
    assert shell("wait", redriven["job"]) == "0\tpositive\n1\tnegative\n2\tpositive\n"
    assert shell("redrive", shell.tenant, dead).strip() == redriven["job"]
    shell("wait", dead, exit_code=3)
    shell("redrive", shell.tenant, redriven["job"], exit_code=1)
    assert "no sample of the job was abandoned" in shell.stderr
