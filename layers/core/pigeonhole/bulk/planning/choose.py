"""Choose what classifies a bulk job, and estimate what the job would take."""

from __future__ import annotations

from dataclasses import dataclass, field

from pigeonhole.bulk.access import ManifestAccess
from pigeonhole.bulk.costs.compute import (
    BulkSize,
    Estimate,
    GpuWorkers,
    LambdaWorkers,
    SampleRates,
    choose,
    estimate_on_gpus,
    estimate_on_lambda,
)
from pigeonhole.bulk.inputs.kinds import InputKind
from pigeonhole.bulk.inputs.reader import InputReader
from pigeonhole.bulk.manifest import SpanLimits
from pigeonhole.bulk.planning.estimate import InputCounts, InputEstimator
from pigeonhole.bulk.ports import ManifestLocation, ManifestObject
from pigeonhole.bulk.spec import BulkInput
from pigeonhole.contract.bulk import BulkEstimate, Compute, ComputeEstimate
from pigeonhole.contract.estimates import EstimateCommand

READ_S = 3.0  # of an input, to see whether it is large


@dataclass(frozen=True)
class JobPrices:
    """What a job would take on each kind of workers.

    Attributes:
        on_lambda: On Lambda.
        on_gpus: On GPU workers, None if the deployment has none.
    """

    on_lambda: Estimate
    on_gpus: Estimate | None

    @property
    def best(self) -> Compute:
        """What `auto` chooses."""
        return choose(self.on_lambda, self.on_gpus)


@dataclass(frozen=True, kw_only=True)
class ComputeChooser:
    """Chooses what classifies a job.

    Attributes:
        estimator: Counts samples.
        lambda_workers: The deployment's workers on Lambda.
        gpu_workers: Its GPU workers, None if it has none.
        rates: The CPU time of a sample.
    """

    estimator: InputEstimator
    lambda_workers: LambdaWorkers
    gpu_workers: GpuWorkers | None = None
    rates: SampleRates = field(default_factory=SampleRates)

    def choose(self, asked: Compute, given: BulkInput, found: ManifestObject) -> Compute:
        """Choose by the caller's wish, what is deployed, and the size of the input.

        Raises:
            PigeonholeError: What InputEstimator.count raises.
        """
        if asked is Compute.LAMBDA or self.gpu_workers is None:
            return Compute.LAMBDA
        return Compute.GPU if asked is Compute.GPU else self.price(self.estimator.count(given, found, READ_S)).best

    def price(self, counts: InputCounts) -> JobPrices:
        """Estimate what so many samples take."""
        size = BulkSize(texts=counts.texts, images=counts.images, spans=counts.spans)
        on_gpus = estimate_on_gpus(size, self.gpu_workers, self.rates) if self.gpu_workers else None
        return JobPrices(estimate_on_lambda(size, self.lambda_workers, self.rates), on_gpus)


@dataclass(frozen=True, kw_only=True)
class BulkEstimator:
    """The service behind `dry_run`.

    Attributes:
        inputs: Finds inputs.
    """

    access: ManifestAccess
    inputs: InputReader
    chooser: ComputeChooser

    def estimate(self, command: EstimateCommand) -> BulkEstimate:
        """Count the samples of an input, and estimate what they take.

        Raises:
            ForbiddenUrl: The tenant may not read the input.
            UnfetchableUrl: The input can't be read.
            UnreadableManifest: The input isn't what its name says, or is broken.
            Overloaded: A retry may help.
        """
        location = ManifestLocation(command.bucket, command.object_key)
        self.access.check(location, command.tenant_id)
        given = BulkInput(location, InputKind(command.input_kind), SpanLimits(samples=command.span_samples))
        counts = self.chooser.estimator.count(given, self.inputs.find(given))
        prices = self.chooser.price(counts)
        return BulkEstimate.model_validate(
            {
                "samples": counts.samples,
                "texts": counts.texts,
                "images": counts.images,
                "spans": counts.spans,
                "is_exact": counts.is_exact,
                "compute": prices.best if command.compute is Compute.AUTO else command.compute,
                "lambda": _to_contract(prices.on_lambda),
                "gpu": _to_contract(prices.on_gpus) if prices.on_gpus else None,
            }
        )


def _to_contract(estimate: Estimate) -> ComputeEstimate:
    return ComputeEstimate(usd=round(estimate.usd, 4), seconds=round(estimate.seconds))
