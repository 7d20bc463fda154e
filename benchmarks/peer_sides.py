"""What benchmarks/peers.py compares, one `Side` per row of its table. Another peer is another entry of SIDES.

All sides get JPEG bytes and return the best label of each photo. They decode the photos themselves. The libraries that give
embeddings get the few lines around them that their users write: normalise, multiply, take the highest.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from transformers import CLIPConfig, DistilBertConfig, DistilBertModel, pipeline

from classify import TEMPLATE, Comparison, classify_with_pigeonhole, classify_with_transformers
from packaged_photos import LABELS
from pigeonhole.inference.encoders import registry
from pigeonhole.inference.images.decode_pool import DecodePool
from pigeonhole.inference.images.limits import ImageLimits

PROMPTS = [TEMPLATE.format(label) for label in LABELS]
SAME_WEIGHTS = "same"  # and in float32, so that the answers are the same
SAME_SHAPE = "same shape"


@dataclass(frozen=True)
class Task:
    """What all sides get.

    Attributes:
        config: The shape of the CLIP.
        source: Its folder, in the format of transformers, with random weights.
        artifact: Pigeonhole's artifact of it.
        bundled: Pigeonhole's artifact of `tiny`.
        work: An empty folder for files of the sides.
        photos: JPEG files.
        cores: The number of cores that each side may use.
    """

    config: CLIPConfig
    source: Path
    artifact: Path
    bundled: Path
    work: Path
    photos: Sequence[bytes]
    cores: int


class Loaded(Protocol):
    """A side with its model in memory."""

    def classify(self, count: int, *, cached: bool) -> list[str]:
        """Classify the first `count` photos of the task, and return the best label of each.

        Args:
            count: Photos of the request, in one batch if the side has batches.
            cached: Use the labels' embeddings of an earlier call. Only if the side `can_cache`.
        """
        ...


@dataclass(frozen=True)
class Side:
    """A row of the table.

    Attributes:
        name: What the table calls it.
        weights: How its model compares with that of the pipeline.
        load: Loads the model.
        can_cache: Whether its users can keep the labels' embeddings.
        package: A package that only this side needs, None if it needs none.
        needs: The only shape that it takes, None if it takes any.
    """

    name: str
    weights: str
    load: Callable[[Task], Loaded]
    can_cache: bool = True
    package: str | None = None
    needs: CLIPConfig | None = None

    def missing(self, task: Task) -> str | None:
        """Return why this side can't run, None if it can."""
        if self.package and find_spec(self.package) is None:
            return f"{self.package} isn't installed"
        if self.needs and _shape(self.needs) != _shape(task.config):
            return "it takes only ViT-B/32's shape"
        return None


def _shape(config: CLIPConfig) -> tuple[int, ...]:
    vision = config.vision_config
    return (vision.hidden_size, vision.num_hidden_layers, vision.image_size, vision.patch_size, config.projection_dim)


@dataclass(frozen=True)
class Pigeonhole:
    """The service behind functions/classify, as benchmarks/classify.py builds it."""

    task: Task
    artifact: Path

    @cached_property
    def _comparison(self) -> Comparison:
        return Comparison(registry.load(self.artifact, threads=1), pipe=None, cores=self.task.cores)

    @cached_property
    def _decoder(self) -> DecodePool:
        encoder = self._comparison.model.encoder
        return DecodePool(encoder.fit, ImageLimits(), side=encoder.info.image_side)

    @cached_property
    def _with_cache(self) -> Any:
        return self._comparison.create_service(self.task.photos, self._decoder)

    def classify(self, count: int, *, cached: bool) -> list[str]:
        """Classify as Loaded says. A new service has no cached labels."""
        service = self._with_cache if cached else self._comparison.create_service(self.task.photos, self._decoder)
        return classify_with_pigeonhole(service, count)


@dataclass(frozen=True)
class TransformersPipeline:
    """The pipeline of transformers. `batch`: photos per batch, None for all in one."""

    task: Task
    pipe: Any
    batch: int | None

    def classify(self, count: int, *, cached: bool) -> list[str]:
        """Classify as Loaded says. The pipeline encodes the labels again for every batch."""
        return classify_with_transformers(self.pipe, self.task.photos[:count], self.batch or count)


@dataclass(frozen=True)
class TwoTowers:
    """A library that encodes photos and texts, and the lines that its users write around it.

    Attributes:
        photos: JPEG files.
        encode_images: Returns an embedding per JPEG file.
        encode_texts: Returns an embedding per text.
    """

    photos: Sequence[bytes]
    encode_images: Callable[[Sequence[bytes]], Any]
    encode_texts: Callable[[Sequence[str]], Any]

    @cached_property
    def _kept_texts(self) -> Any:
        return _normalise(self.encode_texts(PROMPTS))

    def classify(self, count: int, *, cached: bool) -> list[str]:
        """Classify as Loaded says."""
        texts = self._kept_texts if cached else _normalise(self.encode_texts(PROMPTS))
        images = _normalise(self.encode_images(self.photos[:count]))
        return [LABELS[index] for index in (images @ texts.T).argmax(axis=1)]


def _normalise(embeddings: Any) -> Any:
    rows = np.asarray(embeddings, dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _open(files: Sequence[bytes]) -> list[Image.Image]:
    return [Image.open(io.BytesIO(data)).convert("RGB") for data in files]


def _load_pipeline(batch: int | None) -> Callable[[Task], Loaded]:
    def load(task: Task) -> Loaded:
        return TransformersPipeline(
            task, pipeline("zero-shot-image-classification", model=str(task.source), device="cpu"), batch
        )

    return load


def _load_sentence_transformers(task: Task) -> Loaded:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(task.source), device="cpu")
    return TwoTowers(
        task.photos,
        lambda files: model.encode(_open(files), batch_size=len(files), show_progress_bar=False),
        lambda texts: model.encode(list(texts), batch_size=len(texts), show_progress_bar=False),
    )


def _load_open_clip(task: Task) -> Loaded:
    # PyPI's torchvision registers its operators only beside a torch for CUDA. open_clip runs none of them: it only imports the
    # package, which asks that these two are declared.
    operators = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import open_clip
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

    text, vision = task.config.text_config, task.config.vision_config
    torch.manual_seed(0)
    model = CLIP(
        task.config.projection_dim,
        CLIPVisionCfg(
            layers=vision.num_hidden_layers,
            width=vision.hidden_size,
            head_width=vision.hidden_size // vision.num_attention_heads,
            patch_size=vision.patch_size,
            image_size=vision.image_size,
        ),
        CLIPTextCfg(
            context_length=text.max_position_embeddings,
            width=text.hidden_size,
            heads=text.num_attention_heads,
            layers=text.num_hidden_layers,
        ),
        quick_gelu=True,
    ).eval()
    preprocess = open_clip.image_transform(vision.image_size, is_train=False)
    tokenize = open_clip.SimpleTokenizer(context_length=text.max_position_embeddings)
    return TwoTowers(
        task.photos,
        torch.inference_mode()(lambda files: model.encode_image(torch.stack([preprocess(image) for image in _open(files)]))),
        torch.inference_mode()(lambda texts: model.encode_text(tokenize(list(texts)))),
    )


def _load_faster_clip(task: Task) -> Loaded:
    """Load faster-clip from its own cache, filled with random weights: it reads two published models only.

    Its image tower is CLIP's. Its text tower is a multilingual DistilBERT with a dense layer after it.
    """
    from safetensors.torch import save_file
    from transformers import CLIPModel

    cache = task.work / "faster-clip"
    image, text = (cache / f"sentence-transformers__clip-ViT-B-32{suffix}" for suffix in ("", "-multilingual-v1"))
    clip = CLIPModel.from_pretrained(task.source).state_dict()
    tower = {name: value.contiguous() for name, value in clip.items() if name.startswith(("vision_model", "visual_projection"))}
    config = DistilBertConfig(vocab_size=_write_word_pieces(text))
    dense = {"linear.weight": torch.randn(task.config.projection_dim, config.dim) / config.dim**0.5}
    bert = {name: value.contiguous() for name, value in DistilBertModel(config).state_dict().items()}
    for path, weights in (
        (image / "0_CLIPModel/model.safetensors", tower),
        (text / "model.safetensors", bert),
        (text / "2_Dense/model.safetensors", dense),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(weights, str(path))
    os.environ["FASTER_CLIP_CACHE"] = str(cache)
    os.environ["RAYON_NUM_THREADS"] = str(task.cores)
    from faster_clip import ClipModel

    model = ClipModel()
    return TwoTowers(task.photos, lambda files: model.encode_image(list(files)), lambda texts: model.encode_text(list(texts)))


def _write_word_pieces(folder: Path) -> int:
    """Write a tokenizer with a token for each word of the prompts, as BERT's has, and return the size of its vocabulary."""
    from tokenizers import BertWordPieceTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    words = sorted({word for prompt in PROMPTS for word in prompt.lower().replace(".", " .").split()})
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    tokenizer = BertWordPieceTokenizer(vocab={name: number for number, name in enumerate(names)})
    tokenizer.save(str(folder / "tokenizer.json"))
    return len(names)


SIDES = (
    Side("transformers, a photo per batch", SAME_WEIGHTS, _load_pipeline(1), can_cache=False),
    Side("transformers, one batch", SAME_WEIGHTS, _load_pipeline(None), can_cache=False),
    Side("sentence-transformers", SAME_WEIGHTS, _load_sentence_transformers, package="sentence_transformers"),
    Side("open_clip", SAME_SHAPE, _load_open_clip, package="open_clip"),
    Side("faster-clip", "same image tower", _load_faster_clip, package="faster_clip", needs=CLIPConfig()),
    Side("Pigeonhole", "same, int8", lambda task: Pigeonhole(task, task.artifact)),
    Side("Pigeonhole, `tiny`", "bundled", lambda task: Pigeonhole(task, task.bundled)),
)


def use_packages(folder: Path | None) -> None:
    """Let the sides import packages from a folder too. Those of this environment have priority."""
    if folder:
        sys.path.append(str(folder))
