"""benchmarks/decode_pool.py counts the CPU time of both processes."""

from __future__ import annotations

import decode_pool
from support import fits


def test_a_row_has_the_time_of_both_ways() -> None:
    photo = decode_pool.make_photo("PNG", (300, 200), {})

    row = decode_pool.measure("small", photo, rounds=3, embed=lambda views: sum(range(10_000)))

    assert min(row.in_process_s, row.in_pool_s, row.embedding_s) > 0
    assert row.ratio == (row.in_pool_s + row.embedding_s) / (row.in_process_s + row.embedding_s)


def test_the_time_of_a_living_child_counts() -> None:
    before = decode_pool.children_cpu_s()
    photo = decode_pool.make_photo("PNG", (30, 20), {})
    pool = decode_pool.DecodePool(fits.shrink, decode_pool.ImageLimits(), side=4)
    pool.decode(photo)

    assert decode_pool.children_cpu_s() > before
