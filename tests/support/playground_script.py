"""Run modules of the playground in Node, where a test answers their requests and no pause takes time."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from pigeonhole.api import playground
from pigeonhole.api.modules import join_modules

STATIC = Path(playground.__file__).parent / "static"
TIMEOUT_S = 60

# What the modules expect of a browser. A program sets `reply`, which returns a Response or rejects.
BROWSER = """
const asked = [], waits = [], calls = [];
let reply = async () => json({});
const json = (value, options) => new Response(JSON.stringify(value), options);
const stored = new Map([["pigeonhole-api-key", "pgh_test"]]);
globalThis.document = { baseURI: "http://stack.test/prod/" };
globalThis.sessionStorage = {
  getItem: (name) => stored.get(name) ?? null,
  setItem: (name, value) => stored.set(name, value),
  removeItem: (name) => stored.delete(name),
};
globalThis.fetch = async (url, options = {}) => {
  asked.push(`${options.method} ${new URL(url).pathname.replace("/prod/v1/", "")}${new URL(url).search}`);
  return reply(asked.at(-1), options);
};
globalThis.setTimeout = (callback, wait_ms) => { waits.push(wait_ms); return setImmediate(callback); };
globalThis.clearTimeout = clearImmediate;
"""
REPORT = """
for (const name of ["refused", "unreachable", "reachable"]) api_module.hooks[name] = () => calls.push(name);
const describe = ({ name, message, code, status }) => ({ name, message, code, status });
const outcome = await main().then((value) => ({ value }), describe);
console.log(JSON.stringify({ ...outcome, asked, waits, calls }));
"""


def run_program(program: str, *modules: str) -> dict[str, Any]:
    """Run a program that defines `async function main()`, after modules that it reads as `NAME_module`.

    Returns:
        The `value` that it returned, or the `name`, `message`, `code` and `status` of its error. `asked` has the requests,
        `waits` the pauses in ms, and `calls` the names of the hooks that were called.
    """
    node = shutil.which("node")
    assert node, "Node is missing. On Debian and Ubuntu: apt install nodejs"
    sources = {file.stem: file.read_text("utf-8") for file in STATIC.rglob("*.js") if file.stem in modules}
    script = f"{BROWSER}{join_modules(sources)}{program}{REPORT}"
    done = subprocess.run(
        [node, "--input-type=module", "-"], input=script, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result
