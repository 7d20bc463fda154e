"""Lay out the last stage of a Dockerfile in a folder, without Docker: the files that it copies, and the command that it starts.

The module supports only what our Dockerfiles use. It raises for any other instruction, so that a test never passes by accident.
Absolute paths of the image become paths under a root folder.
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
    """One instruction of a Dockerfile.

    Attributes:
        name: The name in capitals, such as COPY.
        flags: The flags by name: `--from=build` is the flag `from`.
        words: The arguments that aren't flags.
        rest: The line after the name.
    """

    name: str
    flags: Mapping[str, str]
    words: tuple[str, ...]
    rest: str


@dataclass
class Image:
    """An image in a folder.

    Attributes:
        root: The folder that stands for `/`.
        folder: The working folder of the container.
        environment: The environment variables of the container.
        user: The user of the container.
        command: ENTRYPOINT and CMD.
        runs: The RUN instructions, which aren't run.
    """

    root: Path
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    user: str = "root"
    command: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)


def last_stage(dockerfile: str) -> tuple[dict[str, str], list[Instruction]]:
    """Return the build arguments of the last stage, by name, and its instructions after FROM."""
    joined = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", dockerfile, flags=re.MULTILINE))
    lines = [line.strip() for line in joined.splitlines() if line.strip()]
    instructions = [_parse(line) for line in lines]
    last = max(index for index, instruction in enumerate(instructions) if instruction.name == "FROM")
    stage = instructions[last + 1 :]
    arguments = dict(_pair(word) for item in stage if item.name == "ARG" for word in item.words if "=" in word)
    return arguments, stage


def lay_out(dockerfile: Path, context: Path, root: Path, built: Mapping[str, Path]) -> Image:
    """Copy the files of a Dockerfile's last stage to a folder.

    Args:
        dockerfile: The Dockerfile.
        context: The build context.
        root: The folder that stands for `/`.
        built: The files of earlier stages, by their path in the image (`/opt/model`).

    Raises:
        ValueError: The Dockerfile has an instruction that isn't supported.
        FileNotFoundError: The build wouldn't find a source.
    """
    arguments, stage = last_stage(dockerfile.read_text())
    image = Image(root, root)
    is_allowed = not_ignored(context)
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
                        files = [path for path in _files(origin) if is_allowed(path)]
                    if not files:
                        raise FileNotFoundError(f"COPY {source}: the build context has no such file")
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
                raise ValueError(f"{dockerfile}: {item.name} isn't supported")
    image.command = entry + command
    image.environment = {name: _move_paths(value, root) for name, value in image.environment.items()}
    return image


def within(root: Path, path: str) -> Path:
    """Return the place under `root` of an absolute path of the image."""
    return root / PurePosixPath(path).relative_to("/")


def not_ignored(context: Path) -> Callable[[Path], bool]:
    """Return the predicate of .dockerignore. The last pattern that matches a file or a folder above it decides."""
    file = context / ".dockerignore"
    lines = [line.strip() for line in file.read_text().splitlines()] if file.is_file() else []
    rules = [(not line.startswith("!"), _pattern(line.lstrip("!").strip("/"))) for line in lines if line and line[0] != "#"]

    def is_allowed(path: Path) -> bool:
        relative = path.relative_to(context)
        names = [relative.as_posix(), *(parent.as_posix() for parent in relative.parents)]
        verdicts = [ignored for ignored, pattern in rules if any(pattern.fullmatch(name) for name in names)]
        return not (verdicts and verdicts[-1])

    return is_allowed


def _files(origin: Path) -> list[Path]:
    return [origin] if origin.is_file() else [path for path in origin.rglob("*") if path.is_file()]


def _copy(origin: Path, files: list[Path], target: str, image: Image) -> None:
    """Copy a file to `target`, or into `target` if it ends with a slash. Copy the content of a folder into `target`."""
    goal = within(image.root, target) if target.startswith("/") else image.folder / target
    for path in files:
        from_folder = origin.is_dir()
        into_folder = target.endswith("/")
        name = path.relative_to(origin) if from_folder else path.name
        destination = goal / name if from_folder or into_folder else goal
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, destination)


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
    return re.sub(r"\$\{?(\w+)\}?", lambda match: values[match[1]], word)


def _move_paths(value: str, root: Path) -> str:
    return ":".join(str(within(root, part)) if part.startswith("/") else part for part in value.split(":"))


def _pattern(glob: str) -> re.Pattern[str]:
    escaped = re.escape(glob).replace(r"\*\*/", "(.*/)?").replace(r"\*\*", ".*").replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
    return re.compile(escaped)
