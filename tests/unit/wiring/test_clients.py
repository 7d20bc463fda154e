"""The configuration of AWS clients, and the rules of services."""

from __future__ import annotations

import pytest

from pigeonhole.settings import Settings
from pigeonhole.wiring.clients import client_config, job_rules


@pytest.mark.parametrize(("timeout_s", "connect_s"), [(0.5, 0.5), (24.0, 2.0)])
def test_a_client_connects_no_longer_than_it_waits(timeout_s: float, connect_s: float) -> None:
    config = client_config(timeout_s=timeout_s, attempts=3)

    assert (config.connect_timeout, config.read_timeout) == (connect_s, timeout_s)
    assert config.retries == {"total_max_attempts": 3, "mode": "standard"}


def test_a_job_counts_as_stuck_only_after_all_attempts_of_its_messages() -> None:
    assert job_rules(Settings(stuck_s=60, chunk_visibility_s=720)).stuck_s == 6 * 720
    assert job_rules(Settings(stuck_s=3_600, chunk_visibility_s=60)).stuck_s == 3_600
