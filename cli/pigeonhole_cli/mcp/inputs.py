"""What the tools take: labels, options and questions, with the descriptions that an agent reads."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from pigeonhole.contract.jobs import MAX_JOB_SAMPLES
from pigeonhole.contract.limits import DEFAULT_LIMITS

MAX_SAMPLES = 320  # of a call that waits for its answer: ten requests. A job takes more
MAX_WAIT_S = 3_600  # for the end of a job, in one call


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")  # a misspelt field would change the answer without a word


class DescribedLabel(_Input):
    """A label that one word doesn't describe: further words, example images, or both."""

    name: str = Field(min_length=1, description="What the answer calls the label.")
    descriptions: list[str] = Field(default=[], description="Words that describe it, in place of its name.")
    example_images: list[str] = Field(default=[], description="Paths, https:// addresses or data: URLs of images that show it.")


def _kind_of_label(value: Any) -> str:
    return "text" if isinstance(value, str) else "described"


LabelInput = Annotated[Annotated[str, Tag("text")] | Annotated[DescribedLabel, Tag("described")], Discriminator(_kind_of_label)]

Labels: TypeAlias = Annotated[
    list[LabelInput],
    Field(
        min_length=2,
        max_length=DEFAULT_LIMITS.max_labels,
        description="What to choose from: `billing`, `not a hotdog`, `other`. `other` wins if nothing else fits.",
    ),
]
Texts: TypeAlias = Annotated[
    list[str], Field(min_length=1, max_length=MAX_SAMPLES, description="The texts to classify. Use submit_job for more.")
]
Images: TypeAlias = Annotated[
    list[str],
    Field(
        min_length=1,
        max_length=MAX_SAMPLES,
        description="The images to classify: paths of files or folders of this machine, https:// addresses, data: URLs.",
    ),
]
OptionalTexts: TypeAlias = Annotated[
    list[str] | None, Field(max_length=MAX_SAMPLES, description="The texts. Give either `texts` or `images`.")
]
OptionalImages: TypeAlias = Annotated[
    list[str] | None,
    Field(max_length=MAX_SAMPLES, description="Paths, https:// addresses or data: URLs. Give either `texts` or `images`."),
]
JobTexts: TypeAlias = Annotated[
    list[str] | None, Field(max_length=MAX_JOB_SAMPLES, description="The texts. Give either `texts` or `images`.")
]
JobImages: TypeAlias = Annotated[
    list[str] | None,
    Field(
        max_length=MAX_JOB_SAMPLES,
        description="Paths of files or folders, https:// addresses or data: URLs. Give either `texts` or `images`.",
    ),
]
MultipleLabels: TypeAlias = Annotated[
    bool, Field(description="Whether a sample gets every label that fits, and not only the best one.")
]
Instruction: TypeAlias = Annotated[
    str | None, Field(description="What the labels are about, such as `tickets of a bank`. Helps if labels are vague.")
]
Threshold: TypeAlias = Annotated[
    float | None, Field(ge=0, le=1, description="The lowest probability of a label that is chosen.")
]
Scores: TypeAlias = Annotated[bool, Field(description="Whether each result has the probabilities of all labels.")]
LabelSetName: TypeAlias = Annotated[str, Field(min_length=1, description="A name of `list_label_sets`.")]
OptionalLabelSet: TypeAlias = Annotated[str | None, Field(description="A name of `list_label_sets`, in place of `labels`.")]
OptionalLabels: TypeAlias = Annotated[
    list[LabelInput] | None,
    Field(min_length=2, max_length=DEFAULT_LIMITS.max_labels, description="What to choose from. Or give a `label_set`."),
]
WaitS: TypeAlias = Annotated[
    int, Field(ge=0, le=MAX_WAIT_S, description="How many seconds to wait for the end of the job. 0 returns at once.")
]


class QuestionInput(_Input):
    """A question about each sample.

    `choice`: one of the options. `multiple`: every option that fits. `yes_no`: needs no options. `level`: options are ordered
    from the lowest to the highest, and the answer has their mean position.
    """

    name: str = Field(min_length=1, max_length=128, description="What the answer calls the question.")
    kind: Literal["choice", "multiple", "yes_no", "level"]
    question: str = Field(default="", description="The question or statement: `Is this about billing?`, `How urgent is this?`.")
    options: list[LabelInput] = Field(
        default=[],
        max_length=DEFAULT_LIMITS.max_question_labels,
        description="The possible answers: at least two. None for yes_no.",
    )

    @model_validator(mode="after")
    def _check_options(self) -> Self:
        if self.kind == "yes_no":
            if self.options:
                raise ValueError("yes_no takes no options: the answers are yes and no. Use `choice` for others")
            if not self.question.strip():
                raise ValueError("yes_no needs a `question`, such as `Is this about billing?`")
        elif len(self.options) < 2:
            raise ValueError(f"{self.kind} needs at least two `options`")
        return self


Questions: TypeAlias = Annotated[
    list[QuestionInput],
    Field(
        min_length=1, max_length=DEFAULT_LIMITS.max_questions, description="The questions. All cost one reading of the samples."
    ),
]
