"""benchmarks/fuzz_images.py: its seeds are files of their format. Fuzzing itself needs atheris and ten minutes per format."""

from __future__ import annotations

from pathlib import Path

import pytest

import fuzz_images
from pigeonhole.errors import SampleError
from pigeonhole.inference.images.decode import open_image
from pigeonhole.inference.images.formats import identify
from pigeonhole.inference.images.limits import ImageLimits


@pytest.mark.slow
@pytest.mark.parametrize("file_format", fuzz_images.FORMATS)
def test_a_format_is_fuzzed_from_files_of_that_format(file_format: str) -> None:
    seeds = [*fuzz_images.seeds(file_format)]

    assert {identify(seed) for seed in seeds} == {file_format}
    opened = 0
    for seed in seeds:
        try:
            open_image(seed, ImageLimits(max_pixels=200_000), side=16)
            opened += 1
        except SampleError:
            continue
    assert opened, "at least one seed is valid"


def test_a_fuzzer_that_cannot_start_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fuzz_images.sys, "executable", "/bin/false")

    assert not fuzz_images.fuzz("BMP", 1, tmp_path)
    assert capsys.readouterr().out.startswith("BMP")
