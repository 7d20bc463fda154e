"""What crosses the invocation of functions/plan by functions/api: a dry run of a bulk job."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from pigeonhole.contract.bulk import BulkEstimate, Compute
from pigeonhole.contract.commands import REPLY_CONFIG, ErrorReply


class EstimateCommand(BaseModel):
    """Estimate what a bulk job would take.

    Attributes:
        bucket: The bucket of the input.
        object_key: Its key or prefix.
        input_kind: How it is read: bulk.inputs.kinds.InputKind.
        span_samples: The number of samples of a span.
        compute: What classifies it, as the caller asked.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    version: Literal[1] = 1
    kind: Literal["estimate"] = "estimate"
    log_id: str
    tenant_id: Annotated[str, Field(min_length=1)]
    bucket: str
    object_key: str
    input_kind: Literal["lines", "gzip", "parquet", "prefix"]
    span_samples: Annotated[int, Field(ge=1)]
    compute: Compute


class EstimateReply(BaseModel):
    """What functions/plan returns: exactly one of `estimate` and `error`.

    Attributes:
        estimate: What the job would take.
        error: Why that can't be said.
    """

    model_config = REPLY_CONFIG
    version: Literal[1] = 1
    estimate: BulkEstimate | None = None
    error: ErrorReply | None = None
