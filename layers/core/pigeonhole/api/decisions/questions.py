"""Ask questions about one content: each is a choice among options, and functions/classify answers all of them at once.

Both shapes translate to these types and back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from pigeonhole.api.classify import DirectRules
from pigeonhole.contract.classification import Sample
from pigeonhole.contract.commands import ChunkResult, ClassifyCommand, DescribeCommand
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.contract.questions import Question, QuestionsRequest, check_question_texts
from pigeonhole.contract.spans import Span
from pigeonhole.contract.validation import BLANK, LocatedFault, invalid_request, is_blank, locate, to_located_faults
from pigeonhole.errors import InternalError, PigeonholeError, SampleError, TooLarge
from pigeonhole.jobs.results import PartResults, ResultNames, collect
from pigeonhole.ports import ClassifierClient
from pigeonhole.tenants.tenant import Tenant

DECIMALS = 6  # as probabilities have
Location = tuple[str | int, ...]  # a place in the body of the request


@dataclass(frozen=True)
class Content:
    """What questions are about.

    Attributes:
        text: The text. With an image, it is context of the questions.
        image: The address of the image, None if there is none.
        location: Where it is in the body.
        warnings: What the caller should know of it.
    """

    text: str
    image: str | None
    location: Location
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Option:
    """One of the answers that a question allows.

    Attributes:
        name: Tells it from the other options of the question.
        texts: What describes it in words.
        images: The addresses of images that show it.
    """

    name: str
    texts: tuple[str, ...] = ()
    images: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChoiceOfOptions:
    """A question as a choice among options.

    Attributes:
        options: The options, in the order of the question.
        instruction: The text of the question.
        location: Where the question is in the body.
    """

    options: tuple[Option, ...]
    instruction: str
    location: Location


@dataclass(frozen=True)
class Outcome:
    """The answer to a question.

    Attributes:
        probabilities: The probability of each option, in the order of the question.
        best: The position of the most probable option.
    """

    probabilities: tuple[float, ...]
    best: int

    @property
    def confidence(self) -> float:
        """0 if the best option is no more probable than a guess among all of them, and 1 if it is certain."""
        guess = 1 / len(self.probabilities)
        return round(min(1.0, max(0.0, (self.probabilities[self.best] - guess) / (1 - guess))), DECIMALS)

    @property
    def mean_position(self) -> float:
        """The expected position, with the options as ordered levels from 0."""
        return round(sum(position * probability for position, probability in enumerate(self.probabilities)), DECIMALS)


@dataclass(frozen=True)
class Outcomes:
    """The answers to all questions of a request.

    Attributes:
        outcomes: The answer to each question, in order.
        model: The id of the model that answered.
        input_tokens: Text tokens and image patches of the content and of all questions.
        output_tokens: Text tokens of the answers.
        warnings: What the caller should know, without repeats.
    """

    outcomes: tuple[Outcome, ...]
    model: str
    input_tokens: int
    output_tokens: int
    warnings: tuple[str, ...]


class QuestionAsker:
    """Asks functions/classify."""

    def __init__(self, *, classifier: ClassifierClient, limits: RequestLimits, rules: DirectRules) -> None:
        """Create an asker.

        Args:
            classifier: Calls functions/classify.
            limits: The limits of a request.
            rules: Which requests are small enough to be answered at once.
        """
        self._classifier = classifier
        self._limits = limits
        self._rules = rules

    def ask(self, content: Content, choices: Sequence[ChoiceOfOptions], *, tenant: Tenant, log_id: str) -> Outcomes:
        """Ask questions about a content.

        Raises:
            InvalidRequest: The content or a question breaks a limit. The error lists all faults.
            TooLarge: The answer would take too long.
            SampleError: The image of the content or of an option can't be read.
            PigeonholeError: What `ClassifierClient.call` raises, or another error of the classifier.
        """
        sample = self._to_sample(content)
        if not choices:
            return self._describe(content, log_id)
        questions = self._to_questions(choices, content)
        # Named by their positions, because several questions of a caller may have no name.
        named = {str(position): question for position, question in enumerate(questions)}
        request = QuestionsRequest.model_construct(dataset=[sample], scores=True, on_error="fail", questions=named)
        if not self._rules.allows(request):
            raise TooLarge("the questions would take too long to answer at once: send a shorter text or fewer choices")
        command = ClassifyCommand(log_id=log_id, tenant_id=tenant.id, grants=tenant.grants, request=request)
        reply = self._classifier.call(command)
        if reply.answers is None or reply.model is None:
            raise _relocate(reply.to_error(), content, choices)
        span = Span(0, 1)
        collected = collect(len(span), [(span, PartResults(tuple(reply.answers)))], ResultNames.from_request(request))
        warnings, usage = (*content.warnings, *collected.warnings), collected.usage
        return Outcomes(
            outcomes=tuple(_to_outcome(result, choice) for result, choice in zip(reply.answers, choices, strict=True)),
            model=reply.model.model_id,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            warnings=tuple(dict.fromkeys(warnings)),
        )

    def _describe(self, content: Content, log_id: str) -> Outcomes:
        """Return no answers, and the model that would have answered."""
        reply = self._classifier.call(DescribeCommand(log_id=log_id))
        if reply.model is None:
            raise reply.to_error()
        return Outcomes((), reply.model.model_id, input_tokens=0, output_tokens=0, warnings=content.warnings)

    def _to_sample(self, content: Content) -> Sample:
        if content.image is None and is_blank(content.text):
            raise invalid_request((locate(content.location, BLANK),))
        kind, value = ("text", content.text) if content.image is None else ("image", content.image)
        try:
            return Sample.model_validate({"type": kind, "value": value}, context=self._limits)
        except ValidationError as error:
            raise invalid_request(tuple(_at(content.location, fault) for fault in to_located_faults(error))) from None

    def _to_questions(self, choices: Sequence[ChoiceOfOptions], content: Content) -> list[Question]:
        """Convert choices. The faults of all of them are reported at once."""
        questions, faults = [], []
        for choice in choices:
            if not all(option.texts or option.images for option in choice.options):
                faults.append(locate(choice.location, "must have words or an image in each choice and level"))
                continue
            labels = [label for option in choice.options for label in _to_labels(option)]
            instruction = self._add_context(choice.instruction, content)
            try:
                fields = {"labels": labels, "instruction": instruction}
                questions.append(Question.model_validate(fields, context=self._limits))
            except ValidationError as error:
                faults += [_at(choice.location, fault) for fault in to_located_faults(error)]
        location = choices[0].location[:1]
        too_many = check_question_texts(questions, self._limits, "")
        faults += [locate(location, fault.message) for fault in too_many]
        if faults:
            raise invalid_request(tuple(dict.fromkeys(faults)))
        return questions

    def _add_context(self, instruction: str, content: Content) -> str:
        """Add the text beside an image to the instruction, as far as the limit of an instruction allows."""
        if content.image is None or is_blank(content.text):
            return instruction
        room = max(0, self._limits.max_instruction_chars - len(instruction) - 1)
        return f"{instruction}\n{content.text[:room]}".strip()


def _to_labels(option: Option) -> list[dict[str, str]]:
    texts = [{"key": option.name, "type": "text", "value": text} for text in option.texts]
    return texts + [{"key": option.name, "type": "image", "value": image} for image in option.images]


def _at(location: Location, fault: LocatedFault) -> LocatedFault:
    """Return the fault of a label or sample of this service as one of what the caller sent."""
    return locate(location, fault.message, fault.kind)


def _to_outcome(result: ChunkResult, choice: ChoiceOfOptions) -> Outcome:
    """Read the probabilities of a question's options from its result."""
    chosen, scores = result.predictions[0], result.scores[0] if result.scores else None
    if not chosen or scores is None:
        raise InternalError
    positions = {option.name: position for position, option in enumerate(choice.options)}
    by_position = {positions[score.label]: score.probability for score in scores}
    return Outcome(tuple(by_position[position] for position in range(len(positions))), positions[chosen[0]])


def _relocate(error: PigeonholeError, content: Content, choices: Sequence[ChoiceOfOptions]) -> PigeonholeError:
    """Return an error of functions/classify with the places of the caller's body in place of those of the command."""
    if not isinstance(error, SampleError) or not error.details:
        return error
    faults = tuple(locate(_find(fault.path, content, choices), fault.message) for fault in error.details)
    return type(error)(f"{faults[0].path}: {faults[0].message}", faults)


def _find(path: str, content: Content, choices: Sequence[ChoiceOfOptions]) -> Location:
    question = re.match(r"questions\.(\d+)", path)
    return choices[int(question[1])].location if question else content.location
