r"""Measure calibration.json for a prepared model: a line per pair of sample and label type, on photos it was not trained on.

    python training/calibrate.py --data SHARDS --model ~/.cache/pigeonhole/models/tiny \
        --work build/training --out models/tiny

For each pair, a logistic regression on the cosine tells "is the label" from "is not", with both weighted alike (Platt 1999).
The threshold for multiple labels is the one with the best F1 over random label sets of 2 to 10 classes. A text sample against
an image label is the same comparison as an image against words, seen from the other side, and takes its line.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from data import PhotoSet, load, split_held_out
from pigeonhole import prompts, scoring
from pigeonhole.encoders import registry
from pigeonhole.ports import Encoder

SEED = 7
MAX_EXAMPLES = 3  # example images of one label
EPISODES = 4_000

Floats = npt.NDArray[np.float64]


def fit_line(positives: Floats, negatives: Floats) -> scoring.Line:
    """Fit log-odds = scale * cosine + bias by Newton's method on the log-likelihood, each side with half of the weight."""
    cosines = np.concatenate([positives, negatives])
    truth = np.concatenate([np.ones(len(positives)), np.zeros(len(negatives))])
    weights = np.where(truth == 1, 0.5 / len(positives), 0.5 / len(negatives))
    # Standardised, so that Newton's first steps from zero are well conditioned.
    centre, spread = float(np.average(cosines, weights=weights)), float(cosines.std())
    design = np.stack([(cosines - centre) / spread, np.ones_like(cosines)], axis=1)
    theta = np.zeros(2)
    for _ in range(50):
        probability = 1 / (1 + np.exp(-design @ theta))
        gradient = design.T @ (weights * (truth - probability)) - 1e-6 * theta
        curvature = (design * (weights * probability * (1 - probability))[:, None]).T @ design + 1e-6 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        theta += step
        if np.abs(step).max() < 1e-9:
            break
    scale = theta[0] / spread
    return scoring.Line(round(float(scale), 4), round(float(theta[1] - scale * centre), 4))


def embed_photos(encoder: Encoder, photos: PhotoSet) -> Floats:
    parts = []
    for start in range(0, len(photos), 64):
        pixels = [encoder.fit(Image.fromarray(picture)) for picture in photos.pixels[start : start + 64]]
        parts.append(encoder.encode_image(np.stack(pixels)))
    return np.concatenate(parts).astype(np.float64)


def embed_names(encoder: Encoder, names: Sequence[str]) -> Floats:
    """One embedding per class: the common name in each of the model's templates, as the classifier does it."""
    rows = []
    for name in names:
        common = name.split(",")[0].strip()
        rows.append(scoring.unit_mean(encoder.encode_text([prompts.render(t, common) for t in encoder.info.templates])))
    return np.stack(rows).astype(np.float64)


def example_labels(vectors: Floats, classes: npt.NDArray[np.int64], count: int, rng: np.random.Generator) -> Floats:
    """One embedding per class from a few of its photos, and those photos' own rows left out of the comparison by NaN."""
    labels = np.full((count, vectors.shape[1]), np.nan)
    for index in range(count):
        rows = rng.permutation(np.flatnonzero(classes == index))[: rng.integers(1, MAX_EXAMPLES + 1)]
        if len(rows):
            labels[index] = scoring.unit_mean(vectors[rows].astype(np.float32))
            vectors[rows] = np.nan
    return labels


def separate(cosines: Floats, classes: npt.NDArray[np.int64], alike: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """(n, classes) cosines -> those of the photos' own classes and those of others that don't mean the same."""
    own = np.zeros(cosines.shape, dtype=bool)
    own[np.arange(len(classes)), classes] = True
    other = ~own & ~alike[classes]
    present = ~np.isnan(cosines)
    return cosines[own & present], cosines[other & present]


def best_threshold(odds: Floats, classes: npt.NDArray[np.int64], rng: np.random.Generator) -> float:
    """The probability with the best micro F1 over random sets of 2 to 10 labels, one of them right."""
    probabilities, truths = [], []
    for _ in range(EPISODES):
        row = rng.integers(len(classes))
        others = np.setdiff1d(rng.choice(odds.shape[1], size=rng.integers(1, 10), replace=False), classes[row])
        probabilities.append(scoring.sigmoid(odds[row, [classes[row], *others]]))
        truths.append(np.arange(len(others) + 1) == 0)
    found, truth = np.concatenate(probabilities), np.concatenate(truths)
    candidates = np.arange(0.30, 0.96, 0.01)
    scores = [2 * (truth & (found >= t)).sum() / (truth.sum() + (found >= t).sum()) for t in candidates]
    return round(float(candidates[int(np.argmax(scores))]), 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the Parquet shards")
    parser.add_argument("--model", type=Path, required=True, help="folder that `pigeonhole models prepare` made")
    parser.add_argument("--work", type=Path, required=True, help="folder of the decoded cache that train.py uses")
    parser.add_argument("--out", type=Path, required=True, help="folder for calibration.json")
    args = parser.parse_args()

    rng = np.random.default_rng(SEED)
    encoder = registry.load(args.model, threads=2).encoder
    _, held_out = split_held_out(load(args.data, ["train-photos"], args.work / "cache"))
    validation = load(args.data, ["val-tiny-imagenet"], args.work / "cache")
    half = validation.take(np.sort(rng.permutation(len(validation))[: len(validation) // 2]))

    word_sides, photo_sides, threshold_odds = [], [], []
    for photos in (held_out, half):
        vectors, names = embed_photos(encoder, photos), embed_names(encoder, photos.names)
        alike = names @ names.T > 0.8
        word_sides.append(separate(vectors @ names.T, photos.classes, alike))
        threshold_odds.append((vectors @ names.T, photos.classes))
        labels = example_labels(shown := vectors.copy(), photos.classes, len(photos.names), rng)
        photo_sides.append(separate(shown @ labels.T, photos.classes, alike))

    def fit(sides: list[tuple[Floats, Floats]]) -> scoring.Line:
        return fit_line(np.concatenate([own for own, _ in sides]), np.concatenate([other for _, other in sides]))

    words, pictures = fit(word_sides), fit(photo_sides)
    thresholds = [best_threshold(words.scale * cosines + words.bias, classes, rng) for cosines, classes in threshold_odds]
    lines = {"image-text": words, "text-image": words, "image-image": pictures}
    args.out.mkdir(parents=True, exist_ok=True)
    content = {
        "revision": encoder.info.revision,
        "pairs": {pair: {"scale": line.scale, "bias": line.bias} for pair, line in lines.items()},
        "threshold": round(float(np.mean(thresholds)), 2),
        "measured_on": "a held-out tenth of train-photos and half of val-tiny-imagenet",
    }
    (args.out / "calibration.json").write_text(json.dumps(content, indent=2) + "\n")
    print(json.dumps(content, indent=2))


if __name__ == "__main__":
    main()
