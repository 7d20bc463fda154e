"""JSON Schemas of the contract's classes, under the names that clients know."""

from __future__ import annotations

from pigeonhole.contract.jobs import JobInfo
from pigeonhole.contract.schemas import json_schemas


def test_a_class_that_was_renamed_keeps_its_published_name() -> None:
    schemas = json_schemas([(JobInfo, "serialization")], "#/components/schemas/{model}")["$defs"]

    assert "JobStatus" not in schemas
    assert schemas["Status"]["title"] == "Status"
    assert schemas["JobInfo"]["properties"]["status"] == {"$ref": "#/components/schemas/Status"}


def test_schemas_are_sorted_by_name() -> None:
    schemas = json_schemas([(JobInfo, "serialization")], "#/$defs/{model}")["$defs"]

    assert list(schemas) == sorted(schemas)
