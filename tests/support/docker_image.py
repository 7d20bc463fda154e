"""A Dockerfile's last stage laid out in a folder: what it COPYs, where, and how it is started, without Docker.

Only what our Dockerfiles use is understood; anything else raises, so that a test never passes on a guess. Absolute paths of the
image become paths under a root folder.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath


@dataclass(frozen=True)
class Instruction:
    """One line of a Dockerfile: `COPY --from=build /a /b` has the flag `from` and two words."""

    name: str
    flags: Mapping[str, str]
    words: tuple[str, ...]
    rest: str


@dataclass
class Image:
    """What a container is started with, and in which `folder`. `command` is ENTRYPOINT and CMD; `runs` built the image."""

    root: Path
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    user: str = "root"
    command: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)


def last_stage(dockerfile: str) -> tuple[dict[str, str], list[Instruction]]:
    """The arguments known to the last stage, by name, and its instructions after FROM."""
    joined = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", dockerfile, flags=re.MULTILINE))
    lines = [line.strip() for line in joined.splitlines() if line.strip()]
    instructions = [_parse(line) for line in lines]
    last = max(index for index, instruction in enumerate(instructions) if instruction.name == "FROM")
    stage = instructions[last + 1 :]
    arguments = dict(_pair(word) for item in stage if item.name == "ARG" for word in item.words if "=" in word)
    return arguments, stage


def lay_out(dockerfile: Path, context: Path, root: Path, built: Mapping[str, Path]) -> Image:
    """Copy what the last stage of `dockerfile` COPYs from `context` to `root`, and say how the image starts.

    `built`: what an earlier stage leaves at a path, by that path (`/opt/model`).
    Raises ValueError for an instruction that is not understood, FileNotFoundError for a source that the build would not find.
    """
    arguments, stage = last_stage(dockerfile.read_text())
    image = Image(root, root)
    allowed = not_ignored(context)
    entry: list[str] = []
    command: list[str] = []
    for item in stage:
        words = [_expand(word, {**arguments, **image.environment}) for word in item.words]
        match item.name:
            case "COPY":
                *sources, target = words
                for source in sources:
                    if "from" in item.flags:
                        origin, files = built[source], _files(built[source])
                    else:
                        origin = context / source
                        files = [path for path in _files(origin) if allowed(path)]
                    if not files:
                        raise FileNotFoundError(f"COPY {source}: nothing of it is in the build context")
                    _copy(origin, files, target, image)
            case "ENV":
                image.environment.update(_pair(word) for word in words)
            case "WORKDIR":
                image.folder = within(root, words[0])
                image.folder.mkdir(parents=True, exist_ok=True)
            case "USER":
                image.user = words[0]
            case "RUN":
                image.runs.append(item.rest)
            case "ENTRYPOINT":
                entry = json.loads(item.rest)
            case "CMD":
                command = json.loads(item.rest)
            case "ARG" | "LABEL":
                pass
            case _:
                raise ValueError(f"{dockerfile}: {item.name} is not understood here")
    image.command = entry + command
    image.environment = {name: _moved(value, root) for name, value in image.environment.items()}
    return image


def within(root: Path, path: str) -> Path:
    """Where the image's absolute `path` lies under `root`."""
    return root / PurePosixPath(path).relative_to("/")


def not_ignored(context: Path) -> Callable[[Path], bool]:
    """Whether .dockerignore lets a file into the build: the last pattern that matches it or a folder above it decides."""
    file = context / ".dockerignore"
    lines = [line.strip() for line in file.read_text().splitlines()] if file.is_file() else []
    rules = [(not line.startswith("!"), _pattern(line.lstrip("!").strip("/"))) for line in lines if line and line[0] != "#"]

    def allowed(path: Path) -> bool:
        relative = path.relative_to(context)
        names = [relative.as_posix(), *(parent.as_posix() for parent in relative.parents)]
        verdicts = [ignored for ignored, pattern in rules if any(pattern.fullmatch(name) for name in names)]
        return not (verdicts and verdicts[-1])

    return allowed


def _files(origin: Path) -> list[Path]:
    return [origin] if origin.is_file() else [path for path in origin.rglob("*") if path.is_file()]


def _copy(origin: Path, files: list[Path], target: str, image: Image) -> None:
    """A file goes to `target`, or into it where that ends in a slash; of a folder, the content goes into `target`."""
    goal = within(image.root, target) if target.startswith("/") else image.folder / target
    for path in files:
        place = goal / path.relative_to(origin) if origin.is_dir() else goal / path.name if target.endswith("/") else goal
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)


def _parse(line: str) -> Instruction:
    name, _, rest = line.partition(" ")
    if rest.lstrip().startswith("["):
        return Instruction(name.upper(), {}, tuple(json.loads(rest)), rest.strip())
    words = shlex.split(rest) if name.upper() != "RUN" else [rest]
    flags = dict(_pair(word[2:]) for word in words if word.startswith("--"))
    return Instruction(name.upper(), flags, tuple(word for word in words if not word.startswith("--")), rest.strip())


def _pair(word: str) -> tuple[str, str]:
    name, _, value = word.partition("=")
    return name, value


def _expand(word: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\$\{?(\w+)\}?", lambda found: values[found[1]], word)


def _moved(value: str, root: Path) -> str:
    return ":".join(str(within(root, part)) if part.startswith("/") else part for part in value.split(":"))


def _pattern(glob: str) -> re.Pattern[str]:
    escaped = re.escape(glob).replace(r"\*\*/", "(.*/)?").replace(r"\*\*", ".*").replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
    return re.compile(escaped)
