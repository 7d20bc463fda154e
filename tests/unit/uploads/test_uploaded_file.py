"""How a file is read by its name, and the order of S3's sequencers."""

from __future__ import annotations

import pytest

from pigeonhole.contract.uploads import FileKind
from pigeonhole.uploads.uploaded_file import SEQUENCER_DIGITS, to_file_kind, to_sortable_sequencer


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("cat.jpg", FileKind.IMAGE),
        ("cat", FileKind.IMAGE),
        ("txt", FileKind.IMAGE),
        ("a.txt.gz", FileKind.IMAGE),
        ("a.json", FileKind.IMAGE),
        ("a.txt", FileKind.TEXT),
        ("A.TXT", FileKind.TEXT),
        ("a.jsonl.txt", FileKind.TEXT),
        ("a.jsonl", FileKind.LINES),
        ("a.JsonL", FileKind.LINES),
    ],
)
def test_a_name_says_how_a_file_is_read(name: str, kind: FileKind) -> None:
    assert to_file_kind(f"incoming/acme/pets/{name}") is kind


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        *(("9", "A"), ("9", "a"), ("a", "B"), ("A", "b"), ("1", "0A"), ("9", "10"), ("FF", "FF01"), ("FF", "0100")),
        *(("0055AED6DCD9", "0055AED6DCD90281E5"), ("0055AED6DCDA", "0055AED6DCD90281E5")),
    ],
)
def test_sequencers_compare_as_numbers_of_any_length_and_case(earlier: str, later: str) -> None:
    assert to_sortable_sequencer(earlier) < to_sortable_sequencer(later)


def test_a_sequencer_has_one_sortable_form() -> None:
    assert to_sortable_sequencer("a") == to_sortable_sequencer("0A") == to_sortable_sequencer("000a")
    assert len(to_sortable_sequencer("1")) == len(to_sortable_sequencer("f" * SEQUENCER_DIGITS)) == SEQUENCER_DIGITS
