"""A graph that starts quickly gives the same embeddings before and after its weights are packed."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from pigeonhole.inference.encoders import onnx_graph
from pigeonhole.inference.encoders.artifact import IMAGE, ModelUnavailable, read_info
from pigeonhole.inference.encoders.onnx_graph import GraphOptions, OnnxGraph

WAIT_S = 60.0
ORIGINAL = ort.InferenceSession
PIXELS = {"pixels": np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)}


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record for each session whether its weights aren't packed ("1")."""
    sessions: list[str] = []

    def open_session(path: Path, options: ort.SessionOptions, **arguments: object) -> ort.InferenceSession:
        sessions.append(options.get_session_config_entry("session.disable_prepacking"))
        return ORIGINAL(path, options, **arguments)

    monkeypatch.setattr(onnx_graph.ort, "InferenceSession", open_session)
    return sessions


def image_graph(folder: Path, options: GraphOptions) -> OnnxGraph:
    return OnnxGraph(folder / IMAGE, read_info(folder).encoder.dim, options, input_shape=(32, 32, 3))


def wait_for_packing() -> None:
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.join(WAIT_S)
            assert not thread.is_alive()


def test_a_quick_start_runs_before_the_weights_are_packed(artifacts: dict[str, Path], opened: list[str]) -> None:
    expected = image_graph(artifacts["clip"], GraphOptions()).run(PIXELS)
    assert opened == ["0"]
    graph = image_graph(artifacts["clip"], GraphOptions(starts_quickly=True))

    before = graph.run(PIXELS)
    assert opened == ["0", "1"]
    wait_for_packing()
    after = graph.run(PIXELS)

    np.testing.assert_allclose(before, expected, atol=1e-6)
    np.testing.assert_array_equal(after, expected)


def test_a_quick_start_packs_its_weights_once(
    artifacts: dict[str, Path], opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_graph, "PACK_AFTER_S", 0.0)
    graph = image_graph(artifacts["clip"], GraphOptions(starts_quickly=True))

    graph.open()
    wait_for_packing()
    for _ in range(3):
        graph.run(PIXELS)

    assert opened == ["1", "0"]


def test_a_graph_continues_if_its_file_was_replaced_before_its_weights_were_packed(
    artifacts: dict[str, Path], opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_graph, "PACK_AFTER_S", 0.0)
    checks = iter([None, ModelUnavailable("the model was replaced")])

    def check() -> None:
        if fault := next(checks):
            raise fault

    graph = image_graph(artifacts["clip"], GraphOptions(starts_quickly=True, check=check))
    before = graph.run(PIXELS)
    wait_for_packing()

    np.testing.assert_array_equal(graph.run(PIXELS), before)
    assert opened == ["1"]


@pytest.mark.parametrize("starts_quickly", [False, True])
def test_a_graph_of_another_model_is_an_error(artifacts: dict[str, Path], starts_quickly: bool) -> None:
    graph = OnnxGraph(artifacts["clip"] / IMAGE, 7, GraphOptions(starts_quickly=starts_quickly))

    with pytest.raises(ModelUnavailable, match="length 7"):
        graph.run(PIXELS)
