"""docker_image.py reads Dockerfiles as Docker does, and refuses what it doesn't support. The tests of the images need it."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import docker_image

DOCKERFILE = """\
FROM python:3.13 AS build
COPY secret.txt /secret.txt
CMD ["other"]
FROM python:3.13
ARG PLACE=task
# a comment
ENV A=/opt/a:/opt/b \\
    B=plain
WORKDIR /var/${PLACE}
COPY code ./code
COPY one.txt two.txt ./
COPY one.txt /etc/renamed.txt
COPY --from=build /made /opt/made
RUN python -c "x = 1"
USER 10001
ENTRYPOINT ["python", "-m"]
CMD ["main"]
"""
IGNORE = "# all but\n*\n!code\n!*.txt\n**/__pycache__\ncode/*.log\n"


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    for name in ("code/a.py", "code/deep/b.py", "code/__pycache__/a.pyc", "code/deep/__pycache__/b.pyc", "code/a.log"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    for name in ("one.txt", "two.txt", "secret.txt", "other.md"):
        (folder / name).write_text(name)
    (folder / ".dockerignore").write_text(IGNORE)
    return folder


def lay_out(context: Path, dockerfile: str) -> docker_image.Image:
    (context / "Dockerfile").write_text(dockerfile)
    (context.parent / "made").mkdir()
    (context.parent / "made/model.onnx").write_text("weights")
    return docker_image.lay_out(context / "Dockerfile", context, context.parent / "root", {"/made": context.parent / "made"})


def test_only_the_last_stage_is_laid_out(context: Path) -> None:
    image = lay_out(context, DOCKERFILE)

    files = {path.relative_to(image.root).as_posix() for path in image.root.rglob("*") if path.is_file()}
    assert files == {
        "var/task/code/a.py",
        "var/task/code/deep/b.py",
        "var/task/one.txt",
        "var/task/two.txt",
        "etc/renamed.txt",
        "opt/made/model.onnx",
    }


def test_the_command_and_its_environment_are_read(context: Path) -> None:
    image = lay_out(context, DOCKERFILE)

    assert image.command == ["python", "-m", "main"]
    assert image.folder == image.root / "var/task"
    assert image.user == "10001"
    assert image.environment == {"A": f"{image.root}/opt/a:{image.root}/opt/b", "B": "plain"}


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("COPY other.md ./", FileNotFoundError),  # excluded by .dockerignore
        ("COPY absent.txt ./", FileNotFoundError),
        ("COPY --from=build /not-made ./", KeyError),
        ("ADD one.txt ./", ValueError),
    ],
)
def test_a_missing_source_or_an_unsupported_instruction_raises(context: Path, line: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        lay_out(context, f"FROM python:3.13\nWORKDIR /var/task\n{line}\n")


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("code/a.py", True),
        ("code/a.log", False),
        ("code/deep/__pycache__/b.pyc", False),
        ("one.txt", True),
        ("other.md", False),
    ],
)
def test_the_last_pattern_that_matches_decides(context: Path, name: str, allowed: bool) -> None:
    assert docker_image.not_ignored(context)(context / name) is allowed
