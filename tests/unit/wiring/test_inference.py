"""The services of functions/classify run the model of the settings, by their rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from pigeonhole.contract.commands import COMMAND, ClassifyCommand
from pigeonhole.errors import ForbiddenUrl
from pigeonhole.inference.encoders import registry
from pigeonhole.inference.encoders.artifact import ModelUnavailable
from pigeonhole.inference.images import decode_pool
from pigeonhole.settings import Settings
from pigeonhole.wiring import inference, lambda_start
from pigeonhole.wiring.inference import decode_workers, encode_workers
from support.fake_model import fake_loaded_model

LABELS = [{"type": "text", "value": name} for name in "ab"]


def test_the_classifier_runs_the_model_of_the_settings(loaded_folders: list[Path]) -> None:
    described = inference.classify_services(Settings(model_dir="/models/here")).pipeline.describe()

    assert loaded_folders == [Path("/models/here")]
    assert (described.model_id, described.text_encoder, described.calibrated) == ("fake", "fake-text", False)


def test_the_settings_say_which_urls_the_classifier_fetches(loaded_folders: list[Path]) -> None:
    def ask(**settings: bool) -> None:
        photo = {"type": "image", "value": "http://127.0.0.1/photo.jpg"}
        event = {"kind": "classify", "log_id": "l", "tenant_id": "t", "request": {"labels": LABELS, "dataset": [photo]}}
        command = COMMAND.validate_python(event)
        assert isinstance(command, ClassifyCommand)
        inference.classify_services(Settings(**settings)).pipeline.classify(command)

    with pytest.raises(ForbiddenUrl, match="scheme"):
        ask()
    with pytest.raises(ForbiddenUrl, match="public"):
        ask(allow_http=True)


@pytest.mark.parametrize(("memory_mb", "workers"), [(None, 2), ("512", 1), ("1769", 1), ("1770", 2), ("3008", 2), ("10240", 2)])
def test_as_many_batches_are_encoded_at_once_as_the_memory_has_cores_or_parts_of_a_core(
    memory_mb: str | None, workers: int
) -> None:
    environ = {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": memory_mb} if memory_mb else {}

    assert encode_workers(Settings(), environ) == workers


# 2,495 MB hold two processes that decode images beside the model and the files of a request.
@pytest.mark.parametrize(("memory_mb", "workers"), [(None, 2), ("512", 1), ("2494", 1), ("2495", 2), ("3008", 2), ("10240", 2)])
def test_at_most_as_many_images_are_decoded_at_once_as_the_memory_holds(memory_mb: str | None, workers: int) -> None:
    environ = {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": memory_mb} if memory_mb else {}

    assert decode_workers(Settings(), environ) == workers
    assert decode_workers(Settings(decode_workers=1), environ) == 1


@pytest.mark.parametrize(
    ("initialization", "loads", "decoders"), [("provisioned-concurrency", 1, 1), ("on-demand", 0, 1), (None, 0, 0)]
)
def test_a_start_on_lambda_starts_a_decode_process_and_loads_the_model_if_it_comes_before_the_calls(
    initialization: str | None,
    loads: int,
    decoders: int,
    loaded_folders: list[Path],
    started_decoders: list[None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if initialization:
        monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", initialization)

    lambda_start.start_decode_process()
    inference.load_ahead()

    assert (len(loaded_folders), len(started_decoders)) == (loads, decoders)


@pytest.mark.parametrize(
    ("initialization", "quickly"), [("on-demand", True), ("provisioned-concurrency", False), (None, False)]
)
def test_a_model_starts_quickly_if_a_call_waits_for_it(
    initialization: str | None, quickly: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def load(folder: Path, *, threads: int, starts_quickly: bool) -> registry.LoadedModel:
        asked.append(starts_quickly)
        return fake_loaded_model()

    monkeypatch.setattr(registry, "load", load)
    if initialization:
        monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", initialization)

    inference.classify_services(Settings())

    assert asked == [quickly]


def test_a_start_goes_on_without_a_decode_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise BlockingIOError("Resource temporarily unavailable")

    monkeypatch.setattr(decode_pool, "start_ahead", fail)
    monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")

    lambda_start.start_decode_process()


def test_a_missing_model_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable):
        inference.classify_services(Settings(model_dir=str(tmp_path / "nothing")))
