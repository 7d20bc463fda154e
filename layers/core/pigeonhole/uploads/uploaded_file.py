"""What the object key and S3's notification say about an uploaded file."""

from __future__ import annotations

from pigeonhole.contract.uploads import FileKind

ENDINGS = {FileKind.TEXT: (".txt",), FileKind.LINES: (".jsonl", ".ndjson")}
KINDS = "A file is read by its ending: .txt is one text, .jsonl and .ndjson have one sample per line, all others are images."
SEQUENCER_DIGITS = 64  # more than S3 gives


def to_file_kind(object_key: str) -> FileKind:
    """Return how the file is read. Any name without a known ending is an image's."""
    return next((kind for kind, endings in ENDINGS.items() if object_key.lower().endswith(endings)), FileKind.IMAGE)


def to_sortable_sequencer(sequencer: str) -> str:
    """Pad S3's sequencer, hex digits, on the left, so that sequencers compare as text in the order of their events.

    Only sequencers of the same object key can be compared:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """
    return sequencer.upper().rjust(SEQUENCER_DIGITS, "0")
