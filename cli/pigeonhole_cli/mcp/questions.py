"""Translate questions of an agent to those of the API, as `POST /v1/decisions` does, and the results to answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pigeonhole.api.decisions.questions import Option as NamedOption
from pigeonhole.api.decisions.yes_or_no import to_yes_and_no
from pigeonhole.client.fields import Question
from pigeonhole.client.results import Result, Results
from pigeonhole.inference.labels.choices import Option, read_choice, read_levels
from pigeonhole_cli.mcp.folders import Folders
from pigeonhole_cli.mcp.inputs import DescribedLabel, LabelInput, QuestionInput
from pigeonhole_cli.mcp.labels import name_of, read_examples
from pigeonhole_cli.mcp.outputs import Answer, Answers, SampleAnswers, to_error, to_name


def to_question(asked: QuestionInput, folders: Folders) -> Question:
    """Return the question of the API.

    Raises:
        FileRefused: An example image can't be read.
    """
    if asked.kind == "yes_no":
        options = to_yes_and_no(asked.question, NamedOption("yes"), NamedOption("no"))
        return {"labels": {option.name: option.texts for option in options}}
    read = read_levels if asked.kind == "level" else read_choice
    texts = read(asked.question, [Option(name_of(option), _descriptions(option)) for option in asked.options])
    labels = {
        name_of(option): [*_without_words(option, words), *read_examples(option, folders)]
        for option, words in zip(asked.options, texts.texts, strict=True)
    }
    return {"labels": labels, "instruction": texts.instruction, "multiple_labels": asked.kind == "multiple"}


def to_answers(asked: Sequence[QuestionInput], results: Mapping[str, Results], samples: Sequence[str]) -> Answers:
    """Collect the results of all questions by sample."""
    found = [
        SampleAnswers(
            index=index,
            sample=to_name(sample),
            answers=[
                _to_answer(question, result) for question in asked if (result := results[question.name][index]).error is None
            ],
            error=to_error(results[asked[0].name][index]),
        )
        for index, sample in enumerate(samples)
    ]
    warnings = dict.fromkeys(warning for question in asked for warning in results[question.name].warnings)
    return Answers(results=found, warnings=list(warnings))


def _descriptions(label: LabelInput) -> tuple[str, ...]:
    return () if isinstance(label, str) else tuple(label.descriptions)


def _without_words(label: LabelInput, words: Sequence[str]) -> Sequence[str]:
    """Return the words that describe an option. One with only example images is not described by its name."""
    has_only_images = isinstance(label, DescribedLabel) and label.example_images and not label.descriptions
    return () if has_only_images else words


def _to_answer(question: QuestionInput, result: Result) -> Answer:
    probabilities = {score.label: round(score.probability, 3) for score in result.scores or ()}
    level = None
    if question.kind == "level":
        positions = {name_of(option): position for position, option in enumerate(question.options)}
        level = round(sum(positions[score.label] * score.probability for score in result.scores or ()), 3)
    return Answer(question=question.name, answers=list(result.labels), level=level, probabilities=probabilities)
