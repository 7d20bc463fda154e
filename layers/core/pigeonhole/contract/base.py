"""The base classes and string types of everything that crosses HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StrictStr,
    ValidationInfo,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from pigeonhole.contract.limits import UNLIMITED, get_limits
from pigeonhole.contract.validation import check_visible


class HttpSchema(BaseModel):
    """The base of what crosses HTTP. An error never quotes the input, because errors are logged."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class HttpInput(HttpSchema):
    """The base of what callers send. A field that is null counts as absent."""

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, fields: Any) -> Any:
        """Drop null, which client libraries send for an option that isn't set."""
        return {name: value for name, value in fields.items() if value is not None} if isinstance(fields, dict) else fields

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Let the JSON Schema take null for every field that isn't required."""
        schema = handler(core_schema)
        model = handler.resolve_ref_schema(schema)
        for name, field in model["properties"].items():
            if name not in model.get("required", ()):
                model["properties"][name] = _with_null(field)
        return schema


def _with_null(schema: JsonSchemaValue) -> JsonSchemaValue:
    """Return the JSON Schema of a field, with null allowed."""
    if {"type": "null"} in schema.get("anyOf", ()):
        return schema
    notes = {name: note for name, note in schema.items() if name in ("title", "description", "default")}
    return notes | {"anyOf": [{name: rule for name, rule in schema.items() if name not in notes}, {"type": "null"}]}


def _check_value(value: str, info: ValidationInfo) -> str:
    """Refuse a blank value, unless it is read from storage: an earlier build may have accepted it."""
    return value if get_limits(info) is UNLIMITED else check_visible(value)


# With any constraint, even an empty one, pydantic refuses half of a surrogate pair, which can't be written as JSON again.
Text = Annotated[StrictStr, Field(min_length=0)]
Value = Annotated[StrictStr, Field(min_length=1), AfterValidator(_check_value)]
