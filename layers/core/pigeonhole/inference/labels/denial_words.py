"""Tell a label that may deny something ("not a hotdog", "other") from one that can't ("cat"), with one short pattern.

To compile the patterns of catch_all.py, negation.py and denial.py takes 0.06 s, and most labels deny nothing. So a process
imports these modules for the first label that has one of the words below. A word too many costs time. Without a word that the
patterns need, an answer would change, so a test makes texts that they match and looks for a word in each.
"""

from __future__ import annotations

import re

from pigeonhole.inference.labels.wording import tidy, to_plain_letters, words

# A word of the label begins with one of these. Languages other than English have only what no row above them has.
_BEGINNINGS = words(
    # English
    "no\\b non not neither never cannot can'?t idk n\\b etc\\b et_cetera catch_all fallback",
    "rest\\b remainder misc other another else",
    r"(?:is|are|was|were|do|does|did|has|have|can|could|would|should)n(?:'t|t\b)",
    r"un[abcklrs] unde[ft] unid indeterm inconclus insufficient irrelevant different ambiguous impossible hard_to to_be",
    r"tb[da]\b off_topic out_of",
    r"but\b except besides apart_from exclud free_of free_from without devoid absen review triage checking",
    # Spanish, French, German, Italian, Portuguese, Dutch, Polish
    "otr demas demais resto ningun nada desconocid indefinid variad sin\\b revis fuera",
    "aucun rien inconnu incert reste\\b hors\\b ne\\b n' sans pas\\b verifi revoir determin",
    "ander sonst ubrig kein nicht verschieden divers themenfremd ohne",
    "altr nessun niente sconosciut vari[eo]?\\b fuori rivedere senza",
    "outr restante nenhum desconhecid fora nao sem\\b",
    "overig geen niet nvt?\\b onbekend onduidelijk onzeker controleren beoordelen zonder",
    "inn(?:[eyai]\\b|ego) pozostal reszta zadn zaden nic\\b rozne brak nie do_sprawdz do_weryf bez",
)
_DENIES = re.compile(rf"^!|\b{_BEGINNINGS}|autre|pruf")


def may_deny(label: str) -> bool:
    """Return whether a label may negate a thing or mean none of the other labels.

    True for every label with letters of another alphabet than the Latin one.
    """
    plain = " ".join(to_plain_letters(tidy(label)).replace("-", " ").split())
    return not plain.isascii() or _DENIES.search(plain) is not None
