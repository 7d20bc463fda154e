"""Warnings for texts that are longer than the model's token limit and so are cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pigeonhole.inference.encoders.base import Encoder


def sample_warnings(encoder: Encoder, counts: Sequence[int], first_index: int) -> list[str]:
    """Warn of each text sample that an encoder cuts.

    Args:
        encoder: The encoder that reads the samples.
        counts: The number of tokens of each sample.
        first_index: The index of the first sample in the request.
    """
    limit = encoder.info.max_text_tokens
    return [
        _warning(f"dataset.{index}.value", limit, count) for index, count in enumerate(counts, first_index) if count > limit
    ]


def prompt_warnings(encoder: Encoder, prompts: Mapping[str, Sequence[str]]) -> list[str]:
    """Warn of each label text whose prompts, with template and instruction, an encoder cuts.

    Args:
        encoder: The encoder that reads the prompts.
        prompts: The prompts of each label text.
    """
    limit = encoder.info.max_text_tokens
    warnings = []
    for text, prompts_of_text in prompts.items():
        # Every token has at least one byte, so most prompts needn't be counted. Two tokens mark the start and the end.
        long = [prompt for prompt in prompts_of_text if len(prompt.encode(errors="replace")) + 2 > limit]
        longest = max(encoder.count_tokens(long), default=0)
        if longest > limit:
            warnings.append(_warning(f"labels: the prompt of {text[:40]!r}", limit, longest))
    return warnings


def _warning(subject: str, limit: int, count: int) -> str:
    return f"{subject}: the model reads {limit} tokens, the rest of {count} was cut"
