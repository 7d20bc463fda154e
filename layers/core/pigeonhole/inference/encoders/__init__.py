"""Encoders: texts and images to unit embeddings."""
