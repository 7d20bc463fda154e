"""benchmarks/document_region.py and machine.py: a script fills its region of a document, and says how it was run."""

from __future__ import annotations

from pathlib import Path

import pytest

import document_region
import machine

PAGE = "# Page\n\n<!-- begin: one -->\n<!-- end: one -->\n\ntext\n\n<!-- begin: two -->\n\nold\n\n<!-- end: two -->\n\nmore\n"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    return path


def test_only_the_named_region_changes(page: Path) -> None:
    document_region.fill(page, "two", "| new |\n")

    assert page.read_text() == PAGE.replace("old", "| new |")
    assert document_region.read(page, "two") == "| new |"


def test_a_region_can_be_filled_again(page: Path) -> None:
    document_region.fill(page, "one", r"first \1")
    once = page.read_text()
    document_region.fill(page, "one", "second")
    document_region.fill(page, "one", r"first \1")

    assert page.read_text() == once
    assert document_region.read(page, "one") == r"first \1"


@pytest.mark.parametrize("text", ["# Page\n", PAGE + PAGE, "<!-- begin: one -->\n", "<!-- end: one -->\n<!-- begin: one -->\n"])
def test_a_document_without_exactly_one_such_region_is_left_alone(page: Path, text: str) -> None:
    page.write_text(text)

    with pytest.raises(ValueError, match=r"must have one region .one.\. Add the lines <!-- begin: one --> and <!-- end"):
        document_region.fill(page, "one", "new")
    assert page.read_text() == text


def test_a_run_is_described_with_its_machine_and_command() -> None:
    described = machine.describe_run("python benchmarks/x.py --write")

    assert " cores of " in described
    assert described.endswith("\n(`python benchmarks/x.py --write`):")


@pytest.mark.parametrize(
    ("flags", "region"),
    [
        ("flags : fpu avx2 avx512_vnni", "speed, with VNNI"),
        ("flags : avx_vnni", "speed, with VNNI"),
        ("flags : fpu avx2", "speed, without VNNI"),
        ("", "speed, without VNNI"),
    ],
)
def test_a_table_goes_to_the_region_of_its_processor(flags: str, region: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda _: flags)

    assert machine.to_region("speed") == region
