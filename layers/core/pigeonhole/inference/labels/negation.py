"""Find what a label negates: "hotdog" in "not a hotdog", "people" in "no people".

The embeddings of "a dog" and "no dog" are almost equal, so a negation must be read from its words before it is embedded. Every
rule is a row of a table below, and languages.py has the rows of other languages. A doubtful label is plain: it is scored as its
author wrote it, and a wrong reading would invert its meaning. Where English leaves a choice, the rules decide as follows:

* "non-X", "no-X" and a "no" before several words may begin a name ("non-Hodgkin lymphoma", "no-makeup look"). They negate only
  if another label names X (`Negation.is_clear` is False for them).
* A "not" inside a sentence ("card not working") reports an event and is plain. The same holds for faults, refusals,
  prohibitions, numbers and set phrases that start with a negation ("no signal", "no thanks", "no smoking", "No. 5", "not bad").
* "lack of X" and "X missing" are subjects that people write about, so they are plain. "absence of X" is negated.
* The pronoun of absent people ("no one" and its one-word form) is mostly the subject of a sentence, so it is plain.
* A contrast or a list ("not a dog but a cat", "not only food", "no dog, no cat") says more than one thing and is plain.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from pigeonhole.inference.labels.languages import NEGATIONS
from pigeonhole.inference.labels.wording import MAX_CACHED_TEXTS, SAMPLE, THE_SAMPLE, starts_with, strip_frame, tidy, words

Certainty = Literal["always", "one word", "never"]


@dataclass(frozen=True)
class Negation:
    """What a label negates, if it is a negation.

    Attributes:
        thing: The name of the thing.
        is_clear: Whether the label's form says that it negates. Otherwise the label may as well be the name of a thing.
    """

    thing: str
    is_clear: bool


@dataclass(frozen=True)
class NegationForm:
    """A way to negate a thing.

    Attributes:
        pattern: Matches a whole label. Its group `thing` is what the label negates.
        idioms: Matches the start of set phrases. A label whose group `thing` starts with one is plain.
        certainty: Whether this form always negates a thing, or only a thing of one word, or may always begin a name.
    """

    pattern: re.Pattern[str]
    idioms: re.Pattern[str]
    certainty: Certainty = "always"


# --- The subject of a label: words that add nothing to "no people" in "a picture with no people".
_STUFF = words("something anything everything things? stuff content samples?")
_WRITING = words("message email mail document article post comment tweet review")
_SUBJECT = (
    rf"(?:(?:it|this|that|they|these|those|(?:(?:an?|the|this|any|some) )?{SAMPLE}s?(?: of {_STUFF})?|(?:the|this) {_WRITING}"
    rf"|{_STUFF})(?: (?:that|which|where|in which))? )?"
)

# --- Set phrases, by the negation that they start with. The words after them don't matter ("no smoking sign").
_AFTER_NOT = starts_with(
    "bad good great ok okay well fine only just merely even yet enough too very so quite all every everyone everything always",
    "really much many long sure now today again able if because until unless when as than to once twice",
    "safe_for_work for_sale for_profit in_stock in_service in_use on_time at_all at_home by_chance",
    # Events that customers complain about. A text mentions them; their absence is not mentioned.
    "found received delivered arrived sent available allowed permitted recogni[sz]ed supported",
    "working loading responding charging receiving getting arriving starting connecting opening syncing",
)
_AFTER_NO = starts_with(
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
    # "no" is Spanish, too.
    "funciona llega carga abre enciende responde arranca conecta recibido disponible",
    "power electricity sound audio wi-?fi hot_water dial_tone confirmation receipt results",
)
_AFTER_WITHOUT = starts_with(
    "a_doubt doubt warning notice delay fail question exception borders further_ado end a_trace a_cause reason prejudice",
    "limits permission authori[sz]ation consent precedent saying",
)
_AFTER_FREE_OF = starts_with("charge cost duty tax")
_AFTER_BUT = starts_with("the_girl the_kitchen_sink")
_CARD = starts_with("card")  # "card not present" is a way to pay
_NO_IDIOM = re.compile(r"(?!)")

_CONTAIN = words("contain show include have mention depict feature involve concern discuss display relate_to refer_to")
_CONTAINS = words("contains? shows? includes? has have mentions? depicts? features? containing showing having with")
_BUT = words("but except(?:_for)? besides other_than else_than else_but apart_from excluding that's_not")


def _form(pattern: str, idioms: re.Pattern[str], certainty: Certainty = "always") -> NegationForm:
    return NegationForm(re.compile(pattern.replace("THING", "(?P<thing>.+)"), re.IGNORECASE), idioms, certainty)


FORMS: tuple[NegationForm, ...] = (
    # First, because English reads "no es" and "non è" as a "no" and a "non".
    *(_form(pattern, starts_with(*idioms) if idioms else _NO_IDIOM, certainty) for pattern, certainty, idioms in NEGATIONS),
    _form(r"!(?![!=]) ?THING", _NO_IDIOM),
    _form(r"not(?:[ -]|(?=\())THING", _AFTER_NOT),
    _form(rf"{_STUFF} not THING", _AFTER_NOT),
    _form(rf"{_SUBJECT}(?:is not|isn'?t|are not|aren'?t) THING", _AFTER_NOT),
    _form(r"(?:it's|that's|they're|these're|those're) not THING", _AFTER_NOT),
    _form(rf"{_SUBJECT}(?:does not|doesn'?t) {_CONTAIN} THING", _AFTER_NO),
    # Without a subject, the label would be a command ("do not show ads").
    _form(rf"(?:they|these|those|{SAMPLE}s (?:that|which)) (?:do not|don'?t) {_CONTAIN} THING", _AFTER_NO),
    _form(r"there (?:isn'?t|aren'?t) THING", _AFTER_NOT),
    _form(rf"{_SUBJECT}(?:not (?:about|showing|containing)) THING", _NO_IDIOM),
    _form(r"no (?:signs?|evidence|traces?) of THING", _NO_IDIOM),
    _form(r"no THING", _AFTER_NO, "one word"),
    _form(r"no-THING", _AFTER_NO, "never"),
    _form(rf"{_SUBJECT}{_CONTAINS} no THING", _AFTER_NO),
    _form(rf"{_SUBJECT}(?:there is|there's|there are|there're) (?:no|not any) THING", _AFTER_NO),
    _form(rf"(?:(?:an?|the) )?{SAMPLE}s? (?:of|where|in which) (?:not|no) THING", _AFTER_NO),
    _form(r"non[ -]?THING", _NO_IDIOM, "never"),
    _form(rf"(?:an?|the|{SAMPLE}s? of(?: an?)?|an? {SAMPLE} of(?: an?)?) non-THING", _NO_IDIOM, "never"),
    _form(rf"{_SUBJECT}without[ -]THING", _AFTER_WITHOUT),
    _form(rf"{_SUBJECT}(?:is |are )?free (?:of|from) THING", _AFTER_FREE_OF),
    _form(rf"{_SUBJECT}(?:is |are )?devoid of THING", _NO_IDIOM),
    _form(r"(?:the )?absence of THING", _NO_IDIOM),
    _form(rf"{_SUBJECT}(?:is |are )?(?:unrelated|irrelevant) to THING", _NO_IDIOM),
    _form(rf"{_SUBJECT}(?:has |have )?nothing to do with THING", _NO_IDIOM),
    _form(rf"(?:(?:(?:an?|the) )?{SAMPLE}s? of )?(?:anything|everything) {_BUT} THING", _AFTER_BUT),
    _form(
        rf"(?:(?:(?:an?|the) )?{SAMPLE}s? of )?(?:something|things?|stuff|all) (?:except(?: for)?|besides|other than) THING",
        _AFTER_BUT,
    ),
    _form(r"(?:other than|except(?: for)?) THING", _AFTER_BUT),
    _form(rf"(?P<thing>(?:\S+ ){{0,3}}?\S+) (?:is |are )?(?:absent|not (?:present|visible))(?: {THE_SAMPLE})?", _CARD),
    _form(rf"(?P<thing>(?:\S+ ){{0,3}}?\S+) (?:isn'?t|aren'?t) (?:present|visible)(?: {THE_SAMPLE})?", _CARD),
)

# --- Words after a negation that name more than a thing.
# "isn't it romantic", "no I won't", "not my problem". Case matters: "not IT" and "no US flag" are about things.
_PRONOUN = re.compile(r"(?:I|[Ii]t|[Yy]ou|[Hh]e|[Ss]he|[Ww]e|[Tt]hey|me|him|her|us|them|[Mm]y|[Yy]our|his|[Oo]ur|their)(?!\w)")
_ARTICLE = re.compile(r"an?|the|any|some")  # "not a" is cut off; "NOT A" is about a grade
_DEMONSTRATIVE = starts_with("this that these those here there")
_CONTRAST = re.compile(r"\b(?:but|only|just|instead)\b| (?:no|not|nor|without)\b", re.IGNORECASE)
# "no refund received", "no dogs allowed", "no signature required", "no running sign".
_REPORT = re.compile(
    r".* (?:received|allowed|permitted|arrived|given|sent|delivered|accepted|required|needed|necessary|yet|working)"
    r"|\S+ing (?:sign|zone|area)",
    re.IGNORECASE,
)
# "no people or cars" is as clear as "no people", "no fire hydrant" isn't: it may be a name, as "no contact delivery" is.
_ONE_WORD = re.compile(r"(?:(?:other|more|single|visible|obvious|apparent|clear) )?\S+(?:,? (?:or|and) \S+)*", re.IGNORECASE)
_SLUG = re.compile(r"(non?-)?(.*)", re.IGNORECASE | re.DOTALL)


@lru_cache(MAX_CACHED_TEXTS)
def find_negation(label: str) -> Negation | None:
    """Return what a label negates, in time linear in its length; None if the label negates no thing."""
    text = tidy(label)
    if " " not in text and (slug := _SLUG.fullmatch(text)):
        # "not-a-hot-dog" has hyphens for spaces, "not a T-shirt" hasn't.
        text = (slug[1] or "") + " ".join(slug[2].replace("-", " ").split())
    for form in FORMS:
        match = form.pattern.fullmatch(text)
        if match:
            words_after = match["thing"].strip()
            thing = None if form.idioms.match(words_after) or _is_statement(words_after) else strip_frame(words_after)
            if thing is None:
                return None
            is_clear = form.certainty == "always" or (form.certainty == "one word" and bool(_ONE_WORD.fullmatch(thing)))
            return Negation(thing, is_clear)
    return None


def _is_statement(phrase: str) -> bool:
    """Return whether the words after a negation make it an event, an answer or a contrast and not the absence of a thing."""
    starts = _PRONOUN.match(phrase) or _DEMONSTRATIVE.match(phrase)
    return bool(starts or _ARTICLE.fullmatch(phrase) or _CONTRAST.search(phrase) or _REPORT.fullmatch(phrase))
