"""The warnings of a result: texts that were cut, and scores that depend on a calibration that the model lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pigeonhole.inference.encoders.base import Encoder
from pigeonhole.inference.labels.label_class import LabelClass, Meaning
from pigeonhole.inference.scoring.calibration import Calibration, Modality, Pair


def sample_warnings(encoder: Encoder, counts: Sequence[int], first_index: int) -> list[str]:
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


def prompt_warnings(encoder: Encoder, prompts: Mapping[str, Sequence[str]]) -> list[str]:
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


def _cut_warning(subject: str, limit: int, count: int) -> str:
    return f"{subject}: the model reads {limit} tokens, the rest of {count} was cut"
