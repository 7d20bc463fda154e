"""The limits, errors and commands of the README are those of the code. tests/stack runs its requests."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from pigeonhole.contract.limits import RequestLimits
from pigeonhole.errors import BY_CODE, SampleError
from pigeonhole.settings import Settings
from support import pages
from support.template import read_template

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
UNITS = {"": 1, "MB": 1_000_000, "megapixels": 1, "s": 1}


def amount(words: str) -> float:
    """Parse `8,000` or `20 MB`."""
    match = re.fullmatch(r"([\d,.]+) ?(\w*)", words)
    assert match is not None, words
    return float(match[1].replace(",", "")) * UNITS[match[2]]


def documented_limits() -> dict[str, float]:
    return {row["setting"].strip("`"): amount(row["default"]) for row in pages.table_after(README, "Limits")}


def test_the_limits_are_the_defaults_of_the_settings() -> None:
    defaults = {field.name: field.default for field in fields(Settings)}
    limits = documented_limits()

    assert limits == {name: defaults[name] for name in limits}


def test_no_limit_is_left_out() -> None:
    limits = {field.name for field in fields(Settings) if field.name.startswith("max_") or field.name.endswith("_timeout_s")}

    assert limits - {"lookup_timeout_s", "rate_counter_timeout_s"} == set(documented_limits())


def test_the_contract_and_the_settings_agree_on_the_defaults() -> None:
    documented = documented_limits()

    assert {
        name: value for name, value in vars(RequestLimits()).items() if name in documented and value != documented[name]
    } == {}


def test_the_documented_build_parameters_are_those_of_the_template() -> None:
    parameters = read_template()["Parameters"]
    documented = dict(word.split("=") for word in pages.marked(README, "build parameters").code.split() if "=" in word)

    assert set(documented) == {"Architecture", "PythonRuntime", "ModelId", "SentenceModelId"}
    assert all(value in parameters[name].get("AllowedValues", [value]) for name, value in documented.items())


@pytest.mark.parametrize(("words", "number"), [("32", 32), ("8,000", 8_000), ("4 MB", 4_000_000), ("10 s", 10)])
def test_an_amount_is_read_with_its_unit(words: str, number: float) -> None:
    assert amount(words) == number


def test_the_errors_are_those_of_the_tree() -> None:
    documented = {
        row["code"].strip("`"): (int(row["status"]), row["worth a retry"] == "yes")
        for row in pages.table_after(README, "Errors")
    }

    assert documented == {code: (leaf.status, leaf.retryable) for code, leaf in BY_CODE.items()}
    assert issubclass(BY_CODE["too_large"], SampleError)


def test_the_two_commands_come_first() -> None:
    lines = pages.blocks(README)[0].code.splitlines()

    assert [line.split("#")[0].strip() for line in lines] == ["make start", "make test"]
