"""The official JigsawStack clients from their registries, with one interface for the tests."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Protocol

JAVASCRIPT = "jigsawstack@0.4.2"

RUNNER = """
import { readFileSync } from "node:fs";
import { JigsawStack } from "jigsawstack";
const { url, key, body } = JSON.parse(readFileSync(0, "utf8"));
const client = JigsawStack({ baseURL: url, apiKey: key });
const outcome = await client.classification(body).then((answer) => ({ answer }), (refusal) => ({ refusal }));
console.log(JSON.stringify(outcome));
"""

# A file is sent with its options, read as bytes and deleted. Then it is missing.
STORE_RUNNER = """
import { readFileSync } from "node:fs";
import { JigsawStack } from "jigsawstack";
const { url, key, file, options } = JSON.parse(readFileSync(0, "utf8"));
const { store } = JigsawStack({ baseURL: url, apiKey: key });
const stored = await store.upload(Buffer.from(file, "base64"), options ?? undefined);
const read = await (await store.retrieve(stored.key)).buffer();
const deleted = await store.delete(stored.key);
const missing = await store.retrieve(stored.key).catch((refusal) => refusal);
console.log(JSON.stringify({ stored, read: read.toString("base64"), deleted, missing }));
"""


class Refused(Exception):
    """An error answer to a client. `error` is the answer's field `error`."""

    def __init__(self, message: str, error: dict[str, Any]) -> None:
        super().__init__(message)
        self.error = error


class Client(Protocol):
    """A client of one API, with one key."""

    def classify(self, body: dict[str, Any]) -> dict[str, Any]:
        """Classify, or raise Refused for an error answer."""
        ...


class PythonClient:
    """PyPI's `jigsawstack`, in this process."""

    def __init__(self, url: str, key: str) -> None:
        from jigsawstack import JigsawStack

        self._client = JigsawStack(api_key=key, base_url=url)

    def classify(self, body: dict[str, Any]) -> dict[str, Any]:
        from jigsawstack.exceptions import JigsawStackError

        try:
            answer: dict[str, Any] = self._client.classification(body)
        except JigsawStackError as refusal:
            raise Refused(refusal.message, refusal.error) from refusal
        return answer


class JavaScriptClient:
    """npm's `jigsawstack`, installed in `folder`, in one Node process per call."""

    def __init__(self, url: str, key: str, folder: Path) -> None:
        self._url, self._key, self._folder = url, key, folder

    def classify(self, body: dict[str, Any]) -> dict[str, Any]:
        runner = self._folder / "classify.mjs"
        runner.write_text(RUNNER)
        outcome = json.loads(run_node(runner, stdin=json.dumps({"url": self._url, "key": self._key, "body": body})))
        if "refusal" in outcome:
            raise Refused(outcome["refusal"]["message"], outcome["refusal"]["error"])
        answer: dict[str, Any] = outcome["answer"]
        return answer

    def store_and_delete(self, file: bytes, options: dict[str, Any] | None = None) -> dict[str, Any]:
        """Upload a file, retrieve it, delete it and retrieve it again. Return what each step gave."""
        runner = self._folder / "store.mjs"
        runner.write_text(STORE_RUNNER)
        sent = {"url": self._url, "key": self._key, "file": base64.b64encode(file).decode(), "options": options}
        outcome: dict[str, Any] = json.loads(run_node(runner, stdin=json.dumps(sent)))
        return outcome | {"read": base64.b64decode(outcome["read"])}


def install_javascript(cache: Path, package: str = JAVASCRIPT) -> Path:
    """Return a folder with a package of npm, which is installed once into `cache`. By default, JigsawStack's client.

    Raises FileNotFoundError without Node, CalledProcessError if npm can't install.
    """
    folder = cache / package.replace("@", "-")
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", package], cwd=folder, check=True)
        (folder / "complete").touch()
    return folder


def run_node(script: Path, *, stdin: str = "", **environment: str) -> str:
    """Run a script and return its output. Raise AssertionError with its errors if it fails."""
    done = subprocess.run(
        ["node", script.name],
        cwd=script.parent,
        env=os.environ | environment,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
