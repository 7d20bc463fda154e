"""Jobs through the queue against plain processes, in one run, taking turns: how fast, how soon, and what they take of AWS.

    python benchmarks/jobs.py --photos 1000 --workers 2

A CLIP of ViT-B/32's shape with random weights, so that the model takes the time and not the emulated AWS, and photos of
640 x 480 from a server on this machine. One side is a job on a local stack of its own, from the request to the last results
being stored. The other is as many plain processes as there are workers, which run the workers' service (RunChunk: fetching,
decoding, the Classifier) on chunks of the same size, and nothing else. Each worker and process has one thread that decodes and
one that encodes, and has loaded the model before. Figures: medians of the rounds; calls and costs are those of all rounds.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import job_costs
from job_stack import JobRun, deployed_queue
from packaged_photos import served, varied
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
class Result:
    """What was measured: the seconds of the plain processes and the jobs, round by round."""

    photos: int
    workers: int
    plain_s: list[float]
    jobs: list[JobRun]

    def cells(self) -> tuple[str, ...]:
        queue_s = statistics.median(job.took_s for job in self.jobs)
        plain_s = statistics.median(self.plain_s)
        first_s = statistics.median(job.first_s for job in self.jobs)
        ratio = statistics.median(plain / job.took_s for plain, job in zip(self.plain_s, self.jobs, strict=True))
        working = statistics.median(job.working_s / (job.took_s * self.workers) for job in self.jobs)
        speeds = [f"{self.photos / seconds:.1f}" for seconds in (plain_s, queue_s)]
        return (str(self.photos), str(self.workers), *speeds, f"{ratio:.2f}", f"{working:.0%}", f"{first_s:.1f}")


def shape_of_clip() -> Path:
    """The artifact folder of a CLIP of ViT-B/32's shape with random weights, made if it isn't there."""
    folder = CACHE / "clip-b32-shape"
    with suppress(ModelUnavailable):
        if artifact.read(folder).reading == source.READING:
            return folder
    # Here and not above: the plain processes import this module, too, and need no torch.
    from transformers import CLIPConfig

    from classify import random_clip
    from pigeonhole.inference.encoders import checkpoint

    with TemporaryDirectory() as made, checkpoint.quiet():
        random_clip(CLIPConfig(), Path(made))
        prepare(made, folder)
    return folder


def measure(model: Path, *, photos: int, rounds: int, workers: int, chunk: int = CHUNK) -> Result:
    """Let both sides classify `photos` photos, `rounds` times each."""
    settings = local_settings(model)["WorkerFunction"] | ONE_THREAD
    plain_s, jobs = [], []
    with (
        served(varied(photos)) as urls,
        plain_processes(workers, settings, urls[:chunk]) as plain,
        deployed_queue(settings, workers, chunk) as queue,
    ):
        for _ in range(rounds):
            queue.run((urls * workers)[: chunk * workers])  # each worker has loaded the model then
            job = queue.run(urls)
            answers, took_s = plain.run(urls, chunk)
            if answers != job.predictions:
                raise SystemExit("both sides should answer alike, and don't")
            plain_s.append(took_s)
            jobs.append(job)
    return Result(photos, workers, plain_s, jobs)


def table(results: Sequence[Result]) -> str:
    """Format what was measured as Markdown."""
    head = (
        *("photos", "workers", "plain processes, photos/s", "through the queue, photos/s", "ratio"),
        *("of the workers' time in use", "first results after, s"),
    )
    lines = [head, ("---:",) * len(head), *(result.cells() for result in results)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2, help="and as many plain processes; 2 at least")
    args = parser.parse_args()
    result = measure(shape_of_clip(), photos=args.photos, rounds=args.rounds, workers=args.workers)
    found = job_costs.costs(result.jobs, args.photos * args.rounds)
    print(table([result]), job_costs.table(found), sep="\n\n")


if __name__ == "__main__":
    main()
