"""Compute the parts of the image tower that need no training: the class embeddings, the regression and the feature mean.

The wordings are the files of timm (Apache-2.0) with the lemmas and the definitions of WordNet (WordNet's licence).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file

from pigeonhole.inference.encoders import packages
from pigeonhole.inference.encoders.checkpoints import checkpoint, efficientnet, torch_encoder

Array = npt.NDArray[np.float32]
Embed = Callable[[list[str]], Array]

SYNSETS, LEMMAS, DEFINITIONS = "imagenet_synsets.txt", "imagenet_synset_to_lemma.txt", "imagenet_synset_to_definition.txt"
# The strength of the ridge regression. By plain cosine, 0.1, 1, 3 and 10 gave 50.7, 49.3, 48.5 and 47.3 % on the dev sets.
RIDGE = 0.1


@dataclass(frozen=True)
class ImageNetClass:
    """What WordNet says of a class.

    Attributes:
        lemmas: Its names.
        definition: Its definition.
    """

    lemmas: tuple[str, ...]
    definition: str

    @property
    def wordings(self) -> list[str]:
        """Texts for the class. Of these, the definitions move accuracy most."""
        return [
            ", ".join(self.lemmas),
            *self.lemmas,
            *(f"{lemma}: {self.definition}" for lemma in self.lemmas),
            *(f"a photo of a {lemma}" for lemma in self.lemmas),
        ]


def read_classes(folder: Path) -> list[ImageNetClass]:
    """Read ImageNet's 1,000 classes, in the order of the backbone's logits."""
    lemmas, definitions = (
        dict(line.split("\t") for line in (folder / name).read_text(encoding="utf-8").splitlines())
        for name in (LEMMAS, DEFINITIONS)
    )
    return [
        ImageNetClass(tuple(lemma.strip() for lemma in lemmas[synset].split(",")), definitions[synset])
        for synset in (folder / SYNSETS).read_text(encoding="utf-8").split()
    ]


def embed_classes(embed: Embed, classes: list[ImageNetClass]) -> Array:
    """Average the embeddings of each class's wordings: unit rows, float32 (classes, dim)."""
    texts = [wording for cls in classes for wording in cls.wordings]
    ends = np.cumsum([len(cls.wordings) for cls in classes])[:-1]
    return _unit(np.stack([rows.mean(axis=0) for rows in np.split(embed(texts), ends)]))


def fit_regression(class_weights: Array, class_embeddings: Array, ridge: float = RIDGE) -> Array:
    """Fit a linear map from features to text embeddings: float32 (features, dim).

    The weight row of a class in the classifier stands for the features of the class, so the regression needs no photos.

    Args:
        class_weights: The weight rows of the classifier, float32 (classes, features).
        class_embeddings: The text embeddings of the classes, float32 (classes, dim).
        ridge: The weight of the squared length of the coefficients.
    """
    rows = class_weights - class_weights.mean(axis=0)
    rows = rows / np.linalg.norm(rows, axis=1).mean()
    targets = class_embeddings - class_embeddings.mean(axis=0)
    return np.asarray(np.linalg.solve(rows.T @ rows + ridge * np.eye(rows.shape[1]), rows.T @ targets), dtype=np.float32)


def _unit(rows: Array) -> Array:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def main() -> None:
    """Write the three tensors into a safetensors file, in fp16. Other tensors of an existing file stay."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wordings", type=Path, required=True, help="folder with timm's imagenet_*.txt (timm/data/_info)")
    parser.add_argument("--features", type=Path, help="features of photos, .npy (n, 1280): sets the feature mean")
    parser.add_argument("--out", type=Path, required=True, help="safetensors file")
    arguments = parser.parse_args()
    encoder = torch_encoder.to_encoder(checkpoint.open_bundled_sentence())
    embeddings = embed_classes(encoder.encode_text, read_classes(arguments.wordings))
    class_weights = efficientnet.load(packages.backbone_weights()).class_weights.detach().numpy()
    tensors = load_file(arguments.out) if arguments.out.exists() else {}
    computed = {"class_embeddings": embeddings, "regression": fit_regression(class_weights, embeddings)}
    if arguments.features:
        computed["feature_mean"] = np.load(arguments.features).astype(np.float32).mean(axis=0)
    tensors |= {name: torch.from_numpy(values).half() for name, values in computed.items()}
    save_file(tensors, arguments.out, metadata={"format": "pt"})
    print(f"{arguments.out}: {', '.join(sorted(tensors))}")


if __name__ == "__main__":
    main()
