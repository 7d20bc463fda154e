"""The benchmark of questions times both sides of the same work."""

from __future__ import annotations

import questions
from support.fake_model import fake_pipeline
from support.fake_web import FakeWeb, image_file


def test_both_sides_are_timed_and_compared() -> None:
    rows = questions.measure(fake_pipeline(FakeWeb({"0": image_file("red")})), rounds=1, counts=(1, 3))

    assert [row.questions for row in rows] == [1, 3]
    assert all(row.together_s > 0 and row.alone_s > 0 for row in rows)
    text = questions.table(rows)
    assert text.count("\n") == 3
    assert "| 1.00 x |" in text.splitlines()[2]
