"""What `pigeonhole up` prints when the stack is ready, and what it explains on request."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pigeonhole_cli.local.addresses import Addresses
from pigeonhole_cli.local.rewrites import REWRITES
from pigeonhole_cli.main import app
from pigeonhole_cli.start import panel

API_KEY = "pgh" + "x" * 40  # as long as one of the service
URL = "http://127.0.0.1:8080"
ADDRESSES = Addresses(URL, "http://127.0.0.1:8081")
COLUMNS = 80  # of a terminal


def test_the_panel_fits_on_a_small_terminal_with_both_notes() -> None:
    text = panel.panel(URL, API_KEY, 7.25, ".venv/bin/pigeonhole", panel.port_notes((1, 2), ADDRESSES))

    rows = sum(-(-max(len(line), 1) // COLUMNS) for line in text.splitlines())
    assert len(text.splitlines()) <= 15
    assert rows <= 20, "lines that are pasted are longer than a terminal is wide"


def test_the_panel_has_the_page_the_address_and_the_key() -> None:
    lines = panel.panel(URL, API_KEY, 7.25, "pigeonhole").splitlines()

    assert lines[:4] == ["Ready in 7.2 s.", f"page     {URL}/#key={API_KEY}", f"URL      {URL}", f"API key  {API_KEY}"]


def test_the_export_sets_both_variables() -> None:
    (line,) = [line for line in panel.panel(URL, API_KEY, 1, "pigeonhole").splitlines() if line.startswith("export ")]

    assert shlex.split(line)[1:] == [f"JIGSAWSTACK_API_URL={URL}", f"JIGSAWSTACK_API_KEY={API_KEY}"]


@pytest.mark.parametrize(
    ("asked", "notes"),
    [
        ((8080, 8081), []),
        ((0, 0), []),
        ((8079, 8081), ["Port 8079 is in use. The API has port 8080."]),
        ((8080, 80), ["Port 80 is in use. The emulated AWS has port 8081."]),
    ],
)
def test_a_port_that_was_in_use_is_noted(asked: tuple[int, int], notes: list[str]) -> None:
    assert panel.port_notes(asked, ADDRESSES) == notes


def test_explain_names_every_difference_and_starts_nothing(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["up", "--explain", "--data", str(tmp_path)])

    assert result.exit_code == 0
    for row in REWRITES:
        assert f"{row.name}: {row.why}" in result.stdout
    assert "AWS_ENDPOINT_URL" not in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_explain_has_the_address_of_a_stack_that_runs(tmp_path: Path) -> None:
    with ADDRESSES.published(tmp_path):
        result = CliRunner().invoke(app, ["up", "--explain", "--data", str(tmp_path)])

    assert f"export AWS_ENDPOINT_URL={ADDRESSES.aws_url} " in result.stdout


def test_the_differences_are_written_to_the_data_folder(tmp_path: Path) -> None:
    panel.write_differences(tmp_path, ADDRESSES)

    assert (tmp_path / panel.DIFFERENCES).read_text() == panel.explain(ADDRESSES) + "\n"
