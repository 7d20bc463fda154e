"""Compare one request with many questions with one request per question, on the same photo and model, in one run.

    python benchmarks/questions.py                     # ViT-B/32's shape, random weights; needs torch
    python benchmarks/questions.py --model FOLDER      # a prepared model

Each question has four labels of its own. Both sides fetch from memory, decode, encode and score, with one worker of one thread
per core. The cache has the labels, as it has for questions that are asked again and again. All sides take turns, after one
round that isn't counted. The figures are medians of the rounds. CPU time shows what a busy machine hides. Set
OPENBLAS_NUM_THREADS=1, as template.yaml does.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pigeonhole.contract.classification import ClassificationRequest
from pigeonhole.contract.commands import ClassifyCommand
from pigeonhole.contract.questions import QuestionsRequest
from pigeonhole.inference.classifier import Classifier
from pigeonhole.inference.encoders import registry
from pigeonhole.inference.images.decode_pool import DecodePool
from pigeonhole.inference.images.limits import ImageLimits
from pigeonhole.inference.limits import ChunkLimits
from pigeonhole.inference.pipeline import InferencePipeline
from pigeonhole.inference.scoring.calibration import parse_calibration

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNTS = (1, 10, 64)
LABELS = 4  # of a question
SAMPLE = {"type": "image", "value": "0"}


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        questions: The number of questions.
        together_s: Seconds of one request with all questions.
        cpu_s: The CPU seconds of that request in this process, so without the decoding of the photo.
        alone_s: Seconds of as many requests with one question each.
    """

    questions: int
    together_s: float
    cpu_s: float
    alone_s: float

    def cells(self, first: Row) -> tuple[str, ...]:
        """Format the line's cells. `first` is the line of one question."""
        return (
            str(self.questions),
            f"{self.together_s * 1e3:.1f}",
            f"{self.together_s / first.together_s:.2f} x",
            f"{self.cpu_s * 1e3:.1f}",
            f"{self.cpu_s / first.cpu_s:.2f} x",
            f"{1 / self.together_s:.1f}",
            f"{self.questions / self.together_s:.1f}",
            f"{self.alone_s * 1e3:.1f}",
            f"{self.questions / self.alone_s:.1f}",
            f"{self.alone_s / self.together_s:.1f} x",
        )


def create_pipeline(folder: Path, cores: int) -> InferencePipeline:
    """Load a prepared model, over one photo in memory."""
    from classify import InMemoryFetcher, create_photos

    model = registry.load(folder, threads=1)
    classifier = Classifier(
        encoder=model.encoder,
        sentence=model.sentence,
        calibration=parse_calibration(model.calibration, model.encoder.info, model.sentence.info),
        background=model.background,
        multilingual=model.multilingual,
        workers=cores,
    )
    return InferencePipeline(
        image_fetcher=InMemoryFetcher(create_photos(1)),  # type: ignore[arg-type]
        decoder=DecodePool(model.encoder.fit, ImageLimits(), side=model.encoder.info.image_side),
        classifier=classifier,
        limits=ChunkLimits(ImageLimits(), decodes=cores),
    )


def create_questions(count: int) -> list[dict[str, Any]]:
    """Create questions, all of whose labels are distinct."""
    return [
        {"labels": [{"type": "text", "value": f"a thing with the number {question} {label}"} for label in range(LABELS)]}
        for question in range(count)
    ]


def ask_together(pipeline: InferencePipeline, questions: Sequence[dict[str, Any]]) -> None:
    """Send one request with all questions."""
    named = {str(position): question for position, question in enumerate(questions)}
    request = QuestionsRequest.model_validate({"dataset": [SAMPLE], "questions": named})
    pipeline.ask(ClassifyCommand(log_id="", tenant_id="", request=request))


def ask_alone(pipeline: InferencePipeline, questions: Sequence[dict[str, Any]]) -> None:
    """Send a request per question."""
    for question in questions:
        request = ClassificationRequest.model_validate({"dataset": [SAMPLE], **question})
        pipeline.classify(ClassifyCommand(log_id="", tenant_id="", request=request))


def measure(pipeline: InferencePipeline, *, rounds: int, counts: Sequence[int] = COUNTS) -> list[Row]:
    """Time both sides for each number of questions."""
    rows = []
    for count in counts:
        questions = create_questions(count)
        seconds = [
            (*_timed(lambda: ask_together(pipeline, questions)), *_timed(lambda: ask_alone(pipeline, questions)))  # noqa: B023
            for _ in range(rounds + 1)
        ][1:]
        together, cpu, alone, _ = (statistics.median(column) for column in zip(*seconds, strict=True))
        rows.append(Row(count, together, cpu, alone))
    return rows


def _timed(run: Callable[[], None]) -> tuple[float, float]:
    """Return the seconds of a run, and its CPU seconds in this process."""
    started, cpu_started = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - started, time.process_time() - cpu_started


def table(rows: Sequence[Row]) -> str:
    """Format the rows as a Markdown table."""
    lines = [
        "| questions | one request, ms | over one question | its CPU, ms | over one question | requests/s | answers/s "
        "| a request per question, ms | requests/s | ratio |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    return "\n".join([*lines, *("| " + " | ".join(row.cells(rows[0])) + " |" for row in rows)])


@contextmanager
def clip_shape() -> Iterator[Path]:
    """Prepare a CLIP of ViT-B/32's shape with random weights, and yield its folder."""
    from transformers import CLIPConfig

    from classify import write_random_clip
    from pigeonhole.inference.encoders.checkpoints import checkpoint
    from pigeonhole.inference.encoders.prepare import prepare

    with tempfile.TemporaryDirectory() as name, checkpoint.quiet_transformers():
        source, artifact = Path(name) / "clip", Path(name) / "artifact"
        source.mkdir()
        write_random_clip(CLIPConfig(), source)
        prepare(str(source), artifact)
        yield artifact


def main() -> None:
    """Run the comparison from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a prepared model's folder (default: ViT-B/32's shape)")
    parser.add_argument("--cores", type=int, default=2, help="cores that each side may use (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="counted rounds per side (default: %(default)s)")
    args = parser.parse_args()
    if args.model:
        print(table(measure(create_pipeline(args.model, args.cores), rounds=args.rounds)))
        return
    with clip_shape() as folder:
        print(table(measure(create_pipeline(folder, args.cores), rounds=args.rounds)))


if __name__ == "__main__":
    main()
