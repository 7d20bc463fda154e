"""Prepare an exported graph for fast starts: ONNX Runtime's own optimizations are applied once, and the weights get a file.

Without this, every start of a process repeats the optimizations and copies all weights out of the graph's file. ONNX Runtime
maps a file of weights into memory, so a process reads what it uses, and processes on one machine share the pages.
"""

from __future__ import annotations

from pathlib import Path

import onnxruntime as ort

from pigeonhole.inference.encoders.artifact import weights_of

# Tensors of fewer bytes stay in the graph, because the optimizations need the values of small constants.
MIN_BYTES = 1_024


def optimize(graph: Path) -> None:
    """Replace a graph by an optimized one that computes the same, and write its weights to the file of `weights_of` beside it.

    The optimizations are those that hold for every processor (ORT_ENABLE_EXTENDED). Those for one processor are applied at each
    load.
    """
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    optimized = graph.with_name(f"optimized_{graph.name}")
    options.optimized_model_filepath = str(optimized)
    options.add_session_config_entry("session.optimized_model_external_initializers_file_name", weights_of(graph.name))
    options.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", str(MIN_BYTES))
    ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    optimized.replace(graph)
