"""Measure how the wording of a question's labels changes the answers of the bundled model.

    python benchmarks/question_wording.py --texts texts.parquet --photos photos-0.parquet photos-1.parquet

The files have the columns `set`, `label` and `text` or `image`. Each table compares wordings on the same samples. These are
drawn with a fixed seed, the same number for each label:

- Predicates: the question itself, what it asserts (`to_hypothesis`), and "yes" and "no" with the question as the instruction.
- Choices: the options without the question, with it as the instruction, and as `read_choice` reads them.
- Levels: numbers, "low" to "high", and the degrees of `read_levels`. The score is the expected level.

Balanced accuracy is the mean of the accuracies of each label. AUC is the share of pairs of a right and a wrong sample that are
in the right order.
"""

from __future__ import annotations

import argparse
import io
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from PIL import Image

from pigeonhole.inference.classifier import Classifier, ClassifierResult, Options, Question
from pigeonhole.inference.encoders import registry
from pigeonhole.inference.labels.choices import NONE_OF_THESE, LabelTexts, Option, read_choice, read_levels
from pigeonhole.inference.labels.hypotheses import to_hypothesis
from pigeonhole.inference.labels.label_class import LabelClass
from pigeonhole_cli.evaluation.classifier import open_classifier
from pigeonhole_cli.model_cache import DEFAULT_CACHE, prepared_folder

MAX_LABELS = 20  # of a set

# By set: the question of a choice, and a question that yes answers for a label.
TEXT_QUESTIONS = {
    "book_titles_30": ("What is the genre of this book?", "Is this book about {}?"),
    "naics_sectors": ("Which industry does this business belong to?", "Is this business in {}?"),
    "snips": ("What does the user want?", "Does the user want to {}?"),
    "trec_coarse": ("What does the question ask for?", "Does this question ask for a {}?"),
    "vader_amazon": ("What is the sentiment of this review?", "Is this review {}?"),
    "stance_climate": ("What is the author's stance on climate change?", "Is the author {}?"),
    "tweeteval_emotion": ("Which emotion does this tweet express?", "Does this tweet express {}?"),
    "tweeteval_sentiment": ("What is the sentiment of this tweet?", "Is this tweet {}?"),
    "search_snippets": ("What is the topic of this text?", "Is this text about {}?"),
    "newsgroups20": ("What is the topic of this post?", "Is this post about {}?"),
    "sib200_en": ("What is this sentence about?", "Is this sentence about {}?"),
    "clinc10_domains": ("What is the message about?", "Is this message about {}?"),
    "uci_review_sentences": ("What is the sentiment of this review?", "Is this a {}?"),
    "clickbait": ("What kind of headline is this?", "Is this a {}?"),
}
PHOTO_QUESTIONS = {
    "flowers": ("Which flower is in this photo?", "Is this a photo of a {}?"),
    "sun-places-3": ("Where was this photo taken?", "Was this photo taken at a {}?"),
    "clothing": ("Which piece of clothing is in the picture?", "Is there a {} in this picture?"),
    "scenes-15": ("What kind of scene does the photo show?", "Does the photo show a {}?"),
    "groceries": ("Which product is in the photo?", "Can you see {} in this photo?"),
    "waste": ("What kind of waste is in this photo?", "Is there any {} in this photo?"),
    "aerial-aid": ("What does the aerial picture show?", "Is there a {} in this image?"),
}
# Options that mean nothing without the question, by the label of the set.
BARE_OPTIONS = (
    ("tweeteval_offensive", "Is this tweet offensive?", {"offensive": "yes", "not offensive": "no"}),
    ("edos_sexism", "Is this comment sexist?", {"sexist": "yes", "not sexist": "no"}),
    ("sarcasm_headlines", "Is this headline sarcastic?", {"sarcastic headline": "yes", "serious headline": "no"}),
    *(
        (name, f"What is the author's stance on {topic}?", {f"{stance} {target}": stance for stance in stances})
        for stances in (("in favour of", "against", "no stance on"),)
        for name, topic, target in (
            ("stance_abortion", "abortion", "legal abortion"),
            ("stance_feminist", "the feminist movement", "the feminist movement"),
            ("stance_climate", "climate change", "climate change being a real concern"),
        )
    ),
)
# What is more of the quality that is asked for comes second.
LEVELS = (
    ("uci_review_sentences", "How positive is this review?", ("negative review", "positive review")),
    ("customer_reviews", "How satisfied is the customer?", ("dissatisfied customer", "satisfied customer")),
    ("tweeteval_offensive", "How offensive is this tweet?", ("not offensive", "offensive")),
    ("edos_sexism", "How sexist is this comment?", ("not sexist", "sexist")),
    ("sarcasm_headlines", "How sarcastic is this headline?", ("serious headline", "sarcastic headline")),
)


@dataclass
class Bench:
    """The classifier and the labelled samples.

    Attributes:
        classifier: The bundled model.
        samples: The samples of each label of each set.
        per_set: How many samples are drawn from a set.
        rng: Draws the samples.
    """

    classifier: Classifier
    samples: Mapping[str, Mapping[str, Sequence[Any]]]
    per_set: int
    rng: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - no secret

    def draw(self, name: str, labels: Sequence[str]) -> tuple[list[Any], npt.NDArray[np.intp]]:
        """Draw samples of a set, with the index of the label of each."""
        most = max(3, self.per_set // len(labels))
        drawn = [
            (sample, index)
            for index, label in enumerate(labels)
            for sample in self.rng.sample(self.samples[name][label], min(most, len(self.samples[name][label])))
        ]
        return [sample for sample, _ in drawn], np.array([index for _, index in drawn])

    def ask(self, samples: Sequence[Any], questions: Sequence[LabelTexts]) -> list[npt.NDArray[np.float64]]:
        """Return the probabilities of the labels of each question, (samples, labels) each."""
        asked = [
            Question(
                [LabelClass(str(index), texts, ()) for index, texts in enumerate(question.texts)],
                Options(instruction=question.instruction),
            )
            for question in questions
        ]
        if isinstance(samples[0], str):
            return [to_matrix(result) for result in self.classifier.ask_texts(samples, asked)]
        pixels = [np.asarray(self.classifier.encoder.fit(Image.open(io.BytesIO(data)).convert("RGB"))) for data in samples]
        return [to_matrix(result) for result in self.classifier.ask_images(pixels, asked)]


def to_matrix(result: ClassifierResult) -> npt.NDArray[np.float64]:
    """Return the probability of each label in the order of the labels, (samples, labels)."""
    matrix = np.zeros((len(result.ranked), len(result.ranked[0])))
    for row, ranked in enumerate(result.ranked):
        for label in ranked:
            matrix[row, label.index] = label.probability
    return matrix


def area_under_curve(scores: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> float:
    """Return the share of pairs of a right and a wrong sample that are in the right order. Equal scores count a half."""
    pairs = scores[right][:, None] - scores[~right][None]
    return float(np.mean((pairs > 0) + (pairs == 0) / 2))


def balanced_accuracy(chosen: npt.NDArray[np.intp], right: npt.NDArray[np.intp]) -> float:
    """Return the mean of the accuracies of each label."""
    return float(np.mean([np.mean(chosen[right == label] == label) for label in np.unique(right)]))


def plain(*texts: str, instruction: str | None = None) -> LabelTexts:
    """Return labels of one text each."""
    return LabelTexts(tuple((text,) for text in texts), instruction)


def measure_predicates(bench: Bench, questions: Mapping[str, tuple[str, str]]) -> None:
    """Print the AUC and the balanced accuracy of predicates, one for each label of each set."""
    figures = defaultdict(list)
    for name, (_, frame) in questions.items():
        labels = sorted(bench.samples[name])[:MAX_LABELS]
        samples, right = bench.draw(name, labels)
        for index, label in enumerate(labels):
            text = frame.format(label)
            said = to_hypothesis(text)
            wordings = {
                "the question": plain(text, NONE_OF_THESE),
                "what it asserts": plain(said.positive, said.negative or NONE_OF_THESE),
                '"yes" and "no"': plain("yes", "no", instruction=text),
            }
            is_right = right == index
            for wording, matrix in zip(wordings, bench.ask(samples, [*wordings.values()]), strict=True):
                accuracy = balanced_accuracy((matrix[:, 0] >= 0.5).astype(int), is_right.astype(int))
                figures[wording, name].append((area_under_curve(matrix[:, 0], is_right), accuracy))
    print_means(figures, ("AUC", "balanced accuracy"))


def measure_choices(bench: Bench, questions: Sequence[tuple[str, str, Mapping[str, str]]]) -> None:
    """Print the balanced accuracy of choices."""
    figures = defaultdict(list)
    for name, question, options in questions:
        samples, right = bench.draw(name, [*options])
        values = [*options.values()]
        wordings = {
            "without the question": plain(*values),
            "the question as instruction": plain(*values, instruction=question),
            "read_choice": read_choice(question, [Option(value) for value in values]),
        }
        for wording, matrix in zip(wordings, bench.ask(samples, [*wordings.values()]), strict=True):
            figures[wording, name].append((balanced_accuracy(matrix.argmax(axis=1), right),))
    print_means(figures, ("balanced accuracy",))


def measure_levels(bench: Bench) -> None:
    """Print the AUC of the expected level."""
    figures = defaultdict(list)
    for name, question, labels in LEVELS:
        samples, right = bench.draw(name, labels)
        numbers, degrees = [*"12345"], ["low", "medium", "high"]
        wordings = {
            "1 to 5": plain(*numbers, instruction=question),
            "low, medium, high": plain(*degrees, instruction=question),
            "read_levels of 1 to 5": read_levels(question, [Option(level) for level in numbers]),
            "read_levels of low, medium, high": read_levels(question, [Option(level) for level in degrees]),
        }
        for wording, matrix in zip(wordings, bench.ask(samples, [*wordings.values()]), strict=True):
            figures[wording, name].append((area_under_curve(matrix @ np.arange(matrix.shape[1]), right == 1),))
    print_means(figures, ("AUC",))


def print_means(figures: Mapping[tuple[str, str], Sequence[tuple[float, ...]]], names: Sequence[str]) -> None:
    """Print the means of each wording: of the questions of each set first, then of the sets."""
    by_wording = defaultdict(list)
    for (wording, _), values in figures.items():
        by_wording[wording].append(np.mean(values, axis=0))
    print("| wording |", " | ".join(names), "|")
    print("|---|", "---:|" * len(names), sep="")
    for wording, means in by_wording.items():
        print("|", wording, "|", " | ".join(f"{value:.3f}" for value in np.mean(means, axis=0)), "|")


def read_samples(files: Sequence[Path], column: str) -> dict[str, dict[str, list[Any]]]:
    """Read the samples of each label of each set from Parquet files."""
    samples: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for file in files:
        for row in pq.read_table(file, columns=["set", "label", column]).to_pylist():
            samples[row["set"]][row["label"]].append(row[column])
    return samples


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path, nargs="+", required=True, help="Parquet files of texts")
    parser.add_argument("--photos", type=Path, nargs="+", required=True, help="Parquet files of photos")
    parser.add_argument("--samples", type=int, default=160, help="samples per set")
    arguments = parser.parse_args()
    classifier = open_classifier(prepared_folder(registry.BUNDLED, DEFAULT_CACHE), workers=1)
    texts = Bench(classifier, read_samples(arguments.texts, "text"), arguments.samples)
    photos = Bench(classifier, read_samples(arguments.photos, "image"), arguments.samples)
    for title, bench, questions in (("texts", texts, TEXT_QUESTIONS), ("photos", photos, PHOTO_QUESTIONS)):
        print(f"\nPredicates, {title}")
        measure_predicates(bench, questions)
        print(f"\nChoices whose options say what they mean, {title}")
        labels = {name: sorted(bench.samples[name])[:MAX_LABELS] for name in questions}
        measure_choices(
            bench, [(name, asked[0], {label: label for label in labels[name]}) for name, asked in questions.items()]
        )
    print("\nChoices whose options depend on the question, texts")
    measure_choices(texts, BARE_OPTIONS)
    print("\nLevels, texts")
    measure_levels(texts)


if __name__ == "__main__":
    main()
