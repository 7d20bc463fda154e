"""The name of a GPU run, by which a worker and an event of AWS Batch say what they belong to."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pigeonhole.bulk.ports import GpuRun
from pigeonhole.tenants.tenant import TENANT_ID

RUN_VARIABLE = "PIGEONHOLE_GPU_RUN"  # the environment variable of a worker that holds the name
_NAME = re.compile(rf"({TENANT_ID.pattern})/([0-9a-f]{{32}})/([0-9]{{1,9}})")


@dataclass(frozen=True)
class RunName:
    """Which run of which job: `TENANT/JOB/NUMBER` as text.

    Attributes:
        tenant_id: The tenant of the job.
        job_id: The bulk job.
        number: The number of the run, from 0.
    """

    tenant_id: str
    job_id: str
    number: int

    def __str__(self) -> str:
        return f"{self.tenant_id}/{self.job_id}/{self.number}"

    @classmethod
    def of(cls, run: GpuRun) -> RunName:
        """Return the name of a run."""
        return cls(run.tenant_id, run.job_id, run.number)

    @classmethod
    def parse(cls, text: str) -> RunName:
        """Parse a name.

        Raises:
            ValueError: The text isn't one.
        """
        match = _NAME.fullmatch(text)
        if match is None:
            raise ValueError(f"{RUN_VARIABLE}: must be TENANT/JOB/NUMBER")
        return cls(match[1], match[2], int(match[3]))
