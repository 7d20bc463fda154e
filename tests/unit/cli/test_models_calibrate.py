"""`pigeonhole models calibrate`: what it writes and where, and that a failure changes nothing."""

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
from pigeonhole.inference.scoring.calibration import parse_calibration, prior_calibration
from pigeonhole_cli.evaluation import classifier
from pigeonhole_cli.evaluation.calibration import calibrate as calibration
from pigeonhole_cli.evaluation.item import DataError
from pigeonhole_cli.models import app
from support.fake_encoder import COLOURS, FakeEncoder

ENCODER = FakeEncoder(dim=32)
opened: list[tuple[Path, bool]] = []  # the folders, and whether their calibration is used


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
    """A folder with photos, texts, and a cache with the model `fake`, the fake encoder."""
    monkeypatch.setattr(classifier, "open_classifier", open_fake)
    monkeypatch.setattr(calibration, "EPISODES", 60)
    monkeypatch.setattr(calibration, "THRESHOLD_SETS", 60)
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


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["calibrate", *map(str, arguments)])


def calibration_file(folder: Path) -> Path:
    return folder / "cache" / "models" / "fake" / CALIBRATION


def test_photos_and_texts_calibrate_all_pairs(folder: Path) -> None:
    result = run("fake", folder / "photos", folder / "texts.csv")

    assert result.exit_code == 0, result.output
    stored = json.loads(calibration_file(folder).read_bytes())
    parsed = parse_calibration(stored, ENCODER.info)
    assert len(parsed.measured) == 4
    assert stored["measured_on"] == ["photos", "texts.csv"]
    assert stored["revision"] == ENCODER.info.revision
    assert parsed.single["image", "text"] != prior_calibration(ENCODER.info).single["image", "text"]
    assert calibration_file(folder).read_text().endswith("}\n")
    assert result.stdout == f"fake: calibrated on 56 samples of photos, texts.csv: {calibration_file(folder)}\n"
    assert "56 samples are few" in result.stderr


def test_photos_leave_the_pair_of_texts_to_the_prior(folder: Path) -> None:
    assert run("fake", folder / "photos").exit_code == 0

    parsed = parse_calibration(json.loads(calibration_file(folder).read_bytes()), ENCODER.info)

    assert parsed.single["text", "text"] == prior_calibration(ENCODER.info).single["text", "text"]
    assert parsed.multiple["text", "text"] == prior_calibration(ENCODER.info).multiple["text", "text"]


def test_sets_of_a_table_are_left_out_in_turn_and_dev_is_not_used(folder: Path) -> None:
    rows = [
        f"{'well ' * number}a {name} car,{name},{family}-1,{split}"
        for family, split in (("cars", "train"), ("roads", "train"), ("boats", "dev"))
        for name in COLOURS
        for number in range(4)
    ]
    (folder / "sets.csv").write_text("\n".join(["text,label,set,split", *rows]) + "\n")

    result = run("fake", folder / "sets.csv")

    assert result.exit_code == 0, result.output
    stored = json.loads(calibration_file(folder).read_bytes())
    assert stored["left_out"]["text"]["families"] == 2
    assert "text samples of 2 families of sets, each left out in turn: calibration error " in result.stdout
    assert f"calibrated on {2 * 4 * len(COLOURS)} samples" in result.stdout
    assert parse_calibration(stored, ENCODER.info).measured == {("text", "text")}


def test_an_earlier_calibration_is_replaced_and_not_used(folder: Path) -> None:
    """It may even belong to another revision, with which the model could not be opened."""
    run("fake", folder / "photos")
    first = calibration_file(folder).read_bytes()
    calibration_file(folder).write_text('{"revision": "of another day"}')

    assert run("fake", folder / "photos").exit_code == 0

    assert calibration_file(folder).read_bytes() == first
    assert {calibrated for _, calibrated in opened} == {False}


def test_a_model_may_be_a_folder(folder: Path) -> None:
    (folder / "mine").mkdir()

    assert run(folder / "mine", folder / "photos").exit_code == 0

    assert opened == [(folder / "mine", False)]
    assert (folder / "mine" / CALIBRATION).is_file()
    assert not calibration_file(folder).exists()


def test_out_names_a_folder_in_place_of_the_models_own(folder: Path) -> None:
    result = run("fake", folder / "photos", "--out", folder / "new" / "folder")

    assert result.exit_code == 0
    assert [path.name for path in (folder / "new" / "folder").iterdir()] == [CALIBRATION]
    assert str(folder / "new" / "folder" / CALIBRATION) in result.output
    assert not calibration_file(folder).exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nonsense", "photos"), "nonsense is no artifact folder"),
        (("fake", "nowhere"), "nowhere: there is no such file or folder"),
        (("fake", "texts.csv", "nowhere"), "nowhere: there is no such file or folder"),
        (("fake", "empty"), "has no sub-folders"),
        (("fake", "alike.csv"), "alike.csv, line 2: calibration needs samples of at least 2 classes"),
        (("fake", "photos", "negated.csv"), "negated.csv, line 3: the label 'not spam' says what a sample is not"),
        (("fake", "mixed.jsonl"), "mixed.jsonl, line 2: calibration needs samples of one type"),
        (("fake", "broken"), "broken/red/0.png"),
        (("fake", "photos", "--out", "texts.csv"), "texts.csv can't be written"),
    ],
)
def test_a_failure_is_reported_in_one_line_and_writes_no_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
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

    result = run(*arguments)

    assert result.exit_code == 1
    assert result.output.startswith("error: ")
    assert message in result.output
    assert result.output.count("\n") == 1
    assert not calibration_file(folder).exists()


def test_a_failure_keeps_the_earlier_calibration(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calibration_file(folder).write_text("as it was")

    def fail(*_: object) -> None:
        raise DataError("the samples are too few")

    monkeypatch.setattr(calibration, "fit", fail)

    result = run("fake", folder / "photos")

    assert (result.exit_code, result.output) == (1, "error: the samples are too few\n")
    assert calibration_file(folder).read_text() == "as it was"
    assert [path.name for path in calibration_file(folder).parent.iterdir()] == [CALIBRATION]
