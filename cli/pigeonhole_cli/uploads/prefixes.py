"""By which prefixes to list the results of many keys, so that thousands of them are asked for in few pages. Pure."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import groupby

from pigeonhole_cli.http_client import PAGE

MINUTE_DIGITS = 8  # of the 12 hex digits of an id that are its time in milliseconds: keys that share them are of 65 s


def prefixes(wanted: Iterable[str], sent: Iterable[str]) -> list[str]:
    """Prefixes that all `wanted` keys, and no results much older, begin with. `sent`: all keys that may have results."""
    # Listings go by key and ids begin with their time, so uploads of a minute lie together, whatever the clock here says.
    known = sorted(sent)
    minutes = (list(group) for _, group in groupby(sorted(wanted), key=_minute))
    return [prefix for minute in minutes for prefix in _fewest_pages(minute, known)[0]]


def common(keys: Sequence[str]) -> str:
    """What all keys begin with."""
    first, last = min(keys), max(keys)
    same = next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    return first[:same]


def _minute(key: str) -> str:
    return key[: key.rfind("/") + 1 + MINUTE_DIGITS]


def _fewest_pages(wanted: Sequence[str], known: Sequence[str]) -> tuple[list[str], int]:
    """The prefixes, and how many pages the results of `known` fill: one prefix, or longer ones with fewer pages together."""
    prefix = common(wanted)
    pages = max(1, math.ceil(_count(known, prefix) / PAGE))
    if pages == 1:
        return [prefix], 1
    longer = [_fewest_pages(list(group), known) for _, group in groupby(wanted, key=lambda key: key[: len(prefix) + 1])]
    longer_pages = sum(each for _, each in longer)
    return ([each for found, _ in longer for each in found], longer_pages) if longer_pages < pages else ([prefix], pages)


def _count(known: Sequence[str], prefix: str) -> int:
    return bisect_left(known, prefix + "\U0010ffff") - bisect_left(known, prefix)
