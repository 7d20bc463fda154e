"""Train the parts of the image tower that photos decide: the correction and the adapter of the classifier's logits.

    python training/train_tower.py --data FOLDER --work build/tower --wordings TIMM/data/_info --wordnet DICT/data.noun \
        --out models/tiny

The backbone stays as it is. Its features are computed once, so the training itself takes minutes.

A set of photos has a look of its own. What is learned from "all sets against each other" is that look, and it carries over to
no other set. So both parts compare a photo only with the labels of its own set:

- The correction is a ridge regression from features to the text embeddings of the labels, in closed form. Features and text
  embeddings are centred within each set, and each label of a set weighs the same.
  Two more sets have general words such as "animal" as labels, for photos of all sets (general_words.py).
- The adapter corrects the 1,000 logits of the ImageNet classifier, for small and blurred photos above all. Its loss is the sum
  of three: the cross-entropy of Tiny ImageNet's photos, whose 200 classes are ImageNet's; the softmax over the cosines of a
  photo's embedding with the labels of its set; and the divergence from the classifier's own answer for the photos of the
  sets that mind what ImageNet lacks.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from rich.progress import track
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy, kl_div, log_softmax, normalize

from general_words import COARSE_SET, MIDDLE_SET, GeneralWords, find_chains, find_hyponyms, read_nouns
from learning import TwoLayers, question_loss, set_rate
from photo_features import Example, Rows, compute_features
from pigeonhole.inference.encoders import packages
from pigeonhole.inference.encoders.artifact import HYPONYMS
from pigeonhole.inference.encoders.checkpoints import checkpoint, efficientnet, torch_encoder
from pigeonhole.inference.encoders.checkpoints.checkpoint import TOWER_TEMPLATES
from pigeonhole.inference.encoders.checkpoints.image_tower import embed_likely_classes
from pigeonhole.inference.labels.hyponyms import Hyponyms
from pigeonhole.inference.labels.prompts import render, select_templates
from pigeonhole.inference.scoring.log_odds import HYPONYM_PRIOR, PHOTO_SCALE
from pretrained_parts import Embed, embed_classes, fit_regression, read_classes

# The sets of the shards without a column `set`, with their weights in the regression, and their shares of the questions that
# the adapter is asked. The other sets weigh by the square root of the number of their labels, and of their photos.
TINY, GENERAL, SMALL = "train-tiny-imagenet", "train-photos", "train-cifar"
REGRESSION_WEIGHTS = {TINY: 3.0, GENERAL: 2.0, SMALL: 5.0, COARSE_SET: 1.5, MIDDLE_SET: 1.5}
QUESTION_SHARES = {GENERAL: 0.1, SMALL: 0.45, COARSE_SET: 0.1, MIDDLE_SET: 0.1}
VIEWS = {GENERAL: 2, TINY: 1, SMALL: 1}
SMALL_EVERY = 2  # Every second photo of CIFAR-10 is left out, to measure what the model makes of small photos.
RIDGE = 0.01
HIDDEN, DROPOUT = 512, 0.2
QUESTIONS, PHOTOS, MAX_LABELS, TINY_PHOTOS = 6, 24, 40, 128  # of a step
SCALE = 30.0  # of the cosines in the loss
BEST_CLASSES, TEMPERATURE, CORRECTION = 50, 0.6, 1.5  # as in config.json
WARM_UP = 50  # steps
GENERIC, MANY_GENERIC = 30, 200  # generic photos of a set, and of one with many labels
MIN_SCALE = 0.05  # of a feature that hardly varies

Classes = npt.NDArray[np.int64]


class LabelledFeatures:
    """Centred and scaled features by set and label, and the texts of the labels.

    Attributes:
        features: float32 (n, 1280).
        rows: Per set and label, the rows of its photos.
        texts: Per set and label, text embeddings that may stand for it, float32 (texts, dim). The first is the one that the
            classifier would use.
    """

    def __init__(self, features: Rows, examples: Sequence[Example], embed: Embed) -> None:
        self.features = features
        self.rows: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        self.texts: dict[tuple[str, str], Rows] = {}
        captions = {}
        for row, example in enumerate(examples):
            self.rows[example.set][example.label].append(row)
            captions[example.set, example.label] = example
        for key, example in captions.items():
            names = [_embed_label(embed, name) for name in example.names]
            rendered = [embed([template.format(example.names[0])])[0] for template in TOWER_TEMPLATES]
            caption = [embed([example.caption])[0]] if example.caption else []
            self.texts[key] = np.stack([names[0], names[0], *names, *rendered, *caption])

    def add_set(self, name: str, rows: Mapping[str, list[int]], embed: Embed) -> None:
        """Add a set of photos that are there already, with other labels: per label, the rows of its photos."""
        for label, rows_of_label in rows.items():
            self.rows[name][label] = rows_of_label
            own = _embed_label(embed, label)
            rendered = [embed([template.format(label)])[0] for template in TOWER_TEMPLATES]
            self.texts[name, label] = np.stack([own, own, *rendered])

    def fit_correction(self) -> Rows:
        """Fit the ridge regression within the sets: float32 (1280, dim)."""
        squares = products = total = 0.0
        for name, labels in self.rows.items():
            rows = np.array([row for label in labels for row in labels[label]])
            names = [label for label in labels for _ in labels[label]]
            counts = Counter(names)
            weights = np.array([1 / counts[label] for label in names], dtype=np.float32)
            weights /= weights.sum()
            inputs, targets = self.features[rows], np.stack([self.texts[name, label][0] for label in names])
            inputs, targets = inputs - weights @ inputs, targets - weights @ targets
            weight = REGRESSION_WEIGHTS.get(name, math.sqrt(len(counts)) / 4)
            squares = squares + weight * inputs.T @ (inputs * weights[:, None])
            products = products + weight * (inputs * weights[:, None]).T @ targets
            total += weight
        solution = np.linalg.solve(squares / total + RIDGE * np.eye(self.features.shape[1]), products / total)
        return np.asarray(solution, dtype=np.float32)


def train_adapter(
    data: LabelledFeatures, logits: Rows, classes: Classes, hyponyms: Hyponyms, rest: Rows, *, steps: int, rate: float
) -> TwoLayers:
    """Train the adapter.

    Args:
        data: The photos.
        logits: The classifier's own logits, float32 (n, 1000).
        classes: The index of the ImageNet class of each row, -1 where it isn't known, (n,).
        hyponyms: The text embeddings of the 1,000 classes, and the general words for them.
        rest: The sum of the other parts of the embedding, float32 (n, dim).
        steps: The number of steps.
        rate: The highest learning rate. It falls linearly to 0.
    """
    torch.manual_seed(0)
    rng, draw = random.Random(0), np.random.default_rng(0)
    features, own, known, others = (torch.from_numpy(values) for values in (data.features, logits, classes, rest))
    embeddings = torch.from_numpy(hyponyms.classes)
    named = {key: torch.tensor(hyponyms.find([key[1].split(",")[0]])) for key in data.texts}
    adapter = TwoLayers(features.shape[1], HIDDEN, own.shape[1], dropout=DROPOUT)
    optimiser = torch.optim.AdamW(adapter.parameters(), lr=rate, weight_decay=0.05)
    tiny_rows = np.flatnonzero(classes >= 0)
    keeps_answer = torch.ones(len(own), dtype=torch.bool)
    for name in (TINY, GENERAL, SMALL):
        keeps_answer[[row for rows in data.rows.get(name, {}).values() for row in rows]] = False
    names = [name for name in data.rows if name != TINY]
    shares = _question_shares(data.rows, names)
    for step in track(range(steps), "adapter"):
        rows = list(draw.choice(tiny_rows, TINY_PHOTOS))
        questions = []
        for name in rng.choices(names, shares, k=QUESTIONS):
            labels = list(data.rows[name])
            labels = rng.sample(labels, MAX_LABELS) if len(labels) > MAX_LABELS else labels
            truth = [rng.randrange(len(labels)) for _ in range(PHOTOS)]
            rows += [rng.choice(data.rows[name][labels[index]]) for index in truth]
            texts = np.stack([rng.choice(data.texts[name, label]) for label in labels])
            questions.append((torch.from_numpy(texts), [named[name, label] for label in labels], torch.tensor(truth)))
        batch = torch.tensor(np.array(rows))
        changed = own[batch] + adapter(features[batch])
        vectors = _embed(changed, embeddings, others[batch])[TINY_PHOTOS:]
        losses = [
            question_loss(SCALE * compare(photos, texts, embeddings, named_by), truth)
            for photos, (texts, named_by, truth) in zip(vectors.split(PHOTOS), questions, strict=True)
        ]
        is_kept = keeps_answer[batch]
        divergence = kl_div(
            log_softmax(changed[is_kept], dim=1), log_softmax(own[batch[is_kept]], dim=1), log_target=True, reduction="sum"
        )
        kept = divergence / (QUESTIONS * PHOTOS)
        loss = cross_entropy(changed[:TINY_PHOTOS], known[batch[:TINY_PHOTOS]]) + torch.stack(losses).mean() + kept
        for group in optimiser.param_groups:
            set_rate(group, rate, step, WARM_UP, step / steps)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return adapter.eval()


def compare(
    photos: torch.Tensor, texts: torch.Tensor, class_embeddings: torch.Tensor, hyponyms: Sequence[torch.Tensor]
) -> torch.Tensor:
    """Compute the cosines of photos with labels as the classifier does: add_hyponyms of scoring/log_odds.py, with gradients.

    Args:
        photos: Unit rows, (n, dim).
        texts: The embedding of each label's own text, (labels, dim).
        class_embeddings: (classes, dim).
        hyponyms: The indices of the classes that each label names. Most labels name none.

    Returns:
        (n, labels).
    """
    of_classes = PHOTO_SCALE * photos @ class_embeddings.T
    columns = []
    for own, indices in zip((PHOTO_SCALE * photos @ texts.T).unbind(dim=1), hyponyms, strict=True):
        if len(indices):
            of_hyponyms = of_classes[:, indices].logsumexp(dim=1) - math.log(len(indices))
            count = len(indices)
            weighted = torch.logaddexp(own + math.log(HYPONYM_PRIOR), of_hyponyms + math.log(count))
            columns.append(weighted - math.log(HYPONYM_PRIOR + count))
        else:
            columns.append(own)
    return torch.stack(columns, dim=1) / PHOTO_SCALE


def _embed(logits: torch.Tensor, class_embeddings: torch.Tensor, rest: torch.Tensor) -> torch.Tensor:
    """Compute embeddings as the tower does, unit rows."""
    return normalize(embed_likely_classes(logits, class_embeddings, BEST_CLASSES, TEMPERATURE) + rest, dim=1)


def _question_shares(rows: Mapping[str, Mapping[str, Sequence[int]]], names: Sequence[str]) -> list[float]:
    roots = {name: math.sqrt(len(rows[name])) for name in names if name not in QUESTION_SHARES}
    left = 1 - sum(QUESTION_SHARES.get(name, 0.0) for name in names)
    return [QUESTION_SHARES.get(name, left * roots.get(name, 0.0) / sum(roots.values())) for name in names]


def _embed_label(embed: Embed, name: str) -> Rows:
    """Embed a label as the classifier does, (dim,)."""
    mean = embed([render(template, name) for template in select_templates(TOWER_TEMPLATES, name)]).mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean), dtype=np.float32)


def main() -> None:
    """Train from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the Parquet shards of photos")
    parser.add_argument("--work", type=Path, required=True, help="folder for the features, which are computed once")
    parser.add_argument("--wordings", type=Path, required=True, help="folder with timm's imagenet_*.txt (timm/data/_info)")
    parser.add_argument("--wordnet", type=Path, required=True, help="data.noun of WordNet")
    parser.add_argument("--out", type=Path, required=True, help="folder of the model: its weights and hyponyms are written")
    parser.add_argument("--leave-out", nargs="+", default=[], metavar="SET", help='sets not to train on ("scenes-*")')
    parser.add_argument("--steps", type=int, default=4000, help="steps of the adapter (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=1e-3, help="highest learning rate (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads (default: %(default)s)")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    features, examples = leave_out(*read_features(args.data, args.work), args.leave_out)
    encoder = torch_encoder.to_encoder(checkpoint.open_bundled_sentence())
    classes = read_classes(args.wordings)
    class_embeddings = embed_classes(encoder.encode_text, classes)
    backbone = efficientnet.load(packages.backbone_weights())
    regression = fit_regression(backbone.class_weights.detach().numpy(), class_embeddings)

    with_sets = [index for index, example in enumerate(examples) if example.set not in (TINY, GENERAL, SMALL)]
    mean, scale = features[with_sets].mean(axis=0), features.std(axis=0).clip(MIN_SCALE)
    with torch.inference_mode():
        logits = backbone.logits(torch.from_numpy(features)).numpy()
    data = LabelledFeatures((features - mean) / scale, examples, encoder.encode_text)
    chains = find_chains(classes, read_nouns(args.wordnet))
    for name, rows in GeneralWords(classes, chains).draw(examples).items():
        data.add_set(name, rows, encoder.encode_text)
    correction = data.fit_correction()
    first = (features - mean) @ regression
    rest = first / np.linalg.norm(first, axis=1, keepdims=True) + CORRECTION * data.features @ correction
    index = {", ".join(cls.lemmas): position for position, cls in enumerate(classes)}
    known = np.array([index.get(example.label, -1) if example.set == TINY else -1 for example in examples])
    hyponyms = Hyponyms(class_embeddings, find_hyponyms(classes, chains))
    adapter = train_adapter(data, logits, known, hyponyms, rest, steps=args.steps, rate=args.rate)

    generic = draw_generic(examples)
    with torch.inference_mode():
        changed = torch.from_numpy(logits[generic]) + adapter(torch.from_numpy(data.features[generic]))
        generic_photos = _embed(changed, torch.from_numpy(class_embeddings), torch.from_numpy(rest[generic])).numpy()
    tensors = {
        "generic_photos": generic_photos,
        "class_embeddings": class_embeddings,
        "feature_mean": mean,
        "feature_scale": scale,
        "regression": regression,
        "correction": correction / scale[:, None],
        **{f"adapter.{name}": value.numpy() for name, value in adapter.tensors().items()},
    }
    fp16 = {name: torch.from_numpy(np.ascontiguousarray(value)).half() for name, value in tensors.items()}
    save_file(fp16, args.out / "model.safetensors", metadata={"format": "pt"})
    hyponyms.write(args.out / HYPONYMS)


def draw_generic(examples: Sequence[Example], seed: int = 0) -> list[int]:
    """Draw the rows of photos of many kinds: as many of each set, and more of those with many labels."""
    rng = random.Random(seed)
    rows = defaultdict(list)
    for row, example in enumerate(examples):
        rows[example.set].append(row)
    counts = {name: MANY_GENERIC if name in (TINY, GENERAL) else GENERIC for name in rows}
    return [row for name in rows for row in rng.sample(rows[name], min(counts[name], len(rows[name])))]


def leave_out(features: Rows, examples: Sequence[Example], patterns: Sequence[str]) -> tuple[Rows, list[Example]]:
    """Remove the sets whose names match one of the patterns."""
    kept = [row for row, example in enumerate(examples) if not any(fnmatch(example.set, pattern) for pattern in patterns)]
    return features[kept], [examples[row] for row in kept]


def read_features(data: Path, work: Path) -> tuple[Rows, list[Example]]:
    """Read the features of all training photos, and compute those that the work folder lacks."""
    work.mkdir(parents=True, exist_ok=True)
    parts, examples = [], []
    for path in sorted([*data.glob("photos-*.parquet"), *data.glob("train-*.parquet")]):
        cached, described = work / f"{path.stem}.npy", work / f"{path.stem}.json"
        if not described.exists():
            name = path.stem.rstrip("0123456789").rstrip("-")
            views, every = VIEWS.get(name, 2), SMALL_EVERY if name == SMALL else 1
            features, rows = compute_features([path], views, every=every)
            np.save(cached, features.astype(np.float16))
            described.write_text(json.dumps([[row.set, row.label, row.caption] for row in rows]))
        parts.append(np.load(cached).astype(np.float32))
        examples += [Example(*row) for row in json.loads(described.read_bytes())]
    return np.concatenate(parts), examples


if __name__ == "__main__":
    main()
