"""A model is prepared once, and again only if the model, the artifact or the way to read models has changed."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pigeonhole.inference.encoders import artifact, registry, source
from pigeonhole.inference.encoders.artifact import ModelUnavailable
from pigeonhole.inference.encoders.prepare import prepare
from support import small_models

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("small_sentence")]

HUB_ID = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"


@pytest.fixture
def model(model_folders: dict[str, Path], tmp_path: Path) -> Path:
    return small_models.copy_model(model_folders["image-tower"], tmp_path / "model")


@pytest.fixture
def prepared(model: Path, tmp_path: Path) -> Path:
    out = tmp_path / "cache" / "model"
    assert prepare(str(model), out)[1]
    return out


@pytest.fixture
def from_hub(artifacts: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an artifact as if made from the hub, and disable the network."""
    folder = small_models.copy_model(artifacts["clip"], tmp_path / "from-hub")
    content = json.loads((folder / "artifact.json").read_text())
    content["hub_revision"], content["encoder"]["model_id"] = "main", HUB_ID
    (folder / "artifact.json").write_text(json.dumps(content))

    def offline(*_: object) -> Path:
        raise ModelUnavailable("no network")

    monkeypatch.setattr(source, "_download", offline)
    return folder


def test_a_prepared_model_is_used_again(model: Path, prepared: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in prepared.iterdir()}

    artifact_info, is_new = prepare(str(model), prepared)

    assert not is_new
    assert artifact_info == artifact.read_info(prepared)
    assert {path: path.stat().st_mtime_ns for path in prepared.iterdir()} == before


def test_using_a_prepared_model_again_imports_no_torch(model: Path, prepared: Path, no_sentence_parts: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from pigeonhole.inference.encoders import source\n"
        "from pigeonhole.inference.encoders.prepare import prepare\n"
        f"source.sentence_parts_folder = lambda: Path({str(no_sentence_parts)!r})\n"
        f"print(prepare({str(model)!r}, Path({str(prepared)!r}))[1], 'torch' in sys.modules)"
    )

    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert process.stdout.split() == ["False", "False"]


def test_a_changed_model_is_prepared_again(model: Path, prepared: Path) -> None:
    (model / "config.json").write_text((model / "config.json").read_text().replace("31.5", "32.5"))

    artifact_info, is_new = prepare(str(model), prepared)

    assert is_new
    assert artifact_info.encoder.logit_scale == 32.5
    assert registry.load(prepared).encoder.info.revision == source.find_model(str(model)).compute_revision()


@pytest.mark.parametrize("name", ["artifact.json", "text.onnx", "tokenizer.json"])
def test_a_broken_artifact_is_made_again(name: str, model: Path, prepared: Path) -> None:
    content = (prepared / name).read_bytes()
    (prepared / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    assert prepare(str(model), prepared)[1]
    artifact.read_info(prepared, check_hashes=True)
    assert not prepare(str(model), prepared)[1]


def test_force_prepares_again(model: Path, prepared: Path) -> None:
    assert prepare(str(model), prepared, force=True)[1]


def test_only_an_export_is_announced(model: Path, prepared: Path) -> None:
    announced: list[str] = []

    prepare(str(model), prepared, on_export=lambda: announced.append("not needed"))
    assert announced == []
    prepare(str(model), prepared, force=True, on_export=lambda: announced.append("export"))
    assert announced == ["export"]


def test_an_artifact_of_another_reading_version_is_made_again(
    model: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "READING_VERSION", source.READING_VERSION + 1)

    assert prepare(str(model), prepared)[1]


@pytest.mark.parametrize("name", ["clip-b32", HUB_ID])
def test_a_model_of_the_hub_needs_no_network_once_it_is_prepared(name: str, from_hub: Path) -> None:
    artifact_info, is_new = prepare(name, from_hub)

    assert not is_new
    assert artifact_info.encoder.model_id == HUB_ID


@pytest.mark.parametrize("name", ["siglip2-b16", "someone/another-clip"])
def test_an_artifact_of_another_model_is_not_used(name: str, from_hub: Path) -> None:
    with pytest.raises(ModelUnavailable, match="no network"):
        prepare(name, from_hub)


def test_force_downloads_again(from_hub: Path) -> None:
    with pytest.raises(ModelUnavailable, match="no network"):
        prepare("clip-b32", from_hub, force=True)

    assert not prepare("clip-b32", from_hub)[1]  # and what was there is still good


def test_a_calibration_made_later_is_copied_to_a_prepared_model(model: Path, prepared: Path) -> None:
    revision = artifact.read_info(prepared).encoder.revision
    (model / "calibration.json").write_text(json.dumps({"revision": revision, "threshold": 0.4}))

    assert not prepare(str(model), prepared)[1]
    assert registry.load(prepared).calibration == {"revision": revision, "threshold": 0.4}


def test_a_calibration_made_by_the_user_stays(model: Path, prepared: Path) -> None:
    revision = artifact.read_info(prepared).encoder.revision
    calibration = {"revision": revision, "threshold": 0.7}
    (prepared / "calibration.json").write_text(json.dumps(calibration))
    (model / "calibration.json").write_text(json.dumps({"revision": revision, "threshold": 0.4}))

    assert not prepare(str(model), prepared)[1]
    assert registry.load(prepared).calibration == calibration


def test_two_concurrent_calls_prepare_the_model_once(model: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        is_new = list(pool.map(lambda _: prepare(str(model), tmp_path / "cache" / "model")[1], range(2)))

    assert sorted(is_new) == [False, True]


@pytest.mark.parametrize("package", ["torch", "transformers", "onnx"])
def test_a_missing_package_is_named_with_the_command_that_installs_it(package: str, model: Path, tmp_path: Path) -> None:
    code = f"""
        import sys
        sys.modules[{package!r}] = None
        from pathlib import Path
        from pigeonhole.inference.encoders.artifact import ModelUnavailable
        from pigeonhole.inference.encoders.prepare import prepare
        try:
            prepare({str(model)!r}, Path({str(tmp_path / "new")!r}))
        except ModelUnavailable as error:
            print(error)
    """

    process = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)

    assert process.stdout == f"preparing a model needs {package}: pip install -e '.[torch]'\n"


def test_a_killed_run_leaves_no_artifact(
    model_folders: dict[str, Path],
    small_sentence: Path,
    small_multilingual: Path,
    no_sentence_parts: Path,
    tmp_path: Path,
) -> None:
    model = model_folders["clip"]
    out = tmp_path / "cache" / "model"
    code = f"""
        import os, signal
        from pathlib import Path
        from pigeonhole.inference.encoders import export, packages, source
        from pigeonhole.inference.encoders.prepare import prepare
        packages.sentence_folder = lambda: Path({str(small_sentence)!r})
        packages.multilingual_folder = lambda: Path({str(small_multilingual)!r})
        source.sentence_parts_folder = lambda: Path({str(no_sentence_parts)!r})
        export._compare_with_torch = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        prepare({str(model)!r}, Path({str(out)!r}))
    """

    process = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, check=False)

    assert process.returncode == -9
    assert not out.exists()
    assert any(out.parent.iterdir())  # The process was killed during the export.
    assert prepare(str(model), out)[1]
    assert [path.name for path in out.parent.iterdir()] == [out.name]
