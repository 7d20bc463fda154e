"""Recognise by its form a label that negates a thing ("not a hotdog", "no people") or means none of the labels ("other").

The embeddings of "a dog" and "no dog" are almost equal, so these labels must be read from their words before they are
embedded. Every rule is a row of a table below. A doubtful label is plain: it is scored as its author wrote it, and a wrong
reading would invert its meaning. Where English leaves a choice, the rules decide as follows:

* A "not" inside a sentence ("card not working") reports an event and is plain. The same holds for faults, refusals,
  prohibitions, numbers and set phrases that start with a negation ("no signal", "no thanks", "no smoking", "No. 5", "not bad").
* "lack of X" and "X missing" are subjects that people write about, so they are plain. "absence of X" is negated.
* The pronoun of absent people ("no one" and its one-word form) is mostly the subject of a sentence, so it is plain.
* "nothing" by itself has no meaning that could be embedded, so it is none. With more words ("Nothing Phone") it is plain.
* A contrast or a list ("not a dog but a cat", "not only food", "no dog, no cat") says more than one thing and is plain.
* Two negations cancel out: "not a non-food item" is plain, and its text is "food item". Three or more are left unchanged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

ReadingKind = Literal["plain", "negated", "none"]


@dataclass(frozen=True)
class Reading:
    """What a label says.

    Attributes:
        kind: Whether the label is plain, negates a thing, or means none of the other labels.
        text: The text to embed. For a plain label it is the label, without negations that cancel out. For a negated label it
            is what the label negates ("hotdog" for "Not a hotdog!"). For none it is empty.
    """

    kind: ReadingKind
    text: str


@dataclass(frozen=True)
class NegationForm:
    """A way to negate a thing in English.

    Attributes:
        pattern: Matches a whole label. Its group `thing` is what the label negates.
        idioms: Matches the start of set phrases. A label whose group `thing` starts with one is plain.
    """

    pattern: re.Pattern[str]
    idioms: re.Pattern[str]


def _words(*phrases: str) -> str:
    """Return an alternation of words. Words are separated by spaces; "_" stands for a space inside a longer phrase."""
    return "(?:" + "|".join(word.replace("_", " ") for phrase in phrases for word in phrase.split()) + ")"


def _starts_with(*phrases: str) -> re.Pattern[str]:
    return re.compile(_words(*phrases) + r"(?![\w'])", re.IGNORECASE)


# Every pattern gets a label after _tidy: single spaces, straight apostrophes, "-" for every dash. No pattern nests one
# unbounded repetition in another, so each pattern takes linear time.

# --- The subject of a label: words that add nothing to "no people" in "a picture with no people".
_SAMPLE = _words("photo photograph picture pic image snapshot shot frame scene text sentence passage")
_STUFF = _words("something anything everything things? stuff content samples?")
_WRITING = _words("message email mail document article post comment tweet review")
_SUBJECT = (
    rf"(?:(?:it|this|that|they|these|those|(?:(?:an?|the|this|any|some) )?{_SAMPLE}s?(?: of {_STUFF})?|(?:the|this) {_WRITING}"
    rf"|{_STUFF})(?: (?:that|which|where|in which))? )?"
)
_THE_SAMPLE = rf"in (?:it|(?:an?|the|this) {_SAMPLE})"

# --- Set phrases, by the negation that they start with. The words after them don't matter ("no smoking sign").
_AFTER_NOT = _starts_with(
    "bad good great ok okay well fine only just merely even yet enough too very so quite all every everyone everything always",
    "really much many long sure now today again able if because until unless when as than to once twice",
    "safe_for_work for_sale for_profit in_stock in_service in_use on_time at_all at_home by_chance",
    # Events that customers complain about. A text mentions them; their absence is not mentioned.
    "found received delivered arrived sent available allowed permitted recogni[sz]ed supported",
    "working loading responding charging receiving getting arriving starting connecting opening syncing",
)
_AFTER_NO = _starts_with(
    r"#?\d\S* one",
    # Answers and set phrases.
    "idea problems? worries thanks thank_you doubt way matter longer more sooner wonder less fewer better later comment",
    "contest deal joke kidding luck fun good use man's country_for time_to pain_no means_no win_no new strings_attached",
    "holds_barred frills brainers? shows? bake knead code hitter nonsense fault fly_zone fly_list go_areas? go_zones? go",
    "offen[cs]e hard_feelings big_deal claims_bonus surprise kill",
    # Prohibitions, as on signs.
    "entry exit smoking parking trespassing littering loitering stopping standing waiting passing overtaking swimming diving",
    r"fishing hunting camping cycling photography admittance through_road vacancy u[-_]turns? (?:left|right)_turns?",
    # Faults that customers complain about.
    "internet signal reply replies response answer refunds? connection connectivity network coverage reception service access",
    "power electricity sound audio wi-?fi hot_water dial_tone confirmation receipt results",
)
_AFTER_NON = _starts_with(
    "fiction fictional stick stop profits? profit-making sense binary fungible alcoholic dairy verbal existent fat ferrous",
    "linear slip iron woven refundable returnable disclosure governmental government payment attendance delivery receipt",
    "events? starter invasive prescription league playable player proliferation violence smoking sequiturs? grata troppo",
)
_AFTER_WITHOUT = _starts_with(
    "a_doubt doubt warning notice delay fail question exception borders further_ado end a_trace a_cause reason prejudice",
    "limits permission authori[sz]ation consent precedent saying",
)
_AFTER_FREE_OF = _starts_with("charge cost duty tax")
_AFTER_BUT = _starts_with("the_girl the_kitchen_sink")
_CARD = _starts_with("card")  # "card not present" is a way to pay
_NO_IDIOM = re.compile(r"(?!)")

_CONTAIN = _words("contain show include have mention depict feature involve concern discuss display relate_to refer_to")
_CONTAINS = _words("contains? shows? includes? has have mentions? depicts? features? containing showing having with")
_BUT = _words("but except(?:_for)? besides other_than else_than else_but apart_from excluding that's_not")


def _form(pattern: str, idioms: re.Pattern[str]) -> NegationForm:
    return NegationForm(re.compile(pattern.replace("THING", "(?P<thing>.+)"), re.IGNORECASE), idioms)


FORMS: tuple[NegationForm, ...] = (
    _form(r"!(?![!=]) ?THING", _NO_IDIOM),
    _form(r"not(?:[ -]|(?=\())THING", _AFTER_NOT),
    _form(rf"{_STUFF} not THING", _AFTER_NOT),
    _form(rf"{_SUBJECT}(?:is not|isn'?t|are not|aren'?t) THING", _AFTER_NOT),
    _form(r"(?:it's|that's|they're|these're|those're) not THING", _AFTER_NOT),
    _form(rf"{_SUBJECT}(?:does not|doesn'?t) {_CONTAIN} THING", _AFTER_NO),
    # Without a subject, the label would be a command ("do not show ads").
    _form(rf"(?:they|these|those|{_SAMPLE}s (?:that|which)) (?:do not|don'?t) {_CONTAIN} THING", _AFTER_NO),
    _form(r"there (?:isn'?t|aren'?t) THING", _AFTER_NOT),
    _form(rf"{_SUBJECT}(?:not (?:about|showing|containing)) THING", _NO_IDIOM),
    _form(r"no (?:signs?|evidence|traces?) of THING", _NO_IDIOM),
    _form(r"no[ -]THING", _AFTER_NO),
    _form(rf"{_SUBJECT}{_CONTAINS} no THING", _AFTER_NO),
    _form(rf"{_SUBJECT}(?:there is|there's|there are|there're) (?:no|not any) THING", _AFTER_NO),
    _form(rf"(?:(?:an?|the) )?{_SAMPLE}s? (?:of|where|in which) (?:not|no) THING", _AFTER_NO),
    _form(r"non[ -]THING", _AFTER_NON),
    _form(rf"(?:an?|the|{_SAMPLE}s? of(?: an?)?|an? {_SAMPLE} of(?: an?)?) non-THING", _AFTER_NON),
    # As one word, only words that have no narrower meaning of their own, as "nonfiction" and "nonstop" have.
    _form(r"non(?P<thing>(?:food|spam|human|toxic|urgent|medical|offensive|hotdog)s?(?: .+)?)", _NO_IDIOM),
    _form(rf"{_SUBJECT}without[ -]THING", _AFTER_WITHOUT),
    _form(rf"{_SUBJECT}(?:is |are )?free (?:of|from) THING", _AFTER_FREE_OF),
    _form(rf"{_SUBJECT}(?:is |are )?devoid of THING", _NO_IDIOM),
    _form(r"(?:the )?absence of THING", _NO_IDIOM),
    _form(rf"{_SUBJECT}(?:is |are )?(?:unrelated|irrelevant) to THING", _NO_IDIOM),
    _form(rf"{_SUBJECT}(?:has |have )?nothing to do with THING", _NO_IDIOM),
    _form(rf"(?:(?:(?:an?|the) )?{_SAMPLE}s? of )?(?:anything|everything) {_BUT} THING", _AFTER_BUT),
    _form(
        rf"(?:(?:(?:an?|the) )?{_SAMPLE}s? of )?(?:something|things?|stuff|all) (?:except(?: for)?|besides|other than) THING",
        _AFTER_BUT,
    ),
    _form(r"(?:other than|except(?: for)?) THING", _AFTER_BUT),
    _form(rf"(?P<thing>(?:\S+ ){{0,3}}?\S+) (?:is |are )?(?:absent|not (?:present|visible))(?: {_THE_SAMPLE})?", _CARD),
    _form(rf"(?P<thing>(?:\S+ ){{0,3}}?\S+) (?:isn'?t|aren'?t) (?:present|visible)(?: {_THE_SAMPLE})?", _CARD),
)

# --- Words after a negation that name more than a thing.
# "isn't it romantic", "no I won't", "not my problem". Case matters: "not IT" and "no US flag" are about things.
_PRONOUN = re.compile(r"(?:I|[Ii]t|[Yy]ou|[Hh]e|[Ss]he|[Ww]e|[Tt]hey|me|him|her|us|them|[Mm]y|[Yy]our|his|[Oo]ur|their)(?!\w)")
_ARTICLE = re.compile(r"an?|the|any|some")  # "not a" is cut off; "NOT A" is about a grade
_DEMONSTRATIVE = _starts_with("this that these those here there")
_CONTRAST = re.compile(r"\b(?:but|only|just|instead)\b| (?:no|not|nor|without)\b", re.IGNORECASE)
# "no refund received", "no dogs allowed", "no signature required", "no running sign".
_REPORT = re.compile(
    r".* (?:received|allowed|permitted|arrived|given|sent|delivered|accepted|required|needed|necessary|yet|working)"
    r"|\S+ing (?:sign|zone|area)",
    re.IGNORECASE,
)
# Removed from the negated thing in this order, each once.
STRIPPED: tuple[re.Pattern[str], ...] = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"^(?:containing|showing|including|featuring|depicting|mentioning|involving|about|of|(?:related|relevant) to) (?=.)",
        rf"^(?:(?:an?|the|any) )?{_SAMPLE}s? of (?=.)",
        r"^(?:(?:an?|the|any|some) )?(?:kind|sort|type)s? of (?=.)",
        r"^(?:a single|an?|the|any|some) (?=.)",
        r" (?:(?:is|are) )?(?:present|visible|shown|depicted|detected|found|at all|whatsoever|anywhere|in sight)$",
        rf" (?:(?:is|are) )?{_THE_SAMPLE}$",
    )
)

# --- None of the other labels. Hyphens have become spaces before these patterns are tried.
_NAME = _words("category categories class classes labels? tags? topics? subjects? themes? intents? types? options? choices?")
_CLASS = rf"(?:{_NAME}|{_words('kinds? groups? objects? items? things? stuff content reasons? answers?')})"
_LISTED = _words(
    "the these those them all any above below listed list following other others given provided mentioned options?"
)
NONE: tuple[re.Pattern[str], ...] = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"none|neither|nothing|nothing else|no other|unlisted|unclassified|unclassifiable|uncategori[sz](?:ed|able)",
        r"unlabell?ed|unassigned|unspecified|unidentified|undetermined|irrelevant|undefined|off topic|out of (?:scope|domain)",
        rf"(?:(?:any|some|the|all|all the|an) )?(?:others?|unknown|unrelated|misc|miscellaneous)(?: {_CLASS}| ones?)?",
        rf"(?:(?:an?|some|any) )?(?:another|different|unlisted|unclassified|uncategori[sz]ed) {_CLASS}",
        r"(?:something|anything|everything|all) else(?: entirely| altogether)?",
        r"(?:all |everything in )?the (?:rest|remainder)(?: of (?:them|these|it))?",
        rf"(?:none|neither|nothing|not any|not one|no one) of (?:(?:{_LISTED}|{_CLASS})(?: |$)){{1,5}}",
        r"(?:none|neither|nothing)(?: (?:here|above|listed))?(?: (?:apply|applies|fits?|match|matches))?",
        r"no (?:(?:matching|suitable|applicable|appropriate|valid|such) )?"
        rf"(?:match|matches|{_NAME})(?: (?:applies|apply|fits?|found))?",
        rf"not (?:applicable|relevant|related|matched|classified|categori[sz]ed|labell?ed|(?:in|on) the (?:list|{_CLASS}))",
        r"not (?:listed|covered)(?: here| above)?",
        r"(?:it )?(?:does not|doesn'?t|do not|don'?t) (?:apply|(?:fit|match|belong)(?: (?:in|to|into))?"
        rf"(?: any(?: of (?:the|these))?)?(?: (?:{_LISTED} ?)?{_CLASS})?)",
        r"(?:cannot|can not|can'?t|could not|couldn'?t) be (?:classified|categori[sz]ed|labell?ed)",
        rf"(?:(?:anything|everything|something|all) )?{_BUT} (?:these|those|them|the (?:above|listed|others?))(?: {_CLASS})?",
        r"others?,? \(?(?:please )?specify\)?",
    )
)
_BETWEEN = re.compile(r"[/|,;:()\[\]]| - | or | and ", re.IGNORECASE)  # "other / unknown", "other (none of the above)"
_NOT_APPLICABLE = re.compile(r"\bn\.? ?/ ?a\b\.?|^n\.a\.?$", re.IGNORECASE)

_PLAINER = str.maketrans(
    {"_": " "}
    | dict.fromkeys("\u2018\u2019\u02bc\u0060\u00b4\uff07", "'")
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-")
)
_WRAPPED = {"(": ")", "[": "]", "{": "}", '"': '"', "'": "'", "\u201c": "\u201d", "<": ">"}


def parse_label(label: str) -> Reading:
    """Read the kind of a label from its words, in time linear in its length.

    Letter case, extra spaces, closing punctuation, enclosing brackets or quotes, and "_" or "-" for a space make no difference.
    """
    text = _tidy(label)
    if _is_none(text):
        return Reading("none", "")
    thing = _negated_thing(text)
    if thing is None or _is_none(thing):
        return Reading("plain", label)
    inner = _negated_thing(thing)
    if inner is None:
        return Reading("negated", thing)
    return Reading("plain", label if _negated_thing(inner) or _is_none(inner) else inner)


def _tidy(text: str) -> str:
    text = _unwrap(" ".join(text.translate(_PLAINER).split()))
    # "not-a-hot-dog" has hyphens for spaces, "not a T-shirt" hasn't.
    return text if " " in text else " ".join(text.replace("-", " ").split())


def _unwrap(text: str) -> str:
    text = text.rstrip(" .,;:!?\u2026")
    if len(text) > 1 and _WRAPPED.get(text[0]) == text[-1]:
        text = text[1:-1].strip().rstrip(" .,;:!?\u2026")
    return text


def _is_none(text: str) -> bool:
    text = " ".join(_NOT_APPLICABLE.sub("not applicable", text).split())
    parts = [" ".join(part.replace("-", " ").split()) for part in (text, *_BETWEEN.split(text))]
    return _matches_none(parts[0]) or (any(parts[1:]) and all(_matches_none(part) for part in parts[1:] if part))


def _matches_none(phrase: str) -> bool:
    return any(pattern.fullmatch(phrase) for pattern in NONE)


def _negated_thing(text: str) -> str | None:
    """Return what a tidy label negates; None if the label negates no thing."""
    for form in FORMS:
        match = form.pattern.fullmatch(text)
        if match:
            thing = match["thing"].strip()
            return None if form.idioms.match(thing) or _is_statement(thing) else _strip_thing(thing)
    return None


def _is_statement(words: str) -> bool:
    """Return whether the words after a negation make it an event, an answer or a contrast and not the absence of a thing."""
    starts = _PRONOUN.match(words) or _DEMONSTRATIVE.match(words)
    return bool(starts or _ARTICLE.fullmatch(words) or _CONTRAST.search(words) or _REPORT.fullmatch(words))


def _strip_thing(thing: str) -> str | None:
    thing = _unwrap(thing)
    for pattern in STRIPPED:
        thing = pattern.sub("", thing)
    return thing if any(character.isalnum() for character in thing) else None
