"""`pigeonhole upload`, run as a user runs it against the deployed stack."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.stack.deployment import Deployment
from support.stack.shell import Shell, tenant_name

LABELS = ("--label", "cat", "--label", "temple", "--label", "positive", "--label", "negative")


@pytest.fixture
def shell(deployed: Deployment, tmp_path: Path, request: pytest.FixtureRequest, photos: dict[str, bytes]) -> Shell:
    """A folder `in` with photos, texts and a photo that is cut off; and the label set `mixed`."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("cat", "temple"):
        (folder / f"{name} ü.png").write_bytes(photos[name])
    (folder / "review.txt").write_text("I love it\n")
    samples = [{"type": "text", "value": value} for value in ("I love it", "terrible", "wonderful")]
    (folder / "reviews.jsonl").write_text("".join(json.dumps(sample) + "\n" for sample in samples))
    (tmp_path / "broken.png").write_bytes(photos["cat"][:100])
    configured = Shell(deployed, tenant_name(request), tmp_path)
    configured("labels", "put", "mixed", *LABELS)
    return configured


def test_files_are_uploaded_classified_and_shown(shell: Shell) -> None:
    printed = shell("upload", "in", "broken.png", "gone.png", "--label-set", "mixed", "--watch", exit_code=4)

    head, *rows = [[cell.strip() for cell in line.split("  ") if cell] for line in printed.splitlines()]
    assert head == ["FILE", "LABEL", "SCORE", "ERROR"]
    assert [row[:2] for row in rows[:4]] == [
        ["in/cat ü.png", "cat"],
        ["in/review.txt", "positive"],
        ["in/reviews.jsonl", "3 of 3 lines"],
        ["in/temple ü.png", "temple"],
    ]
    assert all(0 < float(rows[number][2]) <= 1 for number in (0, 1, 3))
    assert rows[4][1].startswith("unreadable_image: ")
    assert rows[5][1] == "gone.png can't be read: No such file or directory."
    assert "5 of 6 files uploaded.\n" in shell.stderr
    assert shell.stderr.endswith("4 of 6 files classified, 2 with an error.\n")

    (by_line,) = [line for line in shell.stderr.splitlines() if line.startswith("Line by line, in/reviews.jsonl: ")]
    assert shell(*by_line.split("pigeonhole ")[1].split()) == "0\tpositive\n1\tnegative\n2\tpositive\n"


def test_keys_are_printed_and_json_has_whole_results(shell: Shell) -> None:
    (line,) = shell("upload", "in/review.txt", "--label-set", "mixed").splitlines()

    file, key = line.split("\t")
    assert file == "in/review.txt"
    assert key.startswith(f"incoming/{shell.tenant}/mixed/")
    assert key.endswith("-review.txt")
    rows = json.loads(shell("upload", "in/cat ü.png", "--label-set", "mixed", "--watch", "--json"))
    assert [(row["file"], row["result"]["prediction"]) for row in rows] == [("in/cat ü.png", "cat")]
    assert rows[0]["result"]["key"] == rows[0]["key"]


def test_an_unknown_label_set_is_reported(shell: Shell) -> None:
    shell("upload", "in", "--label-set", "birds", exit_code=1)

    assert "error: label_set: there is none called 'birds'" in shell.stderr
