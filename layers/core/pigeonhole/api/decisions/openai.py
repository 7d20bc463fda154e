"""Answer `POST /v1/decisions`: translate OpenAI's questions to choices among options, and their outcomes to its answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pydantic import ValidationError

from pigeonhole.api.decisions.instructions import Instructions, read_instructions
from pigeonhole.api.decisions.questions import ChoiceOfOptions, Content, Location, Option, Outcome, QuestionAsker
from pigeonhole.api.decisions.rendering import render
from pigeonhole.api.decisions.yes_or_no import to_yes_and_no
from pigeonhole.contract.commands import ModelDescription
from pigeonhole.contract.decisions import openai as contract
from pigeonhole.contract.decisions import openai_answers as answers
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.contract.validation import invalid_request, is_blank, locate, to_located_faults
from pigeonhole.inference.labels import choices
from pigeonhole.inference.labels.choices import read_choice, read_levels
from pigeonhole.tenants.tenant import Tenant

INPUT: Location = ("input",)
INSTRUCTIONS_IGNORED = "messages of a system or developer aren't classified: write what matters into a question's instructions"
REFUSED = "questions whose instructions have an image are refused: only the input can have one"


class OpenAiDecisions:
    """The service behind `POST /v1/decisions`."""

    def __init__(self, *, asker: QuestionAsker, limits: RequestLimits) -> None:
        """Create a service.

        Args:
            asker: Answers the questions.
            limits: The limits of a request.
        """
        self._asker = asker
        self._limits = limits

    def decide(self, body: object, *, tenant: Tenant, log_id: str) -> answers.DecisionResponse:
        """Answer the questions of a decoded JSON body.

        Raises:
            InvalidRequest: The body has faults. The error lists all of them.
            PigeonholeError: What QuestionAsker.ask raises.
        """
        try:
            request = contract.DecisionRequest.model_validate(body, context=self._limits)
        except ValidationError as error:
            raise invalid_request(to_located_faults(error)) from None
        content = to_content(request.input)
        asked = {
            index: to_choice(question, ("questions", index))
            for index, question in enumerate(request.questions)
            if not has_image(question.instructions)
        }
        result = self._asker.ask(content, [*asked.values()], tenant=tenant, log_id=log_id)
        outcomes = dict(zip(asked, result.outcomes, strict=True))
        warnings = [*result.warnings, *([REFUSED] if len(asked) < len(request.questions) else [])]
        return answers.DecisionResponse(
            model=result.model,
            answers=[to_answer(question, outcomes.get(index)) for index, question in enumerate(request.questions)],
            usage=answers.DecisionUsage(
                input_tokens=result.input_tokens,
                output_tokens=result.output_tokens,
                total_tokens=result.input_tokens + result.output_tokens,
            ),
            warnings=warnings or None,
        )


def to_content(items: Sequence[contract.Message | contract.ToolCall | contract.ToolOutput]) -> Content:
    """Join the texts of an input, and find its image.

    Raises:
        InvalidRequest: There are several images.
    """
    parts = [part for item in items for part in _parts(item)]
    images = [part.image_url for part in parts if isinstance(part, contract.ImagePart)]
    if len(images) > 1:
        raise invalid_request((locate(INPUT, f"must have at most one image, got {len(images)}: send a request for each"),))
    has_instructions = any(isinstance(item, contract.Message) and item.role in ("system", "developer") for item in items)
    warnings = (INSTRUCTIONS_IGNORED,) if has_instructions else ()
    return Content(join_texts(parts), images[0] if images else None, INPUT, warnings)


def _parts(item: contract.Message | contract.ToolCall | contract.ToolOutput) -> Iterator[contract.Part]:
    if isinstance(item, contract.ToolCall):
        yield contract.TextPart(type="input_text", text=f"{item.name}({item.arguments or item.input})")
    elif isinstance(item, contract.ToolOutput):
        yield from item.output
    elif item.role in ("user", "assistant"):
        yield from item.content


def join_texts(parts: Iterable[contract.Part]) -> str:
    """Join the texts of parts, each on lines of its own. JSON is rendered as text."""
    return "\n".join(text for text in map(_to_text, parts) if not is_blank(text))


def _to_text(part: contract.Part) -> str:
    match part:
        case contract.TextPart():
            return part.text
        case contract.RefusalPart():
            return part.refusal
        case contract.JsonPart():
            return render(part.data)
        case contract.ImagePart():
            return ""


def has_image(parts: Iterable[contract.Part]) -> bool:
    """Whether one of the parts is an image."""
    return any(isinstance(part, contract.ImagePart) for part in parts)


def to_choice(question: contract.DecisionQuestion, location: Location) -> ChoiceOfOptions:
    """Translate a question.

    Raises:
        InvalidRequest: A predicate says nothing.
    """
    asked = _read_instructions(question.instructions)
    instructions = render(asked.question)
    if isinstance(question, contract.DecisionPredicate):
        yes, no = (Option(name, _texts(meaning)) for name, meaning in (("yes", asked.yes), ("no", asked.no)))
        if is_blank(instructions) and not (yes.texts or no.texts):
            raise invalid_request((locate((*location, "instructions"), "must say what is to be true of the input"),))
        return ChoiceOfOptions(to_yes_and_no(instructions, yes, no), "", location)
    if isinstance(question, contract.DecisionScore):
        texts = read_levels(instructions, [choices.Option(row.label, _described(row)) for row in question.levels])
        names = [str(value) for value in range(len(question.levels))]
    else:
        texts = read_choice(instructions, [choices.Option(_word(row.value), _described(row)) for row in question.choices])
        names = _to_names([row.value for row in question.choices])
    options = tuple(Option(name, of_option) for name, of_option in zip(names, texts.texts, strict=True))
    return ChoiceOfOptions(options, texts.instruction or "", location)


def _read_instructions(parts: Sequence[contract.Part]) -> Instructions:
    """Find the question in instructions. Those that are one JSON value are read as that value."""
    if len(parts) == 1 and isinstance(parts[0], contract.JsonPart):
        return read_instructions(parts[0].data)
    return read_instructions(join_texts(parts))


def _texts(value: object) -> tuple[str, ...]:
    """Return the text of a JSON value, none if it has none."""
    text = render(value)
    return () if is_blank(text) else (text,)


def _to_names(values: Sequence[str | bool]) -> list[str]:
    """Return a name for each value. A boolean has one that no string of the question has."""
    suffix = " (boolean)"
    while any(isinstance(value, str) and value.endswith(suffix) for value in values):
        suffix += "*"
    return [value if isinstance(value, str) else f"{_word(value)}{suffix}" for value in values]


def _described(row: contract.ChoiceOption | contract.ScoreLevel) -> tuple[str, ...]:
    return _texts(row.description)


def _word(value: str | bool) -> str:
    return value if isinstance(value, str) else str(value).lower()


def to_answer(question: contract.DecisionQuestion, outcome: Outcome | None) -> answers.Answer:
    """Translate the outcome of a question. A question without an outcome is refused."""
    if outcome is None:
        return answers.RefusalAnswer(name=question.name)
    if isinstance(question, contract.DecisionPredicate):
        return answers.DecisionPredicateAnswer(name=question.name, probability=outcome.probabilities[0])
    if isinstance(question, contract.DecisionScore):
        return answers.DecisionScoreAnswer(
            name=question.name,
            score=outcome.mean_position,
            confidence=outcome.confidence,
            probabilities=[
                answers.LevelProbability(label=level.label, value=value, probability=outcome.probabilities[value])
                for value, level in enumerate(question.levels)
            ],
        )
    return answers.DecisionChoiceAnswer(
        name=question.name,
        choice=question.choices[outcome.best].value,
        confidence=outcome.confidence,
        probabilities=[
            answers.ChoiceProbability(value=choice.value, probability=probability)
            for choice, probability in zip(question.choices, outcome.probabilities, strict=True)
        ],
    )


def list_models(model: ModelDescription) -> answers.ModelList:
    """List the deployed model."""
    return answers.ModelList(data=[answers.ListedModel(id=model.model_id, created=0, owned_by="pigeonhole")])
