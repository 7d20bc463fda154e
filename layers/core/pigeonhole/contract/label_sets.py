"""The requests and answers of label sets: labels and options under a name, for requests and uploads."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, model_validator

from pigeonhole.contract.base import HttpInput, HttpSchema
from pigeonhole.contract.labels import Instruction, Label, Labels, MultipleLabels, Templates, Threshold, TopK
from pigeonhole.contract.limits import get_limits

LABEL_SETS = "/v1/label-sets"


class SetLabel(Label):
    """A label of a label set. An image needs a name that stays the same when its value becomes the address of a stored copy."""

    @model_validator(mode="after")
    def _check_name(self, info: ValidationInfo) -> SetLabel:
        most = get_limits(info).max_label_chars
        if self.type == "image" and self.key is None and (len(self.value) > most or self.value[:5].lower() == "data:"):
            raise ValueError(f"an image must have a `key` if it is a data: URL or its address has more than {most} characters")
        return self


class LabelSetRequest(HttpInput):
    """The body of `PUT /v1/label-sets/{name}`: as for `POST /v1/classification`, without samples.

    Images of labels are fetched and stored now, so a link that breaks later does no harm.
    """

    labels: Annotated[list[SetLabel], *Labels.__metadata__]
    multiple_labels: MultipleLabels = False
    instruction: Instruction = None
    threshold: Threshold = None
    top_k: TopK = None
    prompt_templates: Templates = None


class LabelInfo(HttpSchema):
    """A label of a label set. The `value` of an image is the address of its stored copy, which a later PUT can use."""

    key: str | int | float | None = None
    type: Literal["text", "image"]
    value: str
    text: str | None = None


class LabelSetInfo(HttpSchema):
    """A label set."""

    name: str
    version: int = Field(description="1 at first. Each change adds one.")
    created_at: str = Field(description="ISO 8601, UTC.")
    updated_at: str
    labels: list[LabelInfo]
    multiple_labels: bool = False
    instruction: str | None = None
    threshold: float | None = None
    top_k: int | None = None
    prompt_templates: list[str] | None = None


class LabelSetResponse(HttpSchema):
    """A label set."""

    success: Literal[True] = True
    log_id: str
    label_set: LabelSetInfo


class LabelSetsResponse(HttpSchema):
    """A page of the tenant's label sets, sorted by name."""

    success: Literal[True] = True
    log_id: str
    label_sets: list[LabelSetInfo]
    cursor: str | None = Field(default=None, description="The `cursor` of the next page. Absent on the last page.")


class RemovedResponse(HttpSchema):
    """The label set has been deleted."""

    success: Literal[True] = True
    log_id: str
