"""Many requests leave the memory of the classify function as it is."""

from __future__ import annotations

import base64
import contextlib
import resource
import statistics
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from support.stack.deployment import Deploy, Deployment, image, request, text
from support.stack.job_calls import find_processes

REQUESTS, PHOTOS = 300, 8
SIDE = 128  # pixels of a photo; larger ones take longer, not other code
PAGE_KB = resource.getpagesize() // 1024
THINGS = [text("cat"), text("rocket"), text("flower")]
FIRST, LAST = slice(50, 100), slice(250, 300)  # the requests before fill the caches
MAX_GROWTH_KB = 50  # per request; a leak of 100 KB must fail
# glibc gives larger blocks back when they are freed. Otherwise a leak would first fill what loading the model left free.
RETURN_BLOCKS = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}


@pytest.fixture(scope="module")
def alone(deploy: Deploy) -> Deployment:
    """A stack with one classify process, which serves every request."""
    return deploy("memory", classify_concurrency=1, settings={"ClassifyFunction": RETURN_BLOCKS})


def test_memory_stays_flat_over_many_requests(alone: Deployment, photos: dict[str, bytes]) -> None:
    function = alone.stack.resources()["ClassifyFunction"]
    kinds = [shrink(photos[name], angle) for name in ("cat", "rocket", "flower") for angle in range(0, 360, 15)]
    resident_kb = []
    for number in range(REQUESTS):
        sent = [image(kinds[(number * PHOTOS + index) % len(kinds)]) for index in range(PHOTOS)]
        answer = alone.classify(request(sent, THINGS))
        assert answer.status_code == 200, answer.text
        resident_kb.append(count_resident_kb(function))

    growth_kb = statistics.median(resident_kb[LAST]) - statistics.median(resident_kb[FIRST])
    assert growth_kb < MAX_GROWTH_KB * (LAST.start - FIRST.start), resident_kb


def shrink(photo: bytes, angle: int) -> str:
    """Return a small turned photo as a data: URL."""
    file = BytesIO()
    Image.open(BytesIO(photo)).convert("RGB").resize((SIDE, SIDE)).rotate(angle).save(file, "JPEG")
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def count_resident_kb(function: str) -> int:
    """Return the memory of the one process that runs a function, and of the processes that it started."""
    (process,) = find_processes(function)
    return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_KB for pid in [process, *find_children(process)])


def find_children(process: int) -> list[int]:
    children: list[str] = []
    for thread in Path(f"/proc/{process}/task").iterdir():
        with contextlib.suppress(OSError):  # a thread of the last request may just have ended
            children += (thread / "children").read_text().split()
    return list(map(int, children))
