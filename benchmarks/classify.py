"""Compare Pigeonhole's classifier with transformers' zero-shot-image-classification pipeline, in one run, on the same weights.

    python benchmarks/classify.py --cores 2

The model is a CLIP of ViT-B/32's shape with random weights. The photos are real, as JPEG bytes, and both sides decode them.

- Pigeonhole's image tower is in int8, or in what --precision says.
- Pigeonhole's side is the service behind functions/classify (InferencePipeline), with one worker of one thread per core. It
  encodes labels once per request, or not at all if the cache has them.
- The pipeline has as many threads as there are cores. It encodes every label again for every batch. By default a batch is one
  photo, so the pipeline runs with one photo per batch and with all photos in one batch.

Both sides give the same answers, except for the rounding of the resize. The table counts equal answers. The figures are medians
of the rounds, in which all sides take turns.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from PIL import Image
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer, pipeline
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

import document_region
from machine import describe_run, to_region
from packaged_photos import LABELS, PHOTOS
from pigeonhole.contract.classification import ClassificationRequest
from pigeonhole.contract.commands import ClassifyCommand, S3Grant
from pigeonhole.inference.classifier import Classifier
from pigeonhole.inference.encoders import registry
from pigeonhole.inference.encoders.artifact import Precision
from pigeonhole.inference.encoders.checkpoints import checkpoint
from pigeonhole.inference.encoders.prepare import prepare
from pigeonhole.inference.encoders.registry import LoadedModel
from pigeonhole.inference.images.decode_pool import DecodePool
from pigeonhole.inference.images.fetch import ByteBudget
from pigeonhole.inference.images.limits import ImageLimits
from pigeonhole.inference.limits import ChunkLimits
from pigeonhole.inference.pipeline import InferencePipeline
from pigeonhole.inference.scoring.calibration import prior_calibration

TEMPLATE = "a photo of a {}."
COUNTS = (1, 32)
PAGE = Path(__file__).resolve().parents[1] / "docs/performance.md"
SPECIAL = ("<|startoftext|>", "<|endoftext|>")


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        photos: Photos per request.
        labels: "new", or "cached" if the cache has the labels' embeddings.
        pipeline_s: Seconds per request of the pipeline with one photo per batch, round by round.
        one_batch_s: The same with all photos in one batch.
        pigeonhole_s: The same of Pigeonhole.
        same_label: How many photos got the same best label on all sides.
    """

    photos: int
    labels: str
    pipeline_s: Sequence[float]
    one_batch_s: Sequence[float]
    pigeonhole_s: Sequence[float]
    same_label: int

    def cells(self) -> tuple[str, ...]:
        """Format the line's cells. Ratios are medians of the rounds, with the lowest and the highest."""
        sides = (self.pipeline_s, self.one_batch_s, self.pigeonhole_s)
        per_second = [f"{self.photos / statistics.median(seconds):.1f}" for seconds in sides]
        ratios = [_format_ratios(seconds, self.pigeonhole_s) for seconds in sides[:2]]
        return (str(self.photos), self.labels, *per_second, *ratios, f"{self.same_label} of {self.photos}")


def _format_ratios(baseline_s: Sequence[float], ours_s: Sequence[float]) -> str:
    ratios = [baseline / ours for baseline, ours in zip(baseline_s, ours_s, strict=True)]
    return f"{statistics.median(ratios):.1f} x ({min(ratios):.1f} to {max(ratios):.1f})"


def write_random_clip(config: CLIPConfig, folder: Path) -> None:
    """Write a CLIP with random weights into `folder`, the same each time.

    Its tokenizer has a token for each word of the labels, as CLIP's tokenizer has.
    """
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=20_000,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        end_of_word_suffix="</w>",
        special_tokens=list(SPECIAL),
        show_progress=False,
    )
    prompts = [TEMPLATE.format(label) for label in LABELS]
    tokenizer.train_from_iterator(prompts, trainer)
    tokenizer.model.save(str(folder))
    # The trainer numbers tokens with equal counts in random order, and a token's number selects its row of random weights. So
    # the vocabulary is sorted here: first the tokens that the prompts use, by name.
    used = {token for prompt in prompts for token in tokenizer.encode(prompt).tokens}
    ordered = sorted(tokenizer.get_vocab(), key=lambda token: (token not in SPECIAL, token not in used, token))
    vocabulary = {token: number for number, token in enumerate(ordered)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    text = config.text_config
    text.bos_token_id, text.eos_token_id = (vocabulary[token] for token in SPECIAL)
    text.pad_token_id = text.eos_token_id

    CLIPTokenizer.from_pretrained(folder, model_max_length=text.max_position_embeddings).save_pretrained(folder)
    side = config.vision_config.image_size
    crop = {"height": side, "width": side}
    CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size=crop).save_pretrained(folder)
    torch.manual_seed(0)
    model = CLIPModel(config)
    with torch.no_grad():
        # With the small initial weights all pictures get nearly the same embedding, and rounding decides the best label.
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(2)
    model.save_pretrained(folder)


def create_photos(count: int) -> list[bytes]:
    """Create `count` JPEG files: the real photos of PHOTOS, repeated."""
    files = []
    for path in PHOTOS:
        with Image.open(path) as image, io.BytesIO() as target:
            image.convert("RGB").save(target, "JPEG", quality=90)
            files.append(target.getvalue())
    return [files[index % len(files)] for index in range(count)]


@dataclass(frozen=True)
class InMemoryFetcher:
    """Fetches the photos for the InferencePipeline: a sample's value is the index of a photo."""

    files: Sequence[bytes]

    def fetch(
        self, value: str, *, grants: Sequence[S3Grant], budget: ByteBudget, versions: Mapping[str, str] | None = None
    ) -> bytes:
        """Return the bytes of the photo at index `value`."""
        return self.files[int(value)]


def classify_with_pigeonhole(service: InferencePipeline, count: int) -> list[str]:
    """Decode and classify the first `count` photos of the pipeline's fetcher, and return the best label of each."""
    body = {
        "dataset": [{"type": "image", "value": str(index)} for index in range(count)],
        "labels": [{"type": "text", "value": label} for label in LABELS],
        "prompt_templates": [TEMPLATE],
    }
    command = ClassifyCommand(log_id="", tenant_id="", request=ClassificationRequest.model_validate(body))
    return [labels[0] for labels in service.classify(command).predictions if labels]


def classify_with_transformers(pipe: Any, files: Sequence[bytes], batch: int) -> list[str]:
    """Decode and classify photos, `batch` at a time, and return the best label of each."""
    images = [Image.open(io.BytesIO(data)).convert("RGB") for data in files]
    rankings = pipe(images, candidate_labels=list(LABELS), hypothesis_template=TEMPLATE, batch_size=batch)
    return [ranking[0]["label"] for ranking in rankings]


@dataclass(frozen=True)
class Comparison:
    """Both sides, loaded from the same weights.

    Attributes:
        model: Pigeonhole's model.
        pipe: The pipeline of transformers.
        cores: The number of cores that each side may use.
    """

    model: LoadedModel
    pipe: Any
    cores: int

    def run(self, count: int, rounds: int) -> list[Row]:
        """Time all sides on `count` photos in turns, after one round that isn't counted.

        Args:
            count: Photos per request.
            rounds: Counted rounds per side.
        """
        files = create_photos(count)
        # Both services share the processes that decode, which a function starts once in its life.
        decoder = DecodePool(self.model.encoder.fit, ImageLimits(), side=self.model.encoder.info.image_side)
        cached = self.create_service(files, decoder)  # used in every round, so that its cache has the labels
        sides = (
            lambda: classify_with_transformers(self.pipe, files, 1),
            lambda: classify_with_transformers(self.pipe, files, count),
            lambda: classify_with_pigeonhole(self.create_service(files, decoder), count),
            lambda: classify_with_pigeonhole(cached, count),
        )
        seconds, same_label = [], 0
        for _ in range(rounds + 1):
            round_seconds, labels_by_side = zip(*(_timed(side) for side in sides), strict=True)
            seconds.append(round_seconds)
            same_label = sum(len(set(labels)) == 1 for labels in zip(*labels_by_side, strict=True))
        pipeline_s, one_batch_s, new_s, cached_s = zip(*seconds[1:], strict=True)
        return [
            Row(count, "new", pipeline_s, one_batch_s, new_s, same_label),
            Row(count, "cached", pipeline_s, one_batch_s, cached_s, same_label),
        ]

    def create_service(self, files: Sequence[bytes], decoder: DecodePool) -> InferencePipeline:
        """Create the service behind functions/classify, with an empty cache.

        Args:
            files: The photos, which samples name by their index.
            decoder: What decodes them.
        """
        model = self.model
        classifier = Classifier(
            encoder=model.encoder,
            sentence=model.sentence,
            calibration=prior_calibration(model.encoder.info),
            background=model.background,
            multilingual=model.multilingual,
            workers=self.cores,
        )
        return InferencePipeline(
            image_fetcher=InMemoryFetcher(files),
            decoder=decoder,
            classifier=classifier,
            limits=ChunkLimits(ImageLimits(), decodes=self.cores),
        )


def _timed(classify: Callable[[], list[str]]) -> tuple[float, list[str]]:
    started = time.perf_counter()
    labels = classify()
    return time.perf_counter() - started, labels


def measure(
    config: CLIPConfig, *, cores: int, rounds: int, counts: Sequence[int] = COUNTS, precision: Precision | None = None
) -> list[Row]:
    """Create a model with random weights, and time both sides.

    Args:
        config: The model's shape.
        cores: The number of cores that each side may use.
        rounds: Counted rounds per side.
        counts: Numbers of photos per request, each measured separately.
        precision: That of Pigeonhole's image tower, None for the default.
    """
    torch.set_num_threads(cores)
    with tempfile.TemporaryDirectory() as folder, checkpoint.quiet_transformers():
        source, artifact = Path(folder) / "clip", Path(folder) / "artifact"
        source.mkdir()
        write_random_clip(config, source)
        prepare(str(source), artifact, precision=precision)
        registry.open_towers(model := registry.load(artifact, threads=1))
        comparison = Comparison(
            model,
            pipeline("zero-shot-image-classification", model=str(source), device="cpu"),
            cores,
        )
    return [row for count in counts for row in comparison.run(count, rounds)]


def table(rows: Sequence[Row]) -> str:
    """Format the rows as a Markdown table, in images per second."""
    head = (
        *("photos", f"{len(LABELS)} labels", "pipeline", "one batch", "pigeonhole"),
        *("ratio to pipeline", "ratio to one batch", "same label"),
    )
    lines = [head, ("---:", "---", *["---:"] * 6), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, default=2, help="cores that each side may use (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="counted rounds per side (default: %(default)s)")
    parser.add_argument("--precision", choices=get_args(Precision), help="of Pigeonhole's image tower (default: int8)")
    parser.add_argument("--write", action="store_true", help="write the table into docs/performance.md")
    args = parser.parse_args()
    run = describe_run(f"OPENBLAS_NUM_THREADS=1 python benchmarks/classify.py --rounds {args.rounds} --write")
    report = f"{run}\n\n{table(measure(CLIPConfig(), cores=args.cores, rounds=args.rounds, precision=args.precision))}"
    print(report)
    if args.write:
        document_region.fill(PAGE, to_region("classify"), report)


if __name__ == "__main__":
    main()
