"""The warnings of a result: texts that are cut or unknown, labels that are alike, and scores that lean on a prior."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pigeonhole.inference.encoders.base import Encoder, PairEncoder
from pigeonhole.inference.labels.label_class import LabelClass, Meaning
from pigeonhole.inference.scoring.calibration import Calibration, Floats, Modality, Pair

DECIMALS = 4  # of log-odds: scores that differ less are equal, because the order of a sum changes the last digits


def sample_warnings(encoder: Encoder | PairEncoder, counts: Sequence[int], first_index: int) -> list[str]:
    """Warn of each text sample that an encoder cuts.

    Args:
        encoder: The encoder that reads the samples.
        counts: The number of tokens of each sample.
        first_index: The index of the first sample in the request.
    """
    if encoder.info.long_texts == "windows":
        return []
    limit = encoder.info.max_text_tokens
    return [
        _cut_warning(f"dataset.{index}.value", limit, count) for index, count in enumerate(counts, first_index) if count > limit
    ]


def prompt_warnings(encoder: Encoder | PairEncoder, prompts: Mapping[str, Sequence[str]]) -> list[str]:
    """Warn of each label text whose prompts, with template and instruction, an encoder cuts.

    Args:
        encoder: The encoder that reads the prompts.
        prompts: The prompts of each label text.
    """
    if encoder.info.long_texts == "windows":
        return []
    limit = encoder.info.max_text_tokens
    warnings = []
    for text, prompts_of_text in prompts.items():
        # Every token has at least one byte, so most prompts needn't be counted. Two tokens mark the start and the end.
        long = [prompt for prompt in prompts_of_text if len(prompt.encode(errors="replace")) + 2 > limit]
        longest = max(encoder.count_tokens(long), default=0)
        if longest > limit:
            warnings.append(_cut_warning(f"labels: the prompt of {text[:40]!r}", limit, longest))
    return warnings


def unknown_sample_warnings(encoders: Sequence[Encoder | PairEncoder], texts: Sequence[str], first_index: int) -> list[str]:
    """Warn of each text sample of which no encoder knows a word.

    Args:
        encoders: The encoders that read the samples.
        texts: The samples.
        first_index: The index of the first sample in the request.
    """
    return [
        f"dataset.{first_index + index}.value: the model knows no word of this text, so its scores say nothing. Send a text in "
        "a language that the model reads, such as English"
        for index, is_known in enumerate(_are_known(encoders, texts))
        if not is_known
    ]


def unknown_label_warnings(encoders: Sequence[Encoder | PairEncoder], texts: Sequence[str]) -> list[str]:
    """Warn of each label text of which no encoder knows a word.

    Args:
        encoders: The encoders that read the label texts.
        texts: What is embedded for the labels.
    """
    return [
        f"labels: the model knows no word of {text[:40]!r}, so its scores say nothing. Write it in a language that the model "
        "reads, such as English, and give the label a `key`"
        for text, is_known in zip(texts, _are_known(encoders, texts), strict=True)
        if not is_known
    ]


def alike_label_warnings(labels: Sequence[LabelClass], log_odds: Floats) -> list[str]:
    """Warn of labels with the same description, and of others that the model gives equal scores.

    Args:
        labels: The labels of the request.
        log_odds: The log-odds of all samples, (n, labels) float32.
    """
    described: dict[object, list[int]] = {}
    scored: dict[bytes, list[int]] = {}
    for index, label in enumerate(labels):
        texts = frozenset(" ".join(text.casefold().split()) for text in label.texts)
        described.setdefault((texts, frozenset(label.images)), []).append(index)
        if len(log_odds):
            scored.setdefault((np.round(log_odds[:, index], DECIMALS) + 0.0).tobytes(), []).append(index)
    alike = [indices for indices in described.values() if len(indices) > 1]
    equal = [
        indices for indices in scored.values() if len(indices) > 1 and not any(set(indices) <= set(same) for same in alike)
    ]
    return [
        *(
            f"labels: {_join_names(labels, indices)} have the same description, apart from case and blanks. "
            "Give them one `key`, or say how they differ"
            for indices in alike
        ),
        *(
            f"labels: {_join_names(labels, indices)} have equal scores, because the model reads them alike. "
            "The order of the labels decides between them: say in other words how they differ"
            for indices in equal
        ),
    ]


def calibration_warnings(
    model_id: str,
    calibration: Calibration,
    sample_type: Modality,
    labels: Sequence[LabelClass],
    meanings: Sequence[Meaning],
    *,
    multiple: bool,
) -> list[str]:
    """Warn if the scores depend on a calibration that the model lacks.

    Args:
        model_id: The name of the model.
        calibration: The calibration of the model, or the prior.
        sample_type: The type of the samples.
        labels: The labels of the request.
        meanings: What the texts of each label mean.
        multiple: Whether several labels may be right.
    """
    pairs: set[Pair] = {(sample_type, "text") for label in labels if label.texts}
    pairs |= {(sample_type, "image") for label in labels if label.images}
    reasons = {
        "multiple_labels": multiple,
        "labels by words and by images": len(pairs) > 1,
        "labels that say what something is not, or none of the others": any(
            meaning.negated or meaning.is_none for meaning in meanings
        ),
    }
    if pairs <= calibration.measured or not any(reasons.values()):
        return []
    why = ", ".join(reason for reason, holds in reasons.items() if holds)
    return [f"{model_id} isn't calibrated, so the scores lean on a general prior here ({why})"]


def _are_known(encoders: Sequence[Encoder | PairEncoder], texts: Sequence[str]) -> list[bool]:
    """Return whether one of the encoders knows a word of each text."""
    return [any(answers) for answers in zip(*(encoder.knows_words(texts) for encoder in encoders), strict=True)]


def _join_names(labels: Sequence[LabelClass], indices: Sequence[int]) -> str:
    names = [repr(labels[index].name[:40]) for index in indices]
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _cut_warning(subject: str, limit: int, count: int) -> str:
    return f"{subject}: the model reads {limit} tokens, the rest of {count} was cut"
