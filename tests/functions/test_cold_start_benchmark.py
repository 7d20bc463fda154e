"""benchmarks/cold_start.py in its smallest size: all kinds of functions start and answer, and the table compares them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from transformers import CLIPConfig

import cold_start
from classify import write_random_clip
from pigeonhole.inference.encoders.prepare import prepare
from pigeonhole_cli.model_cache import DEFAULT_CACHE, cached_folder
from support import docker_image, virtual_environments

pytestmark = [pytest.mark.torch, pytest.mark.slow]

TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "projection_dim": 24}
TEXT = {**TOWER, "vocab_size": 1000, "bos_token_id": 0, "eos_token_id": 1}


@pytest.fixture(scope="module")
def environment() -> Path:
    """The environment of test_classify_image.py, which is reused."""
    return virtual_environments.with_requirements(
        cold_start.FUNCTION / "requirements.txt", cold_start.ROOT / ".cache" / "classify-image"
    )


def test_the_image_starts_and_answers(tmp_path: Path, environment: Path) -> None:
    model = cached_folder("tiny", Path(os.environ.get("PIGEONHOLE_CACHE", DEFAULT_CACHE)))
    prepare("tiny", model)
    dockerfile = cold_start.FUNCTION / "Dockerfile"
    image = docker_image.lay_out(dockerfile, cold_start.ROOT, tmp_path / "root", built={"/opt/model": model})
    side = cold_start.pigeonhole_side("ours", image, str(virtual_environments.python(environment)), model)

    seconds = cold_start.measure([side], cold_start.create_event(), rounds=1)

    assert [*seconds] == ["ours"]
    assert len(seconds["ours"]) == 1, "the first round isn't counted"


def test_a_handler_around_transformers_starts_and_answers(tmp_path: Path, environment: Path) -> None:
    vision = {**TOWER, "image_size": 64, "patch_size": 16}
    (source := tmp_path / "clip").mkdir()
    write_random_clip(CLIPConfig(text_config=TEXT, vision_config=vision, projection_dim=24), source)
    (folder := tmp_path / "plain").mkdir()

    assert (
        cold_start.start(
            cold_start.plain_side(folder, virtual_environments.packages(environment), source), cold_start.create_event()
        )
        > 0
    )


def test_an_empty_handler_starts_and_answers(tmp_path: Path, environment: Path) -> None:
    side = cold_start.empty_side(tmp_path, str(virtual_environments.python(environment)))

    assert cold_start.start(side, cold_start.create_event()) > 0


def test_a_function_that_fails_ends_the_measurement(tmp_path: Path, environment: Path) -> None:
    side = cold_start.plain_side(tmp_path, virtual_environments.packages(environment), tmp_path / "missing")
    (tmp_path / "plain.py").write_text("def handler(event, context):\n    raise RuntimeError('broken')\n")

    with pytest.raises(SystemExit, match=r"transformers failed: .*broken"):
        cold_start.start(side, cold_start.create_event())


def test_the_table_compares_with_the_last_side() -> None:
    lines = cold_start.table({"ours": [1.0, 3.0, 2.0], "theirs": [8.0]}).splitlines()

    assert lines[2].startswith("| ours | 2.00 | 1.00 to 3.00 | 0.25 x |")
    assert lines[3].startswith("| theirs | 8.00 | 8.00 to 8.00 | 1.00 x |")
