"""The engine of GPU workers: the checkpoint that an artifact was made from, in torch on a CUDA device.

The image tower, which does nearly all the work, runs in half precision. The text towers stay in float32: they are small, and
labels are embedded only once. Tensor cores still help them (TF32), where the card has them for it.

Calibration, background concepts and revision are those of the artifact, so the results are the artifact's up to rounding.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import torch

from pigeonhole.inference.encoders import artifact, background_files, registry, source
from pigeonhole.inference.encoders.artifact import ArtifactInfo, ModelUnavailable
from pigeonhole.inference.encoders.checkpoints import checkpoint, torch_encoder
from pigeonhole.inference.encoders.checkpoints.checkpoint import Checkpoint
from pigeonhole.inference.encoders.checkpoints.graphs import ImageGraph
from pigeonhole.inference.encoders.checkpoints.multilingual import open_multilingual_encoder
from pigeonhole.inference.encoders.registry import LoadedModel
from pigeonhole.inference.encoders.tokens import Embeddings
from pigeonhole.inference.encoders.tower_encoder import ImageTower, Pixels, TowerEncoder

ENGINE = "torch-cuda"
STREAMS = 2  # batches on the device at a time: the copies of one overlap with the arithmetic of the other
MAX_BATCH = 256  # larger batches gain little on any card, and a worker has several of them in memory
PROBE_BATCH = 8  # the batch whose memory is measured
MEMORY_SHARE = 0.5  # of the card's free memory, for the batches of all streams; the rest is for texts and fragments


def is_available() -> bool:
    """Return whether this machine has a CUDA device."""
    return torch.cuda.is_available()


def load(model_dir: Path, name: str, sentence: str) -> tuple[LoadedModel, int]:
    """Load a model onto the CUDA device of this machine.

    Args:
        model_dir: The artifact folder.
        name: The checkpoint that the artifact was made from: a preset, a folder or a Hugging Face id.
        sentence: The same for the sentence encoder.

    Returns:
        The model, and the number of images in a batch that suits the card's memory.

    Raises:
        ModelUnavailable: There is no CUDA device, or a model can't be found, opened or isn't that of the artifact.
    """
    if not is_available():
        raise ModelUnavailable("no CUDA device can be used: check the machine's driver, or unset PIGEONHOLE_CHECKPOINT")
    torch.set_float32_matmul_precision("high")
    model = load_on(torch.device("cuda"), best_dtype(), model_dir, name, sentence)
    return model, fit_batch(model)


def best_dtype() -> torch.dtype:
    """Return the half precision that the device computes fast: bfloat16, or float16 on cards older than Ampere."""
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def load_on(device: torch.device, dtype: torch.dtype, model_dir: Path, name: str, sentence: str) -> LoadedModel:
    """Load a model onto a device.

    Args:
        device: The device.
        dtype: The precision of the image tower.
        model_dir: The artifact folder.
        name: The checkpoint that the artifact was made from.
        sentence: The same for the sentence encoder.

    Raises:
        ModelUnavailable: A model can't be found, opened or isn't that of the artifact.
    """
    artifact_info = artifact.read_info(model_dir)
    model_source = source.find_model(name, sentence)
    opened, opened_sentence = checkpoint.open_models(model_source)
    _check_revisions(artifact_info, opened.facts.revision, opened_sentence.facts.revision)
    encoder = to_half_encoder(opened, device, dtype)
    text_model = torch_encoder.to_text_model(opened_sentence, str(device))
    multilingual = torch_encoder.to_encoder(open_multilingual_encoder(), str(device)) if artifact_info.multilingual else None
    background = background_files.read(
        model_dir, encoder.info.dim, text_model.info, multilingual.info.dim if multilingual else None
    )
    return LoadedModel(encoder, text_model, background, registry.read_calibration(model_dir), multilingual)


def to_half_encoder(opened: Checkpoint, device: torch.device, dtype: torch.dtype) -> TowerEncoder:
    """Create an Encoder whose image tower runs in half precision."""
    if opened.image is None or opened.facts.image is None:
        raise ModelUnavailable(f"{opened.facts.model_id} has no image tower")
    # A copy: the modules of transformers' models share the weights of both towers.
    features = InPrecision(copy.deepcopy(opened.image.features), dtype)
    graph = ImageGraph(features, opened.facts.image).eval().to(device)
    features.features.to(dtype)
    encoder = torch_encoder.to_encoder(replace(opened, image=None), str(device))
    tower = ImageTower(opened.facts.image, ImageRunner(graph, device).run)
    return TowerEncoder(opened.facts.to_info(ENGINE), encoder.text, tower)


class InPrecision(torch.nn.Module):
    """Features that are computed in another precision. The pixels are prepared before, and normalised after, in float32."""

    def __init__(self, features: torch.nn.Module, dtype: torch.dtype) -> None:
        """Wrap features, whose weights have the precision `dtype`."""
        super().__init__()
        self.features = features
        self.dtype = dtype

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Compute features, (n, 3, side, side) float32 -> (n, dim) float32."""
        features: torch.Tensor = self.features(values.to(self.dtype))
        return features.to(torch.float32)


class ImageRunner:
    """Encodes images on a device. Thread-safe: each of up to `STREAMS` batches has a stream of its own, and others wait."""

    def __init__(self, graph: torch.nn.Module, device: torch.device) -> None:
        """Create a runner for a graph that is on the device."""
        self._graph, self._device = graph, device
        # A few streams, and not one for each thread: torch keeps freed memory apart for each stream.
        self._streams: SimpleQueue[torch.cuda.Stream] = SimpleQueue()
        for _ in range(STREAMS if device.type == "cuda" else 0):
            self._streams.put(torch.cuda.Stream(device))  # type: ignore[no-untyped-call]

    def run(self, pixels: Pixels) -> Embeddings:
        """Encode images, (n, side, side, 3) uint8 -> (n, dim) float32."""
        images = torch.from_numpy(np.require(pixels, requirements=["C", "W"]))
        with torch.inference_mode():
            if self._device.type != "cuda":
                return np.asarray(self._graph(images.to(self._device)).cpu().numpy(), dtype=np.float32)
            stream = self._streams.get()
            try:
                with torch.cuda.stream(stream):
                    on_device = images.pin_memory().to(self._device, non_blocking=True)
                    return np.asarray(self._graph(on_device).cpu().numpy(), dtype=np.float32)
            finally:
                self._streams.put(stream)


def fit_batch(model: LoadedModel) -> int:
    """Return how many images of a batch the CUDA device has memory for, from the memory that a small batch takes."""
    side = model.encoder.info.image_side
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    model.encoder.encode_image(np.zeros((PROBE_BATCH, side, side, 3), np.uint8))
    image_bytes = (torch.cuda.max_memory_allocated() - before) / PROBE_BATCH
    free_bytes, _ = torch.cuda.mem_get_info()
    return to_batch(free_bytes, image_bytes)


def to_batch(free_bytes: float, image_bytes: float) -> int:
    """Return the number of images in a batch.

    Args:
        free_bytes: The free memory of the card.
        image_bytes: The memory that an image of a batch takes.
    """
    return max(1, min(MAX_BATCH, int(MEMORY_SHARE * free_bytes / STREAMS / image_bytes)))


def _check_revisions(artifact_info: ArtifactInfo, revision: str, sentence_revision: str) -> None:
    if (revision, sentence_revision) != (artifact_info.encoder.revision, artifact_info.sentence.revision):
        raise ModelUnavailable(
            f"the checkpoint of {artifact_info.encoder.model_id} isn't the one that the artifact was made from: "
            "prepare the model again in the same image"
        )
