"""Turn the text of a yes-or-no question into what it asserts of a sample: "Is this message about billing?" into "billing".

An encoder compares a sample with descriptions, and a question describes nothing. So the words that only ask are removed:
"Is this ...?", "The photo shows ...", "Check whether ...". `RULES` is the whole table. It is applied until no rule fits.
The rules are written for English. A text that fits no rule stays as it is. That holds for questions in other languages and for
questions that can't be answered by yes or no.

The module imports neither numpy nor a model, so functions/api can use it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from pigeonhole.inference.labels.languages import AFFIRMATIONS
from pigeonhole.inference.labels.negation import find_negation
from pigeonhole.inference.labels.same_thing import is_same_thing
from pigeonhole.inference.labels.wording import tidy, words

MAX_CHARS = 1_000  # A longer text is a page of instructions, and no sentence.


@dataclass(frozen=True)
class Hypothesis:
    """What a question asserts of a sample, and the opposite. Both are texts of labels.

    Attributes:
        positive: The text of the label that is right if the answer is yes.
        negative: The text of the label that is right if the answer is no. It is read as the negation of `positive`, or is what
            `positive` negates. None if no such text exists. Compare `positive` with "none of these" in that case.
    """

    positive: str
    negative: str | None


@dataclass(frozen=True)
class Rule:
    """One way to ask.

    Attributes:
        example: A text that the rule fits.
        pattern: Matches a whole text.
        rewrite: Returns what remains of the text.
    """

    example: str
    pattern: re.Pattern[str]
    rewrite: Callable[[re.Match[str]], str]


# --- The sample, as questions call it: "this message", "the attached photo", "the user's review", "it".
_NOUN = words(
    "messages? texts? e-?mails? mails? reviews? comments? tweets? posts? articles? documents? tickets? notes? conversations?",
    "sentences? paragraphs? passages? requests? quer(?:y|ies) inputs? contents? samples? items? transcripts? chats? letters?",
    "feedback inquir(?:y|ies) enquir(?:y|ies) headlines? quotes? snippets? utterances? repl(?:y|ies) statements? stor(?:y|ies)",
    "photos? photographs? pictures? pics? images? screenshots? snapshots? frames? scenes? shots? videos? scans? drawings?",
)
_THE = words("this that the these those")
_DETERMINER = words("the this that these those an? any some all my your their his her our")
_WORD = r"(?!(?:of|in|on|at|by|for|to|with|from|who|that|which|is|are|was|were|has|have|does|do|an?|the|not)\b)[\w'-]+"
_SAMPLE = rf"{_THE} (?:{_WORD} ){{0,2}}?{_NOUN}(?: (?:above|below))?"
_PART = words("topic subject theme category class label sentiment intent intention emotion tone mood language style genre")
_PRONOUN = rf"(?:it|this|that|these|those|the following)(?! (?:{_WORD} )?{_NOUN}\b)"
_SUBJECT = rf"(?:{_THE} {_PART}(?: (?:of|in) (?:{_SAMPLE}|{_PRONOUN}))?|{_SAMPLE}|{_PRONOUN})"
_HERE = rf"(?: (?:anywhere )?(?:in|on|within|by) (?:{_SAMPLE}|it|this|here)| here)?"

# --- Somebody or something else that a question is about. It stays in the text: "the customer wants a refund".
_PERSON = words(
    "customers? users? authors? writers? senders? speakers? persons? reviewers? callers? patients? clients? buyers? employees?",
    "agents? men man women woman child children people guests? visitors? subscribers? students? players? members? sellers?",
)
_ANYBODY = words("someone somebody anyone anybody everyone everybody he she they we")
_OTHER = (
    rf"(?P<who>{_ANYBODY}|(?:{_DETERMINER} (?:{_WORD} ){{0,2}}?)?{_PERSON}\b(?! (?:review|message|request|feedback)s?\b)"
    rf"|(?!{_THE} {_PART}\b){_DETERMINER} (?:{_WORD} ){{0,2}}?{_WORD}(?= (?:of|in|on) {_SAMPLE} ))(?: (?:of|in|on) {_SAMPLE})?"
)

# --- Verbs that only link a sample to what it is, shows or says.
_BE = words("is are was were")
_SEEM = words(
    "seems?_to_be appears?_to_be seems? appears? looks?_like looks? sounds?_like sounds? feels?_like feels? counts?_as"
)
_SHOW = words(
    "contains? shows? includes? ha(?:s|ve) depicts? features? displays? portrays? presents? holds?",
    "mentions? discuss(?:es)? describes? concerns? covers? address(?:es)? involves? express(?:es)? conveys? reports?",
    "talks?_about speaks?_about speaks?_of refers?_to relates?_to pertains?_to deals?_with comes?_under belongs?_to",
)
_ADVERB = rf"(?:{words('also clearly really actually explicitly directly mainly mostly primarily possibly likely still')} )?"
_ABOUT = words("about regarding concerning related_to relevant_to on_the_subject_of on_the_topic_of classified_as labell?ed_as")
_LINK = (
    rf"(?:{_ABOUT} |an? (?:example|instance|case|kind|type|form) of"
    r" |an? (?:photo|photograph|picture|image) (?:of|showing) )?"
)
_ANY = r"(?:(?:any|some) )?(?:(?:signs?|evidence|traces?|mentions?|instances?) of )?(?:(?:any|some) )?"
_DO = words("do does did")
_NOT_DO = words("don't doesn't didn't do_not does_not did_not")
_ASK = words(
    "check determine decide detect identify say tell tell_me tell_us classify judge assess evaluate verify confirm find_out",
    "state answer predict see indicate flag know i_want_to_know i'd_like_to_know can_you_tell can_you_tell_me",
)
_SEARCH = words(
    "identify detect find flag spot look_for check_for search_for scan_for watch_for recogni[sz]e filter filter_out select",
    "catch screen_for",
)
_MODAL = words("can could will would should must may might has have had")


def _rule(example: str, pattern: str, rewrite: str | Callable[[re.Match[str]], str] = "{thing}") -> Rule:
    compiled = re.compile(pattern.replace("THING", "(?P<thing>.+?)"), re.IGNORECASE)
    if not isinstance(rewrite, str):
        return Rule(example, compiled, rewrite)
    return Rule(example, compiled, lambda match: rewrite.format_map(_groups(match)))


def _groups(match: re.Match[str]) -> dict[str, str]:
    """Return the groups of a match. A verb that moves is in lower case, and "anyone" in a statement is "someone"."""
    groups = {name: value or "" for name, value in match.groupdict().items()}
    if groups.get("who", "").lower() in ("anyone", "anybody"):
        groups["who"] = "someone"
    return groups | {"aux": groups.get("aux", "").lower()}


def _in_third_person(match: re.Match[str]) -> str:
    """Return "the customer wants a refund" for "does the customer want a refund". "They want" and "did want" keep the verb."""
    groups = _groups(match)
    verb = {"do": groups["verb"], "does": _inflect(groups["verb"]), "did": f"did {groups['verb']}"}[groups["aux"]]
    return " ".join(part for part in (groups.get("who"), verb, groups["rest"]) if part)


def _deny(match: re.Match[str]) -> str:
    """Return "not the customer wants a refund" for "the customer doesn't want a refund"."""
    groups = _groups(match)
    is_singular = groups["aux"].startswith("does")
    verb = _inflect(groups["verb"]) if is_singular else groups["verb"]
    return " ".join(part for part in ("not", groups["who"], verb, groups["rest"]) if part)


def _inflect(verb: str) -> str:
    if verb.lower() == "have":
        return "has"
    if verb.endswith("y") and verb[-2:-1] not in "aeiou":
        return f"{verb[:-1]}ies"
    return f"{verb}es" if verb.endswith(("s", "sh", "ch", "x", "z", "o")) else f"{verb}s"


_VERB = rf"{_ADVERB}(?P<verb>(?!not )[a-z]+)(?: (?P<rest>.+?))?"

# The first rule that fits is applied. Every pattern takes linear time: no repetition without a bound is inside another one.
RULES: tuple[Rule, ...] = (
    # Frames around a statement or around a question.
    _rule("Please check this.", r"(?:please|kindly) THING"),
    _rule(
        "Spam, yes or no?", r"THING[.?,:;]* \(?(?:please )?(?:answer )?(?:with )?(?:yes or no|yes/no|true or false|or not)\)?"
    ),
    _rule("Yes or no: is it spam?", r"(?:yes or no|yes/no|true or false|question|task|statement|claim|criterion): ?THING"),
    _rule("Check whether it is spam.", rf"(?:{_ASK} )?(?:whether or not|whether|if) THING"),
    _rule(
        "Answer yes if it is spam.",
        rf"(?:{words('answer say return reply respond')} )?['\"]?(?:yes|true)['\"]? (?:if|when) THING",
    ),
    _rule("Is it true that it is spam?", r"(?:is it (?:true|correct|the case)|would you say|do you think)(?: that)? THING"),
    _rule("In this photo, is there a dog?", rf"(?:in|from|based on|according to|given) (?:{_SAMPLE}|{_PRONOUN}), ?THING"),
    _rule("You filter mail. Is it spam?", rf".+[.!:] (?P<thing>(?:{_BE}|{_DO}|{_MODAL}) [^.!?]+)"),
    # What there is.
    _rule("Are there people in this photo?", rf"{_BE} there {_ANY}THING{_HERE}"),
    _rule("There is a dog in the photo.", rf"there {_BE} {_ANY}THING{_HERE}"),
    _rule("There isn't a dog in the photo.", rf"there (?:isn't|aren't|wasn't|weren't) {_ANY}THING{_HERE}", "not {thing}"),
    _rule("Can you see a dog here?", rf"(?:can|could|do) (?:you|we|i|one) (?:see|spot|find|recogni[sz]e) {_ANY}THING{_HERE}"),
    _rule("Does a dog appear in this photo?", rf"{_DO} THING (?:appear|occur){_HERE}"),
    _rule(
        "Is a dog visible in this photo?",
        rf"{_BE} THING (?:visible|present|shown|depicted|pictured|mentioned|discussed|described){_HERE}",
    ),
    # What somebody is or does. These come before the sample, because "this" begins "this customer" as well.
    _rule("Is the author of this text angry?", rf"(?P<aux>{_BE}|{_MODAL}) {_OTHER} (?P<rest>.+?){_HERE}", "{who} {aux} {rest}"),
    _rule("Does the customer want a refund?", rf"(?P<aux>{_DO}) {_OTHER} {_VERB}{_HERE}", _in_third_person),
    _rule("Does the customer not want a refund?", rf"(?P<aux>{_DO}) {_OTHER} not {_VERB}{_HERE}", _deny),
    _rule("The customer doesn't want a refund.", rf"{_OTHER} (?P<aux>{_NOT_DO}) {_VERB}{_HERE}", _deny),
    _rule("The customer is not happy.", rf"{_OTHER} (?P<aux>{_BE}) not (?P<rest>.+)", "not {who} {aux} {rest}"),
    # What the sample shows, says or is.
    _rule("Doesn't it mention a refund?", rf"{_NOT_DO} {_SUBJECT} {_ADVERB}(?:{_SHOW}|{_SEEM}) {_ANY}THING{_HERE}"),
    _rule("Does it mention a refund?", rf"{_DO} {_SUBJECT} {_ADVERB}(?:{_SHOW}|{_SEEM}) {_ANY}THING{_HERE}"),
    _rule("Isn't this spam?", rf"(?:isn't|aren't|wasn't|weren't) {_SUBJECT} {_LINK}THING{_HERE}"),
    _rule("Is this message not spam?", rf"{_BE} {_SUBJECT} not {_ADVERB}{_LINK}THING{_HERE}", "not {thing}"),
    _rule("Is this message about billing?", rf"{_BE} {_SUBJECT} {_ADVERB}{_LINK}THING{_HERE}"),
    _rule("Could this be a scam?", rf"(?:can|could|may|might|would) {_SUBJECT} be {_ADVERB}{_LINK}THING{_HERE}"),
    _rule(
        "This message is not spam.", rf"{_SUBJECT} (?:{_BE} not|isn't|aren't|wasn't|weren't) {_LINK}THING{_HERE}", "not {thing}"
    ),
    _rule("It's not spam.", rf"(?:it|this|that)'s not {_LINK}THING{_HERE}", "not {thing}"),
    _rule("It's spam.", rf"(?:it|this|that)'s {_ADVERB}{_LINK}THING{_HERE}"),
    _rule(
        "It does not mention a refund.", rf"{_SUBJECT} {_NOT_DO} {_ADVERB}(?:{_SHOW}|{_SEEM}) {_ANY}THING{_HERE}", "not {thing}"
    ),
    _rule("The photo shows a cat.", rf"{_SUBJECT} {_ADVERB}(?:{_BE}|{_SHOW}|{_SEEM}) {_ADVERB}{_LINK}{_ANY}THING{_HERE}"),
    _rule("Messages that are spam.", rf"{_NOUN} (?:(?:that|which) )?{_ADVERB}(?:{_BE}|{_SHOW}|{_SEEM}) {_LINK}{_ANY}THING"),
    _rule("This message asks for help.", rf"{_SAMPLE} {_ADVERB}(?P<thing>[a-z]+s .+?){_HERE}"),
    _rule("Contains a refund.", rf"(?:contains|mentions|depicts|includes|discusses|is about) {_ANY}THING{_HERE}"),
    _rule("Does this message ask for help?", rf"(?P<aux>{_DO}) {_SUBJECT} {_VERB}{_HERE}", _in_third_person),
    _rule("Should this be escalated?", rf"(?P<aux>{_MODAL}) {_SUBJECT} (?P<rest>.+)", "{aux} {rest}"),
    # What anything else is. Without its verb the question reads like a headline: "the parcel late".
    _rule("Is the parcel late?", rf"(?:{_BE}|has|have|does|did) (?P<thing>{_DETERMINER} .+?){_HERE}"),
    # Tasks.
    _rule(
        "Identify unsolicited advertising.",
        rf"{_SEARCH} (?:all |every |each )?(?:{_NOUN} (?:of|with|about|showing|containing|mentioning) )?{_ANY}THING{_HERE}",
    ),
)


def to_hypothesis(text: str) -> Hypothesis:
    """Return what a question, statement or task asserts, and the opposite.

    The text of a yes-or-no question loses the words that ask. A text that fits no rule stays as it is.

    Example:
        >>> to_hypothesis("Does the customer want a refund?").positive
        'the customer wants a refund'
    """
    positive = _assertion(text)
    negation = find_negation(positive)
    if negation and negation.is_clear:
        return Hypothesis(positive, negation.thing)
    negative = f"not {positive}"
    return Hypothesis(positive, negative if _is_denial(negative, positive) else None)


def _is_denial(negative: str, positive: str) -> bool:
    """Return whether one text is read as the negation of the other, and not the other way round, as beside "without"."""
    if any(pattern.search(positive) for pattern, _ in AFFIRMATIONS):
        return False
    denied = find_negation(negative)
    return denied is not None and is_same_thing(denied.thing, positive)


def _assertion(text: str) -> str:
    """Apply the rules until none fits. No rule lengthens a text, and no rule undoes another one."""
    if len(text) > MAX_CHARS:
        return text
    while (rest := _apply_rule(text)) is not None:
        text = rest
    return text


def _apply_rule(text: str) -> str | None:
    """Return a text after the first rule that fits it, None if nothing changes."""
    asked = tidy(text)
    for rule in RULES:
        if match := rule.pattern.fullmatch(asked):
            rest = tidy(rule.rewrite(match))
            return rest if any(letter.isalnum() for letter in rest) and len(rest) <= len(text) else None
    return None
