"""The presets, and the function that loads a prepared model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pigeonhole.inference.encoders import artifact
from pigeonhole.inference.encoders.base import BackgroundEmbeddings, Encoder, PairEncoder, is_encoder


@dataclass(frozen=True)
class Preset:
    """A model that is known to work.

    Attributes:
        name: The name of the preset.
        source: A Hugging Face id, or the folder's name of a bundled model.
        revision: The revision of the Hugging Face hub, None for a bundled model.
        licence: The licence of the model.
        good_for: What the model is good for.
        prefix: For a text model, what precedes each text. None means that the model's own files say it.
    """

    name: str
    source: str
    revision: str | None
    licence: str
    good_for: str
    prefix: str | None = None


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            name="tiny",
            source="tiny",
            revision=None,
            licence="Apache-2.0",
            good_for="bundled, works offline: everyday photos with English labels, texts in 16 languages",
        ),
        Preset(
            name="clip-b32",
            source="laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
            revision="main",
            licence="MIT",
            good_for="the default on AWS: English, 66.6 % zero-shot on ImageNet, fast on a CPU",
        ),
        Preset(
            name="siglip2-b16",
            source="google/siglip2-base-patch16-224",
            revision="main",
            licence="Apache-2.0",
            good_for="many languages and higher quality: 78.2 % zero-shot on ImageNet, 4 times the patches of clip-b32",
        ),
    )
}
BUNDLED = "tiny"

# The models that compare texts with texts. The revisions are those that MTEB's results and others' code name for these models.
SENTENCE_PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            name="all-MiniLM-L6-v2",
            source="sentence-transformers/all-MiniLM-L6-v2",
            revision=None,
            licence="Apache-2.0",
            good_for="the default, in a package: English, the fastest",
        ),
        Preset(
            name="bge-small-en-v1.5",
            source="BAAI/bge-small-en-v1.5",
            revision="5c38ec7c405ec4b44b94cc5a9bb96e735b38267a",
            licence="MIT",
            good_for="English, 512 tokens at once, twice the layers of the default",
        ),
        Preset(
            name="multilingual-e5-small",
            source="intfloat/multilingual-e5-small",
            revision="fd1525a9fd15316a2d503bf26ab031a61d056e98",
            licence="MIT",
            good_for="about a hundred languages, 512 tokens at once",
            prefix="query: ",  # as its model card says
        ),
        Preset(
            name="deberta-v3-base-zeroshot-v2.0",
            source="MoritzLaurer/deberta-v3-base-zeroshot-v2.0",
            revision="8e7e5af5983a0ddb1a5b45a38b129ab69e2258e8",
            licence="MIT",
            good_for="English, a cross-encoder: reads each sample with each label, which costs samples x labels runs",
        ),
    )
}
BUNDLED_SENTENCE = "all-MiniLM-L6-v2"


def repository_folder(name: str) -> Path:
    """Return a folder of `models`: of a preset (the bundled model, or the calibration of another one), or of photos."""
    return Path(__file__).resolve().parents[5] / "models" / name


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory.

    Attributes:
        encoder: The image-text encoder.
        sentence: What compares texts with texts.
        background: The embedded background concepts.
        calibration: The content of calibration.json, None if there is no such file.
        multilingual: The multilingual sentence encoder, None if the model has none.
    """

    encoder: Encoder
    sentence: Encoder | PairEncoder
    background: BackgroundEmbeddings
    calibration: dict[str, Any] | None
    multilingual: Encoder | None = None


def load(model_dir: Path, *, threads: int = 1, starts_quickly: bool = False) -> LoadedModel:
    """Load an artifact folder into ONNX Runtime. Each tower is opened at its first use, which `open_towers` can be.

    Args:
        model_dir: The artifact folder.
        threads: The number of threads of each run.
        starts_quickly: Whether the first request shall come sooner, and those of the next second take longer (OnnxGraph).

    Raises:
        ModelUnavailable: The folder is missing or incomplete, or a file that is read now is broken.
    """
    from pigeonhole.inference.encoders import background_files, onnx_encoder
    from pigeonhole.inference.encoders.onnx_graph import GraphOptions

    artifact_info = artifact.read_info(model_dir)
    options = GraphOptions(threads, starts_quickly)
    encoder, sentence = onnx_encoder.load(model_dir, artifact_info, options)
    multilingual = onnx_encoder.load_multilingual(model_dir, artifact_info, options)
    background = background_files.read(
        model_dir, encoder.info.dim, sentence.info, multilingual.info.dim if multilingual else None
    )
    return LoadedModel(encoder, sentence, background, read_calibration(model_dir), multilingual)


def open_towers(model: LoadedModel) -> None:
    """Open the towers of a model now, except the multilingual sentence encoder, which many services never need.

    Raises:
        ModelUnavailable: A graph or a tokenizer is broken.
    """
    import numpy as np

    encoder, sentence = model.encoder, model.sentence
    encoder.encode_image(np.zeros((1, encoder.info.image_side, encoder.info.image_side, 3), dtype=np.uint8))
    encoder.encode_text([""])
    if is_encoder(sentence):
        sentence.encode_text([""])


def read_calibration(folder: Path) -> dict[str, Any] | None:
    """Read the calibration.json of a folder. Returns None if there is no such file.

    Raises:
        ModelUnavailable: The file isn't a JSON object.
    """
    path = folder / artifact.CALIBRATION
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_bytes())
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise artifact.broken_artifact(folder, f"{artifact.CALIBRATION} isn't a JSON object")
    return content


def copy_calibration(origins: Sequence[Path], folder: Path, revision: str) -> None:
    """Copy calibration.json into an artifact folder.

    A calibration of another revision isn't copied, because parse_calibration refuses it. A calibration of this revision in the
    artifact folder stays, because the user may have made it with `pigeonhole models calibrate`.

    Args:
        origins: The folders that may have a calibration. The first one of this revision is copied.
        folder: The artifact folder.
        revision: The revision of the model.
    """
    if (read_calibration(folder) or {}).get("revision") == revision:
        return
    for origin in origins:
        calibration = read_calibration(origin)
        if calibration is not None and calibration.get("revision") == revision:
            partial = folder / f"{artifact.CALIBRATION}.partial"
            partial.write_bytes((origin / artifact.CALIBRATION).read_bytes())
            partial.replace(folder / artifact.CALIBRATION)
            return
