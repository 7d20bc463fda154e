"""Files that are dropped into the upload bucket to be classified: where they lie, what they are, what becomes of them. Pure.

incoming/TENANT/LABEL_SET/…        what is dropped there is classified by that tenant's label set
results/TENANT/LABEL_SET/….json    what became of it
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pigeonhole.contract.classification import RequestLimits
from pigeonhole.contract.messages import S3Grant
from pigeonhole.contract.upload_results import UploadResult
from pigeonhole.tenants.tenant import TENANT_ID

INCOMING, RESULTS = "incoming/", "results/"  # prefixes of the upload bucket
MAX_KEY_BYTES = 1024  # S3's
SEQUENCER_DIGITS = 64  # more than S3 gives
UTF8_BYTES = 4  # of a character, at most
BLANK_BYTES = 1_000  # of a text's file, for what is around it
LABEL_TAG, SCORE_TAG = "pigeonhole:label", "pigeonhole:score"
MAX_TAG = 256  # of a tag's value: UTF-16 code units
MAX_TAGS = 10  # of an object
_TAG_SIGNS = frozenset("+-._:@ ")  # S3 also takes `=`, which begins an escape here, and `/`, which parts several labels


class Kind(StrEnum):
    """How a file is read, by its name. An image is whatever isn't named as text: what it is, its bytes tell."""

    IMAGE = "image"
    TEXT = "text"
    LINES = "lines"


ENDINGS = {Kind.TEXT: ".txt", Kind.LINES: ".jsonl"}  # of names


def most_bytes(kind: Kind, limits: RequestLimits) -> int:
    """How large a file may be."""
    return {
        Kind.IMAGE: limits.max_upload_bytes,
        Kind.TEXT: limits.max_text_chars * UTF8_BYTES + BLANK_BYTES,
        Kind.LINES: limits.max_body_bytes,
    }[kind]


@dataclass(frozen=True)
class Place:
    """Whose file it is, and which label set it is for: a name that no set may have, none if it is in no folder of one."""

    tenant_id: str
    label_set: str


def place_of(key: str) -> Place | None:
    """Where a key lies; None for one that is no file of a tenant's, such as the folders that S3's console makes."""
    parts = key.split("/", 3)
    if len(parts) < 3 or parts[0] + "/" != INCOMING or not TENANT_ID.fullmatch(parts[1]) or key.endswith("/"):
        return None
    return Place(parts[1], parts[2] if len(parts) == 4 else "")


def kind_of(key: str) -> Kind:
    """How the file of that key is read."""
    return next((kind for kind, ending in ENDINGS.items() if key.lower().endswith(ending)), Kind.IMAGE)


def grant_of(tenant_id: str, bucket: str) -> S3Grant:
    """Where a tenant drops files, and what its requests may name of the bucket."""
    return S3Grant(bucket=bucket, prefix=f"{INCOMING}{tenant_id}/")


def result_key(key: str) -> str:
    """The object that says what became of the file of that key."""
    place, digest = place_of(key), hashlib.sha256(key.encode()).hexdigest()
    shorter = [f"{place.tenant_id}/{place.label_set}/{digest}", f"{place.tenant_id}/{digest}"] if place else []
    made = (f"{RESULTS}{name}.json" for name in (key.removeprefix(INCOMING), *shorter, digest))
    return next(each for each in made if len(each.encode()) <= MAX_KEY_BYTES)  # a folder may be as long as a key


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
