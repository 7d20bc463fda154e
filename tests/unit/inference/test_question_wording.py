"""With the bundled model, what `labels/` makes of questions lets clear texts get the right answers."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from pigeonhole.inference.classifier import Classifier, Options
from pigeonhole.inference.labels.choices import LabelTexts, Option, read_choice, read_levels
from pigeonhole.inference.labels.label_class import LabelClass
from pigeonhole_cli.evaluation.classifier import open_classifier

pytestmark = [pytest.mark.slow, pytest.mark.torch]  # preparing the model takes half a minute


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    folder: Path = tmp_path_factory.mktemp("models") / "tiny"
    # In a process of its own: the tests of the encoders give the packages small weights for the whole run.
    subprocess.run([sys.executable, "-m", "pigeonhole_cli", "models", "prepare", "tiny", "--out", str(folder)], check=True)
    return open_classifier(folder, workers=1)


def ask(classifier: Classifier, text: str, labels: LabelTexts) -> list[float]:
    """Return the probability of each label."""
    classes = [LabelClass(str(index), texts, ()) for index, texts in enumerate(labels.texts)]
    ranked = classifier.classify_texts([text], classes, Options(instruction=labels.instruction)).ranked[0]
    return [label.probability for label in sorted(ranked, key=lambda label: label.index)]


def score(classifier: Classifier, text: str, question: str, levels: Sequence[Option]) -> float:
    """Return the expected level."""
    return sum(level * probability for level, probability in enumerate(ask(classifier, text, read_levels(question, levels))))


LOW_TO_HIGH = [Option("low"), Option("medium"), Option("high")]
SENTIMENTS = [Option("negative"), Option("neutral"), Option("positive")]
URGENCIES = [
    Option("low", ("It can wait, there is no hurry.",)),
    Option("medium", ("It should be answered this week.",)),
    Option("high", ("This is an emergency, help is needed right now!",)),
]


@pytest.mark.parametrize(
    ("text", "question", "levels", "level"),
    [
        ("The best film I have seen in years, absolutely wonderful.", "What is the sentiment?", SENTIMENTS, 2),
        ("I loved every minute of it.", "What is the sentiment?", SENTIMENTS, 2),
        ("It was okay, nothing special.", "What is the sentiment?", SENTIMENTS, 1),
        ("I disliked it, quite boring.", "What is the sentiment?", SENTIMENTS, 0),
        ("A complete waste of time, the worst film ever made.", "What is the sentiment?", SENTIMENTS, 0),
        ("I am furious, this is the third time you people lie to me!", "How angry is the customer?", LOW_TO_HIGH, 2),
        ("This is unacceptable. I am really upset.", "How angry is the customer?", LOW_TO_HIGH, 2),
        ("Could you tell me your opening hours?", "How angry is the customer?", LOW_TO_HIGH, 0),
        ("Thank you so much, you made my day!", "How angry is the customer?", LOW_TO_HIGH, 0),
        ("Help! There is a fire in the kitchen, call the fire brigade now!", "How urgent is this?", URGENCIES, 2),
        ("This is an emergency: the site is down. Act now!", "How urgent is this?", URGENCIES, 2),
        ("Please answer by the end of the week.", "How urgent is this?", URGENCIES, 1),
        ("Take your time, there is no rush.", "How urgent is this?", URGENCIES, 0),
    ],
)
def test_a_clear_text_lands_on_its_level(
    classifier: Classifier, text: str, question: str, levels: list[Option], level: int
) -> None:
    assert round(score(classifier, text, question, levels)) == level


@pytest.mark.parametrize(
    ("text", "question", "is_yes"),
    [
        ("Why was my card charged twice on this invoice?", "Is this message about billing?", True),
        ("The parcel has not arrived, where is it?", "Is this message about billing?", False),
        ("I want my money back, please refund the order.", "Does the customer want a refund?", True),
        ("Thank you, the shoes fit perfectly!", "Does the customer want a refund?", False),
        ("Congratulations, you won! Click here to claim your prize now.", "Check whether this message is spam.", True),
        ("Are we still meeting for lunch tomorrow?", "Check whether this message is spam.", False),
    ],
)
def test_yes_and_no_answer_the_question(classifier: Classifier, text: str, question: str, is_yes: bool) -> None:
    labels = read_choice(question, [Option("yes"), Option("no")])
    assert (ask(classifier, text, labels)[0] > 0.5) == is_yes
