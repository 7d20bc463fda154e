"""Bulk jobs whose spans only GPU workers process: planned here, with no message to functions/worker."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from boto3.session import Session

from pigeonhole.bulk.gpu.run_name import RUN_VARIABLE, RunName
from pigeonhole.bulk.gpu_tasks import GpuTaskStore
from pigeonhole.bulk.inputs.kinds import InputKind
from pigeonhole.bulk.manifest import ManifestSpan, SpanLimits, plan_spans
from pigeonhole.bulk.planning.segments import Segment, SegmentStore
from pigeonhole.bulk.ports import GpuRun, JobRunner, ManifestLocation
from pigeonhole.bulk.spec import BulkInput, BulkSpec, encode_spec
from pigeonhole.contract.bulk import BulkOptions, Compute, OutputFormat
from pigeonhole.contract.jobs import JobInfo
from pigeonhole.contract.messages import SpanMessage
from pigeonhole.ids import new_id
from pigeonhole.jobs.job import BulkPlan, Job
from pigeonhole.object_keys import bulk_results_prefix, bulk_spec_key
from pigeonhole.settings import Settings
from pigeonhole.wiring.adapters import JobAdapters
from pigeonhole_cli.local import batch
from pigeonhole_cli.local.process import REGION, ROOT_CREDENTIALS
from support.stack.deployment import BUCKET, PREFIX, Deployment

TENANT = "tests"
DUE_S = 3_600  # far enough for the sweeper to leave the job alone


@dataclass(frozen=True)
class GpuJobs:
    """Creates jobs, and runs of their spans.

    Attributes:
        adapters: What the planner has, as the root of the local stack.
    """

    adapters: JobAdapters

    @classmethod
    def of(cls, deployed: Deployment) -> GpuJobs:
        resources = deployed.stack.resources()
        settings = Settings(
            table_name=resources["Table"],
            job_bucket=resources["JobBucket"],
            upload_bucket=resources["UploadBucket"],
            gpu_queue=batch.QUEUE,
            gpu_definition=batch.DEFINITION,
        )
        session = Session(region_name=REGION, **ROOT_CREDENTIALS)
        return cls(JobAdapters(session, settings, deployed.stack.aws_url))

    @property
    def runner(self) -> JobRunner:
        runner = self.adapters.gpu_runner
        assert runner
        return runner

    def create(self, deployed: Deployment, name: str, lines: Sequence[Mapping[str, Any]], options: Any, samples: int) -> Job:
        """Create a planned job with spans of so many samples, and the tasks of its first run with one span each."""
        data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        put = deployed.stack.client("s3").put_object(Bucket=BUCKET, Key=f"{PREFIX}{name}", Body=data)
        limits = SpanLimits(samples=samples)
        spans = list(plan_spans(iter([data]), limits))
        job = self._store(ManifestLocation(BUCKET, f"{PREFIX}{name}"), options, limits, put["ETag"], spans, len(lines))
        messages = [SpanMessage(tenant_id=TENANT, job_id=job.id, etag=put["ETag"], **asdict(span)) for span in spans]
        assert GpuTaskStore(objects=self.adapters.objects, task_spans=1).write(TENANT, job.id, 0, messages, len(spans)) == len(
            spans
        )
        return job

    def run(self, job: Job, **environment: str) -> str:
        """Submit the first run of a job, and return its id.

        Args:
            job: The job.
            environment: Environment variables of its workers, in place of those of the job definition.
        """
        assert job.bulk
        assert job.bulk.spans
        run = GpuRun(TENANT, job.id, 0, job.bulk.spans)
        if not environment:
            return self.runner.submit(run)
        variables = {RUN_VARIABLE: str(RunName.of(run)), **environment}
        overrides = [{"name": name, "value": value} for name, value in variables.items()]
        client = self.adapters.session.client("batch", endpoint_url=self.adapters.endpoint_url)
        submitted = client.submit_job(
            jobName="test",
            jobQueue=batch.QUEUE,
            jobDefinition=batch.DEFINITION,
            containerOverrides={"environment": overrides},  # type: ignore[typeddict-item]
            arrayProperties={"size": run.tasks},
        )
        return submitted["jobId"]

    def put(self, deployed: Deployment, name: str, data: bytes) -> str:
        """Put an object under the tenant's prefix, and return its address."""
        deployed.stack.client("s3").put_object(Bucket=BUCKET, Key=f"{PREFIX}{name}", Body=data)
        return f"s3://{BUCKET}/{PREFIX}{name}"

    def pieces(self, job: Job) -> dict[str, bytes]:
        """Return the stored pieces of a job."""
        return self._read(f"bulk/{TENANT}/{job.id}/pieces/")

    def result_rows(self, job: Job | JobInfo) -> list[dict[str, Any]]:
        """Return the rows of a job's results parts."""
        return self._rows(job, "part-")

    def error_rows(self, job: Job | JobInfo) -> list[dict[str, Any]]:
        """Return the rows of a job's errors parts."""
        return self._rows(job, "errors-")

    def _rows(self, job: Job | JobInfo, kind: str) -> list[dict[str, Any]]:
        files = self._read(f"{bulk_results_prefix(TENANT, job.id)}{kind}")
        return [json.loads(row) for data in files.values() for row in data.splitlines()]

    def _read(self, prefix: str) -> dict[str, bytes]:
        client, bucket = self.adapters.session.client("s3", endpoint_url=self.adapters.endpoint_url), self.bucket
        listed = client.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        return {item["Key"]: client.get_object(Bucket=bucket, Key=item["Key"])["Body"].read() for item in listed}

    @property
    def bucket(self) -> str:
        return self.adapters.settings.job_bucket

    def _store(
        self, location: ManifestLocation, options: Any, limits: SpanLimits, etag: str, spans: list[ManifestSpan], total: int
    ) -> Job:
        now = time.time()
        job = Job(
            tenant_id=TENANT,
            id=new_id(now),
            total=0,
            chunk_size=0,
            multiple_labels=False,
            created_at=now,
            updated_at=now,
            expires_at=int(now) + 86_400,
            due_at=now + DUE_S,
            bulk=BulkPlan(),
        )
        spec = BulkSpec(
            log_id="log",
            input=BulkInput(location, InputKind.from_name(location.object_key), limits),
            options=BulkOptions.model_validate(options),
            output=OutputFormat.JSONL,
        )
        self.adapters.objects.put(bulk_spec_key(TENANT, job.id), encode_spec(spec), "application/json")
        SegmentStore(objects=self.adapters.objects).write_first(job, 0, Segment(spans=spans, samples=total))
        due_at = now + DUE_S
        planned = job.started(now).with_manifest(now, etag, Compute.GPU, due_at).with_segment(now, 0, due_at)
        planned = planned.planned(now, spans=len(spans), total=total, due_at=due_at)
        planned = planned.with_gpu_run(now).with_gpu_run_id("submitted by the test", due_at)
        self.adapters.store.create(planned, None)
        return planned
