"""Content of both shapes: JSON values that are rendered as text, and fields that may be a text in place of a list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

MAX_JSON_DEPTH = 32  # objects and arrays inside each other, as OpenAI allows


def _is_deep(value: object, depth: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    items = value.values() if isinstance(value, dict) else value
    return depth == 0 or any(_is_deep(item, depth - 1) for item in items)


def check_json_depth(value: Any) -> Any:
    """Return a JSON value that isn't nested too deeply.

    Raises:
        ValueError: It has more than `MAX_JSON_DEPTH` levels.
    """
    if _is_deep(value, MAX_JSON_DEPTH):
        raise ValueError(f"must have at most {MAX_JSON_DEPTH} levels of objects and arrays")
    return value


def _check_content(value: Any) -> Any:
    if not isinstance(value, str | dict | list):
        raise ValueError("must be a string, an object or an array")
    return value


# A text, or a JSON value that is rendered as one.
JsonContent = Annotated[
    Any,
    BeforeValidator(_check_content),
    AfterValidator(check_json_depth),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object"}, {"type": "array"}]}),
]


def _check_objects(value: Any) -> Any:
    if not isinstance(value, dict) and not (isinstance(value, list) and all(isinstance(item, dict) for item in value)):
        raise ValueError("must be an object or an array of objects")
    return value


JsonObjects = Annotated[
    Any,
    BeforeValidator(_check_objects),
    AfterValidator(check_json_depth),
    WithJsonSchema({"anyOf": [{"type": "object"}, {"type": "array", "items": {"type": "object"}}]}),
]
OptionalJsonContent = Annotated[
    Any,
    BeforeValidator(lambda value: value if value is None else _check_content(value)),
    AfterValidator(check_json_depth),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object"}, {"type": "array"}, {"type": "null"}]}),
]


@dataclass(frozen=True)
class OrText:
    """Lets a field be a text in place of a list.

    Attributes:
        to_list: Returns the list that a text stands for.
    """

    to_list: Callable[[str], list[Any]]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Turn a text into the list before validation."""
        return core_schema.no_info_before_validator_function(self._convert, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Let the JSON Schema take a text as well."""
        return {"anyOf": [{"type": "string"}, handler(schema)]}

    def _convert(self, value: Any) -> Any:
        return self.to_list(value) if isinstance(value, str) else value
