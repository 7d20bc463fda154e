"""The prefixes by which upload results are listed: few pages, and no results that are much older."""

from __future__ import annotations

import pytest

from pigeonhole.object_keys import upload_key
from pigeonhole_cli.uploads.prefixes import choose_prefixes
from support.cli.upload_api import FOLDER

NOW = 0x19E_FFFF_FE00 / 1000  # half a second before many digits of an id change at once


@pytest.mark.parametrize("rate", [0.1, 3, 20, 400])
def test_prefixes_cover_each_key_once_and_no_results_that_are_much_older(rate: float) -> None:
    object_keys = [upload_key(FOLDER, "a.jpg", NOW + number / rate) for number in range(2_000)]
    wanted = object_keys[::3]

    prefixes = choose_prefixes(wanted, object_keys)

    assert [sum(object_key.startswith(prefix) for prefix in prefixes) for object_key in wanted] == [1] * len(wanted)
    assert all(len(prefix) >= len(FOLDER) + 8 for prefix in prefixes)
    pages = [-(-sum(object_key.startswith(prefix) for object_key in object_keys) // 100) for prefix in prefixes]
    minutes = len({object_key[: len(FOLDER) + 8] for object_key in object_keys})
    assert sum(pages) <= 20 + minutes


def test_one_key_is_its_own_prefix() -> None:
    object_keys = [upload_key(FOLDER, "a.jpg", NOW) for _ in range(1_000)]

    assert choose_prefixes(object_keys[:1], object_keys) == object_keys[:1]
    assert choose_prefixes([], object_keys) == []
