"""Questions, statements and tasks become what they assert of a sample. Everything else stays as it is."""

import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pigeonhole.inference.labels.hypotheses import MAX_CHARS, RULES, Rule, to_hypothesis
from pigeonhole.inference.labels.label_class import LabelClass, parse_meanings

QUESTIONS = [
    # what the sample is or is about
    ("Is this spam?", "spam"),
    ("Is it a cat?", "a cat"),
    ("Are these shoes?", "shoes"),
    ("Is this message about billing?", "billing"),
    ("Is the attached photo blurry?", "blurry"),
    ("Is the following text toxic?", "toxic"),
    ("is the user's message a joke", "a joke"),
    ("Is this customer review helpful?", "helpful"),
    ("Is this ticket urgent?", "urgent"),
    ("Is this text written in English?", "written in English"),
    ("Is this an example of hate speech?", "hate speech"),
    ("Is this a photo of a dog?", "a dog"),
    ("Is this article mainly about politics?", "politics"),
    ("Is this message related to shipping?", "shipping"),
    ("Was this photo taken outdoors?", "taken outdoors"),
    ("Isn't this spam?", "spam"),
    ("Could this be a scam?", "a scam"),
    ("Is the tone of this message angry?", "angry"),
    ("Is the sentiment positive?", "positive"),
    # what the sample shows or says
    ("Does this image contain a dog?", "a dog"),
    ("Does the picture show a red car?", "a red car"),
    ("Does this have a logo?", "a logo"),
    ("Does this email mention a refund?", "a refund"),
    ("Does the text talk about politics?", "politics"),
    ("Does it relate to shipping?", "shipping"),
    ("Does this look like spam?", "spam"),
    ("Does this message seem urgent?", "urgent"),
    ("Doesn't this mention a refund?", "a refund"),
    ("Does this message ask for a refund?", "asks for a refund"),
    ("Does this request require urgent action?", "requires urgent action"),
    ("Does this comment attack a person because of their religion?", "attacks a person because of their religion"),
    # what there is
    ("Are there people in this photo?", "people"),
    ("Is there a dog in the picture?", "a dog"),
    ("Is there any sign of rust?", "rust"),
    ("Are there any visible cracks in the image?", "visible cracks"),
    ("Can you see a cat in this photo?", "a cat"),
    ("Is a person visible in this image?", "a person"),
    ("Is a refund mentioned in the email?", "a refund"),
    ("Does a dog appear in this photo?", "a dog"),
    ("Is a dog in the photo?", "a dog"),
    # somebody or something else
    ("Does the customer want a refund?", "the customer wants a refund"),
    ("Did the customer receive the parcel?", "the customer did receive the parcel"),
    ("Do users complain about the price?", "users complain about the price"),
    ("Do they offer free shipping?", "they offer free shipping"),
    ("Has the customer been charged twice?", "the customer has been charged twice"),
    ("Will the customer cancel?", "the customer will cancel"),
    ("Is the author angry?", "the author is angry"),
    ("Is the author of this text being sarcastic?", "the author is being sarcastic"),
    ("Does the writer of this email have a deadline?", "the writer has a deadline"),
    ("Does the student of this chat try again?", "the student tries again"),
    ("Does the patient wish to leave?", "the patient wishes to leave"),
    ("Is this customer angry?", "this customer is angry"),
    ("Is anyone wearing a hat?", "someone is wearing a hat"),
    ("Is the person in this photo smiling?", "the person is smiling"),
    ("Is the weather in the photo sunny?", "the weather is sunny"),
    ("Is the parcel late?", "the parcel late"),
    ("In this photo, is there a dog?", "a dog"),
    ("Based on the message, is the customer angry?", "the customer is angry"),
    ("You are a spam filter. Is this message spam?", "spam"),
    ("Is that what they want?", "what they want"),
    ("Should this message be escalated to a human?", "should be escalated to a human"),
]

STATEMENTS = [
    ("This message is spam.", "spam"),
    ("The photo shows a cat.", "a cat"),
    ("It is about sports.", "sports"),
    ("The sentiment of this review is negative.", "negative"),
    ("The message seems to be a joke.", "a joke"),
    ("The text expresses joy.", "joy"),
    ("There is a dog in the picture.", "a dog"),
    ("Contains profanity", "profanity"),
    ("It's spam", "spam"),
    ("Message contains profanity", "profanity"),
    ("This email asks for a refund.", "asks for a refund"),
]

TASKS = [
    ("Identify unsolicited advertising.", "unsolicited advertising"),
    ("Please identify any personal data in the text.", "personal data"),
    ("Detect hate speech.", "hate speech"),
    ("Flag messages that are spam.", "spam"),
    ("Find photos of cats.", "cats"),
    ("Look for signs of rust.", "rust"),
    ("Check whether the review is positive.", "positive"),
    ("Determine if this text is toxic.", "toxic"),
    ("Decide whether or not the email is phishing.", "phishing"),
    ("Tell me if the customer is happy.", "the customer is happy"),
    ("Answer yes if the message contains a phone number.", "a phone number"),
    ("True if the review mentions the price.", "the price"),
    ("I want to know whether the customer is happy.", "the customer is happy"),
    ("Is it true that the message is a complaint?", "a complaint"),
    ("Yes or no: is this spam?", "spam"),
    ("Is this message spam, yes or no?", "spam"),
    ("Whether the text is about sports", "sports"),
]

NEGATED = [
    ("Is this message not spam?", "not spam", "spam"),
    ("This review isn't about food.", "not food", "food"),
    ("This message is not spam.", "not spam", "spam"),
    ("This message does not contain profanity.", "not profanity", "profanity"),
    ("The image doesn't show a person.", "not a person", "person"),
    ("There are no people in this photo.", "no people", "people"),
    ("The customer doesn't want a refund.", "not The customer wants a refund", "customer wants a refund"),
    ("The author is not happy.", "not The author is happy", "author is happy"),
    ("There isn't a dog in the photo.", "not a dog", "dog"),
    ("It's not spam", "not spam", "spam"),
    ("Does the customer not want a refund?", "not the customer wants a refund", "customer wants a refund"),
    ("not a hotdog", "not a hotdog", "hotdog"),
]

UNCHANGED = [
    "spam",
    "a cat",
    "Good value for money!",
    "the customer wants a refund",
    "The customer is angry.",
    # can't be answered by yes or no
    "What is the tone of this message?",
    "How many people are in this photo?",
    "Which product is mentioned?",
    "Why is the customer angry?",
    "Is this?",
    "???",
    "",
    # other languages
    "Ist diese Nachricht Spam?",
    "Diese Nachricht ist Spam.",
    "¿Es spam este mensaje?",
    "Is dit bericht spam?",
    "Est-ce que ce message est du spam ?",
    "これはスパムですか",
    # too long for a sentence
    "Is this spam? " + "Spam is mail that is not wanted. " * (MAX_CHARS // 33 + 1),
]


@pytest.mark.parametrize(("text", "positive"), [*QUESTIONS, *STATEMENTS, *TASKS])
def test_what_only_asks_is_removed(text: str, positive: str) -> None:
    assert to_hypothesis(text).positive == positive


@pytest.mark.parametrize(("text", "positive", "negative"), NEGATED)
def test_a_negated_text_asserts_the_opposite_of_what_it_negates(text: str, positive: str, negative: str) -> None:
    hypothesis = to_hypothesis(text)
    assert (hypothesis.positive, hypothesis.negative) == (positive, negative)


@pytest.mark.parametrize("text", UNCHANGED)
def test_a_text_that_fits_no_rule_stays_as_it_is(text: str) -> None:
    assert to_hypothesis(text).positive == text


@pytest.mark.parametrize("text", ["they offer free shipping", "working", "a person without a hat", "???", ""])
def test_a_text_that_not_would_not_negate_has_no_negative(text: str) -> None:
    assert to_hypothesis(text).negative is None


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.example)
def test_each_rule_fits_its_example_before_any_other_rule(rule: Rule) -> None:
    assert next(each for each in RULES if each.pattern.fullmatch(rule.example.rstrip("?."))) is rule


FRAMES = (
    *("Is this {}?", "Isn't it {}?", "This message is {}.", "The photo shows {}.", "Does it mention {}?", "Are there {} here?"),
    *("Check whether the text is {}.", "Please detect {}.", "Is the customer {}?", "Does the customer {}?", "not {}", "no {}"),
    *("Is it true that {}?", "{}, yes or no?", "Could this be {}?", "The author is not {}.", "The user doesn't {}.", "{}"),
)
THINGS = (
    "spam",
    "a cat",
    "people",
    "want a refund",
    "about billing",
    "angry",
    "the price",
    "is",
    "this",
    "who",
    "?",
    "é",
    "猫",
)


def nest(frames: list[str], thing: str) -> str:
    for frame in frames:
        thing = frame.format(thing)
    return thing


one_frame = st.builds(str.format, st.sampled_from(FRAMES), st.sampled_from(THINGS))
texts = st.builds(nest, st.lists(st.sampled_from(FRAMES), max_size=4), st.sampled_from(THINGS)) | st.text(max_size=60)


@settings(deadline=None)
@given(texts)
def test_a_hypothesis_is_its_own_hypothesis(text: str) -> None:
    hypothesis = to_hypothesis(text)
    assert to_hypothesis(hypothesis.positive) == hypothesis


@settings(deadline=None)
@given(texts)
def test_a_hypothesis_says_something_and_is_no_longer_than_its_text(text: str) -> None:
    hypothesis = to_hypothesis(text)
    assert len(hypothesis.positive) <= len(text)
    if any(letter.isalnum() for letter in text):
        assert any(letter.isalnum() for letter in hypothesis.positive)


@settings(deadline=None)
@given(one_frame)
def test_the_labels_of_a_hypothesis_are_read_as_opposites(text: str) -> None:
    hypothesis = to_hypothesis(text)
    if hypothesis.negative is None:
        return
    yes, no = parse_meanings([LabelClass(name, (name,), ()) for name in (hypothesis.positive, hypothesis.negative)])
    assert bool(yes.negated) != bool(no.negated) or yes.is_none or no.is_none


@pytest.mark.parametrize(
    "piece",
    [
        "please ",
        "It is. ",
        "is this ",
        "is this a photo of ",
        "the the ",
        "x ",
        "in this photo ",
        "not ",
        "is the author ",
        "(",
        "a",
        "\n",
    ],
)
@pytest.mark.parametrize("start", ["", "Is ", "Does the ", "There is ", "Is a dog ", "The customer "])
def test_no_text_takes_long(start: str, piece: str) -> None:
    text = (start + piece * MAX_CHARS)[:MAX_CHARS]
    started = time.perf_counter()
    to_hypothesis(text)
    assert time.perf_counter() - started < 1  # s. The margin is for a busy machine: a backtracking pattern takes minutes.


def test_functions_api_can_import_the_module() -> None:
    lines = (
        "import sys, pigeonhole.inference.labels.hypotheses\nassert not {'numpy', 'emoji', 'onnxruntime'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", lines], check=True)
