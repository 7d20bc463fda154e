"""The printed form of what a bulk job would take."""

from __future__ import annotations

from collections.abc import Iterator

from pigeonhole.contract.bulk import BulkEstimate, Compute, ComputeEstimate
from pigeonhole_cli.bulk.run_progress import format_duration
from pigeonhole_cli.console import format_table


def estimate_lines(estimate: BulkEstimate) -> Iterator[str]:
    """Yield the counts of a bulk job, one per line, and a table with a row per kind of workers."""
    how = "counted" if estimate.is_exact else "estimated from the beginning of the input"
    yield from format_table(
        [
            ("samples", f"{estimate.samples:,} ({how})"),
            ("texts", f"{estimate.texts:,}"),
            ("images", f"{estimate.images:,}"),
            ("spans", f"{estimate.spans:,}"),
        ]
    )
    yield ""
    computes = {Compute.LAMBDA: estimate.on_lambda, Compute.GPU: estimate.on_gpu}
    rows = [_row(compute, cost, is_chosen=compute == estimate.compute) for compute, cost in computes.items()]
    yield from format_table([("COMPUTE", "USD", "TIME", ""), *rows])


def _row(compute: Compute, estimate: ComputeEstimate | None, *, is_chosen: bool) -> tuple[str, str, str, str]:
    if estimate is None:
        return (compute, "-", "-", "not deployed")
    # Small jobs cost fractions of a cent.
    usd = f"{estimate.usd:,.2f}" if estimate.usd >= 1 else f"{estimate.usd:.2g}"
    return (compute, usd, format_duration(estimate.seconds), "chosen" if is_chosen else "")
