"""Answer requests with `questions` in place of `labels`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pigeonhole.api.classify import DirectRules
from pigeonhole.contract.classification import Usage, parse_body
from pigeonhole.contract.jobs import Preference
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.contract.messages import AskCommand, ChunkResult
from pigeonhole.contract.questions import Question, QuestionsRequest, QuestionsResponse, check_question_texts
from pigeonhole.contract.validation import invalid_request
from pigeonhole.errors import Fault, TooLarge
from pigeonhole.jobs.results import prediction
from pigeonhole.label_sets.apply import LabelSetApplier
from pigeonhole.ports import ClassifierClient
from pigeonhole.tenants.tenant import Tenant

NO_JOBS = Fault("Prefer", "jobs take no questions: leave the header out, or send `labels`")
WITH_LABELS = Fault("questions", "can't be combined with `labels` or `label_set`: send one of them")


@dataclass(frozen=True, kw_only=True)
class QuestionService:
    """The service behind `POST /v1/classification` with `questions`.

    Attributes:
        limits: The limits of a request.
        rules: Which requests are small enough to be answered at once.
    """

    classifier: ClassifierClient
    label_sets: LabelSetApplier
    limits: RequestLimits
    rules: DirectRules

    def ask(self, body: dict[str, Any], *, tenant: Tenant, log_id: str, preference: Preference) -> QuestionsResponse:
        """Answer the questions of a decoded JSON body.

        Raises:
            InvalidRequest: The body has faults. The error lists all of them.
            TooLarge: The answer would take too long.
            PigeonholeError: What ClassifierClient.call raises, or another error of the classifier.
        """
        request = self._parse(body, tenant, preference)
        questions = [*request.questions.values()]
        answers = self.call(
            AskCommand(
                log_id=log_id,
                tenant_id=tenant.id,
                grants=tenant.grants,
                dataset=request.dataset,
                on_error=request.on_error,
                scores=request.scores,
                questions=questions,
            )
        )
        named = dict(zip(request.questions, zip(questions, answers, strict=True), strict=True))
        return QuestionsResponse(
            log_id=log_id,
            predictions={name: to_predictions(question, answer) for name, (question, answer) in named.items()},
            scores={name: answer.scores or [] for name, (_, answer) in named.items()} if request.scores else None,
            errors=answers[0].errors if request.on_error == "null" else None,
            warnings=list(dict.fromkeys(warning for answer in answers for warning in answer.warnings)) or None,
            _usage=to_usage(answers),
        )

    def call(self, command: AskCommand) -> list[ChunkResult]:
        """Have functions/classify answer a command.

        Raises:
            TooLarge: The answer would take too long, or the command is above Lambda's limit.
            PigeonholeError: What ClassifierClient.call raises, or another error of the classifier.
        """
        if not self.rules.allow(command):
            raise TooLarge("the questions would take too long to answer at once: send fewer samples or questions")
        reply = self.classifier.call(command)
        if reply.answers is None:
            raise reply.to_error()
        return reply.answers

    def _parse(self, body: dict[str, Any], tenant: Tenant, preference: Preference) -> QuestionsRequest:
        faults: tuple[Fault, ...] = (
            (WITH_LABELS,) if body.get("labels") is not None or body.get("label_set") is not None else ()
        )
        faults += (NO_JOBS,) if preference.respond_async or preference.wait_s is not None else ()
        questions = body.get("questions")
        if isinstance(questions, dict):
            applied = {name: self.label_sets.apply(question, tenant) for name, question in questions.items()}
            body = body | {"questions": {name: question.body for name, question in applied.items()}}
            faults += tuple(
                Fault(f"questions.{name}.{fault.path}", fault.message)
                for name, question in applied.items()
                for fault in question.faults
            )
        request = parse_body(QuestionsRequest, body, self.limits, faults=faults)
        if faults := check_question_texts(request.questions.values(), self.limits, "questions"):
            raise invalid_request(faults)
        return request


def to_predictions(question: Question, answer: ChunkResult) -> list[str | list[str] | None]:
    """Shape the predictions of a question."""
    return [prediction(chosen, multiple=question.multiple_labels) for chosen in answer.predictions]


def to_usage(answers: list[ChunkResult]) -> Usage:
    """Add up what questions cost. The samples count once."""
    samples = answers[0].input_tokens - answers[0].label_tokens
    input_tokens = samples + sum(answer.label_tokens for answer in answers)
    output_tokens, inference_ms = sum(answer.output_tokens for answer in answers), answers[0].inference_ms
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        inference_time_tokens=inference_ms,
        total_tokens=input_tokens + output_tokens + inference_ms,
    )
