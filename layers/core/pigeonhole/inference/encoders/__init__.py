"""Encoders: texts and images to unit embeddings, in torch or in ONNX Runtime."""
