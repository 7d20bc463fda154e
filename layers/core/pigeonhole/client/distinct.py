"""A column often has the same value many times. Each value is sent once."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from pigeonhole.client.results import Result


def distinct_values(values: Iterable[Any]) -> list[Any]:
    """Return each value once, in the order of the first ones, without None."""
    return list({_key(value): value for value in values if value is not None}.values())


def spread(results: Sequence[Result], distinct: Sequence[Any], values: Iterable[Any]) -> list[Result | None]:
    """Return the result of each value, None for None.

    Args:
        results: The results of the distinct values.
        distinct: The distinct values.
        values: The values.
    """
    found = {_key(value): result for value, result in zip(distinct, results, strict=True)}
    return [None if value is None else found[_key(value)] for value in values]


def _key(value: Any) -> Any:
    """Return what is equal for equal values. PIL images and arrays have no hash, so each of them counts as distinct."""
    return value if isinstance(value, Hashable) else (id(value),)
