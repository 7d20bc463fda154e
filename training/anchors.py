"""Draw a photo's embedding towards the names of what it looks like, so that words for what was never trained lie near it, too.

    python training/anchors.py --data SHARDS --work build/training --model models/tiny

An image tower that has learned 300 classes puts a photo of a panda near the words "brown bear" and "badger", and those lie near
"red panda", but the photo itself lies in no particular direction of the text space. So the trained classes' texts, weighed by a
softmax over the photo's cosines with them, are added to it (ConSE: Norouzi et al. 2014, arXiv 1312.5650), less what photos at
large have in common, which otherwise favours words that are close to everything:

    drawn_to(v) = unit(softmax(SHARPNESS * v @ anchors.T) @ anchors)
    embedding = unit(v + drawn_to(v) - shift),    shift = mean of drawn_to(v) + OWN * v over photos of the training set

train.py does this at the end of a run; the command adds it to a model that was trained before, or anew.
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

from data import PhotoSet, load, split_held_out, without
from text_targets import Texts, same_in
from tower import ANCHORS, ImageTower, embed_photos, sentence_embedder, weights_of

# Chosen on half of the left-out classes' photos (the ablation) and the halves to calibrate on.
SHARPNESS, OWN = 40.0, 0.5
PHOTOS = 3_000  # of the training set, over which `shift` is taken


@dataclass(frozen=True)
class Anchors:
    """`texts`: the trained classes' unit embeddings, float32 (classes, dim); `shift`: (dim,), what is taken off."""

    texts: torch.Tensor
    shift: torch.Tensor

    @classmethod
    def of(cls, texts: torch.Tensor, vectors: torch.Tensor) -> Anchors:
        """Those for a tower that gives `vectors`, unit rows (n, dim), for photos at large."""
        drawn = cls(texts, torch.zeros(texts.shape[1])).drawn_to(vectors)
        return cls(texts, (drawn + OWN * vectors).mean(dim=0))

    def drawn_to(self, vectors: torch.Tensor) -> torch.Tensor:
        """The mean of the classes that unit `vectors` (n, dim) look like: unit rows."""
        shares = (SHARPNESS * vectors @ self.texts.T).softmax(dim=1)
        return torch.nn.functional.normalize(shares @ self.texts, dim=1)

    def __call__(self, vectors: torch.Tensor) -> torch.Tensor:
        """Unit `vectors` (n, dim) as the finished model has them: unit rows."""
        return torch.nn.functional.normalize(vectors + self.drawn_to(vectors) - self.shift, dim=1)

    @classmethod
    def for_tower(cls, tower: ImageTower, texts: torch.Tensor, sources: tuple[PhotoSet, ...], device: str) -> Anchors:
        """Those of a trained tower: `texts` of its classes, and photos of its training set by a fixed seed."""
        rng = np.random.default_rng(0)
        counts = [PHOTOS * len(source) // sum(map(len, sources)) for source in sources]
        drawn = [
            embed_photos(tower, source.take(rng.choice(len(source), count, replace=False)), device)
            for source, count in zip(sources, counts, strict=True)
            if count
        ]
        return cls.of(texts, torch.cat(drawn))

    def add_to(self, folder: Path) -> None:
        """Write them into a saved model, in place of those it has."""
        path = folder / "model.safetensors"
        weights = load_file(path)
        stored = dict(zip(ANCHORS, (self.texts.half().contiguous(), self.shift.half().contiguous()), strict=True))
        save_file(weights | stored, path, metadata={"format": "pt"})
        config = json.loads((folder / "config.json").read_bytes())
        config["anchors_sharpness"] = SHARPNESS
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the Parquet shards")
    parser.add_argument("--work", type=Path, required=True, help="folder of the decoded cache that train.py uses")
    parser.add_argument("--model", type=Path, required=True, help="the model's folder; it is changed")
    args = parser.parse_args()

    cache, embed = args.work / "cache", sentence_embedder()
    photos, _ = split_held_out(load(args.data, ["train-photos"], cache))
    sources = (load(args.data, [f"train-tiny-imagenet-{k}" for k in range(4)], cache), photos)
    sources = (*sources, load(args.data, ["train-cifar10"], cache))
    left_out = json.loads((args.model / "training.json").read_bytes())["left_out"]
    if left_out:
        sources = tuple(without(each, {*left_out, *same_in(embed, left_out, each.names)}) for each in sources)
    texts = torch.cat([Texts(embed, list(source.names)).mean() for source in sources])
    config = json.loads((args.model / "config.json").read_bytes())["vision_config"]
    tower = ImageTower(ResNetConfig(**{key: value for key, value in config.items() if key != "model_type"}))
    tower.load_state_dict(weights_of(args.model), strict=False)
    anchors = Anchors.for_tower(tower, texts, sources, "cpu")
    anchors.add_to(args.model)
    print(f"{args.model}: {len(texts)} anchors")


if __name__ == "__main__":
    main()
