"""benchmarks/load.py: percentiles, the share of each client, and the tables."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

import httpx
import pytest

import load
from support.stub_server import StubServer


@dataclass
class FakeApi(StubServer):
    """Answers each request with `status`, and remembers its body."""

    status: int = 200
    bodies: list[object] = field(default_factory=list)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.bodies.append(json.loads(request.rfile.read(int(request.headers["Content-Length"]))))
        request.send_response(self.status)
        request.send_header("Content-Length", "2")
        request.end_headers()
        request.wfile.write(b"{}")


def test_all_clients_together_send_each_request_as_often_as_asked() -> None:
    with FakeApi() as api:
        loads = load.measure_stack(api.url, "key", clients=(1, 3), count=5)

    assert [(each.clients, len(each.seconds)) for each in loads] == [(1, 5), (3, 5), (1, 5), (3, 5)]
    assert len(api.bodies) == 2 * (6 + 5 + 5)


def test_a_request_that_fails_ends_the_measurement() -> None:
    with FakeApi(status=503) as api, pytest.raises(httpx.HTTPStatusError):
        load.measure_stack(api.url, "key", clients=(1,), count=2)


def test_a_percentile_is_interpolated() -> None:
    assert [load.percentile([*range(101)], share) for share in (50, 95, 99)] == [50, 95, 99]


def test_the_tables_have_milliseconds_rates_and_megabytes() -> None:
    stack = load.report_stack("a machine:", [load.Load("a text", 4, [0.010, 0.020, 0.030], took_s=0.5)])
    functions = load.report_functions(
        "a machine:", [load.Share("a text", [0.004, 0.005], cpu_s=0.003)], [load.Memory(10_000, 100_000_000, 350_000_000)]
    )

    assert stack.splitlines()[-1] == "| a text | 4 | 20 | 29 | 30 | 6.0 |"
    assert "| a text | 4.5 | 5.0 | 5.0 | 3.0 |" in functions
    assert functions.splitlines()[-1] == "| 10,000 | 100 | 350 |"
