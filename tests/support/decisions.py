"""Services of both shapes of decisions over a fake classifier or over the fake model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pigeonhole.api.classify import DirectRules
from pigeonhole.api.decisions.dialects import to_decision_answer
from pigeonhole.api.decisions.openai import OpenAiDecisions
from pigeonhole.api.decisions.questions import QuestionAsker
from pigeonhole.api.decisions.typesafe import TypeSafeDecisions
from pigeonhole.api.forms.form import Form
from pigeonhole.api.http_answers import HttpAnswer
from pigeonhole.contract.commands import COMMAND, AnyCommand, ClassifyCommand, ClassifyReply
from pigeonhole.contract.limits import DEFAULT_LIMITS, RequestLimits
from pigeonhole.contract.questions import QuestionsRequest
from pigeonhole.inference.pipeline import InferencePipeline
from pigeonhole.ports import ClassifierClient
from support.fakes import FakeClassifierClient
from support.job_fixtures import ACME


@dataclass
class PipelineClient:
    """A ClassifierClient over a pipeline of this process, which reads each command from JSON as functions/classify does."""

    pipeline: InferencePipeline

    def call(self, command: AnyCommand) -> ClassifyReply:
        read = COMMAND.validate_json(command.model_dump_json())
        answers = self.pipeline.ask(read) if isinstance(read, ClassifyCommand) else None
        return ClassifyReply(answers=answers, model=self.pipeline.describe())


def _to_json(answer: HttpAnswer) -> dict[str, Any]:
    assert answer.status == 200
    fields: dict[str, Any] = json.loads(answer.body)
    return fields


@dataclass
class Decisions:
    """Both services.

    Attributes:
        classifier: What answers their commands.
        limits: The limits of a request.
    """

    classifier: ClassifierClient = field(default_factory=FakeClassifierClient)
    limits: RequestLimits = DEFAULT_LIMITS

    @property
    def asker(self) -> QuestionAsker:
        return QuestionAsker(classifier=self.classifier, limits=self.limits, rules=DirectRules())

    def decide(self, body: object) -> dict[str, Any]:
        """Answer in OpenAI's shape, as JSON."""
        service = OpenAiDecisions(asker=self.asker, limits=self.limits)
        return _to_json(to_decision_answer(service.decide(body, tenant=ACME, log_id="log")))

    def system_one(self, body: object, files: Mapping[str, bytes] | None = None) -> dict[str, Any]:
        """Answer in TypeSafe's shape, as JSON."""
        service = TypeSafeDecisions(asker=self.asker, limits=self.limits)
        return _to_json(to_decision_answer(service.decide(Form(body, files or {}), tenant=ACME, log_id="log")))

    @property
    def request(self) -> QuestionsRequest:
        """The request in the only command that the fake classifier got."""
        assert isinstance(self.classifier, FakeClassifierClient)
        (command,) = self.classifier.commands
        assert isinstance(command, ClassifyCommand)
        assert isinstance(command.request, QuestionsRequest)
        return command.request

    @property
    def labels(self) -> list[list[tuple[str, str]]]:
        """The names and values of each question's labels in the request."""
        return [[(label.name, label.value) for label in question.labels] for question in self.request.questions.values()]
