"""A fake API that classifies texts by the labels that they hold."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from support.cli.api_server import Answer, ApiServer, Request, error_body

USAGE = {"input_tokens": 1, "output_tokens": 1, "inference_time_tokens": 1, "total_tokens": 3}


class ClassifyApi(ApiServer):
    """Gives each sample the first label that its value holds, else the last one. A sample `faulty` has an error.

    Attributes:
        refusal: The answer to every request, if there is one.
        is_hanging: Whether requests have no answer.
    """

    command = "classify"

    def __init__(self) -> None:
        super().__init__()
        self.refusal: Answer | None = None
        self.is_hanging = False
        self._lock = threading.Lock()

    def answer_to(self, request: Request) -> Answer:
        if self.is_hanging:
            return Answer(None)
        return self.refusal or Answer(answer_to(request.json()))

    def refuse(self, code: str, status: int, *details: tuple[str, str]) -> None:
        self.refusal = Answer(error_body(code, f"It is {code}.", *details), status)

    @property
    def samples(self) -> list[tuple[str, str]]:
        """The type and the value of each sample that was received."""
        return [(sample["type"], sample["value"]) for request in self.requests for sample in request.json()["dataset"]]


def answer_to(body: dict[str, Any]) -> dict[str, Any]:
    values = [sample["value"] for sample in body["dataset"]]
    labels = [label["value"] for label in body.get("labels") or [{"value": "saved"}, {"value": "else"}]]
    faults = [
        {"index": index, "code": "unreadable_image", "message": "it is faulty"}
        for index, value in enumerate(values)
        if "faulty" in value
    ]
    chosen = [None if "faulty" in value else choose(value, labels) for value in values]
    return {
        "success": True,
        "log_id": "log-1",
        "predictions": [[label] if label and body.get("multiple_labels") else label for label in chosen],
        "scores": [label and score(label, labels) for label in chosen],
        "_usage": USAGE,
        **({"errors": faults} if faults else {}),
        **({"warnings": ["dataset.0.value: is unusual"]} if "unusual" in values[0] else {}),
    }


def choose(value: str, labels: Sequence[str]) -> str:
    return next((label for label in labels if label in value), labels[-1])


def score(chosen: str, labels: Sequence[str]) -> list[dict[str, Any]]:
    """Give the chosen label 0.75, and the others their part of the rest."""
    others = [label for label in labels if label != chosen]
    probabilities = {chosen: 0.75, **dict.fromkeys(others, round(0.25 / len(others), 6))}
    return [{"label": label, "probability": value, "similarity": 0.5} for label, value in probabilities.items()]
