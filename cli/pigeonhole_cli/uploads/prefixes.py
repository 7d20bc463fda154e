"""Choose the prefixes by which the results of many uploads are listed with few requests."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import groupby

from pigeonhole_cli.http_client import PAGE_SIZE

# An upload's id begins with 12 hex digits of milliseconds. Ids with the same first 8 digits were created within 65 s.
MINUTE_DIGITS = 8


def choose_prefixes(wanted: Iterable[str], uploaded: Iterable[str]) -> list[str]:
    """Choose prefixes that cover all `wanted` object keys and no results that are much older.

    Args:
        wanted: The object keys whose results are to be listed.
        uploaded: All object keys of this command that may have results.
    """
    # Listings are sorted by object key, so the uploads of a minute are neighbours whatever this machine's clock says.
    known = sorted(uploaded)
    minutes = (list(group) for _, group in groupby(sorted(wanted), key=_minute))
    return [prefix for minute in minutes for prefix in _fewest_pages(minute, known)[0]]


def common_prefix(object_keys: Sequence[str]) -> str:
    """Return the longest common prefix."""
    first, last = min(object_keys), max(object_keys)
    differing = (index for index, (left, right) in enumerate(zip(first, last, strict=False)) if left != right)
    return first[: next(differing, len(first))]


def _minute(object_key: str) -> str:
    return object_key[: object_key.rfind("/") + 1 + MINUTE_DIGITS]


def _fewest_pages(wanted: Sequence[str], known: Sequence[str]) -> tuple[list[str], int]:
    """Return the prefixes, and how many pages the results of `known` fill.

    One prefix is replaced by several longer ones if those need fewer pages together.
    """
    prefix = common_prefix(wanted)
    pages = max(1, math.ceil(_count(known, prefix) / PAGE_SIZE))
    if pages == 1:
        return [prefix], 1
    groups = groupby(wanted, key=lambda object_key: object_key[: len(prefix) + 1])
    longer = [_fewest_pages(list(group), known) for _, group in groups]
    longer_pages = sum(page_count for _, page_count in longer)
    if longer_pages < pages:
        return [prefix for prefixes, _ in longer for prefix in prefixes], longer_pages
    return [prefix], pages


def _count(known: Sequence[str], prefix: str) -> int:
    return bisect_left(known, prefix + "\U0010ffff") - bisect_left(known, prefix)
