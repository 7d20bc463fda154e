"""What is read from a piece is what was stored."""

from __future__ import annotations

from pigeonhole.bulk.manifest import ManifestSpan
from pigeonhole.bulk.pieces import PieceStore
from pigeonhole.bulk.runner import SpanResults
from pigeonhole.contract.bulk_results import ErrorRow, QuestionsRow, ResultRow
from pigeonhole.contract.classification import LabelScore
from support.fakes.objects import FakeObjectStore

SPAN = ManifestSpan(number=0, start_byte=0, stop_byte=90, first_line=1, lines=3, samples=3)
ROWS = [
    ResultRow(line=1, custom_id="a", prediction="cat", scores=[LabelScore(label="cat", probability=0.9, similarity=0.1)]),
    ResultRow(line=2, prediction=None),
]
ERRORS = [ErrorRow(line=3, code="unreadable_image", message="broken")]


def test_the_rows_of_questions_are_read_as_they_were_stored() -> None:
    pieces = PieceStore(objects=FakeObjectStore(), tenant_id="acme", job_id="0" * 32)
    scores = {"mood": [LabelScore(label="calm", probability=0.9, similarity=0.1)], "topics": []}
    row = QuestionsRow(line=1, predictions={"mood": None, "topics": ["billing"]}, scores=scores)
    results = SpanResults(SPAN, [row], ERRORS)

    pieces.write(results)

    assert pieces.read(SPAN) == (results, None)


def test_the_rows_of_a_piece_are_read_as_they_were_stored() -> None:
    pieces = PieceStore(objects=FakeObjectStore(), tenant_id="acme", job_id="0" * 32)
    results = SpanResults(SPAN, ROWS, ERRORS, ["a warning"])

    assert pieces.write(results)

    assert pieces.read(SPAN) == (results, None)
