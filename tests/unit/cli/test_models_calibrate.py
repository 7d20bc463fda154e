"""`pigeonhole models calibrate`, as typed: what it writes, where, and what it leaves alone when it fails."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from pigeonhole.inference.classifier import Classifier
from pigeonhole.inference.encoders.artifact import CALIBRATION, ModelUnavailable
from pigeonhole.inference.encoders.base import BackgroundEmbeddings
from pigeonhole.inference.encoders.fake_encoder import COLOURS, FakeEncoder
from pigeonhole.inference.scoring.calibration import parse_calibration, prior_calibration
from pigeonhole_cli.evaluation import calibrate as calibrating
from pigeonhole_cli.evaluation import data, run
from pigeonhole_cli.models import app

ENCODER = FakeEncoder(dim=32)
opened: list[tuple[Path, bool]] = []  # the folders, and whether with their own calibration


def open_fake(folder: Path, *, workers: int, calibrated: bool = True) -> Classifier:
    opened.append((folder, calibrated))
    if not folder.is_dir():
        raise ModelUnavailable(f"{folder} is no artifact folder")
    generic = ENCODER.encode_text(["thing", "place", "person", "idea"])
    return Classifier(
        encoder=ENCODER,
        sentence=ENCODER,
        calibration=prior_calibration(ENCODER.info),
        background=BackgroundEmbeddings(generic, generic),
        workers=workers,
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Photos, texts, and a cache with a model, `fake`, which is the fake encoder."""
    monkeypatch.setattr(run, "open_classifier", open_fake)
    monkeypatch.setattr(calibrating, "EPISODES", 60)
    monkeypatch.setattr(calibrating, "LABEL_SETS", 60)
    monkeypatch.setenv("PIGEONHOLE_CACHE", str(tmp_path / "cache"))
    opened.clear()
    (tmp_path / "cache" / "models" / "fake").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(4):
            noisy = np.clip(np.array(colour) + rng.integers(-9, 10, (9, 9, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(tmp_path / "photos" / name / f"{number}.png")
    lines = [f"{'well ' * number}a {name} car,{name}" for name in COLOURS for number in range(4)]
    (tmp_path / "texts.csv").write_text("\n".join(["text,label", *lines]) + "\n")
    return tmp_path


def typed(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["calibrate", *map(str, arguments)])


def made(folder: Path) -> Path:
    return folder / "cache" / "models" / "fake" / CALIBRATION


def test_photos_and_texts_together_make_a_calibration_of_all_pairs(folder: Path) -> None:
    ran = typed("fake", folder / "photos", folder / "texts.csv")

    assert ran.exit_code == 0, ran.output
    stored = json.loads(made(folder).read_bytes())
    read = parse_calibration(stored, ENCODER.info)
    assert len(read.measured) == 4
    assert stored["measured_on"] == ["photos", "texts.csv"]
    assert stored["revision"] == ENCODER.info.revision
    assert read.single["image", "text"] != prior_calibration(ENCODER.info).single["image", "text"]
    assert made(folder).read_text().endswith("}\n")
    assert ran.stdout == f"fake: calibrated on 56 samples of photos, texts.csv: {made(folder)}\n"
    assert "56 samples are few" in ran.stderr


def test_photos_alone_leave_texts_among_themselves_to_the_prior(folder: Path) -> None:
    assert typed("fake", folder / "photos").exit_code == 0

    read = parse_calibration(json.loads(made(folder).read_bytes()), ENCODER.info)

    assert read.single["text", "text"] == prior_calibration(ENCODER.info).single["text", "text"]
    assert read.multiple["text", "text"] == prior_calibration(ENCODER.info).multiple["text", "text"]


def test_an_earlier_calibration_is_replaced_and_has_no_say(folder: Path) -> None:
    """One of another revision, too, with which the model couldn't be opened."""
    typed("fake", folder / "photos")
    first = made(folder).read_bytes()
    made(folder).write_text('{"revision": "of another day"}')

    assert typed("fake", folder / "photos").exit_code == 0

    assert made(folder).read_bytes() == first
    assert {calibrated for _, calibrated in opened} == {False}


def test_a_model_may_be_a_folder_and_gets_the_file_there(folder: Path) -> None:
    (folder / "mine").mkdir()

    assert typed(folder / "mine", folder / "photos").exit_code == 0

    assert opened == [(folder / "mine", False)]
    assert (folder / "mine" / CALIBRATION).is_file()
    assert not made(folder).exists()


def test_another_folder_for_the_file_is_made_and_the_model_left_alone(folder: Path) -> None:
    ran = typed("fake", folder / "photos", "--out", folder / "new" / "place")

    assert ran.exit_code == 0
    assert [path.name for path in (folder / "new" / "place").iterdir()] == [CALIBRATION]
    assert str(folder / "new" / "place" / CALIBRATION) in ran.output
    assert not made(folder).exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nonsense", "photos"), "nonsense is no artifact folder"),
        (("fake", "nowhere"), "nowhere: there is no such file or folder"),
        (("fake", "texts.csv", "nowhere"), "nowhere: there is no such file or folder"),
        (("fake", "empty"), "has no sub-folders"),
        (("fake", "alike.csv"), "alike.csv, line 2: calibration needs samples of 2 classes"),
        (("fake", "photos", "negated.csv"), "negated.csv, line 3: the label 'not spam' names no thing"),
        (("fake", "mixed.jsonl"), "mixed.jsonl, line 2: calibration needs samples of one type"),
        (("fake", "broken"), "broken/red/0.png"),
        (("fake", "photos", "--out", "texts.csv"), "texts.csv can't be written"),
    ],
)
def test_what_goes_wrong_is_one_line_and_leaves_no_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(folder)
    (folder / "empty").mkdir()
    (folder / "alike.csv").write_text("text,label\na car,car\na red car,car\n")
    (folder / "negated.csv").write_text("text,label\nbuy this,spam\nsee you,not spam\n")
    (folder / "mixed.jsonl").write_text(
        '{"type": "text", "value": "a red car", "label": "car"}\n{"type": "image", "value": "0.png", "label": "cat"}\n'
    )
    for name in ("blue", "red"):
        (folder / "broken" / name).mkdir(parents=True)
        (folder / "broken" / name / "0.png").write_bytes((folder / "photos" / name / "0.png").read_bytes())
    (folder / "broken" / "red" / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n and nothing else")

    ran = typed(*arguments)

    assert ran.exit_code == 1
    assert ran.output.startswith("error: ")
    assert said in ran.output
    assert ran.output.count("\n") == 1
    assert not made(folder).exists()


def test_a_failure_leaves_the_calibration_that_was_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(folder).write_text("as it was")

    def fail(*_: object) -> None:
        raise data.DataError("the samples can't be told apart")

    monkeypatch.setattr(calibrating, "calibrate", fail)

    ran = typed("fake", folder / "photos")

    assert (ran.exit_code, ran.output) == (1, "error: the samples can't be told apart\n")
    assert made(folder).read_text() == "as it was"
    assert [path.name for path in made(folder).parent.iterdir()] == [CALIBRATION]
