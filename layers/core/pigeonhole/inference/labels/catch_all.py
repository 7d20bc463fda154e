"""Recognise a label that means none of the other labels: "other", "none of the above", "unsure", "needs review".

No embedding is near "other", so such a label is recognised by its words. The tables hold English; languages.py has others.
"nothing" by itself has no meaning that could be embedded, so it is none. With more words ("Nothing Phone") it is plain.
"""

from __future__ import annotations

import re
from functools import lru_cache

from pigeonhole.inference.labels.languages import CATCH_ALLS
from pigeonhole.inference.labels.wording import MAX_CACHED_TEXTS, SAMPLE, tidy, to_plain_letters, words

# Hyphens have become spaces before these patterns are tried.
_NAME = words("category categories class classes labels? tags? topics? subjects? themes? intents? types? options? choices?")
_KIND = words(
    "kinds? groups? objects? items? things? stuff content reasons? answers? documents? files? formats? requests? issues?",
    "cases? questions? inquiry inquiries enquiry enquiries queries query matters? messages?",
)
_FIELD = rf"(?:{_NAME}|formats?|languages?)"
_CLASS = rf"(?:{_NAME}|{_KIND}|{SAMPLE}s?)"
_LISTED = words("the these those them all any above below listed list following other others given provided mentioned options?")
_BUT = words("but except(?:_for)? besides other_than else_than else_but apart_from excluding that's_not")
_TELL = words("tell say decide determine classify identify judge know be_determined be_identified be_classified be_decided")

_NONE = (
    r"none|neither|nothing|nothing else|no other|unlisted|unclassified|unclassifiable|uncategori[sz](?:ed|able)",
    r"unlabell?ed|unassigned|unspecified|unidentified|undetermined|irrelevant|undefined|off topic|out of (?:scope|domain)",
    rf"(?:(?:any|some|the|all|all the|an) )?(?:others?|unknown|unrelated|misc|miscellaneous)(?: {_CLASS}| ones?)?",
    # "unknown document type", "other kind of request"
    rf"(?:(?:an?|some|any) )?(?:other|unknown|unrecogni[sz]ed|unsupported|different)(?: \w+){{1,2}} {_FIELD}",
    rf"(?:(?:an?|some|any) )?(?:other|unknown|unrecogni[sz]ed|different) (?:types?|kinds?|sorts?) of {_CLASS}",
    rf"(?:(?:an?|some|any) )?(?:another|different|unlisted|unclassified|uncategori[sz]ed|unrecogni[sz]ed) {_CLASS}",
    rf"unidentified {_CLASS}",
    r"(?:something|anything|everything|all) else(?: entirely| altogether)?|something different",
    r"(?:all |everything in )?the (?:rest|remainder)(?: of (?:them|these|it))?",
    rf"(?:none|neither|nothing|not any|not one|no one) of (?:(?:{_LISTED}|{_CLASS})(?: |$)){{1,5}}",
    r"(?:none|neither|nothing)(?: (?:here|above|listed))?(?: (?:apply|applies|fits?|match|matches))?",
    r"no (?:(?:matching|suitable|applicable|appropriate|valid|specific|particular|such) )?"
    rf"(?:match|matches|{_NAME})(?: (?:applies|apply|fits?|found))?",
    rf"not (?:applicable|relevant|related|matched|classified|categori[sz]ed|labell?ed|(?:in|on) the (?:list|{_CLASS}))",
    r"not (?:specified|stated|known|determined|identifiable|listed|covered)(?: here| above)?",
    r"(?:it )?(?:does not|doesn'?t|do not|don'?t) (?:apply|(?:fit|match|belong)(?: (?:in|to|into))?"
    rf"(?: any(?: of (?:the|these))?)?(?: (?:{_LISTED} ?)?{_CLASS})?)",
    rf"(?:(?:anything|everything|something|all) )?{_BUT} (?:these|those|them|the (?:above|listed|others?))(?: {_CLASS})?",
    # The author of the label doesn't know.
    r"unsure|uncertain|unclear|ambiguous|indeterminate|inconclusive|unrecogni[sz](?:ed|able)|unidentifiable|idk|tb[da]|unk",
    r"(?:i'?m |i am )?not (?:sure|certain)|not clear|(?:i )?(?:don'?t|do not) know|hard to (?:tell|say)",
    rf"(?:i )?(?:cannot|can not|can'?t|could not|couldn'?t|impossible to|unable to) {_TELL}",
    r"(?:cannot|can not|can'?t|could not|couldn'?t) be (?:classified|categori[sz]ed|labell?ed)",
    r"(?:not enough|insufficient) (?:information|info|data|context)",
    r"(?:needs?|requires?|for|pending|awaiting|to) (?:(?:a|further|manual|human|more|be) )?(?:review|reviewed|checking|triage)",
    r"(?:manual|human|further) review(?: (?:needed|required))?|review (?:needed|required)",
    r"to be (?:determined|decided|confirmed|classified|assigned)|catch all|fallback|et cetera|etc",
)
# Words that may stand beside one of these: "Other (please specify)", "Other, if any".
_BESIDE = (
    r"(?:please )?(?:specify|describe|explain|state|indicate|elaborate)(?: (?:below|here|which|it|in (?:the )?comments?))?",
    r"(?:please )?see (?:the )?(?:notes?|comments?|below)|if any|if applicable|free text|general|write in",
    r"not listed(?: above| here)?",
    r"por favor especifique|especifi(?:car|que)|(?:veuillez )?preciser|a preciser|bitte (?:angeben|prazisieren)|specificare",
    r"请注明|請註明|请说明|請說明|具体的に",
)
PATTERNS = (*_NONE, *(pattern for patterns in CATCH_ALLS.values() for pattern in patterns))
_IS_NONE = re.compile("|".join(f"(?:{pattern})" for pattern in PATTERNS))
_IS_BESIDE = re.compile("|".join(f"(?:{pattern})" for pattern in _BESIDE))
# "other / unknown", "other (none of the above)", "Other: please specify"
_BETWEEN = re.compile(r"[/|,;:()\[\]\u3001\uff08\uff09\uff1a]| - | or | and | oder | und | ou | et | o | y | e | en | lub ")
_NOT_APPLICABLE = re.compile(r"\bn\.? ?/ ?a\b\.?|\bn\.a\b\.?")


@lru_cache(MAX_CACHED_TEXTS)
def is_catch_all(label: str) -> bool:
    """Return whether a label means none of the other labels, in time linear in its length.

    Letter case, accents, hyphens and closing punctuation make no difference.
    """
    text = " ".join(_NOT_APPLICABLE.sub("not applicable", to_plain_letters(tidy(label))).split())
    parts = [" ".join(part.replace("-", " ").split()) for part in (text, *_BETWEEN.split(text))]
    if _IS_NONE.fullmatch(parts[0]):
        return True
    named = [part for part in parts[1:] if part and not _IS_BESIDE.fullmatch(part)]
    return bool(named) and all(_IS_NONE.fullmatch(part) for part in named)
