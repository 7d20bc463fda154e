"""The tasks of a GPU run: which spans a GPU worker classifies, as one object per task on S3.

AWS Batch starts one container per task and gives it the task's index. A worker that is started again reads the same spans, and
skips those that are complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from pydantic import TypeAdapter

from pigeonhole.contract.messages import SpanMessage
from pigeonhole.errors import InternalError
from pigeonhole.object_keys import bulk_gpu_task_key
from pigeonhole.ports import ObjectStore

MAX_TASKS = 10_000  # of an array job of AWS Batch
TASK_SPANS = 200  # a container takes minutes to start, so a task is at least some minutes of work
_SPANS: TypeAdapter[list[SpanMessage]] = TypeAdapter(list[SpanMessage])


@dataclass(frozen=True, kw_only=True)
class GpuTaskStore:
    """Stores the tasks of GPU runs.

    Attributes:
        objects: The job bucket.
        task_spans: The number of spans in a task. More, if a run would have more than `MAX_TASKS` tasks.
    """

    objects: ObjectStore
    task_spans: int = TASK_SPANS

    def write(self, tenant_id: str, job_id: str, run: int, spans: Iterable[SpanMessage], count: int) -> int:
        """Store the tasks of a run, and return how many there are.

        Args:
            tenant_id: The tenant of the job.
            job_id: The bulk job.
            run: The number of the run.
            spans: The open spans.
            count: How many spans there are at most.
        """
        size = max(self.task_spans, -(-count // MAX_TASKS))
        index = -1
        for index, task in enumerate(_chunked(spans, size)):
            data = _SPANS.dump_json(task, exclude_none=True)
            self.objects.put(bulk_gpu_task_key(tenant_id, job_id, run, index), data, "application/json")
        return index + 1

    def read(self, tenant_id: str, job_id: str, run: int, index: int) -> list[SpanMessage]:
        """Read the spans of a task.

        Raises:
            InternalError: The task was deleted, because its job has expired.
            Overloaded: The bucket is busy. Trying again may help.
        """
        data = self.objects.get(bulk_gpu_task_key(tenant_id, job_id, run, index))
        if data is None:
            raise InternalError() from LookupError("a task of a GPU run was deleted before its job expired")
        return _SPANS.validate_json(data)


def _chunked(spans: Iterable[SpanMessage], size: int) -> Iterator[list[SpanMessage]]:
    iterator = iter(spans)
    while task := list(islice(iterator, size)):
        yield task
