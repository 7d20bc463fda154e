"""Answer `POST /v1/systemone`: translate TypeSafe's questions to choices among options, and their outcomes to its answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from pydantic import ValidationError

from pigeonhole.api.decisions.instructions import read_instructions
from pigeonhole.api.decisions.questions import ChoiceOfOptions, Content, Location, Option, Outcome, QuestionAsker
from pigeonhole.api.decisions.rendering import Placeholders, render
from pigeonhole.api.decisions.yes_or_no import to_yes_and_no
from pigeonhole.api.forms.form import Form, to_data_url
from pigeonhole.contract.commands import ModelDescription
from pigeonhole.contract.decisions import typesafe as contract
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.contract.validation import invalid_request, is_blank, locate, to_located_faults
from pigeonhole.inference.labels import choices
from pigeonhole.inference.labels.choices import read_choice, read_levels
from pigeonhole.tenants.tenant import Tenant


class TypeSafeDecisions:
    """The service behind `POST /v1/systemone`."""

    def __init__(self, *, asker: QuestionAsker, limits: RequestLimits) -> None:
        """Create a service.

        Args:
            asker: Answers the questions.
            limits: The limits of a request.
        """
        self._asker = asker
        self._limits = limits

    def decide(self, form: Form, *, tenant: Tenant, log_id: str) -> contract.SystemOneResponse:
        """Answer the questions of a decoded body.

        Raises:
            InvalidRequest: The body has faults. The error lists all of them.
            PigeonholeError: What QuestionAsker.ask raises.
        """
        try:
            request = contract.SystemOneRequest.model_validate(form.body, context=self._limits)
        except ValidationError as error:
            raise invalid_request(to_located_faults(error)) from None
        reader = ContentReader(_to_images(request.assets, form))
        content = to_content(request.state, reader)
        questions = [to_choice(question, reader, ("questions", name)) for name, question in request.questions.items()]
        asked = self._asker.ask(content, questions, tenant=tenant, log_id=log_id)
        outcomes = zip(request.questions.items(), asked.outcomes, strict=True)
        return contract.SystemOneResponse(
            model=asked.model,
            answers={name: to_answer(question, outcome) for (name, question), outcome in outcomes},
            usage=contract.SystemOneUsage(input_tokens=asked.input_tokens, output_tokens=asked.output_tokens),
            warnings=[*asked.warnings] or None,
        )


@dataclass(frozen=True)
class ContentReader:
    """Reads JSON content: its text, and the images whose placeholders are in it.

    Attributes:
        images: The address of each image by its placeholder.
    """

    images: Mapping[str, str]

    @cached_property
    def _placeholders(self) -> Placeholders:
        return Placeholders(self.images.keys())

    def read(self, value: object) -> tuple[str, tuple[str, ...]]:
        """Return the text of a value without placeholders, and the placeholders in it."""
        return self._placeholders.split(render(value))

    def to_option(self, name: str, *values: object) -> Option:
        """Return an option that values describe."""
        read = [self.read(value) for value in values]
        texts = tuple(text for text, _ in read if not is_blank(text))
        return Option(name, texts, tuple(self.images[placeholder] for _, found in read for placeholder in found))


def _to_images(assets: Mapping[str, contract.Asset], form: Form) -> dict[str, str]:
    """Return the address of each image by its placeholder.

    Raises:
        InvalidRequest: An asset names a part that the request doesn't have.
    """
    missing = tuple(
        locate(("assets", name, "part"), "must be the name of a part of this multipart/form-data request")
        for name, asset in assets.items()
        if asset.part is not None and asset.part not in form.files
    )
    if missing:
        raise invalid_request(missing)
    return {
        name: to_data_url(form.files[asset.part]) if asset.part is not None else f"data:image/any;base64,{asset.data_base64}"
        for name, asset in assets.items()
    }


def to_content(state: object, reader: ContentReader) -> Content:
    """Read the content of all questions.

    Raises:
        InvalidRequest: There are several images.
    """
    text, placeholders = reader.read(state)
    if len(placeholders) > 1:
        message = f"must have at most one image, got {len(placeholders)}: send a request for each"
        raise invalid_request((locate(("state",), message),))
    if not placeholders:
        return Content(text, None, ("state",))
    return Content(text, reader.images[placeholders[0]], ("assets", placeholders[0]))


def to_choice(question: contract.SystemOneQuestion, reader: ContentReader, location: Location) -> ChoiceOfOptions:
    """Translate a question.

    Raises:
        InvalidRequest: Its instructions have an image.
    """
    if isinstance(question, contract.BoxQuestion):
        raise TypeError("validation refuses boxes")
    if reader.read(question.instructions)[1]:
        message = "must have no image: put it into `state`, or into `criteria` as an example of a choice"
        raise invalid_request((locate((*location, question.type, "instructions"), message),))
    asked = read_instructions(question.instructions)
    instructions, _ = reader.read(asked.question)
    if isinstance(question, contract.NoulQuestion):
        criteria = question.criteria or contract.NoulCriteria()
        yes, no = reader.to_option("yes", asked.yes, criteria.true), reader.to_option("no", asked.no, criteria.false)
        return ChoiceOfOptions(to_yes_and_no(instructions, yes, no), "", location)
    if isinstance(question, contract.SystemOneScore):
        levels = [reader.to_option(str(value), level) for value, level in enumerate(question.criteria)]
        read = read_levels(instructions, [choices.Option(level.texts[0] if level.texts else "") for level in levels])
        options = [
            Option(level.name, texts if level.texts else (), level.images)
            for level, texts in zip(levels, read.texts, strict=True)
        ]
        return ChoiceOfOptions(tuple(options), read.instruction or "", location)
    described = [reader.to_option(name, description) for name, description in question.criteria.items()]
    read = read_choice(instructions, [choices.Option(option.name, option.texts) for option in described])
    options = [Option(option.name, texts, option.images) for option, texts in zip(described, read.texts, strict=True)]
    return ChoiceOfOptions(tuple(options), read.instruction or "", location)


def to_answer(question: contract.SystemOneQuestion, outcome: Outcome) -> contract.Answer:
    """Translate the outcome of a question."""
    if isinstance(question, contract.NoulQuestion):
        return contract.NoulAnswer(noul=outcome.probabilities[0])
    if isinstance(question, contract.SystemOneScore):
        scores = [str(value) for value in range(len(question.criteria))]
        return contract.SystemOneScoreAnswer(
            score=outcome.mean_position,
            confidence=outcome.confidence,
            legend=dict(zip(scores, question.criteria, strict=True)),
            probabilities=dict(zip(scores, outcome.probabilities, strict=True)),
        )
    if isinstance(question, contract.SystemOneChoice):
        names = [*question.criteria]
        return contract.SystemOneChoiceAnswer(
            choice=names[outcome.best],
            confidence=outcome.confidence,
            probabilities=dict(zip(names, outcome.probabilities, strict=True)),
        )
    raise TypeError("validation refuses boxes")


def list_models(model: ModelDescription) -> contract.ModelMetadataList:
    """List the deployed model."""
    description = f"Compares images with texts by {model.model_id}, and texts by {model.text_encoder}. Generates no text."
    return contract.ModelMetadataList(
        models=[contract.ModelMetadata(name=model.model_id, description=description, release_date="1970-01-01")]
    )
