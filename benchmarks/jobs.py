"""Compare jobs through the queue with plain processes, in one run, in turns: speed, first results, and use of AWS.

    python benchmarks/jobs.py --photos 1000 --workers 2

The model has the shape of ViT-B/32 and random weights, so that the model takes the time and not the emulated AWS. The photos
have 640 x 480 pixels and come from a server on this machine.

- A job runs on a local stack that is started for it. Its time ends when the last results are stored.
- The plain processes are as many as the workers. They run the service of the workers (InferencePipeline: fetching, decoding,
  the Classifier) on chunks of the same size, and nothing else.

Each worker and each process decodes with one thread and encodes with one thread, and has loaded the model before the clock
starts. The figures are medians of the rounds. Calls and costs are those of all rounds.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import aws_costs
from benchmark_stack import JobRun, deployed_stack
from packaged_photos import create_varied, serve
from pigeonhole.inference.encoders import artifact, source
from pigeonhole.inference.encoders.artifact import ModelUnavailable
from pigeonhole.inference.encoders.prepare import prepare
from pigeonhole.settings import Settings
from pigeonhole_cli.local.command import ROOT, local_settings
from plain_processes import plain_processes

CACHE = ROOT / ".cache" / "benchmarks"
CHUNK = Settings().image_chunk
ONE_THREAD = {"PIGEONHOLE_THREADS": "1", "PIGEONHOLE_ENCODE_WORKERS": "1", "PIGEONHOLE_DECODE_WORKERS": "1"}


@dataclass(frozen=True)
class JobTimings:
    """The measured times.

    Attributes:
        photos: Photos per round.
        workers: Workers, and plain processes.
        plain_s: Seconds of the plain processes, round by round.
        jobs: The job of each round.
    """

    photos: int
    workers: int
    plain_s: list[float]
    jobs: list[JobRun]

    def cells(self) -> tuple[str, ...]:
        """Format the table's cells: medians of the rounds."""
        queue_s = statistics.median(job.took_s for job in self.jobs)
        plain_s = statistics.median(self.plain_s)
        first_s = statistics.median(job.first_s for job in self.jobs)
        ratio = statistics.median(plain / job.took_s for plain, job in zip(self.plain_s, self.jobs, strict=True))
        working = statistics.median(job.working_s / (job.took_s * self.workers) for job in self.jobs)
        speeds = [f"{self.photos / seconds:.1f}" for seconds in (plain_s, queue_s)]
        return (str(self.photos), str(self.workers), *speeds, f"{ratio:.2f}", f"{working:.0%}", f"{first_s:.1f}")


def prepare_clip_shape() -> Path:
    """Create the artifact of a model with ViT-B/32's shape and random weights, unless it exists, and return its folder."""
    folder = CACHE / "clip-b32-shape"
    with suppress(ModelUnavailable):
        if artifact.read_info(folder).reading == source.READING_VERSION:
            return folder
    # Imported here because the plain processes import this module without needing torch.
    from transformers import CLIPConfig

    from classify import write_random_clip
    from pigeonhole.inference.encoders.checkpoints import checkpoint

    with TemporaryDirectory() as model_folder, checkpoint.quiet_transformers():
        write_random_clip(CLIPConfig(), Path(model_folder))
        prepare(model_folder, folder)
    return folder


def measure(model: Path, *, photos: int, rounds: int, workers: int, chunk: int = CHUNK) -> JobTimings:
    """Classify photos through the queue and in plain processes.

    Args:
        model: The artifact folder of the model.
        photos: Photos per round.
        rounds: Rounds per side.
        workers: Workers, and plain processes.
        chunk: Photos per chunk.

    Raises:
        SystemExit: The predictions of the two sides differ.
    """
    settings = local_settings(model)["WorkerFunction"] | ONE_THREAD
    plain_s, jobs = [], []
    with (
        serve(create_varied(photos)) as urls,
        plain_processes(workers, settings, urls[:chunk]) as plain,
        deployed_stack(settings, workers, chunk) as stack,
    ):
        for _ in range(rounds):
            stack.run((urls * workers)[: chunk * workers])  # a warm-up, in which each worker loads the model
            job = stack.run(urls)
            predictions, took_s = plain.run(urls, chunk)
            if predictions != job.predictions:
                raise SystemExit("the predictions of the job and of the plain processes must be equal, but differ")
            plain_s.append(took_s)
            jobs.append(job)
    return JobTimings(photos, workers, plain_s, jobs)


def table(timings: Sequence[JobTimings]) -> str:
    """Format the measured times as a Markdown table."""
    head = (
        *("photos", "workers", "plain processes, photos/s", "through the queue, photos/s", "ratio"),
        *("of the workers' time in use", "first results after, s"),
    )
    rows = [head, ("---:",) * len(head), *(timing.cells() for timing in timings)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=1_000, help="photos per round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=1, help="rounds per side (default: %(default)s)")
    parser.add_argument(
        "--workers", type=int, default=2, help="workers, and plain processes; at least 2 (default: %(default)s)"
    )
    args = parser.parse_args()
    timings = measure(prepare_clip_shape(), photos=args.photos, rounds=args.rounds, workers=args.workers)
    costs = aws_costs.costs(timings.jobs, args.photos * args.rounds)
    print(table([timings]), aws_costs.table(costs), sep="\n\n")


if __name__ == "__main__":
    main()
