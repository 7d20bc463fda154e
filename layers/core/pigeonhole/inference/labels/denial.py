"""Read a label that denies something: the negation of a thing, or none of the other labels.

Other labels of the request decide a doubtful reading: "non-toxic" negates "toxic" if that is a label, too, and is the name of a
thing otherwise, as "non-Hodgkin lymphoma" is.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from pigeonhole.inference.labels.catch_all import is_catch_all
from pigeonhole.inference.labels.languages import AFFIRMATIONS
from pigeonhole.inference.labels.negation import find_negation
from pigeonhole.inference.labels.same_thing import is_named, is_same_thing, says_of
from pigeonhole.inference.labels.wording import Reading, tidy, words

# "No finding" beside the findings of an X-ray or an inspection is none of them, unless "finding" or the like is itself a label.
_FAULT = words(
    "findings? issues? abnormalit(?:y|ies) anomal(?:y|ies) defects? faults? errors? damages? concerns? symptoms? diseases?",
    "patholog(?:y|ies) lesions? violations? incidents? irregularit(?:y|ies) flaws?",
)
_FOUND = words("found detected seen visible present identified reported noted observed")
NO_FINDING = re.compile(
    rf"(?:no|without|without any|free of) (?:(?:significant|acute|visible|obvious|apparent|known|other|active|such) )?"
    rf"(?P<fault>{_FAULT})(?: (?:is |are |was |were )?{_FOUND})?"
    rf"|no problems? {_FOUND}|nothing (?:is |was )?(?:wrong|abnormal|unusual|suspicious|amiss|{_FOUND}|to report)",
    re.IGNORECASE,
)


def read_denial(label: str, beside: Collection[str]) -> Reading | None:
    """Read a label, in time linear in its length. Returns None if it denies nothing.

    Args:
        label: The text of the label, with emoji as words.
        beside: The texts of the other labels of the request, with emoji as words.
    """
    if is_catch_all(label) or _is_no_finding(label, beside):
        return Reading("none", "")
    thing = _negated_thing(label, beside)
    if thing is None:
        affirmed = _find_affirmed(label, beside)
        return Reading("negated", affirmed) if affirmed else None
    if is_catch_all(thing):
        return Reading("plain", label)
    inner = _negated_thing(thing, beside)
    if inner is None:
        return Reading("negated", thing)
    # Two negations cancel out: "not a non-food item" is plain. Three or more are left unchanged.
    return Reading("plain", label if _negated_thing(inner, beside) or is_catch_all(inner) else inner)


def _is_no_finding(label: str, beside: Collection[str]) -> bool:
    match = NO_FINDING.fullmatch(tidy(label).replace("-", " "))
    return match is not None and not (match["fault"] and is_named(match["fault"], beside))


def _negated_thing(label: str, beside: Collection[str]) -> str | None:
    negation = find_negation(label)
    if negation is None or not (negation.is_clear or is_named(negation.thing, beside)):
        return None
    return negation.thing


def _find_affirmed(label: str, beside: Collection[str]) -> str | None:
    """Return what another label says and this label denies.

    It is the label without its negation ("a person with a hat" for "a person without a hat"), or the only label that says of
    the same subject what this one lacks ("rusty metal" for "metal without rust").
    """
    for pattern, replacement in AFFIRMATIONS:
        match = pattern.search(label)
        if match is None:
            continue
        affirmed = pattern.sub(replacement, label, count=1)
        if any(is_same_thing(affirmed, other) for other in beside):
            return " ".join(affirmed.split())
        subject, lacking = label[: match.start()], label[match.end() :]
        having = [other for other in beside if says_of(other, subject, lacking)]
        if len(having) == 1:
            return having[0]
    return None
