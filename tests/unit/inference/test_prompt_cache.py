"""The prompt cache keeps the prompts that were used last."""

from pigeonhole.inference.prompt_cache import PromptCache
from support.fake_model import RecordingEncoder


def test_the_cache_drops_the_least_recently_used_prompt() -> None:
    cache, encoder = PromptCache(size=2), RecordingEncoder()
    for text in ("a", "b", "a", "c", "a", "b"):
        cache.embed("revision", encoder.encode_text, [text])
    assert encoder.texts == ["a", "b", "c", "b"]
