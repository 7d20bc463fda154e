"""Fine-tune all-MiniLM-L6-v2 for text against label: low-rank changes of its linear layers.

    python training/train_sentence.py --data FOLDER --work build/sentence --out models/sentence

Each step draws questions from several sets: texts of one set and its labels. The loss is the softmax over the cosines of a
text with the labels of its set (CLIP's loss, with labels in place of captions), and a little of the same loss over pairs of
texts of which the first entails the second. The learning rate follows the clock, so a run ends after --minutes on any machine.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from tokenizers import Tokenizer
from torch.nn.functional import cross_entropy, normalize
from transformers import AutoModel

from learning import question_loss, set_rate
from low_rank import LowRankLinear, add_low_rank, parameters, save_delta
from pigeonhole.inference.encoders import packages
from pigeonhole.inference.labels.descriptions import find_descriptions
from pigeonhole.inference.labels.prompts import TEXT_TEMPLATES, build_prompts
from text_sets import Question, QuestionSampler, TextSet, read_pairs, read_sets

QUESTIONS, TEXTS, PAIRS = 4, 16, 8  # of a step: questions, texts of each question, pairs
PAIR_WEIGHT = 0.15
MAX_TOKENS = 48  # of a text. Most texts are shorter, and the time grows with the length.
SORTED_BATCH = 24  # texts of similar length that are encoded together
SCALE = 20.0  # of the cosines, at first: the scale with which the model was trained
WARM_UP = 100  # steps
CHECK_EVERY_S = 900
CHECKED_TEXTS = 300  # of each dev set


class SentenceModel:
    """all-MiniLM-L6-v2 with low-rank changes."""

    def __init__(self, rank: int) -> None:
        folder = packages.sentence_folder()
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(MAX_TOKENS)
        self.tokenizer.enable_padding(pad_id=0)
        # Its own attention is faster than torch's fused one, whose gradient is slow on a CPU.
        self.model = AutoModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
        self.layers: dict[str, LowRankLinear] = add_low_rank(self.model, rank)
        self.log_scale = torch.nn.Parameter(torch.tensor(math.log(SCALE)))

    def embed(self, texts: Sequence[str]) -> torch.Tensor:
        """Embed texts: unit rows, float32 (n, 384)."""
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        parts = []
        for start in range(0, len(order), SORTED_BATCH):
            encodings = self.tokenizer.encode_batch([texts[index] for index in order[start : start + SORTED_BATCH]])
            ids, mask = (torch.tensor([getattr(e, field) for e in encodings]) for field in ("ids", "attention_mask"))
            with torch.autocast("cpu", dtype=torch.bfloat16):
                states = self.model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
            weights = mask[..., None].float()
            parts.append(normalize((states * weights).sum(1) / weights.sum(1), dim=1))
        positions = torch.empty(len(texts), dtype=torch.long)
        positions[torch.tensor(order)] = torch.arange(len(texts))
        return torch.cat(parts)[positions]

    def loss(self, questions: Sequence[Question], pairs: Sequence[tuple[str, str]]) -> torch.Tensor:
        """Compute the loss of one step."""
        texts = [text for question in questions for text in question.texts]
        labels = [label for question in questions for label in question.labels]
        vectors = self.embed([*texts, *labels, *(text for pair in pairs for text in pair)])
        text_rows, label_rows, pair_rows = vectors.split([len(texts), len(labels), 2 * len(pairs)])
        scale = self.log_scale.exp()
        losses = []
        for question in questions:
            count = len(question.labels)
            logits = scale * text_rows[: len(question.texts)] @ label_rows[:count].T
            text_rows, label_rows = text_rows[len(question.texts) :], label_rows[count:]
            losses.append(question_loss(logits, torch.tensor(question.truth)))
        pair_logits = scale * pair_rows[0::2] @ pair_rows[1::2].T
        pair_loss = cross_entropy(pair_logits, torch.arange(len(pairs)))
        return torch.stack(losses).mean() + PAIR_WEIGHT * pair_loss

    @torch.no_grad()
    def check(self, sets: Sequence[TextSet], seed: int = 1) -> dict[str, float]:
        """Compute the balanced accuracy of each set by plain cosine, with the prompts that the classifier builds."""
        self.model.eval()
        result = {}
        for text_set in sets:
            samples = [(text, label) for label, texts in text_set.texts.items() for text in texts]
            samples = random.Random(seed).sample(samples, min(CHECKED_TEXTS, len(samples)))
            names = sorted(text_set.texts)
            prompts = [build_prompts(name, TEXT_TEMPLATES, descriptions=find_descriptions(name)) for name in names]
            rows = self.embed([prompt for group in prompts for prompt in group]).split([len(group) for group in prompts])
            labels = torch.stack([normalize(group.mean(0), dim=0) for group in rows])
            best = (self.embed([text for text, _ in samples]) @ labels.T).argmax(1).numpy()
            truth = np.array([names.index(label) for _, label in samples])
            result[text_set.name] = float(np.mean([(best[truth == k] == k).mean() for k in np.unique(truth)]))
        return result


def main() -> None:
    """Train from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with texts.parquet and its labels and pairs")
    parser.add_argument("--work", type=Path, required=True, help="folder for the checkpoint")
    parser.add_argument("--out", type=Path, required=True, help="folder for text_delta.safetensors")
    parser.add_argument("--minutes", type=float, default=160, help="length of the run (default: %(default)s)")
    parser.add_argument("--rank", type=int, default=48, help="rank of each change (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=6e-4, help="highest learning rate (default: %(default)s)")
    parser.add_argument("--share", type=float, default=1.0, help="part of the change that is kept (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random numbers (default: %(default)s)")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    rng = random.Random(args.seed)
    console = Console(soft_wrap=True)
    sets = read_sets(args.data)
    pairs = read_pairs(args.data)
    sampler = QuestionSampler(sets, rng)
    held_out = [text_set for text_set in sets if text_set.split == "dev"]
    model = SentenceModel(args.rank)
    optimiser = torch.optim.AdamW(
        [{"params": [*parameters(model.layers)], "weight_decay": 0.01}, {"params": [model.log_scale], "weight_decay": 0.0}],
        lr=args.rate,
        betas=(0.9, 0.98),
    )
    checkpoint = args.work / "checkpoint.pt"
    args.work.mkdir(parents=True, exist_ok=True)
    steps, elapsed_before_s = 0, 0.0
    trained = torch.nn.ParameterList([*parameters(model.layers), model.log_scale])
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        trained.load_state_dict(state["trained"])
        optimiser.load_state_dict(state["optimiser"])
        steps, elapsed_before_s = state["steps"], state["elapsed_s"]
        rng.seed(args.seed + steps)  # A resumed run must not draw the first batches again.
        console.print(f"resumed at {elapsed_before_s / 60:.1f} min, {steps} steps")

    started, total_s, losses = time.monotonic(), args.minutes * 60, []
    elapsed_s, next_check_s = elapsed_before_s, elapsed_before_s
    while elapsed_s < total_s:
        if elapsed_s >= next_check_s:
            next_check_s = elapsed_s + CHECK_EVERY_S
            report(console, elapsed_s, model.check(held_out), held_out)
            torch.save(
                {
                    "trained": trained.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "steps": steps,
                    "elapsed_s": elapsed_s,
                },
                checkpoint,
            )
        model.model.train()
        for group, rate in zip(optimiser.param_groups, (args.rate, 1e-4), strict=True):
            set_rate(group, rate, steps, WARM_UP, elapsed_s / total_s)
        loss = model.loss([sampler.draw(TEXTS) for _ in range(QUESTIONS)], rng.sample(pairs, PAIRS))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters(model.layers), 1.0)
        optimiser.step()
        steps += 1
        losses.append(loss.item())
        elapsed_s = elapsed_before_s + time.monotonic() - started
        if steps % 50 == 0:
            texts = steps * QUESTIONS * TEXTS
            console.print(f"{elapsed_s / 60:6.1f} min  {steps} steps  {texts} texts  loss {np.mean(losses[-50:]):.3f}")
    report(console, elapsed_s, model.check(held_out), held_out)
    save_delta(model.layers, args.out / "text_delta.safetensors", args.share)
    checkpoint.unlink(missing_ok=True)  # The next run must not resume from a finished one.


def report(console: Console, elapsed_s: float, accuracies: dict[str, float], sets: Sequence[TextSet]) -> None:
    """Print the balanced accuracy of each set, and the means of the English and the other sets."""
    english = np.mean([accuracies[text_set.name] for text_set in sets if text_set.language == "en"])
    other = np.mean([accuracies[text_set.name] for text_set in sets if text_set.language != "en"])
    console.print(f"{elapsed_s / 60:6.1f} min  English sets {english:.1%}, others {other:.1%}")
    console.print("  " + ", ".join(f"{name} {value:.1%}" for name, value in accuracies.items()))


if __name__ == "__main__":
    main()
