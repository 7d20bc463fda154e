"""Files that are dropped into the upload bucket to be classified: where they lie, what they are, what becomes of them. Pure.

incoming/TENANT/LABEL_SET/…        what is dropped there is classified by that tenant's label set
results/TENANT/LABEL_SET/….json    what became of it
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from pigeonhole.contract.upload_results import UploadResult
from pigeonhole.contract.uploads import FileKind

SEQUENCER_DIGITS = 64  # more than S3 gives
LABEL_TAG, SCORE_TAG = "pigeonhole:label", "pigeonhole:score"
MAX_TAG = 256  # of a tag's value: UTF-16 code units
MAX_TAGS = 10  # of an object
_TAG_SIGNS = frozenset("+-._:@ ")  # S3 also takes `=`, which begins an escape here, and `/`, which parts several labels


ENDINGS = {FileKind.TEXT: ".txt", FileKind.LINES: ".jsonl"}  # of names


def kind_of(key: str) -> FileKind:
    """How the file of that key is read."""
    return next((kind for kind, ending in ENDINGS.items() if key.lower().endswith(ending)), FileKind.IMAGE)


def in_order(sequencer: str) -> str:
    """S3's sequencer so that texts compare as it wants: hex digits, padded on the left. Only of one key do they compare.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """
    return sequencer.upper().rjust(SEQUENCER_DIGITS, "0")


@dataclass(frozen=True)
class ObjectResult:
    """What became of one object. `sequencer`: as `in_order` gives it; `at`: seconds since 1970, UTC; `expires_at`: when the
    table may forget it.

    One of a later upload takes the place of one that came before, whichever is known first.
    """

    tenant_id: str
    sequencer: str
    at: float
    expires_at: int
    told: UploadResult

    @property
    def key(self) -> str:
        return self.told.key

    def may_replace(self, known: ObjectResult | None) -> bool:
        """Whether it is of a later upload than `known`; or of the same one, and that very result once more or a better one."""
        if known is None or known.sequencer < self.sequencer:
            return True
        is_again = known.told.job_id == self.told.job_id or known.told.status == "failed"
        return known.sequencer == self.sequencer and is_again


def tags_of(told: UploadResult) -> dict[str, str]:
    """The tags that a classified object gets: its labels, the best first, and the best one's score; none if it has no label."""
    if not told.labels:
        return {}
    tags, score = {LABEL_TAG: tag_value(told.labels)}, told.probability(told.labels[0])
    return tags if score is None else tags | {SCORE_TAG: f"{score:.4f}"}


def tag_value(labels: Sequence[str]) -> str:
    """Labels as the value of a tag, parted by slashes. Of a sign that no tag may have its UTF-8 bytes are written as =XX."""
    found = ""
    for number, label in enumerate(labels):
        for piece in (["/"] if number else []) + [_in_tag(sign) for sign in label]:
            if _units(found + piece) > MAX_TAG:
                return found
            found += piece
    return found


def _in_tag(sign: str) -> str:
    if unicodedata.category(sign)[0] in "LN" or sign in _TAG_SIGNS:
        return sign
    return "".join(f"={byte:02X}" for byte in sign.encode("utf-8", "surrogatepass"))


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
