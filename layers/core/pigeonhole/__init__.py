"""Pigeonhole sorts text and images into labels that the caller names, with no training."""

__version__ = "0.1.0"
