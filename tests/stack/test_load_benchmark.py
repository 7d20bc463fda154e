"""benchmarks/load.py against the deployed stack, in its smallest size."""

from __future__ import annotations

import load
from support.stack.deployment import Deployment


def test_each_number_of_clients_sends_each_request(deployed: Deployment) -> None:
    loads = load.measure_stack(deployed.url, deployed.key, clients=(1, 2), count=4)

    assert [(each.request, each.clients) for each in loads] == [(name, number) for name in load.requests() for number in (1, 2)]
    assert all(len(each.seconds) == 4 and 0 < min(each.seconds) <= each.took_s for each in loads)
