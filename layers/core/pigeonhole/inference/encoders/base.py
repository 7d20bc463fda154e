"""The port between the classifier and the model engines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:  # functions/api has neither numpy nor Pillow
    import numpy as np
    import numpy.typing as npt
    from PIL import Image
    from typing_extensions import TypeIs

    from pigeonhole.inference.labels.hyponyms import Hyponyms

    Embeddings = npt.NDArray[np.float32]  # (n, dim), each row of length 1
    Pixels = npt.NDArray[np.uint8]  # (n, height, width, 3), RGB
    LogOdds = npt.NDArray[np.float32]  # (n, m)


@dataclass(frozen=True)
class EncoderInfo:
    """What scoring and bookkeeping need to know of an encoder.

    Attributes:
        model_id: A preset, a folder's name or a Hugging Face id.
        revision: A hash that changes whenever an embedding would change in the same engine.
        licence: The licence of the model, as its model card names it.
        engine: The library that runs the model, and the precision if it isn't float32.
        dim: The length of an embedding.
        logit_scale: The scale of the model's training: log-odds = logit_scale * cosine + logit_bias.
        logit_bias: The bias of the model's training, 0 if it has none.
        activation: How the model turns logits into probabilities.
        max_text_tokens: The number of tokens that the model reads at once, special tokens included.
        image_side: The side in pixels of the square input, 0 for a sentence encoder.
        image_patches: The number of patches that an image counts as.
        templates: The model's own prompt templates for images, each with `{}` once.
        long_texts: What happens to a text that has more than `max_text_tokens`: "cut" drops the rest, "windows" reads all of it
            in windows and takes their mean.
        reads_pairs: Whether this is a PairEncoder, which gives log-odds in place of embeddings.
        pads_texts: Whether each text is padded to `max_text_tokens`, so that a short one takes as long as a long one.
    """

    model_id: str
    revision: str
    licence: str
    engine: str
    dim: int
    logit_scale: float
    logit_bias: float
    activation: Literal["softmax", "sigmoid"]
    max_text_tokens: int
    image_side: int
    image_patches: int
    templates: tuple[str, ...] = ("{}",)
    long_texts: Literal["cut", "windows"] = "cut"
    reads_pairs: bool = False
    pads_texts: bool = False


class Encoder(Protocol):
    """Turns texts and, if it has an image tower, images into unit embeddings of one space. Thread-safe."""

    @property
    def info(self) -> EncoderInfo:
        """What scoring and bookkeeping need to know."""
        ...

    def encode_text(self, texts: Sequence[str]) -> Embeddings:
        """Encode texts.

        Args:
            texts: (n,) texts, n >= 0. `EncoderInfo.long_texts` says what happens to texts beyond `max_text_tokens`.

        Returns:
            Unit embeddings, (n, dim) float32.
        """
        ...

    def fit(self, image: Image.Image, /) -> Image.Image:
        """Resize and crop an RGB image of any size as the model needs it, to (side, side). It can be pickled."""
        ...

    def encode_image(self, pixels: Pixels) -> Embeddings:
        """Encode images. The embedding of an image doesn't depend on the others.

        No images (n = 0) open the image tower, if it isn't open yet.

        Args:
            pixels: Images from `fit`, (n, side, side, 3) uint8, n >= 0.

        Returns:
            Unit embeddings, (n, dim) float32.
        """
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Count the tokens of each text as the model would read it, with special tokens, before it is cut."""
        ...

    def knows_words(self, texts: Sequence[str]) -> list[bool]:
        """Return for each text whether the model knows a word of it. A misspelt word counts as known."""
        ...


def is_encoder(sentence: Encoder | PairEncoder) -> TypeIs[Encoder]:
    """Return whether a text model gives embeddings."""
    return not sentence.info.reads_pairs


class PairEncoder(Protocol):
    """Reads a text and a hypothesis together, and says whether the text entails the hypothesis. Thread-safe.

    It runs once for each pair, where an Encoder runs once for each text.
    """

    @property
    def info(self) -> EncoderInfo:
        """What scoring and bookkeeping need to know. `reads_pairs` is True, and `templates` make a label a hypothesis."""
        ...

    def log_odds(self, texts: Sequence[str], hypotheses: Sequence[str]) -> LogOdds:
        """Compute the log-odds of entailment. Those of a pair don't depend on the others.

        Args:
            texts: (n,) texts, n >= 0. A pair beyond `max_text_tokens` is cut, the longer of the two first.
            hypotheses: (m,) texts, m >= 0.

        Returns:
            Natural log-odds within -logit_scale..logit_scale, (n, m) float32.
        """
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Count the tokens of each text as the model would read it, with special tokens, before it is cut."""
        ...

    def knows_words(self, texts: Sequence[str]) -> list[bool]:
        """Return for each text whether the model knows a word of it. A misspelt word counts as known."""
        ...

    def count_pair_tokens(self, texts: Sequence[str], hypotheses: Sequence[str]) -> list[int]:
        """Count for each text the tokens of its longest pair, special tokens included, before it is cut."""
        ...


@dataclass(frozen=True)
class BackgroundEmbeddings:
    """The background concepts of labels/background_concepts.py, embedded for a model.

    Attributes:
        photos: Concepts that photos show, in the space of the image-text encoder, (concepts, dim) float32.
        texts: Generic texts, in the space of the sentence encoder, (texts, dim) float32. Empty for a cross-encoder, which has
            no space.
        generic_photos: Photos of many kinds, in the space of the image-text encoder, (photos, dim) float32. None if the model
            brings none.
        hyponyms: What general words name, in the space of the image-text encoder. None if the model doesn't say.
        multilingual_texts: The same texts in the space of the multilingual sentence encoder, None if there is none.
    """

    photos: Embeddings
    texts: Embeddings
    generic_photos: Embeddings | None = None
    hyponyms: Hyponyms | None = None
    multilingual_texts: Embeddings | None = None
