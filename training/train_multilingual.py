"""Train the head on top of universal-sentence-encoder-multilingual: two layers that change each of its embeddings.

    python training/train_multilingual.py --data FOLDER --out models/sentence

The encoder stays as it is, so each text is embedded once, and the training itself takes minutes. The loss is that of
train_sentence.py: the softmax over the cosines of a text with the labels of its set. Sets in other languages weigh more here.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from safetensors.torch import save_file
from torch.nn.functional import normalize

from learning import TwoLayers, question_loss, set_rate
from pigeonhole.inference.encoders.checkpoints import multilingual, torch_encoder
from text_sets import Question, QuestionSampler, TextSet, read_sets

Rows = Mapping[str, torch.Tensor]

ENGLISH_TEXTS, OTHER_TEXTS = 1_300, 500  # of each set
OTHER_LANGUAGE = 0.6  # the weight of a family without English sets
HIDDEN, DROPOUT = 512, 0.1
QUESTIONS, TEXTS = 6, 16  # of a step
SCALE = 20.0  # of the cosines
WARM_UP = 100  # steps
BATCH = 64


class Head(torch.nn.Module):
    """Unit embeddings, (n, dim) -> changed unit embeddings, (n, dim). They are unchanged at first."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.layers = TwoLayers(dim, HIDDEN, dim, dropout=DROPOUT)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Change embeddings."""
        return normalize(rows + self.layers(rows), dim=-1)


def take_some(text_set: TextSet, rng: random.Random) -> TextSet:
    """Keep some texts of a set, from each label as many."""
    limit = ENGLISH_TEXTS if text_set.language == "en" else OTHER_TEXTS
    share = max(1, limit // len(text_set.texts))
    texts = {label: rng.sample(list(all_), min(share, len(all_))) for label, all_ in text_set.texts.items()}
    return replace(text_set, texts=texts)


def train(head: Head, questions: Sequence[Question], rows: Rows, rate: float) -> None:
    """Train a head.

    Args:
        head: The head.
        questions: The questions of all steps, QUESTIONS for each.
        rows: The embedding of every text and label of the questions, (dim,).
        rate: The highest learning rate. It falls linearly to 0.
    """
    optimiser = torch.optim.AdamW(head.parameters(), lr=rate, weight_decay=0.05)
    steps = len(questions) // QUESTIONS
    for step in track(range(steps), "head"):
        losses = []
        for question in questions[step * QUESTIONS : (step + 1) * QUESTIONS]:
            texts, labels = (head(torch.stack([rows[text] for text in group])) for group in (question.texts, question.labels))
            losses.append(question_loss(SCALE * texts @ labels.T, torch.tensor(question.truth)))
        for group in optimiser.param_groups:
            set_rate(group, rate, step, WARM_UP, step / steps)
        optimiser.zero_grad()
        torch.stack(losses).mean().backward()
        optimiser.step()


def main() -> None:
    """Train from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with texts.parquet and its labels")
    parser.add_argument("--out", type=Path, required=True, help="folder for multilingual.safetensors")
    parser.add_argument("--steps", type=int, default=7_000, help="number of steps (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=4e-4, help="highest learning rate (default: %(default)s)")
    args = parser.parse_args()

    torch.manual_seed(0)
    rng = random.Random(0)
    sets = [take_some(text_set, rng) for text_set in read_sets(args.data)]
    sampler = QuestionSampler(sets, rng, other_language=OTHER_LANGUAGE)
    questions = [sampler.draw(TEXTS) for _ in range(args.steps * QUESTIONS)]
    texts = sorted({text for question in questions for text in (*question.texts, *question.labels)}, key=len)
    encoder = torch_encoder.to_encoder(multilingual.open_package_encoder())
    starts = range(0, len(texts), BATCH)
    embedded = np.concatenate([encoder.encode_text(texts[start : start + BATCH]) for start in track(starts, "texts")])
    head = Head(embedded.shape[1])
    train(head, questions, dict(zip(texts, torch.from_numpy(embedded), strict=True)), args.rate)
    state = {name: value.half().contiguous() for name, value in head.layers.tensors().items()}
    args.out.mkdir(parents=True, exist_ok=True)
    save_file(state, args.out / "multilingual.safetensors")


if __name__ == "__main__":
    main()
