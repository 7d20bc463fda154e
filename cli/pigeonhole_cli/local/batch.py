"""The three calls of AWS Batch that this project makes, in front of ministack, whose own jobs succeed without running.

A job's tasks run as processes of this machine, one after another, with the command, environment, role and retry strategy of the
template's job definition. There is no container, no GPU and no machine that is taken away: this is not AWS Batch.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from pigeonhole_cli.local.asgi import App, Receive, Scope, Send, read_request

QUEUE = "arn:aws:batch:us-east-1:000000000000:job-queue/local"
DEFINITION = "arn:aws:batch:us-east-1:000000000000:job-definition/local:1"
SUBMIT, DESCRIBE, TERMINATE = "/v1/submitjob", "/v1/describejobs", "/v1/terminatejob"
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_DEFAULT_REGION")
STOP_S = 15.0  # from SIGTERM to SIGKILL when the local stack stops; AWS gives more
MAX_BODY_BYTES = 1_000_000
SESSION = "gpu-worker"  # the name of a task's session in its role
NOT_DEFINED = "no GPU workers are deployed"

Publish = Callable[[Mapping[str, Any]], None]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Definition:
    """The job definition of the deployed template.

    Attributes:
        command: The command of a task. Its first word, `python`, becomes this environment's Python.
        environment: The environment of a task, in addition to a minimal one.
        attempts: How often a task is started at most.
        retry_codes: The exit codes after which a task is started again.
        role: The ARN of the role of a task.
        folder: The working directory.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    attempts: int
    retry_codes: Sequence[int]
    role: str
    folder: str


@dataclass
class _Job:
    """A submitted job.

    Attributes:
        id: Its id.
        name: Its name.
        size: The number of tasks, None for a job that isn't an array.
        environment: What the submission adds to the environment of the definition.
        status: In the words of AWS Batch.
        reason: Why it was terminated, None if it wasn't.
        failed: How many tasks have failed.
    """

    id: str
    name: str
    size: int | None
    environment: Mapping[str, str]
    status: str = "RUNNABLE"
    reason: str | None = None
    failed: int = 0


@dataclass
class LocalBatch:
    """Runs submitted jobs.

    Attributes:
        read_definition: Returns the job definition, None if no stack is deployed.
        assume_role: Returns environment variables with the credentials of a role. It is called on another thread.
        publish: Publishes the detail of an event of a job that failed.
    """

    read_definition: Callable[[], Definition | None]
    assume_role: Callable[[str], Mapping[str, str]]
    publish: Publish
    _jobs: dict[str, _Job] = field(default_factory=dict)
    _waiting: asyncio.Queue[_Job] = field(default_factory=asyncio.Queue)
    _running: tuple[_Job, asyncio.subprocess.Process] | None = None
    _is_stopping: bool = False

    def submit(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Queue a job."""
        overrides = request.get("containerOverrides", {}).get("environment", [])
        job = _Job(
            id=str(uuid.uuid4()),
            name=request["jobName"],
            size=request.get("arrayProperties", {}).get("size"),
            environment={variable["name"]: variable["value"] for variable in overrides},
        )
        self._jobs[job.id] = job
        self._waiting.put_nowait(job)
        return {"jobId": job.id, "jobName": job.name}

    def describe(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Describe jobs. Those of an earlier start of the local stack are unknown."""
        known = [self._jobs[job_id] for job_id in request["jobs"] if job_id in self._jobs]
        fields = {"jobQueue": QUEUE, "jobDefinition": DEFINITION, "startedAt": 0}
        return {"jobs": [{"jobId": job.id, "jobName": job.name, "status": job.status, **fields} for job in known]}

    def terminate(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Stop a job."""
        job = self._jobs.get(request["jobId"])
        if job and job.status in ("RUNNABLE", "RUNNING"):
            job.reason = request["reason"]
            if job.status == "RUNNABLE":
                job.status = "FAILED"  # its turn comes later, and publishes the failures
            if self._running and self._running[0] is job:
                _terminate(self._running[1])
        return {}

    async def run(self) -> None:
        """Run the submitted jobs one after another, for ever."""
        while True:
            job = await self._waiting.get()
            try:
                await self._run_job(job)
            except Exception:
                logger.exception("A job of the local stack could not be run")
                job.status = "FAILED"

    async def stop(self) -> None:
        """Stop the running process, and start no other one."""
        self._is_stopping = True
        if self._running:
            _, process = self._running
            _terminate(process)
            try:
                await asyncio.wait_for(process.wait(), STOP_S)
            except TimeoutError:
                process.kill()

    async def _run_job(self, job: _Job) -> None:
        definition = self.read_definition()
        if not job.reason:
            job.status = "RUNNING"
        for index in range(job.size or 1):
            attempts: list[int] = []
            reason = job.reason or (NOT_DEFINED if definition is None else None)
            if definition and reason is None:
                attempts = await self._run_task(job, definition, index)
                reason = job.reason or ("Essential container in task exited" if attempts[-1] else None)
            if self._is_stopping:
                return
            if reason:
                job.failed += 1
                self._publish_failure(job, reason, attempts, index)
        job.status = "FAILED" if job.failed else "SUCCEEDED"
        if job.failed and job.size:
            self._publish_failure(job, "Array Child Job failed", [], None)

    async def _run_task(self, job: _Job, definition: Definition, index: int) -> list[int]:
        """Run a task, and return the exit code of each attempt."""
        codes: list[int] = []
        while len(codes) < definition.attempts and not job.reason and not self._is_stopping:
            credentials = await asyncio.to_thread(self.assume_role, definition.role)
            environment = minimal_environment(os.environ) | {**credentials, **definition.environment, **job.environment}
            if job.size:
                environment["AWS_BATCH_JOB_ARRAY_INDEX"] = str(index)
            command = [sys.executable if word == "python" else word for word in definition.command]
            process = await asyncio.create_subprocess_exec(
                *command, cwd=definition.folder, env=environment, stdin=asyncio.subprocess.DEVNULL
            )
            self._running = (job, process)
            code = await process.wait()
            codes.append(code if code >= 0 else 128 - code)  # as a container's exit code names a signal
            self._running = None
            logger.warning("Task %d of job %s ended with %d (a process, not AWS Batch)", index, job.id, codes[-1])
            if codes[-1] not in definition.retry_codes:
                break
        return codes or [-1]

    def _publish_failure(self, job: _Job, reason: str, codes: Sequence[int], index: int | None) -> None:
        array = {} if job.size is None else {"size": job.size} if index is None else {"index": index}
        self.publish(
            {
                "jobId": f"{job.id}:{index}" if "index" in array else job.id,
                "jobName": job.name,
                "jobQueue": QUEUE,
                "jobDefinition": DEFINITION,
                "status": "FAILED",
                "statusReason": reason,
                "attempts": [{"container": {"exitCode": code, "reason": reason}} for code in codes],
                "container": {"environment": [{"name": name, "value": value} for name, value in job.environment.items()]},
                "arrayProperties": array,
            }
        )


def in_front_of(app: App, batch: LocalBatch) -> App:
    """Return an app that answers calls to AWS Batch, and passes all other requests to `app`."""
    calls = {SUBMIT: batch.submit, DESCRIBE: batch.describe, TERMINATE: batch.terminate}

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        call = calls.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if call is None:
            return await app(scope, receive, send)
        async with read_request(receive, MAX_BODY_BYTES) as request:
            body = (await request.receive())["body"]
        try:
            status, answer = 200, call(json.loads(body))
        except (ValueError, KeyError, TypeError) as error:
            status, answer = 400, {"__type": "ClientException", "message": f"{type(error).__name__}: {error}"}
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

    return handle


def minimal_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what a task inherits from the server process, which has a minimal environment itself."""
    return {name: environ[name] for name in PASSED_ON if name in environ}


def role_assumer(port: int) -> Callable[[str], Mapping[str, str]]:
    """Return what gets the credentials of a role from the emulated AWS at a port of this machine."""

    def assume(role: str) -> Mapping[str, str]:
        url = f"http://127.0.0.1:{port}"
        sts = boto3.client("sts", endpoint_url=url, config=Config(proxies={}))
        issued = sts.assume_role(RoleArn=role, RoleSessionName=SESSION)["Credentials"]
        return {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": issued["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": issued["SecretAccessKey"],
            "AWS_SESSION_TOKEN": issued["SessionToken"],
        }

    return assume


def definition_reader(route_file: Path) -> Callable[[], Definition | None]:
    """Return what reads the job definition that `LocalProcess.route_to` wrote."""

    def read() -> Definition | None:
        gpu = json.loads(route_file.read_text()).get("gpu") if route_file.exists() else None
        return Definition(**gpu) if gpu else None

    return read


def _terminate(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
