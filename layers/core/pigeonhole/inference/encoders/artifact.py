"""An artifact folder: a model ready to run without torch, described by artifact.json.

    artifact.json            what this module reads and writes
    image.onnx               uint8 (n, side, side, 3) -> float32 (n, dim), unit rows
    text.onnx                token ids (n, length) and, where the model takes one, their mask -> float32 (n, dim), unit rows
    tokenizer.json           for text.onnx
    sentence.onnx            the sentence encoder, in the same form; absent where text.onnx is the same model
    sentence_tokenizer.json  likewise
    background_photos.npy    float32 (concepts, dim): what photos show, in the space of image.onnx and text.onnx
    background_texts.npy     float32 (texts, dim): texts at large, in the sentence encoder's
    calibration.json         optional, made for this revision

Each file's size is checked whenever the folder is read, its SHA-256 when it is asked for: hashing 100 MB at every cold start
would cost more than loading them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from pigeonhole.inference.encoders.base import EncoderInfo

MANIFEST, CALIBRATION = "artifact.json", "calibration.json"
IMAGE, TEXT, TOKENIZER = "image.onnx", "text.onnx", "tokenizer.json"
SENTENCE, SENTENCE_TOKENIZER = "sentence.onnx", "sentence_tokenizer.json"
PHOTO_BACKGROUND, TEXT_BACKGROUND = "background_photos.npy", "background_texts.npy"
ALWAYS = frozenset({IMAGE, TEXT, TOKENIZER, PHOTO_BACKGROUND, TEXT_BACKGROUND})
FILES = frozenset({MANIFEST, CALIBRATION, *ALWAYS, SENTENCE, SENTENCE_TOKENIZER})

ModelKind = Literal["clip", "siglip", "dual-encoder", "image-tower"]


class ModelUnavailable(Exception):
    """A model can't be found, read or downloaded. For operators: the message names folders, so it never goes to a caller."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ImageSpec(_Part):
    """How a picture becomes the model's input.

    `resize`: "shortest_edge" scales the shorter side to `edge` pixels and cuts the centre square of `side`; "squash" scales
    both sides to `side`, whatever the shape. `mean`, `std`: per channel, of values in 0..1.
    """

    side: int
    resize: Literal["shortest_edge", "squash"]
    edge: int
    resample: Literal["lanczos", "bilinear", "bicubic"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class TextSpec(_Part):
    """How texts become the model's input.

    `max_tokens`: special tokens included, the rest is cut. `pad_to`: "longest" of a batch, where a mask keeps padding from
    counting, or always "max_tokens", for models that were trained to read it. `pooling`: where the embedding is taken from.
    """

    max_tokens: int
    pad_to: Literal["longest", "max_tokens"]
    pad_id: int
    pooling: Literal["eos", "highest id", "last", "mean", "model"]


class ModelFacts(_Part):
    """One encoder: what it is, how it reads, and how its cosines become logits (see EncoderInfo in ports.py)."""

    model_id: str
    revision: str
    licence: str
    dim: int
    logit_scale: float
    logit_bias: float
    activation: Literal["softmax", "sigmoid"]
    templates: tuple[str, ...]
    text: TextSpec
    image: ImageSpec | None
    image_patches: int

    def info(self, engine: str) -> EncoderInfo:
        """Describe the encoder as it runs in `engine`."""
        return EncoderInfo(
            model_id=self.model_id,
            revision=self.revision,
            licence=self.licence,
            engine=engine,
            dim=self.dim,
            logit_scale=self.logit_scale,
            logit_bias=self.logit_bias,
            activation=self.activation,
            max_text_tokens=self.text.max_tokens,
            image_side=self.image.side if self.image else 0,
            image_patches=self.image_patches,
            templates=self.templates,
        )


class FileFacts(_Part):
    bytes: int
    sha256: str


class Artifact(_Part):
    """artifact.json. `reading`: source.READING when it was made. `hub_revision`: what was asked of the hub, null for a folder.

    `one_text_model`: text.onnx is the sentence encoder, too, so that it is stored and loaded once.
    """

    schema_version: Literal[1] = 1
    kind: ModelKind
    reading: int
    hub_revision: str | None
    encoder: ModelFacts
    sentence: ModelFacts
    one_text_model: bool
    files: dict[str, FileFacts]

    @property
    def sentence_files(self) -> tuple[str, str]:
        """The sentence encoder's graph and tokenizer."""
        return (TEXT, TOKENIZER) if self.one_text_model else (SENTENCE, SENTENCE_TOKENIZER)


def facts_of(path: Path) -> FileFacts:
    """Measure a file."""
    with path.open("rb") as file:
        return FileFacts(bytes=path.stat().st_size, sha256=hashlib.file_digest(file, "sha256").hexdigest())


def broken(folder: Path, fault: str) -> ModelUnavailable:
    """Say what is wrong with an artifact folder, and how to mend it."""
    return ModelUnavailable(
        f"{folder} is no complete model artifact: {fault}. `pigeonhole models prepare MODEL --out {folder}` mends it."
    )


def read(folder: Path, *, check_hashes: bool = False) -> Artifact:
    """Read artifact.json and check that its files are there, each of its size.

    `check_hashes`: also that each has its SHA-256.
    Raises ModelUnavailable.
    """
    manifest = folder / MANIFEST
    if not manifest.is_file():
        raise broken(folder, f"{MANIFEST} is missing" if folder.is_dir() else "there is no such folder")
    try:
        artifact = Artifact.model_validate_json(manifest.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise broken(folder, f"{MANIFEST}: {where + ': ' if where else ''}{first['msg']}") from None
    if artifact.files.keys() != {*ALWAYS, *artifact.sentence_files}:
        raise broken(folder, f"{MANIFEST} lists other files than an artifact has")
    for name, facts in artifact.files.items():
        path = folder / name
        if not path.is_file():
            raise broken(folder, f"{name} is missing")
        if path.stat().st_size != facts.bytes:
            raise broken(folder, f"{name} has {path.stat().st_size} bytes instead of {facts.bytes}")
        if check_hashes and facts_of(path).sha256 != facts.sha256:
            raise broken(folder, f"{name} was changed since it was made")
    return artifact


def write(folder: Path, artifact: Artifact) -> None:
    """Write artifact.json."""
    (folder / MANIFEST).write_text(artifact.model_dump_json(indent=2) + "\n", encoding="utf-8")
