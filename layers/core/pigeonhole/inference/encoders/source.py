"""Find the files of a model: in the repository, in a local folder, or on the Hugging Face hub. No model is loaded here."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pigeonhole.inference.encoders import packages
from pigeonhole.inference.encoders.artifact import HYPONYMS, ModelUnavailable
from pigeonhole.inference.encoders.packages import hash_file
from pigeonhole.inference.encoders.registry import (
    BUNDLED,
    BUNDLED_SENTENCE,
    PRESETS,
    SENTENCE_PRESETS,
    Preset,
    repository_folder,
)

# Part of every revision. Raise it when a change of this package changes embeddings.
READING_VERSION = 4

# The model_type of the bundled kind of model.
IMAGE_TOWER = "pigeonhole-image-tower"

SETTINGS_FILES = (
    *("config.json", "preprocessor_config.json", "processor_config.json", HYPONYMS),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt", "vocab.json", "merges.txt"),
)
# A sentence-transformers folder also describes its modules, each in a folder of its own.
SENTENCE_SETTINGS_FILES = (
    *SETTINGS_FILES,
    *("modules.json", "sentence_bert_config.json", "config_sentence_transformers.json", "sentencepiece.bpe.model", "spm.model"),
    *("*/config.json", "*/model.safetensors", "*/pytorch_model.bin"),
)
WEIGHT_PATTERNS = ("model*.safetensors", "pytorch_model*.bin")
# In the folder of the sentence encoder's parts. checkpoints/text_delta.py and checkpoints/universal_sentence_encoder.py
# describe their tensors.
TEXT_DELTA, MULTILINGUAL_HEAD = "text_delta.safetensors", "multilingual.safetensors"

_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")


@dataclass(frozen=True)
class SentenceSource:
    """The files of the model that compares texts with texts.

    Attributes:
        folder: The folder that holds the files, None for the bundled model, whose package is opened only when it is needed.
        model_id: A Hugging Face id or the folder's name.
        hub_revision: The requested revision of the Hugging Face hub, None for a local model.
        licence: The licence of the model.
        prefix: What precedes each text. None means that the model's own files say it.
    """

    folder: Path | None
    model_id: str
    hub_revision: str | None
    licence: str
    prefix: str | None = None

    @property
    def is_bundled(self) -> bool:
        """Whether this is all-MiniLM-L6-v2 of the package. Only this one has the multilingual sentence encoder beside it."""
        return self.folder is None

    def open_folder(self) -> Path:
        """Return the folder that holds the files.

        Raises:
            ModelUnavailable: The package of the bundled model is missing, or its weights aren't the published ones.
        """
        return self.folder or packages.sentence_folder()

    @cached_property
    def digest(self) -> str:
        """The SHA-256, in hex digits, of all that decides an embedding. The bundled models' own weights needn't be read for it.

        Raises:
            ModelUnavailable: The folder holds no weights.
        """
        if self.folder is None:
            parts = [f"{path.name} {hash_file(path)}" for path in sentence_parts()]
            return _hash_lines([packages.SENTENCE_SHA256, *packages.MULTILINGUAL_SHA256.values(), *parts])
        settings = {path for pattern in SENTENCE_SETTINGS_FILES for path in self.folder.glob(pattern)}
        paths = sorted(settings | set(_find_weights(self.folder)))
        hashes = [f"{path.relative_to(self.folder)} {hash_file(path)}" for path in paths]
        return _hash_lines([f"prefix {self.prefix!r}", *hashes])

    def compute_revision(self) -> str:
        """Hash the model to 16 hex digits, which change whenever an embedding would."""
        return hashlib.sha256(f"{READING_VERSION} {self.digest}".encode()).hexdigest()[:16]


@dataclass(frozen=True)
class ModelSource:
    """The files of a model, and those of the sentence encoder beside it.

    Attributes:
        folder: The folder that holds the files.
        model_id: A preset, the folder's name or a Hugging Face id.
        hub_revision: The requested revision of the Hugging Face hub, None for a local folder.
        licence: The licence of the model.
        sentence: The files of the sentence encoder.
        calibration_folder: A further folder that may hold a calibration of the model, None if there is none.
    """

    folder: Path
    model_id: str
    hub_revision: str | None
    licence: str
    sentence: SentenceSource
    calibration_folder: Path | None = None

    @property
    def calibration_folders(self) -> tuple[Path, ...]:
        """The folders that may hold calibration.json. The first has priority."""
        return (self.folder, self.calibration_folder) if self.calibration_folder else (self.folder,)

    @property
    def config(self) -> dict[str, Any]:
        """The content of config.json.

        Raises:
            ModelUnavailable: The file is missing or broken.
        """
        return read_config(self.folder)

    def find_weights(self) -> list[Path]:
        """Return the files of the weights. Safetensors have priority over pickles.

        Raises:
            ModelUnavailable: The folder holds no weights.
        """
        return _find_weights(self.folder)

    def compute_revision(self, sentence_digest: str | None = None) -> str:
        """Hash weights, settings and the sentence encoder to 16 hex digits, which change whenever an embedding would.

        Args:
            sentence_digest: The digest of the sentence encoder, None to compute it from its files.
        """
        settings = [path for name in SETTINGS_FILES if (path := self.folder / name).is_file()]
        digest = hashlib.sha256(f"{READING_VERSION} {sentence_digest or self.sentence.digest}".encode())
        for path in (*settings, *self.find_weights()):
            digest.update(f"\n{path.name} {hash_file(path)}".encode())
        if self.config.get("model_type") == IMAGE_TOWER:
            # Its text tower is the bundled sentence encoder, whichever compares texts with text labels.
            digest.update(f"\n{packages.BACKBONE_SHA256} {find_sentence().digest}".encode())
        return digest.hexdigest()[:16]


def read_config(folder: Path) -> dict[str, Any]:
    """Read config.json.

    Raises:
        ModelUnavailable: The file is missing or broken.
    """
    try:
        content = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError):
        raise ModelUnavailable(f"{folder} holds no model: its config.json is missing or no JSON") from None
    return dict(content)


def _find_weights(folder: Path) -> list[Path]:
    for pattern in WEIGHT_PATTERNS:
        if paths := sorted(folder.glob(pattern)):
            return paths
    raise ModelUnavailable(f"{folder} holds no weights: neither {' nor '.join(WEIGHT_PATTERNS)}")


def _hash_lines(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def find_model(name: str, sentence: str = BUNDLED_SENTENCE) -> ModelSource:
    """Find a model, and download it if it is on the Hugging Face hub.

    Args:
        name: A preset, a folder or a Hugging Face id.
        sentence: The sentence encoder: a preset, a folder or a Hugging Face id.

    Raises:
        ModelUnavailable: A name is none of these, or a download fails.
    """
    preset = PRESETS.get(name)
    if name == BUNDLED and preset:
        folder = repository_folder(BUNDLED)
        if not folder.is_dir():
            raise ModelUnavailable(f"the bundled model isn't at {folder}: give the folder that holds it instead of {name!r}")
        return ModelSource(folder, name, None, preset.licence, find_sentence(sentence))
    calibration_folder = repository_folder(preset.name) if preset else None
    return ModelSource(*_find(name, PRESETS, SETTINGS_FILES), find_sentence(sentence), calibration_folder)


def find_sentence(name: str = BUNDLED_SENTENCE) -> SentenceSource:
    """Find a text model, and download it if it is on the Hugging Face hub.

    Args:
        name: A preset, a folder or a Hugging Face id.

    Raises:
        ModelUnavailable: The name is none of these, or the download fails.
    """
    preset = SENTENCE_PRESETS.get(name)
    if name == BUNDLED_SENTENCE and preset:
        return SentenceSource(None, preset.source, None, preset.licence)
    return SentenceSource(*_find(name, SENTENCE_PRESETS, SENTENCE_SETTINGS_FILES), preset.prefix if preset else None)


def _find(name: str, presets: Mapping[str, Preset], settings: Sequence[str]) -> tuple[Path, str, str | None, str]:
    """Find a model that isn't bundled: its folder, its id, the requested revision of the hub, and its licence."""
    preset = presets.get(name)
    if preset and preset.revision:
        return _download(preset.source, preset.revision, settings), preset.source, preset.revision, preset.licence
    if name and Path(name).is_dir():
        folder = Path(name).resolve()
        return folder, folder.name, None, _licence(folder)
    if _HUB_ID.fullmatch(name):
        folder = _download(name, "main", settings)
        return folder, name, "main", _licence(folder)
    raise ModelUnavailable(f"{name!r} is no preset ({', '.join(presets)}), no folder and no Hugging Face id (owner/name)")


def to_hub_id(name: str, presets: Mapping[str, Preset] = PRESETS) -> tuple[str, str] | None:
    """Return the Hugging Face id and revision that would be downloaded; None for a local model."""
    preset = presets.get(name)
    if preset:
        return (preset.source, preset.revision) if preset.revision else None
    return (name, "main") if _HUB_ID.fullmatch(name) and not Path(name).is_dir() else None


def multilingual_revision() -> str:
    """Return the revision of the multilingual sentence encoder, 16 hex digits."""
    head = sentence_parts_folder() / MULTILINGUAL_HEAD
    parts = [f"{head.name} {hash_file(head)}"] if head.is_file() else []
    return _hash_lines([str(READING_VERSION), *packages.MULTILINGUAL_SHA256.values(), *parts])[:16]


def sentence_parts_folder() -> Path:
    """Return the folder of what this project adds to the sentence encoder. models/sentence/README.md describes its files."""
    return repository_folder("sentence")


def sentence_parts() -> list[Path]:
    """Return the weights that this project adds to the sentence encoder. There may be none."""
    return sorted(sentence_parts_folder().glob("*.safetensors"))


def _download(repository: str, revision: str, settings: Sequence[str]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    def fetch(patterns: tuple[str, ...]) -> Path:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=[*patterns]))

    try:
        folder = fetch((*settings, "README.md", "model*.safetensors", "model.safetensors.index.json"))
        if not any(folder.glob("model*.safetensors")):
            folder = fetch((*settings, "README.md", "pytorch_model*.bin", "pytorch_model.bin.index.json"))
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise ModelUnavailable(
            f"{repository} can't be downloaded from the Hugging Face hub ({type(error).__name__}): "
            "check the name and the network, or give a local folder"
        ) from None
    return folder


def _licence(folder: Path) -> str:
    """Return the licence that the header of the model card names."""
    card = folder / "README.md"
    if not card.is_file():
        return "unknown"
    head = card.read_text(encoding="utf-8", errors="replace").partition("\n---")[0]
    match = re.search(r"^license:\s*(\S+)", head, re.MULTILINE)
    return match.group(1) if match and head.startswith("---") else "unknown"
