"""Every field of both vendors' types is in the tables of docs/decisions-api.md, and the tables are true."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from openai.types import (
    decision,
    decision_create_params,
    decision_input_image_param,
    decision_input_message_param,
    decision_input_text_param,
    decision_prompt_cache_breakpoint_param,
)
from openai.types.shared_params import decision_input_json, decision_question_input_image, decision_question_input_text
from pydantic import BaseModel
from typesafe_sdk._schemas import models as typesafe
from typing_extensions import is_typeddict

from pigeonhole.api.openapi import document
from support import pages

ROOT = Path(__file__).resolve().parents[4]
PAGE = (ROOT / "docs/decisions-api.md").read_text(encoding="utf-8")
OPENAI_INPUTS = (
    decision_create_params,
    decision_input_image_param,
    decision_input_message_param,
    decision_input_text_param,
    decision_prompt_cache_breakpoint_param,
    decision_input_json,
    decision_question_input_image,
    decision_question_input_text,
)
SENT_BY_TYPESAFE = {
    "SystemOneRequest",
    "Asset",
    "NoulQuestion",
    "NoulCriteria",
    "ChoiceQuestion",
    "ScoreQuestion",
    "BoxQuestion",
}


def models(module: ModuleType) -> dict[str, type[BaseModel]]:
    return {
        name: item
        for name, item in vars(module).items()
        if inspect.isclass(item) and issubclass(item, BaseModel) and item.__module__ == module.__name__
    }


def fields(types: Iterable[type[BaseModel]]) -> set[str]:
    return {field for item in types for field in item.model_fields} - {"root"}


VENDORS = {
    ("OpenAI", "field"): {
        field
        for module in OPENAI_INPUTS
        for item in vars(module).values()
        if is_typeddict(item)
        for field in item.__annotations__
    },
    ("OpenAI", "field of the answer"): fields(models(decision).values()),
    ("TypeSafe", "field"): fields(item for name, item in models(typesafe).items() if name in SENT_BY_TYPESAFE),
    ("TypeSafe", "field of the answer"): fields(
        item for name, item in models(typesafe).items() if name not in SENT_BY_TYPESAFE
    ),
}
OURS = {"OpenAI": ("DecisionRequest", "DecisionResponse"), "TypeSafe": ("SystemOneRequest", "SystemOneResponse")}


def documented(vendor: str, column: str) -> dict[str, str]:
    """Return what the page says of each field."""
    section = re.split(r"^#+ ", PAGE.split(f"### {vendor}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    table = section.split(f"| {column} |", 1)[1].split("\n\n", 1)[0]
    rows = pages.table_after(f"# t\n\n| {column} |{table}\n", "t")
    return {name: row["here"] for row in rows for name in re.findall(r"`(\w+)`", row[column])}


@pytest.mark.parametrize(("vendor", "column"), VENDORS)
def test_each_field_of_the_vendor_is_documented_and_no_other(vendor: str, column: str) -> None:
    assert set(documented(vendor, column)) == VENDORS[vendor, column]


@pytest.mark.parametrize("vendor", OURS)
def test_what_is_documented_as_used_is_read_and_what_is_ignored_is_not(vendor: str) -> None:
    table = documented(vendor, "field")
    known = properties(OURS[vendor][0])

    assert {name for name, here in table.items() if here.startswith("used")} <= known
    assert not {name for name, here in table.items() if here.startswith("ignored")} & known


@pytest.mark.parametrize("package", ["openai", "typesafe-sdk"])
def test_the_types_are_those_of_the_documented_and_pinned_version(package: str) -> None:
    rows = pages.table_after(PAGE, "Decisions: the shapes of OpenAI and TypeSafe")
    documented_versions = {row["package"].strip("`"): row["version"] for row in rows}
    pinned = re.search(rf'"{package}(?:\[\w+\])?==([^"]+)"', (ROOT / "pyproject.toml").read_text("utf-8"))

    assert pinned
    assert version(package) == documented_versions[package] == pinned[1]


def test_the_documented_versions_of_other_clients_are_those_that_the_tests_install() -> None:
    rows = pages.table_after(PAGE, "Decisions: the shapes of OpenAI and TypeSafe")
    requirements = (ROOT / "tests/support/stack/other_clients/requirements.txt").read_text("utf-8")
    installed = dict(re.findall(r"^([\w-]+)(?:\[\w+\])?==(\S+)$", requirements, re.MULTILINE))

    documented_versions = {row["package"].strip("`"): row["version"] for row in rows}
    assert {name: number for name, number in documented_versions.items() if name != "typesafe-sdk"} == installed


def properties(schema: str) -> set[str]:
    """Return the names of all properties of a schema of the OpenAPI document, and of those that it refers to."""
    schemas: dict[str, Any] = document()["components"]["schemas"]
    seen, todo = set[str](), {schema}
    while todo:
        seen |= todo
        todo = {name for item in todo for name in re.findall(r"schemas/(\w+)", str(schemas[item]))} - seen
    return {name for item in seen for name in schemas[item].get("properties", {})}
