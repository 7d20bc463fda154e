"""The folder of a run's results: what is complete is recorded, and only the same run is continued."""

from __future__ import annotations

from pathlib import Path

import pytest

from pigeonhole.bulk.manifest import ManifestSpan
from pigeonhole.bulk.outputs import PartFiles
from pigeonhole.contract.bulk import BulkOptions, OutputFormat
from pigeonhole.contract.bulk_results import ErrorRow, ResultRow, ResultsManifest
from pigeonhole_cli.bulk.local_run import FolderStore, LocalRun, RunDescription
from pigeonhole_cli.request_input import InputError

DESCRIPTION = RunDescription(
    input="/data/in.jsonl",
    identity={"path": "/data/in.jsonl", "bytes": 10},
    options={"labels": [{"type": "text", "value": "ä"}], "scores": True},
    format="jsonl",
    model_id="tiny",
    model_revision="abc",
    span_samples=2,
)

OPTIONS = BulkOptions.model_validate({"labels": [{"type": "text", "value": value} for value in ("ä", "b")], "scores": True})


def parts_of(folder: Path) -> PartFiles:
    return PartFiles(store=FolderStore(folder), format=OutputFormat.JSONL, options=OPTIONS)


def add_span(run: LocalRun, number: int, *, failed: int = 0) -> None:
    span = ManifestSpan(number, 10 * number, 10 * number + 10, 2 * number + 1, 2, 2)
    rows = [ResultRow(line=span.first_line + k, prediction="a") for k in range(2 - failed)]
    errors = [ErrorRow(line=span.first_line + 2 - failed + k, code="x", message="y") for k in range(failed)]
    run.add(span, parts_of(run.folder).write(number, rows, errors), [f"warning {number}", "the same"])


def test_a_run_is_continued_with_the_spans_that_it_lacks(tmp_path: Path) -> None:
    with LocalRun(tmp_path, DESCRIPTION) as run:
        add_span(run, 0)
        add_span(run, 2, failed=1)

    with LocalRun(tmp_path, DESCRIPTION) as again:
        assert sorted(again.records) == [0, 2]
        assert not again.is_finished
        assert (again.counts.succeeded, again.counts.failed) == (3, 1)
        add_span(again, 1)
        manifest = again.finish(OPTIONS)

    assert [part.name for part in manifest.results] == ["part-00000.jsonl", "part-00001.jsonl", "part-00002.jsonl"]
    assert [part.name for part in manifest.errors] == ["errors-00002.jsonl"]
    assert (manifest.counts.total, manifest.counts.failed) == (6, 1)
    assert manifest.warnings == ["warning 0", "the same", "warning 1", "warning 2"]
    assert manifest.options == {"scores": True}
    assert ResultsManifest.model_validate_json((tmp_path / "_manifest.json").read_bytes()) == manifest


def test_a_finished_run_has_nothing_left(tmp_path: Path) -> None:
    with LocalRun(tmp_path, DESCRIPTION) as run:
        (tmp_path / "_input.jsonl").write_bytes(b"{}\n")
        add_span(run, 0)
        run.finish(OPTIONS)

    with LocalRun(tmp_path, DESCRIPTION) as again:
        assert again.is_finished
    assert not (tmp_path / "_input.jsonl").exists()


@pytest.mark.parametrize("torn", [b'{"number":1,"resu', b"{", b"\xff"])
def test_a_record_that_a_crash_cut_off_is_ignored(tmp_path: Path, torn: bytes) -> None:
    with LocalRun(tmp_path, DESCRIPTION) as run:
        add_span(run, 0)
    with (tmp_path / "_journal.jsonl").open("ab") as journal:
        journal.write(torn)

    with LocalRun(tmp_path, DESCRIPTION) as again:
        assert sorted(again.records) == [0]
        add_span(again, 1)
    with LocalRun(tmp_path, DESCRIPTION) as third:
        assert sorted(third.records) == [0, 1]


def test_a_crash_before_the_first_record_leaves_a_folder_that_can_be_used(tmp_path: Path) -> None:
    (tmp_path / "_journal.jsonl").write_bytes(b'{"version":1,"inp')

    with LocalRun(tmp_path, DESCRIPTION) as run:
        add_span(run, 0)
    with LocalRun(tmp_path, DESCRIPTION) as again:
        assert sorted(again.records) == [0]


def test_parts_that_a_crash_left_unrecorded_are_removed(tmp_path: Path) -> None:
    """When the span is classified again, a line may have a result where it had an error before."""
    with LocalRun(tmp_path, DESCRIPTION) as run:
        add_span(run, 0, failed=1)
        parts_of(tmp_path).write(1, [], [ErrorRow(line=3, code="unfetchable_url", message="y")])
        (tmp_path / "part-00002.jsonl.partial").write_bytes(b"half")

    with LocalRun(tmp_path, DESCRIPTION):
        pass

    assert sorted(path.name for path in tmp_path.iterdir()) == ["_journal.jsonl", "errors-00000.jsonl", "part-00000.jsonl"]


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_span_whose_part_is_gone_is_classified_again(tmp_path: Path, damage: str) -> None:
    with LocalRun(tmp_path, DESCRIPTION) as run:
        add_span(run, 0)
        add_span(run, 1)
        run.finish(OPTIONS)
    part = tmp_path / "part-00001.jsonl"
    part.unlink() if damage == "missing" else part.write_bytes(b"")

    with LocalRun(tmp_path, DESCRIPTION) as again:
        assert sorted(again.records) == [0]
        assert not again.is_finished


@pytest.mark.parametrize(
    "change",
    [
        {"options": {"labels": [{"type": "text", "value": "b"}]}},
        {"identity": {"path": "/data/in.jsonl", "bytes": 11}},
        {"model_revision": "def"},
        {"model_engine": "onnxruntime-int8"},
        {"format": "parquet"},
        {"span_samples": 3},
    ],
)
def test_another_run_is_refused_and_changes_nothing(tmp_path: Path, change: dict[str, object]) -> None:
    with LocalRun(tmp_path, DESCRIPTION) as run:
        add_span(run, 0)
    before = (tmp_path / "_journal.jsonl").read_bytes()

    with pytest.raises(InputError, match="another run"), LocalRun(tmp_path, DESCRIPTION.model_copy(update=change)):
        pass

    assert (tmp_path / "_journal.jsonl").read_bytes() == before


def test_a_run_of_an_earlier_version_is_continued(tmp_path: Path) -> None:
    with LocalRun(tmp_path, DESCRIPTION) as run:
        add_span(run, 0)
    journal = tmp_path / "_journal.jsonl"
    journal.write_text(journal.read_text().replace('"model_engine":"onnxruntime",', ""))

    with LocalRun(tmp_path, DESCRIPTION) as again:
        assert sorted(again.records) == [0]


def test_a_folder_with_other_files_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_bytes(b"precious")

    with pytest.raises(InputError, match=r"has other files \(thesis.doc\)"), LocalRun(tmp_path, DESCRIPTION):
        pass

    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]


def test_two_runs_at_once_are_refused(tmp_path: Path) -> None:
    with (
        LocalRun(tmp_path, DESCRIPTION),
        pytest.raises(InputError, match="Another run writes to"),
        LocalRun(tmp_path, DESCRIPTION),
    ):
        pass


def test_a_broken_journal_is_told(tmp_path: Path) -> None:
    (tmp_path / "_journal.jsonl").write_bytes(b"nonsense\n")

    with pytest.raises(InputError, match="is broken"), LocalRun(tmp_path, DESCRIPTION):
        pass


def test_a_path_that_is_no_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(InputError, match="can't hold the results"), LocalRun(tmp_path / "file", DESCRIPTION):
        pass
