"""An artifact folder: a model that runs without torch, described by artifact.json.

    artifact.json                the ArtifactInfo, which this module reads and writes
    image.onnx                   uint8 (n, side, side, 3) -> float32 (n, dim), unit rows
    text.onnx                    token ids and, where the model takes one, their mask, (n, length) int64 -> float32 (n, dim),
                                 unit rows. A causal text tower takes a TokenTree of n texts in place of rows
    *.bin                        the weights of the graph with the same name, mapped into memory. A small graph has none
    tokenizer.json               for text.onnx
    sentence.onnx                the sentence encoder, in the same form; absent where text.onnx is the same model. Of a
                                 cross-encoder: ids, mask and types of pairs (n, length) -> log-odds, float32 (n, 1)
    sentence_tokenizer.json      for sentence.onnx; absent with it
    multilingual.onnx            the multilingual sentence encoder, in the same form; only beside the default sentence encoder
    multilingual_tokenizer.json  for multilingual.onnx; absent with it
    background_photos.npy        (concepts, dim) float32: background concepts, in the space of image.onnx and text.onnx
    background_texts.npy         (texts, dim) float32: generic texts, in the space of the sentence encoder
    background_multilingual.npy  (texts, dim) float32: the same texts, in the space of the multilingual sentence encoder
    generic_photos.npy           optional, (photos, dim) float32: photos of many kinds, in the space of image.onnx
    trained_classes.npy          optional, (classes, dim) float32: the classes that image.onnx was trained on, in its space
    hyponyms.json                optional, beside trained_classes.npy: general words, and the indices of their classes
    calibration.json             optional, made for this revision

The size of each file is checked whenever the folder is read. The SHA-256 of each file is checked only on request, because
hashing 100 MB at every cold start would take longer than loading them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from pigeonhole.inference.encoders.base import EncoderInfo
from pigeonhole.inference.encoders.image_spec import ImageSpec

ARTIFACT_INFO, CALIBRATION = "artifact.json", "calibration.json"
IMAGE, TEXT, TOKENIZER = "image.onnx", "text.onnx", "tokenizer.json"
SENTENCE, SENTENCE_TOKENIZER = "sentence.onnx", "sentence_tokenizer.json"
MULTILINGUAL, MULTILINGUAL_TOKENIZER = "multilingual.onnx", "multilingual_tokenizer.json"
PHOTO_BACKGROUND, TEXT_BACKGROUND = "background_photos.npy", "background_texts.npy"
MULTILINGUAL_BACKGROUND = "background_multilingual.npy"
GENERIC_PHOTOS, TRAINED_CLASSES, HYPONYMS = "generic_photos.npy", "trained_classes.npy", "hyponyms.json"
REQUIRED_FILES = frozenset({IMAGE, TEXT, TOKENIZER, PHOTO_BACKGROUND, TEXT_BACKGROUND})
MULTILINGUAL_FILES = frozenset({MULTILINGUAL, MULTILINGUAL_TOKENIZER, MULTILINGUAL_BACKGROUND})
GRAPHS = (IMAGE, TEXT, SENTENCE, MULTILINGUAL)


def weights_of(graph: str) -> str:
    """Return the name of the file with the weights of a graph: "image.bin" for "image.onnx"."""
    return f"{Path(graph).stem}.bin"


OPTIONAL_FILES = frozenset({GENERIC_PHOTOS, TRAINED_CLASSES, HYPONYMS, *map(weights_of, GRAPHS)})
FILES = frozenset(
    {ARTIFACT_INFO, CALIBRATION, *REQUIRED_FILES, *OPTIONAL_FILES, SENTENCE, SENTENCE_TOKENIZER, *MULTILINGUAL_FILES}
)

ModelKind = Literal["clip", "siglip", "dual-encoder", "image-tower"]
Precision = Literal["fp32", "int8"]
MIN_INT8_COSINE, MIN_INT8_SAME_LABEL = 0.98, 0.98


class ModelUnavailable(Exception):
    """A model can't be found, read or downloaded.

    The message names folders. It is for operators, and callers never get it.
    """


def default_precision(kind: ModelKind) -> Precision:
    """Return the precision of the image tower of a kind of model, where the caller names none.

    A transformer encodes about 1.8 times as many images with int8. The convolutional towers of "image-tower" gain 1.2 x, and
    differ too much: their mean cosine with float32 is 0.83. See docs/models.md.
    """
    return "fp32" if kind == "image-tower" else "int8"


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TextSpec(_Record):
    """How texts become the model's input.

    Attributes:
        max_tokens: The number of tokens that the model reads at once, special tokens included.
        pad_to: "longest" pads to the longest text of a batch, and a mask hides the padding. "max_tokens" always pads to the
            limit, for models that were trained to read the padding.
        pad_id: The id of the padding token.
        pooling: The token whose state is the embedding, or how the states of all tokens are combined.
        long_texts: See EncoderInfo. "windows" is for sentence encoders, because the mean of a text's windows says what the text
            is about. A text tower of an image-text model was trained on captions, which are short.
        prefix: What precedes each text, and each window of a long text.
    """

    max_tokens: int
    pad_to: Literal["longest", "max_tokens"]
    pad_id: int
    pooling: Literal["eos", "highest id", "last", "mean", "model"]
    long_texts: Literal["cut", "windows"] = "cut"
    prefix: str = ""


class ModelFacts(_Record):
    """One encoder of an artifact. EncoderInfo in base.py explains the fields.

    Attributes:
        model_id: See EncoderInfo.
        revision: See EncoderInfo.
        licence: See EncoderInfo.
        dim: See EncoderInfo.
        logit_scale: See EncoderInfo.
        logit_bias: See EncoderInfo.
        activation: See EncoderInfo.
        templates: See EncoderInfo.
        text: How texts become the model's input.
        image: How images become the model's input, None for a sentence encoder.
        image_patches: See EncoderInfo.
        reads_pairs: See EncoderInfo.
    """

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
    reads_pairs: bool = False

    def to_info(self, engine: str) -> EncoderInfo:
        """Describe the encoder as it runs in an engine."""
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
            long_texts=self.text.long_texts,
            reads_pairs=self.reads_pairs,
            pads_texts=self.text.pad_to == "max_tokens",
        )


class FileFacts(_Record):
    """The size and the hash of a file.

    Attributes:
        bytes: The size.
        sha256: The SHA-256 in hex digits.
    """

    bytes: int
    sha256: str

    @classmethod
    def from_file(cls, path: Path) -> FileFacts:
        """Measure a file."""
        with path.open("rb") as file:
            return cls(bytes=path.stat().st_size, sha256=hashlib.file_digest(file, "sha256").hexdigest())


class Int8Parity(_Record):
    """How close an image tower in int8 is to the one in float32, on photos that didn't calibrate it.

    Attributes:
        cosine: The mean cosine of the embeddings of a photo, -1..1.
        same_label: The share of photos with the same best background concept, or one that is as good, 0..1.
    """

    cosine: float
    same_label: float

    @property
    def holds(self) -> bool:
        """Whether the two are close enough to replace each other."""
        return self.cosine >= MIN_INT8_COSINE and self.same_label >= MIN_INT8_SAME_LABEL


class ArtifactInfo(_Record):
    """The content of artifact.json.

    Attributes:
        schema_version: The version of this format.
        kind: The kind of the model.
        reading: source.READING_VERSION when the artifact was made.
        hub_revision: The requested revision of the Hugging Face hub, null for a local folder.
        sentence_hub_revision: The same for the sentence encoder.
        sentence_digest: The SHA-256 of the files of the sentence encoder.
        encoder: The image-text encoder.
        sentence: The sentence encoder.
        multilingual: The multilingual sentence encoder, null if there is none.
        precision: That of image.onnx. All other graphs are in float32.
        int8_parity: How close the image tower in int8 is to float32, null if int8 wasn't tried.
        one_text_model: Whether text.onnx is also the sentence encoder, so that it is stored and loaded once.
        files: Size and hash of every other file of the folder except calibration.json.
    """

    schema_version: Literal[2] = 2
    kind: ModelKind
    reading: int
    hub_revision: str | None
    sentence_hub_revision: str | None = None
    sentence_digest: str | None = None
    encoder: ModelFacts
    sentence: ModelFacts
    multilingual: ModelFacts | None = None
    precision: Precision = "fp32"
    int8_parity: Int8Parity | None = None
    one_text_model: bool
    files: dict[str, FileFacts]

    def is_made_for(self, precision: Precision) -> bool:
        """Whether this is what a request for a precision gives. int8 gives float32 where the parity doesn't hold."""
        return precision == self.precision or (precision == "int8" and self.int8_parity is not None)

    @property
    def sentence_files(self) -> tuple[str, str]:
        """The names of the sentence encoder's graph and tokenizer."""
        return (TEXT, TOKENIZER) if self.one_text_model else (SENTENCE, SENTENCE_TOKENIZER)


def broken_artifact(folder: Path, fault: str) -> ModelUnavailable:
    """Return the error for a broken artifact folder, with the command that fixes the folder."""
    return ModelUnavailable(
        f"{folder} is no complete model artifact: {fault}. Run `pigeonhole models prepare MODEL --out {folder}` to fix it."
    )


def read_info(folder: Path, *, check_hashes: bool = False) -> ArtifactInfo:
    """Read artifact.json, and check that its files exist and have their sizes.

    Args:
        folder: The artifact folder.
        check_hashes: Also check the SHA-256 of each file.

    Raises:
        ModelUnavailable: The folder is missing, incomplete or broken.
    """
    path = folder / ARTIFACT_INFO
    if not path.is_file():
        raise broken_artifact(folder, f"{ARTIFACT_INFO} is missing" if folder.is_dir() else "there is no such folder")
    try:
        artifact_info = ArtifactInfo.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise broken_artifact(folder, f"{ARTIFACT_INFO}: {field + ': ' if field else ''}{first['msg']}") from None
    multilingual_files = MULTILINGUAL_FILES if artifact_info.multilingual else ()
    listed = artifact_info.files.keys() - OPTIONAL_FILES
    if listed != {*REQUIRED_FILES, *artifact_info.sentence_files, *multilingual_files}:
        raise broken_artifact(folder, f"{ARTIFACT_INFO} lists other files than an artifact has")
    for name, facts in artifact_info.files.items():
        _check_file(folder, name, facts, check_hashes)
    return artifact_info


def _check_file(folder: Path, name: str, facts: FileFacts, check_hash: bool) -> None:
    path = folder / name
    if not path.is_file():
        raise broken_artifact(folder, f"{name} is missing")
    if path.stat().st_size != facts.bytes:
        raise broken_artifact(folder, f"{name} has {path.stat().st_size} bytes instead of {facts.bytes}")
    if check_hash and FileFacts.from_file(path).sha256 != facts.sha256:
        raise broken_artifact(folder, f"{name} was changed since it was made")


def write_info(folder: Path, artifact_info: ArtifactInfo) -> None:
    """Write artifact.json."""
    (folder / ARTIFACT_INFO).write_text(artifact_info.model_dump_json(indent=2) + "\n", encoding="utf-8")
