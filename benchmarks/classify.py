"""Our classifier against transformers' zero-shot-image-classification pipeline, in one run, on the same weights.

    python benchmarks/classify.py --cores 2

A CLIP of ViT-B/32's shape with random weights, real photos as JPEG bytes: both sides decode them. Ours is the service behind
functions/classify (RunChunk), with a worker of one thread for each core; the pipeline has as many threads. Both give the same
answers, up to the rounding of the resize; that they do is counted, too. The pipeline encodes every label anew for every batch,
and a batch is one photo unless it is told otherwise: it runs both so, and told to take all photos at once. Ours encodes labels
once per request, or not at all where the cache has them. Figures: median of the rounds, all sides taking turns.
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
from typing import Any

import torch
from PIL import Image
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer, pipeline
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from packaged_photos import PHOTOS
from pigeonhole.contract.classification import ClassificationRequest
from pigeonhole.contract.messages import ClassifyCommand, S3Grant
from pigeonhole.inference.classifier import Classifier
from pigeonhole.inference.encoders import checkpoint, registry
from pigeonhole.inference.encoders.prepare import prepare
from pigeonhole.inference.encoders.registry import LoadedModel
from pigeonhole.inference.images.decode import ImageLimits
from pigeonhole.inference.images.fetch import ByteBudget
from pigeonhole.inference.limits import ChunkLimits
from pigeonhole.inference.pipeline import InferencePipeline
from pigeonhole.inference.scoring.calibration import prior

LABELS = (
    *("cat", "dog", "horse", "bird", "cow", "sheep", "elephant", "bear", "cup of coffee", "motorcycle", "person", "rocket"),
    *("flower", "temple", "bicycle", "car", "airplane", "boat", "chair", "table", "pizza", "guitar", "mountain", "beach"),
)
TEMPLATE = "a photo of a {}."
COUNTS = (1, 32)
SPECIAL = ("<|startoftext|>", "<|endoftext|>")


@dataclass(frozen=True)
class Row:
    """One line of the table: seconds per request on each side, and how many photos got the same best label from all of them."""

    photos: int
    labels: str
    pipeline_s: float
    one_batch_s: float
    ours_s: float
    same: int

    def cells(self) -> tuple[str, ...]:
        sides = (self.pipeline_s, self.one_batch_s, self.ours_s)
        per_second = [f"{self.photos / seconds:.1f}" for seconds in sides]
        ratios = [f"{seconds / self.ours_s:.1f} x" for seconds in sides[:2]]
        return (str(self.photos), self.labels, *per_second, *ratios, f"{self.same} of {self.photos}")


def random_clip(config: CLIPConfig, folder: Path) -> None:
    """Write a CLIP of random weights into `folder`, the same each time.

    Its tokenizer has a token for each of the labels' words, as CLIP's has.
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
    # The trainer numbers tokens of equal counts by chance, and a number is a row of random weights: those that the prompts use
    # come first, by name.
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
        for parameter in model.parameters():  # else all pictures look alike to it, and rounding decides on the best label
            if parameter.ndim > 1:
                parameter.mul_(2)
    model.save_pretrained(folder)


def photos(count: int) -> list[bytes]:
    """`count` JPEG files: the real photos of PHOTOS, over and over."""
    files = []
    for path in PHOTOS:
        with Image.open(path) as image, io.BytesIO() as target:
            image.convert("RGB").save(target, "JPEG", quality=90)
            files.append(target.getvalue())
    return [files[index % len(files)] for index in range(count)]


@dataclass(frozen=True)
class InMemory:
    """The photos as a source of our service: a value is a photo's place."""

    files: Sequence[bytes]

    def read(
        self, value: str, *, grants: Sequence[S3Grant], budget: ByteBudget, versions: Mapping[str, str] | None = None
    ) -> bytes:
        return self.files[int(value)]


def ours(service: InferencePipeline, count: int) -> list[str]:
    """Decode and classify the service's first `count` photos: the best label of each."""
    body = {
        "dataset": [{"type": "image", "value": str(place)} for place in range(count)],
        "labels": [{"type": "text", "value": label} for label in LABELS],
        "prompt_templates": [TEMPLATE],
    }
    command = ClassifyCommand(log_id="", tenant_id="", request=ClassificationRequest.model_validate(body))
    return [chosen[0] for chosen in service.classify(command).predictions if chosen]


def theirs(pipe: Any, files: Sequence[bytes], batch: int) -> list[str]:
    """Decode and classify: the best label of each."""
    images = [Image.open(io.BytesIO(data)).convert("RGB") for data in files]
    answers = pipe(images, candidate_labels=list(LABELS), hypothesis_template=TEMPLATE, batch_size=batch)
    return [answer[0]["label"] for answer in answers]


@dataclass(frozen=True)
class Contest:
    """Both sides, loaded from the same weights."""

    model: LoadedModel
    pipe: Any
    cores: int

    def run(self, count: int, rounds: int) -> list[Row]:
        """Time all sides on `count` photos, `rounds` times each, taking turns, after one round that isn't counted."""
        files = photos(count)
        kept = self._service(files)
        sides = (
            lambda: theirs(self.pipe, files, 1),
            lambda: theirs(self.pipe, files, count),
            lambda: ours(self._service(files), count),
            lambda: ours(kept, count),
        )
        seconds, same = [], 0
        for _ in range(rounds + 1):
            took, answers = zip(*(_timed(side) for side in sides), strict=True)
            seconds.append(took)
            same = sum(len(set(found)) == 1 for found in zip(*answers, strict=True))
        one_by_one, one_batch, new, cached = (statistics.median(column) for column in zip(*seconds[1:], strict=True))
        return [
            Row(count, "new", one_by_one, one_batch, new, same),
            Row(count, "cached", one_by_one, one_batch, cached, same),
        ]

    def _service(self, files: Sequence[bytes]) -> InferencePipeline:
        model = self.model
        classifier = Classifier(model.encoder, model.sentence, prior(model.encoder.info), model.backgrounds, workers=self.cores)
        return InferencePipeline(
            sources=InMemory(files), classifier=classifier, limits=ChunkLimits(ImageLimits(), decodes=self.cores)
        )


def _timed(run: Callable[[], list[str]]) -> tuple[float, list[str]]:
    started = time.perf_counter()
    answers = run()
    return time.perf_counter() - started, answers


def measure(config: CLIPConfig, *, cores: int, rounds: int, counts: Sequence[int] = COUNTS) -> list[Row]:
    """Make a model of `config` and let both sides run it on each of `counts` photos. `cores`: that each side may use."""
    torch.set_num_threads(cores)
    with tempfile.TemporaryDirectory() as folder, checkpoint.quiet():
        source, artifact = Path(folder) / "clip", Path(folder) / "artifact"
        source.mkdir()
        random_clip(config, source)
        prepare(str(source), artifact)
        contest = Contest(
            registry.load(artifact, threads=1),
            pipeline("zero-shot-image-classification", model=str(source), device="cpu"),
            cores,
        )
    return [row for count in counts for row in contest.run(count, rounds)]


def table(rows: Sequence[Row]) -> str:
    """Format the rows as Markdown."""
    head = (
        *("photos", f"{len(LABELS)} labels", "pipeline, images/s", "pipeline in one batch, images/s", "ours, images/s"),
        *("ratio", "ratio to one batch", "same best label"),
    )
    lines = [head, ("---:", "---", *["---:"] * 6), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, default=2, help="that each side may use")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    print(table(measure(CLIPConfig(), cores=args.cores, rounds=args.rounds)))


if __name__ == "__main__":
    main()
