"""Classify a manifest or a folder in this process, and write the results into a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pigeonhole.bulk.manifest import SpanLimits, plan_spans
from pigeonhole.bulk.outputs import PartFiles
from pigeonhole.bulk.runner import SpanRunner
from pigeonhole.contract.bulk import AnyBulkOptions, OutputFormat
from pigeonhole.contract.bulk_results import ResultsManifest
from pigeonhole.contract.limits import DEFAULT_LIMITS, RequestLimits
from pigeonhole.settings import Settings
from pigeonhole_cli.bulk.local_input import LocalImageFetcher, LocalInput
from pigeonhole_cli.bulk.local_run import FolderStore, LocalRun, RunDescription
from pigeonhole_cli.bulk.run_progress import RunProgress
from pigeonhole_cli.progress import ProgressBar
from pigeonhole_cli.request_input import InputError

if TYPE_CHECKING:
    from pigeonhole.wiring.bulk import LocalPipeline

TENANT = "local"
MAX_PATH_CHARS = 4_096  # the custom_id of a folder's photo is its path


def load_model(folder: Path, local_input: LocalInput) -> LocalPipeline:
    """Load the model of an artifact folder, with images read by their path.

    Raises:
        ModelUnavailable: The folder is missing or broken.
    """
    from pigeonhole.wiring import bulk

    # One thread in each run of the engine, and one image decoded at a time, for each thread of the job.
    settings = Settings(model_dir=str(folder), threads=1, decode_workers=1)
    return bulk.local_pipeline(settings, lambda inner: LocalImageFetcher(inner, local_input.base))


def run_locally(
    loaded: LocalPipeline,
    local_input: LocalInput,
    out: Path,
    options: AnyBulkOptions,
    output: OutputFormat,
    *,
    threads: int,
    bar: ProgressBar,
    span_limits: SpanLimits | None = None,
) -> ResultsManifest:
    """Classify what is left of a run, and return the results manifest.

    Args:
        loaded: The model.
        local_input: What is classified.
        out: The folder of the results.
        options: Labels and options, or questions.
        output: The format of the results.
        threads: The number of groups that are classified at the same time.
        bar: Shows the progress.
        span_limits: Where a span ends.

    Raises:
        InputError: The input can't be read, or the folder has the results of another run.
        SampleError: An example image of a label can't be read.
    """
    span_limits = span_limits or SpanLimits()
    description = RunDescription(
        input=local_input.name,
        identity=local_input.identity(),
        options=options.model_dump(mode="json", exclude_defaults=True),
        format=output.value,
        model_id=loaded.model.model_id,
        model_revision=loaded.model.revision,
        model_engine=loaded.model.engine,
        span_samples=span_limits.samples,
    )
    with LocalRun(out, description) as run:
        parts = PartFiles(store=FolderStore(out), format=output, options=options)
        if not run.is_finished:
            source = local_input.open(out)
            spans = [*plan_spans(source.read(), span_limits)]
            if not spans:
                raise InputError(f"{local_input.path} has no samples.")
            runner = SpanRunner(
                pipeline=loaded.pipeline,
                source=source,
                options=options,
                limits=RequestLimits(max_custom_id_chars=MAX_PATH_CHARS) if local_input.is_folder else DEFAULT_LIMITS,
                span_limits=span_limits,
                tenant_id=TENANT,
                threads=threads,
            )
            progress = RunProgress(bar, total=sum(span.samples for span in spans), already=run.counts)
            left = [span for span in spans if span.number not in run.records]
            for results in runner.run(left, on_group=progress.add):
                run.add(results.span, parts.write(results.span.number, results.rows, results.errors), results.warnings)
            bar.say(progress.summary())
            if local_input.identity() != description.identity:
                raise InputError(f"{local_input.path} was changed while it was classified. Start again with another --out.")
        return run.finish(options)
