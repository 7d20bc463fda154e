"""What a million samples cost on Lambda: CPU seconds and calls that benchmarks/costs.py measured, at list prices.

    seconds of a function = CPU seconds / cores + calls to AWS * CALL_S      functions/api also waits for functions/classify
    dollars               = seconds * memory * price of a GB-s + what AWS bills by the call
    cores                 = what the memory gives, at most as many as were busy while it was measured

A core of Lambda, of both architectures, is taken to be as fast as one of the machine that was measured. This is an assumption.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aws_costs import PRICES
from pigeonhole.bulk.costs import prices
from pigeonhole.settings import LAMBDA_MB_PER_CORE

MODEL_FUNCTIONS = ("Classify", "Worker")
CALL_S = 0.01  # an assumption: a call to AWS, or 32 images that are read at the same time
AUTHORIZE_S = 0.002  # an assumption: it reads two headers of the event
USD_PER_GB_S = {"arm64": prices.LAMBDA_ARM64_USD_PER_GB_S, "x86_64": prices.LAMBDA_X86_USD_PER_GB_S}
# The name of a term in the tables, by the unit that AWS bills.
TERMS = {
    "API requests": "API Gateway",
    "runs": "runs of functions",
    "write units": "DynamoDB",
    "read units": "DynamoDB",
    "PUT requests": "S3",
    "GET requests": "S3",
    "SQS requests": "SQS",
    "events": "EventBridge",
    "GB of logs": "logs and traces",
    "traces": "logs and traces",
}
OTHER_TIME = "time of the other functions"


@dataclass(frozen=True, kw_only=True)
class FunctionUse:
    """What the runs of a function took, for 1,000 samples.

    Attributes:
        runs: How many there were.
        cpu_s: Their CPU seconds, those of decode processes included.
        wall_s: Their duration on the machine that was measured.
        calls: Their calls to AWS that follow one after the other.
    """

    runs: float
    cpu_s: float
    wall_s: float
    calls: float

    def seconds(self, memory_mb: int) -> float:
        """Return their duration on Lambda. A function never has more cores than it kept busy, and one at most if it waits."""
        cores = min(memory_mb / LAMBDA_MB_PER_CORE, max(1.0, self.cpu_s / self.wall_s))
        return self.cpu_s / cores + self.calls * CALL_S


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was measured of a way into the service, for 1,000 samples.

    Attributes:
        model: The name of the model.
        noun: "photos" or "texts".
        way: How the samples were sent.
        billed: What AWS bills by the call, by its unit in `TERMS`.
        functions: What each function took, by its name in the template without "Function".
    """

    model: str
    noun: str
    way: str
    billed: Mapping[str, float]
    functions: Mapping[str, FunctionUse]

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds of a sample where the model is."""
        return sum(self.functions[name].cpu_s for name in MODEL_FUNCTIONS if name in self.functions)

    def terms(self, memory_mb: Mapping[str, int], architecture: str) -> dict[str, float]:
        """Return the dollars for a million samples, by what they are paid for.

        Args:
            memory_mb: The memory of each function, by its name in the template without "Function".
            architecture: "arm64" or "x86_64".
        """
        dollars: dict[str, float] = {}
        for name, gb_s in self._gigabyte_seconds(memory_mb).items():
            term = f"time of functions/{name.lower()}" if name in MODEL_FUNCTIONS else OTHER_TIME
            dollars[term] = dollars.get(term, 0.0) + gb_s * 1_000 * USD_PER_GB_S[architecture]
        for unit, count in self.billed.items():
            dollars[TERMS[unit]] = dollars.get(TERMS[unit], 0.0) + count * 1_000 * PRICES[unit] / 1e6
        return dollars

    def _gigabyte_seconds(self, memory_mb: Mapping[str, int]) -> dict[str, float]:
        seconds = {name: use.seconds(memory_mb[name]) for name, use in self.functions.items()}
        if "Classify" in seconds:
            seconds["Api"] += seconds["Classify"]
        seconds["Authorize"] = self.billed["API requests"] * AUTHORIZE_S
        return {name: each * memory_mb[name] / 1024 for name, each in seconds.items()}
