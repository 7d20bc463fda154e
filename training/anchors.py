"""Draw a photo's embedding towards the names of the classes that it resembles, so that it lies near words for unknown things.

    python training/anchors.py --data SHARDS --work build/training --model models/tiny

An image tower that has learned 300 classes puts a photo of a panda near the words "brown bear" and "badger". These words lie
near "red panda", but the photo itself lies in no particular direction of the text space. So the texts of the trained classes
are added to the photo's embedding, weighted by a softmax over the photo's cosines with them (ConSE: Norouzi et al. 2014, arXiv
1312.5650). What all photos have in common is subtracted, because it favours words that are close to everything:

    drawn(v) = unit(softmax(SHARPNESS * v @ anchors.T) @ anchors)
    embedding = unit(v + drawn(v) - shift),    shift = mean of drawn(v) + PHOTO_SHARE * v over photos of the training set

train.py adds the anchors at the end of a run. This command adds them to a model that was trained before, or replaces them.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import ResNetConfig

from data import PhotoSet, load, remove_classes, split_held_out
from text_targets import Texts, find_same_classes
from tower import ANCHORS, ImageTower, embed_photos, load_weights, sentence_embedder

# Chosen on half of the photos of the left-out classes (the ablation) and on the calibration halves.
SHARPNESS, PHOTO_SHARE = 40.0, 0.5
PHOTOS = 3_000  # of the training set, for the mean in `shift`


@dataclass(frozen=True)
class Anchors:
    """The texts that a photo's embedding is drawn towards.

    Attributes:
        texts: Unit embeddings of the trained classes, float32 (classes, dim).
        shift: The vector that is subtracted, float32 (dim,).
    """

    texts: torch.Tensor
    shift: torch.Tensor

    @classmethod
    def from_embeddings(cls, texts: torch.Tensor, vectors: torch.Tensor) -> Anchors:
        """Build the anchors of a tower.

        Args:
            texts: Unit embeddings of the trained classes, float32 (classes, dim).
            vectors: The tower's unit embeddings of a sample of photos, float32 (n, dim).
        """
        unshifted = cls(texts, torch.zeros(texts.shape[1]))
        return cls(texts, (unshifted.drawn(vectors) + PHOTO_SHARE * vectors).mean(dim=0))

    @classmethod
    def from_tower(cls, tower: ImageTower, texts: torch.Tensor, sources: tuple[PhotoSet, ...], device: str) -> Anchors:
        """Build the anchors of a trained tower from a fixed random sample of its training photos.

        Args:
            tower: The trained tower.
            texts: Unit embeddings of its classes, float32 (classes, dim).
            sources: Its training photos.
            device: Where the tower is.
        """
        rng = np.random.default_rng(0)
        counts = [PHOTOS * len(source) // sum(map(len, sources)) for source in sources]
        vectors = [
            embed_photos(tower, source.take(rng.choice(len(source), count, replace=False)), device)
            for source, count in zip(sources, counts, strict=True)
            if count
        ]
        return cls.from_embeddings(texts, torch.cat(vectors))

    def drawn(self, vectors: torch.Tensor) -> torch.Tensor:
        """Compute the mean text of the classes that photos resemble: unit `vectors` (n, dim) -> unit rows (n, dim)."""
        shares = (SHARPNESS * vectors @ self.texts.T).softmax(dim=1)
        return torch.nn.functional.normalize(shares @ self.texts, dim=1)

    def apply(self, vectors: torch.Tensor) -> torch.Tensor:
        """Convert the tower's unit `vectors` (n, dim) to the finished model's: unit rows (n, dim)."""
        return torch.nn.functional.normalize(vectors + self.drawn(vectors) - self.shift, dim=1)

    def save_to(self, folder: Path) -> None:
        """Write the anchors into a saved model, in place of any that it has."""
        path = folder / "model.safetensors"
        weights = load_file(path)
        anchors = dict(zip(ANCHORS, (self.texts.half().contiguous(), self.shift.half().contiguous()), strict=True))
        save_file(weights | anchors, path, metadata={"format": "pt"})
        config = json.loads((folder / "config.json").read_bytes())
        config["anchors_sharpness"] = SHARPNESS
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def main() -> None:
    """Add anchors to a trained model from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the Parquet shards")
    parser.add_argument("--work", type=Path, required=True, help="folder with the decoded cache of train.py")
    parser.add_argument("--model", type=Path, required=True, help="folder of the model; its files are changed")
    args = parser.parse_args()

    cache, embed = args.work / "cache", sentence_embedder()
    photos, _ = split_held_out(load(args.data, ["train-photos"], cache))
    sources = (load(args.data, [f"train-tiny-imagenet-{k}" for k in range(4)], cache), photos)
    sources = (*sources, load(args.data, ["train-cifar10"], cache))
    left_out = json.loads((args.model / "training.json").read_bytes())["left_out"]
    if left_out:
        sources = tuple(
            remove_classes(source, {*left_out, *find_same_classes(embed, left_out, source.names)}) for source in sources
        )
    texts = torch.cat([Texts(embed, list(source.names)).mean() for source in sources])
    config = json.loads((args.model / "config.json").read_bytes())["vision_config"]
    tower = ImageTower(ResNetConfig(**{name: value for name, value in config.items() if name != "model_type"}))
    tower.load_state_dict(load_weights(args.model), strict=False)
    anchors = Anchors.from_tower(tower, texts, sources, "cpu")
    anchors.save_to(args.model)
    print(f"{args.model}: {len(texts)} anchors")


if __name__ == "__main__":
    main()
