"""Compare photos with labels in the image-text encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from pigeonhole.inference.encoders.base import BackgroundEmbeddings
from pigeonhole.inference.scoring.calibration import Evidence, Floats
from pigeonhole.inference.scoring.log_odds import add_hyponyms, compute_evidence, soft_mean

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class LabelEmbedding:
    """An embedded label.

    Attributes:
        vector: The embedding of its own texts or of its example images, (dim,) float32.
        hyponyms: The indices of the trained classes that the label names, if it is a general word.
    """

    vector: Floats
    hyponyms: Indices = field(default_factory=lambda: np.zeros(0, dtype=np.intp))


class PhotoComparison:
    """The image-text encoder's background concepts, generic photos and trained classes. Thread-safe."""

    def __init__(self, background: BackgroundEmbeddings, scale: float) -> None:
        """Create a comparison.

        Args:
            background: What photos and labels are compared with, embedded by the encoder.
            scale: The encoder's logit scale, > 0.
        """
        self._background = background
        self._scale = scale
        classes = len(background.hyponyms.classes) if background.hyponyms else 0
        self._class_hubness = np.full(classes, np.nan, dtype=np.float32)

    def find_hyponyms(self, texts: Sequence[str]) -> Indices:
        """Return the indices of the trained classes that a label's texts name."""
        hyponyms = self._background.hyponyms
        return np.array(hyponyms.find(texts) if hyponyms else (), dtype=np.intp)

    def compare(self, samples: Floats, labels: Sequence[LabelEmbedding]) -> Evidence:
        """Compare photos with labels.

        The hubness of a label is its soft mean cosine with the generic photos (log_odds.soft_mean). If its coefficient were
        minus the scale of the soft mean, and that of the cosines this scale, then the mean odds of every label over the generic
        photos would be the same. So a label that many photos are similar to needs a higher cosine than others.

        Args:
            samples: Embedded photos, (n, dim) float32.
            labels: The labels.
        """
        vectors = np.stack([label.vector for label in labels])
        evidence = compute_evidence(samples, vectors, self._background.photos, self._scale)
        cosines, hubness, generic = evidence.cosines, evidence.hubness, self._background.generic_photos
        if generic is not None:
            hubness = soft_mean(generic @ vectors.T, axis=0)
        indices = [label.hyponyms for label in labels]
        if self._background.hyponyms is not None and any(map(len, indices)):
            cosines = add_hyponyms(cosines, samples @ self._background.hyponyms.classes.T, indices)
            if generic is not None:
                # A soft mean over photos and one over hyponyms may change places.
                of_classes = self._hubness_of_classes(np.unique(np.concatenate(indices)))
                hubness = add_hyponyms(hubness[None], of_classes[None], indices)[0]
        return replace(evidence, cosines=cosines, hubness=hubness)

    def _hubness_of_classes(self, indices: Indices) -> Floats:
        """Return the hubness of trained classes, (classes,) float32. Only the values at the indices are sure to be numbers.

        All of them would take 0.03 s of the first request with a general word, which names few of them.
        """
        generic, hyponyms = self._background.generic_photos, self._background.hyponyms
        if generic is None or hyponyms is None:
            raise TypeError("a model without generic photos and hyponyms has no hubness of classes")
        unknown = indices[np.isnan(self._class_hubness[indices])]
        if len(unknown):  # Threads that compute the same values write the same ones.
            self._class_hubness[unknown] = soft_mean(generic @ hyponyms.classes[unknown].T, axis=0)
        return self._class_hubness
