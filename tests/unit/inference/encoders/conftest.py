"""Small random models of every kind, and the artifacts that are exported from them, once per run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from pigeonhole.inference.encoders import export, packages, registry, source
from pigeonhole.inference.encoders.checkpoints import efficientnet, torch_encoder
from pigeonhole.inference.encoders.registry import LoadedModel
from support import small_models

MAKERS = {
    "clip": lambda folder: small_models.clip(folder, legacy_end=False),
    "clip-legacy": lambda folder: small_models.clip(folder, legacy_end=True),
    "siglip": small_models.siglip,
    "siglip2": small_models.siglip2,
    "dual-encoder": small_models.dual_encoder,
    "image-tower": lambda folder: small_models.image_tower(folder, dim=small_models.TOWER["hidden_size"]),
}


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def no_sentence_parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the empty folder that replaces models/sentence, so that no test depends on the trained parts."""
    folder = tmp_path_factory.mktemp("no-sentence-parts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "sentence_parts_folder", lambda: folder)
        yield folder


@pytest.fixture
def sentence_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder that replaces models/sentence, for a test that writes into it."""
    folder = tmp_path / "sentence-parts"
    folder.mkdir()
    monkeypatch.setattr(source, "sentence_parts_folder", lambda: folder)
    return folder


@pytest.fixture(scope="session", autouse=True)
def small_backbone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Replace EfficientNet-lite0, whose export takes seconds, by a small network."""
    path = tmp_path_factory.mktemp("backbone") / "weights.pth"
    small_models.backbone(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packages, "backbone_weights", lambda: path)
        patch.setattr(efficientnet, "LITE0", small_models.BACKBONE)
        yield path


@pytest.fixture(scope="session")
def sentence_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sentence")
    small_models.sentence(folder)
    return folder


@pytest.fixture(scope="session", autouse=True)
def small_multilingual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Replace universal-sentence-encoder-multilingual, whose export takes seconds, by a small encoder of its kind."""
    folder = tmp_path_factory.mktemp("multilingual")
    small_models.multilingual(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packages, "multilingual_folder", lambda: folder)
        yield folder


@pytest.fixture
def small_sentence(sentence_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Replace all-MiniLM-L6-v2, whose export takes seconds, by a small sentence encoder."""
    monkeypatch.setattr(packages, "sentence_folder", lambda: sentence_model)
    return sentence_model


@pytest.fixture(scope="session")
def model_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the folder of each kind of model."""
    folders = {}
    for name, make in MAKERS.items():
        folders[name] = tmp_path_factory.mktemp(name)
        make(folders[name])
    return folders


@pytest.fixture(scope="session")
def artifacts(
    model_folders: dict[str, Path], sentence_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Return the artifact folder of each kind of model."""
    root = tmp_path_factory.mktemp("artifacts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packages, "sentence_folder", lambda: sentence_model)
        for name, folder in model_folders.items():
            export.export_model(source.find_model(str(folder)), root / name, precision="fp32")
    return {name: root / name for name in model_folders}


@pytest.fixture(scope="session")
def photos() -> dict[str, Image.Image]:
    """Return the photos of the scikit-image and scikit-learn wheels, by name."""
    import skimage
    import sklearn.datasets

    packaged = Path(skimage.__file__).parent / "data"
    names = ("chelsea.png", "coffee.png", "motorcycle_left.png", "astronaut.png", "rocket.jpg", "hubble_deep_field.jpg")
    paths = [*(packaged / name for name in (*names, "retina.jpg", "ihc.png"))]
    paths += [Path(sklearn.datasets.__file__).parent / "images" / name for name in ("flower.jpg", "china.jpg")]
    opened = {}
    for path in paths:
        with Image.open(path) as image:
            opened[path.stem] = image.convert("RGB")
    return opened


@pytest.fixture(scope="session")
def in_onnx(artifacts: dict[str, Path]) -> dict[str, LoadedModel]:
    """Return each kind of model in ONNX Runtime."""
    return {name: registry.load(folder, threads=1) for name, folder in artifacts.items()}


@pytest.fixture(scope="session")
def in_torch(model_folders: dict[str, Path], sentence_model: Path) -> dict[str, LoadedModel]:
    """Return each kind of model in torch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packages, "sentence_folder", lambda: sentence_model)
        return {name: torch_encoder.load(str(folder)) for name, folder in model_folders.items()}


@pytest.fixture(scope="session")
def crops(photos: dict[str, Image.Image], in_torch: dict[str, LoadedModel]) -> dict[str, npt.NDArray[np.uint8]]:
    """Return the photos as the input of each kind of model."""
    return {
        name: np.stack([np.asarray(model.encoder.fit(photo)) for photo in photos.values()]) for name, model in in_torch.items()
    }
