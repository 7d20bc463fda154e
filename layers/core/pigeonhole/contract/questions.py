"""Questions about samples: each is a choice among labels of its own, and all of them are answered by one reading."""

from __future__ import annotations

from collections.abc import Iterable

from pigeonhole.contract.base import HttpInput
from pigeonhole.contract.labels import Instruction, MultipleLabels, QuestionLabels, Templates, Threshold, TopK
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.errors import Fault


class Question(HttpInput):
    """A choice among labels. Its fields are those of a request."""

    labels: QuestionLabels
    multiple_labels: MultipleLabels = False
    instruction: Instruction = None
    threshold: Threshold = None
    top_k: TopK = None
    prompt_templates: Templates = None


def check_question_texts(questions: Iterable[Question], limits: RequestLimits, path: str) -> tuple[Fault, ...]:
    """Return the fault of questions that have too many distinct label texts together, each of which must be encoded."""
    texts = {text for question in questions for label in question.labels for text in (label.value, label.text) if text}
    if len(texts) <= limits.max_question_texts:
        return ()
    message = f"must have at most {limits.max_question_texts} distinct label texts together, got {len(texts)}"
    return (Fault(path, message),)
