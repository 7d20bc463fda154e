"""Check the prose of documents, comments, docstrings and messages with proselint, and with this project's words to avoid.

Run by `make lint` with the Python of the linters. Text in double quotes and Markdown code is exempt: it may quote anything.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

from proselint.checks import __register__ as proselint_checks
from proselint.config import DEFAULT
from proselint.registry import CheckRegistry
from proselint.registry.checks import Check
from proselint.registry.checks.types import PreferredForms
from proselint.tools import LintFile

ROOT = Path(__file__).resolve().parents[1]

# A pattern to avoid, and what to write instead.
AVOID = {
    "nobody": "the actor, or 'no caller', 'no worker'",
    "whoever": "the actor, such as 'the caller that'",
    "anew": "'again'",
    "told": "'published', 'reported' or 'notified'",
    "mend(?:s|ed|ing)?": "'fix'",
    "what becomes? of": "the result or the state",
    "what became of": "the result or the state",
    "let(?:s|ting)? go": "'delete' or 'mark as unused'",
    "(?:taken|took) up": "'claim'",
    "(?:come|comes|came) again": "'is redelivered' or 'is retried'",
    "(?:goes|went) on": "'continue'",
    "of (?:two|three|several),": "standard word order",
    "too[,.;]": "'also', before the verb",
    "and (?:its|their) kin": "the members",
    "who (?:asks|waits|sends|has|is|may|reads|writes|wants|names|calls)": "the actor, such as 'the caller'",
}
WORDS = Check(check_type=PreferredForms(AVOID), path="pigeonhole.words", message="write {0} instead of '{1}'.")
# Of proselint's own checks, those that are about wording: typography, dates and the like don't fit code.
PROSELINT = (
    *("archaism", "cliches", "malapropisms", "misc.apologizing", "misc.metadiscourse", "misc.illogic"),
    *("mixed_metaphors", "nonwords", "oxymorons", "redundancy", "social_awareness", "spelling.misc", "terms", "weasel_words"),
)
CONFIG = {**DEFAULT, "max_errors": 10_000, "checks": {WORDS.path: True}}
CODE = re.compile(r"^( *)(`{3,}).*?^ *\2 *$|(`+).*?\3|\]\([^)\s]*\)", re.MULTILINE | re.DOTALL)
WITH_MESSAGES = ("layers/", "functions/", "cli/")  # elsewhere strings are data
DATA = "layers/core/pigeonhole/inference/labels/"  # its strings are labels and what they mean


def read_prose(path: Path) -> str:
    """Return a file's prose, with each word on its line and column. Everything else is blank."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return CODE.sub(lambda code: re.sub(r"[^\n]", " ", code[0]), text)
    if path.suffix != ".py":
        return re.sub(r"^(?!.*(?:#|Description:)).*$", "", text, flags=re.MULTILINE)
    lines = [[" "] * len(line) for line in text.splitlines()]
    name = path.relative_to(ROOT).as_posix()
    for token in prose_tokens(text, with_strings=name.startswith(WITH_MESSAGES) and not name.startswith(DATA)):
        for offset, line in enumerate(token.string.split("\n")):
            row, column = token.start[0] - 1 + offset, token.start[1] if offset == 0 else 0
            lines[row][column : column + len(line)] = line
    return "\n".join("".join(line) for line in lines)


def prose_tokens(text: str, with_strings: bool) -> Iterator[tokenize.TokenInfo]:
    """Yield the comments and docstrings of Python code, without their quotes; with_strings adds strings of several words."""
    before = tokenize.NEWLINE
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        is_docstring = before in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
        if token.type == tokenize.COMMENT:
            yield token
        elif token.type == tokenize.STRING and (is_docstring or (with_strings and " " in token.string)):
            yield token._replace(
                string=re.sub(r"^\w*(\"{3}|'{3}|\"|')|(\"{3}|'{3}|\"|')$", lambda quote: " " * len(quote[0]), token.string)
            )
        elif with_strings and tokenize.tok_name[token.type] == "FSTRING_MIDDLE":
            yield token
        if token.type not in (tokenize.NL, tokenize.COMMENT):
            before = token.type


def main() -> None:
    """Print each finding, and exit with 1 if there is one."""
    CheckRegistry().register_many((*proselint_checks, WORDS))
    patterns = sys.argv[1:] or ["*.md", "*.py", "*.toml", "*.yaml", "Makefile", "Dockerfile"]
    listed = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, check=True, capture_output=True)
    count = 0
    for name in sorted(filter(None, listed.stdout.decode().split("\0"))):
        path = ROOT / name
        text = read_prose(path)
        if not text.strip():
            continue
        checks = {WORDS.path: True} | (dict.fromkeys(PROSELINT, True) if path.suffix == ".md" else {})
        for result in LintFile(name, text).lint({**CONFIG, "checks": checks}):
            count += 1
            print(f"{name}:{result.pos[0]}: {result.check_result.message}")
    sys.exit(1 if count else 0)


if __name__ == "__main__":
    main()
