"""benchmarks/questions.py times both sides of the same work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import questions
from pigeonhole.inference.encoders import artifact, registry
from pigeonhole.inference.encoders.prepare import prepare
from pigeonhole.inference.scoring.calibration import FORMAT
from support.fake_model import fake_pipeline
from support.fake_web import FakeWeb, image_file


def test_both_sides_are_timed_and_compared() -> None:
    rows = questions.measure(fake_pipeline(FakeWeb({"0": image_file("red")})), rounds=1, counts=(1, 3))

    assert [row.questions for row in rows] == [1, 3]
    assert all(row.together_s > 0 and row.alone_s > 0 for row in rows)
    text = questions.table(rows)
    assert text.count("\n") == 3
    assert "| 1.00 x |" in text.splitlines()[2]


@pytest.mark.torch
def test_a_prepared_model_is_run_with_its_calibration(tmp_path: Path) -> None:
    from support import small_models

    source, sentence, folder = tmp_path / "source", tmp_path / "sentence", tmp_path / "artifact"
    for path in (source, sentence):
        path.mkdir()
    small_models.clip(source, legacy_end=False)
    small_models.sentence_transformer(sentence)
    prepare(str(source), folder, sentence=str(sentence))
    revision = registry.load(folder).encoder.info.revision
    fitted = {"image-text": {"cosine": 20.0, "bias": -5.0}}
    calibration = {"format": FORMAT, "revision": revision, "single": fitted, "multiple": fitted}
    (folder / artifact.CALIBRATION).write_text(json.dumps(calibration))

    pipeline = questions.create_pipeline(folder, cores=1)
    rows = questions.measure(pipeline, rounds=1, counts=(1, 2))

    assert [row.questions for row in rows] == [1, 2]
    assert pipeline.describe().calibrated, "the folder has a calibration"
