"""What crosses HTTP of label sets: labels and options under a name, for requests and uploads."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, model_validator

from pigeonhole.contract.classification import (
    Input,
    Instruction,
    Label,
    Labels,
    Model,
    MultipleLabels,
    Templates,
    Threshold,
    TopK,
    limits_of,
)

LABEL_SETS = "/v1/label-sets"


class SetLabel(Label):
    """A label of a set. What it is called must not change when its image is kept, so that has to fit a `key`."""

    @model_validator(mode="after")
    def _has_a_name(self, info: ValidationInfo) -> SetLabel:
        most = limits_of(info).max_label_chars
        if self.type == "image" and self.key is None and (len(self.value) > most or self.value[:5].lower() == "data:"):
            raise ValueError(f"an image that is sent inline, or by an address above {most} characters, needs a `key`, its name")
        return self


class LabelSetRequest(Input):
    """The body of `PUT /v1/label-sets/{name}`, as of `POST /v1/classification` without samples.

    Images of labels are fetched once, now, and kept: a link that dies later breaks nothing.
    """

    labels: Annotated[list[SetLabel], *Labels.__metadata__]
    multiple_labels: MultipleLabels = False
    instruction: Instruction = None
    threshold: Threshold = None
    top_k: TopK = None
    prompt_templates: Templates = None


class LabelInfo(Model):
    """A label of a set. An image's `value` is the kept image's address, which a later PUT may name again."""

    key: str | int | float | None = None
    type: Literal["text", "image"]
    value: str
    text: str | None = None


class LabelSetInfo(Model):
    """A label set."""

    name: str
    version: int = Field(description="1 at first, one more at each change.")
    created_at: str = Field(description="ISO 8601, UTC.")
    updated_at: str
    labels: list[LabelInfo]
    multiple_labels: bool = False
    instruction: str | None = None
    threshold: float | None = None
    top_k: int | None = None
    prompt_templates: list[str] | None = None


class LabelSetResponse(Model):
    """A label set."""

    success: Literal[True] = True
    log_id: str
    label_set: LabelSetInfo


class LabelSetsResponse(Model):
    """Some of the tenant's label sets, by name."""

    success: Literal[True] = True
    log_id: str
    label_sets: list[LabelSetInfo]
    cursor: str | None = Field(default=None, description="Send it as `cursor` for the next page; absent at the end.")


class RemovedResponse(Model):
    """What was asked to go is gone."""

    success: Literal[True] = True
    log_id: str
