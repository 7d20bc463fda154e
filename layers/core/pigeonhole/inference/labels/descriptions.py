"""Describe in other words what common one-word labels for texts mean.

A sentence encoder puts "positive" near blood tests and numbers. So common labels for texts are embedded together with texts
that say or show what is meant (a verbaliser: Schick & Schütze 2021; KPT, Hu et al. 2022, with sentences in place of words).
The table holds words for texts in general, none of a single trade. A stance towards a topic ("against nuclear power") has
descriptions for any topic. docs/models.md has the measured effect.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace

from pigeonhole.inference.labels.label_class import Meaning
from pigeonhole.inference.labels.same_thing import normalize

_DESCRIPTIONS = {
    # Sentiment
    "positive": ("It was great, I loved it.", "wonderful, excellent and enjoyable", "a good experience"),
    "negative": ("It was terrible, I hated it.", "awful, disappointing and bad", "a bad experience"),
    "neutral": ("It was neither good nor bad.", "a plain statement of facts", "an average experience"),
    "mixed": ("Some of it was good, some of it was bad.", "both good and bad sides"),
    "good": ("It was good, I liked it.", "great and enjoyable"),
    "bad": ("It was bad, I didn't like it.", "poor and disappointing"),
    "favourable": ("It was great, I recommend it.", "praise and approval"),
    "unfavourable": ("It was poor, I don't recommend it.", "criticism and disapproval"),
    "satisfied": ("I am very happy with it, thank you.", "a content customer"),
    "dissatisfied": ("I am very unhappy with it.", "a disappointed customer"),
    # Emotions
    "happy": ("I am so happy!", "joy, delight and laughter"),
    "joy": ("I am so happy!", "joy, delight and laughter"),
    "sad": ("I feel so sad and lonely.", "sorrow, grief and tears"),
    "sadness": ("I feel so sad and lonely.", "sorrow, grief and tears"),
    "angry": ("This makes me furious!", "anger, rage and outrage"),
    "anger": ("This makes me furious!", "anger, rage and outrage"),
    "fear": ("I am terrified.", "fear, worry and panic"),
    "surprise": ("I can't believe it, what a surprise!", "astonishment and wonder"),
    "disgust": ("That is revolting.", "disgust and repulsion"),
    "love": ("I love you so much.", "affection and tenderness"),
    # News and topics
    "world": ("foreign governments, wars, diplomacy and treaties", "Soldiers were killed near the border, the president said."),
    "international": ("foreign governments, wars, diplomacy and treaties",),
    "business": ("companies, profits, shares and the economy", "The company reported its quarterly earnings."),
    "finance": ("banks, shares, interest rates and investments", "Stocks fell after the bank raised interest rates."),
    "economy": ("growth, inflation, unemployment and trade",),
    "sport": ("matches, players, teams and championships", "The team won the match."),
    "politics": (
        "governments, elections, parties and parliaments",
        "The minister spoke in parliament about the new law.",
    ),
    "technology": ("computers, software, the internet and gadgets", "A new phone and its software were launched."),
    "tech": ("computers, software, the internet and gadgets", "A new phone and its software were launched."),
    "science": ("research, experiments, discoveries and scientists", "Researchers discovered a new species."),
    "sci/tech": (
        "computers, software, the internet and scientific discoveries",
        "Researchers and software companies presented new technology.",
    ),
    "science and technology": (
        "computers, software, the internet and scientific discoveries",
        "Researchers and software companies presented new technology.",
    ),
    "space": ("rockets, satellites, planets and astronomy",),
    "health": ("diseases, doctors, patients and treatments", "Doctors advise patients about a new treatment."),
    "medicine": ("diseases, doctors, patients and treatments",),
    "entertainment": ("films, music, television and celebrities", "The actor starred in a new film."),
    "culture": ("books, theatre, museums and art",),
    "art": ("painting, sculpture, museums and exhibitions",),
    "music": ("songs, bands, concerts and albums",),
    "movie": ("films, directors, actors and cinema",),
    "film": ("films, directors, actors and cinema",),
    "food": ("recipes, cooking, restaurants and meals",),
    "travel": ("flights, hotels, holidays and destinations",),
    "education": ("schools, teachers, students and universities",),
    "religion": ("God, faith, churches and prayer",),
    "environment": ("climate, pollution, wildlife and conservation",),
    "weather": ("rain, sunshine, temperatures and storms",),
    "crime": ("police, murder, theft and trials", "Police arrested a man after the robbery."),
    "law": ("courts, judges, laws and lawsuits",),
    "gaming": ("video games, consoles and players",),
    "automotive": ("cars, engines, drivers and dealers",),
    "fashion": ("clothes, designers and models",),
    # Mail and moderation
    "spam": (
        "Congratulations, you have won! Click here to claim your prize now.",
        "unwanted advertising: cheap offers, loans, pills and easy money",
        "Limited time offer, buy now and save!",
    ),
    "ham": ("an ordinary message between people who know each other", "Are we still meeting for lunch tomorrow?"),
    "phishing": ("Your account is suspended. Verify your password here at once.", "a fraud that asks for passwords"),
    "promotion": ("Sale: buy now and save.", "advertising and offers"),
    "toxic": ("You are a stupid idiot, shut up.", "insults, hate and abuse"),
    "offensive": ("You are a stupid idiot, shut up.", "insults, slurs and vulgar words"),
    "hate speech": ("contempt for people because of what they are", "insults against a group of people"),
    "sarcastic": ("Oh great, just what I needed.", "mocking irony"),
    # Customers
    "complaint": ("I am not happy with this, it doesn't work.", "a dissatisfied customer complains"),
    "praise": ("Thank you, you did a great job.", "a happy customer gives thanks"),
    "compliment": ("Thank you, you did a great job.", "a happy customer gives thanks"),
    "question": ("How do I do that?", "someone asks for information"),
    "feedback": ("I think that you could improve this.", "an opinion about a product"),
    "suggestion": ("It would be nice if you added this.", "an idea for an improvement"),
    "bug": ("It crashes with an error message.", "software doesn't work as it should"),
    "bug report": ("It crashes with an error message.", "software doesn't work as it should"),
    "feature request": ("Please add support for this.", "an idea for new software"),
    "urgent": ("I need help right now, this is an emergency!", "a matter that can't wait"),
    "billing": ("invoices, charges, payments and refunds", "Why was my card charged twice?"),
    "refund": ("I want my money back.",),
    "shipping": ("parcels, deliveries and tracking numbers", "Where is my parcel?"),
    "delivery": ("parcels, deliveries and tracking numbers", "Where is my parcel?"),
    "sales": ("prices, quotes and orders of a customer who wants to buy",),
    "technical support": ("It doesn't work, what can I do?", "help with a device or with software"),
    "account": ("logging in, passwords and profile settings",),
    "cancellation": ("I want to cancel my subscription.",),
    "greeting": ("Hello, how are you?", "Good morning!"),
    "goodbye": ("Bye, see you later.",),
    "thanks": ("Thank you very much.",),
}
# A sentence encoder puts all stances towards a topic near to each other, because they share its words. It tells approval from
# disapproval better in whole sentences. A text without a stance is mostly about something else.
_STANCES = tuple(
    (re.compile(rf"(?:{words})(?P<topic>\S.*)", re.IGNORECASE), sentences)
    for words, sentences in (
        (
            "(?:against|opposed to|opposing|opposes) |anti[ -]",
            ("I am against {topic}.", "{topic} is wrong.", "I oppose {topic}.", "{topic} is terrible."),
        ),
        (
            "(?:in favou?r of|supportive of|supporting|supports|for) |pro[ -]",
            ("I am for {topic}.", "{topic} is right.", "I support {topic}.", "{topic} is great."),
        ),
        (
            "(?:(?:no (?:stance|opinion|position|view)|neutral) (?:on|about|towards?)|unrelated to) ",
            ("This has nothing to do with {topic}.", "I have no opinion on {topic}.", "neutral", "other topics"),
        ),
    )
)
_NEITHER = re.compile(r"neither (?P<first>\S+) nor (?P<second>\S+)", re.IGNORECASE)
# A text that isn't positive is negative. The table holds only pairs of which one always holds: a text that isn't spam may be
# about anything, and an author who isn't happy may be angry or afraid.
_OPPOSITES = (
    ("positive", "negative"),
    ("good", "bad"),
    ("favourable", "unfavourable"),
    ("satisfied", "dissatisfied"),
)
_BY_LABEL = {normalize(label): texts for label, texts in _DESCRIPTIONS.items()}
_OPPOSITE_OF = {normalize(first): second for pair in _OPPOSITES for first, second in (pair, pair[::-1])}


def find_descriptions(label: str, labels: Collection[str] = ()) -> tuple[str, ...]:
    """Return the descriptions of a label, empty if there are none. Case, article and plural make no difference.

    Args:
        label: The label.
        labels: All labels of the request. "for sale" is a stance only beside a label such as "against sale".
    """
    if descriptions := _BY_LABEL.get(normalize(label)):
        return descriptions
    neither = _NEITHER.fullmatch(label.strip())
    if neither and _OPPOSITE_OF.get(normalize(neither["first"])) == normalize(neither["second"]):
        return _DESCRIPTIONS["neutral"]
    stance = _read_stance(label)
    if stance is None or not any(_is_other_stance(stance, _read_stance(other)) for other in labels):
        return ()
    sentences, topic = stance
    return tuple(sentence.format(topic=topic) for sentence in sentences)


def _read_stance(label: str) -> tuple[tuple[str, ...], str] | None:
    """Return the sentences for the stance of a label, and its topic. None if it has no stance."""
    for pattern, sentences in _STANCES:
        if match := pattern.fullmatch(label.strip()):
            return sentences, match["topic"]
    return None


def _is_other_stance(stance: tuple[tuple[str, ...], str], other: tuple[tuple[str, ...], str] | None) -> bool:
    return other is not None and stance[0] != other[0] and normalize(stance[1]) == normalize(other[1])


def resolve_opposites(meaning: Meaning) -> Meaning:
    """Replace what a label for texts negates by its opposite, if it has one: "not positive" becomes "negative"."""
    opposites = tuple(_OPPOSITE_OF[normalize(text)] for text in meaning.negated if normalize(text) in _OPPOSITE_OF)
    left = {
        text: denial
        for text, denial in zip(meaning.negated, meaning.denials, strict=True)
        if normalize(text) not in _OPPOSITE_OF
    }
    return replace(meaning, things=meaning.things + opposites, negated=tuple(left), denials=tuple(left.values()))
