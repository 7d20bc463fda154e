"""Each of the costly files stays within the limits of CPU time and memory, without being ended for it.

At most 1.4 s and 640 MB were measured, for 49 megapixels. The limits leave room for a slower machine.
"""

from __future__ import annotations

import re
from functools import partial

import pytest

from pigeonhole.errors import SampleError, catch_sample_error
from pigeonhole.inference.images.decode_pool import DecodePool
from pigeonhole.inference.images.limits import ImageLimits
from support import fits
from support.costly_images import COSTLY

ENDED = re.compile("to decode|makes its decoder fail")  # the errors of a file whose process was ended


@pytest.fixture(scope="module")
def pool() -> DecodePool:
    return DecodePool(partial(fits.shrink, side=64), ImageLimits(), side=64)


@pytest.mark.slow
@pytest.mark.parametrize("name", COSTLY)
def test_a_costly_file_is_refused_or_decoded_within_limits(name: str, pool: DecodePool) -> None:
    file = COSTLY[name]()
    assert len(file) <= ImageLimits().max_bytes, "a larger file is refused unread"

    outcome = catch_sample_error(partial(pool.decode, file))

    assert isinstance(outcome, SampleError) or outcome.shape == (1, 64, 64, 3)
    assert not ENDED.search(str(outcome))


def test_there_are_enough_costly_files() -> None:
    assert len(COSTLY) >= 60
