"""The GPU worker's services: the ONNX engine without a checkpoint, and torch with batches that suit the card with one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pigeonhole.bulk.runner import GROUP_SAMPLES
from pigeonhole.settings import MissingSetting, Settings, variable_name
from pigeonhole.wiring import gpu
from support.fake_model import fake_loaded_model
from support.template import read_template

REQUIRED = ("table_name", "job_bucket", "plan_queue", "upload_bucket")
SETTINGS = Settings(**dict.fromkeys(REQUIRED, "x"))  # type: ignore[arg-type]


def ignore(message: object, error: Exception) -> None:
    """Report nothing."""


def test_the_worker_needs_only_settings_that_the_template_gives_it(loaded_folders: list[Path]) -> None:
    container = read_template()["Resources"]["GpuDefinition"]["Properties"]["ContainerProperties"]
    given = {variable["Name"] for variable in container["Environment"]}

    assert {variable_name(name) for name in REQUIRED} <= given
    gpu.gpu_task_worker(SETTINGS, ignore)
    for name in REQUIRED:
        with pytest.raises(MissingSetting, match=variable_name(name)):
            gpu.gpu_task_worker(replace(SETTINGS, **{name: ""}), ignore)  # type: ignore[arg-type]


def test_without_a_checkpoint_the_onnx_engine_runs_in_small_groups(loaded_folders: list[Path]) -> None:
    service = gpu.gpu_task_worker(replace(SETTINGS, model_dir="/models/here", encode_workers=3), ignore)

    assert loaded_folders == [Path("/models/here")]
    assert (service.worker.group_samples, service.worker.piece_samples) == (GROUP_SAMPLES, GROUP_SAMPLES)
    assert service.worker.threads == 3
    assert service.worker.span_queue is service.left


@pytest.mark.torch
def test_with_a_checkpoint_the_batches_suit_the_card(monkeypatch: pytest.MonkeyPatch) -> None:
    from pigeonhole.inference.encoders.checkpoints import cuda_engine

    loaded: list[Any] = []

    def load(model_dir: Path, name: str, sentence: str) -> Any:
        loaded.append((model_dir, name, sentence))
        return fake_loaded_model(), 200

    monkeypatch.setattr(cuda_engine, "load", load)
    settings = replace(SETTINGS, checkpoint="clip-b32", sentence_checkpoint="owner/name", gpu_task_s=60)

    service = gpu.gpu_task_worker(settings, ignore)

    assert loaded == [(Path("/opt/model"), "clip-b32", "owner/name")]
    assert (service.worker.group_samples, service.worker.piece_samples, service.max_s) == (200, 200, 60)


@pytest.mark.parametrize(("index", "number"), [("", 0), ("12", 12)])
def test_the_task_is_read_from_the_environment(index: str, number: int) -> None:
    run = f"acme/{'0' * 32}/3"

    name, task = gpu.gpu_task_index({"PIGEONHOLE_GPU_RUN": run, "AWS_BATCH_JOB_ARRAY_INDEX": index})

    assert (str(name), task) == (run, number)


def test_a_missing_run_is_named() -> None:
    with pytest.raises(ValueError, match="PIGEONHOLE_GPU_RUN"):
        gpu.gpu_task_index({})
