"""Run a graph of an artifact in ONNX Runtime. It is opened at its first use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Timer
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from pigeonhole.inference.encoders.artifact import ModelUnavailable, broken_artifact
from pigeonhole.inference.encoders.tokens import Embeddings
from pigeonhole.lazy import Lazy

PACK_AFTER_S = 1.0  # by then, a first request has been answered
_packing = Lock()  # one graph at a time, because requests need the other cores


@dataclass(frozen=True)
class GraphOptions:
    """How the graphs of an artifact are opened.

    Attributes:
        threads: The number of threads of each run.
        starts_quickly: Whether a graph packs its weights only PACK_AFTER_S after its first use.
        check: Called before a file is opened, and may raise.
    """

    threads: int = 1
    starts_quickly: bool = False
    check: Callable[[], None] = lambda: None


AT_ONCE = GraphOptions()


class OnnxGraph:
    """A graph whose output is embeddings. Thread-safe.

    ONNX Runtime packs the weights: it copies them to the order in which the processor's matrix products read them. That takes
    most of the time of opening a graph, and each run then takes less. A graph that starts quickly runs on the weights as the
    file has them, until a thread has packed them.
    """

    def __init__(self, path: Path, dim: int, options: GraphOptions, *, input_shape: Sequence[int] | None = None) -> None:
        """Create a graph. Nothing is read yet.

        Args:
            path: The graph.
            dim: The length of an embedding.
            options: How it is opened.
            input_shape: The shape of an item of the first input, None for any.
        """
        self._path = path
        self._dim = dim
        self._options = options
        self._input_shape = input_shape
        self._session = Lazy(self._open_quickly if options.starts_quickly else self._open)

    def open(self) -> None:
        """Open the graph now.

        Raises:
            ModelUnavailable: The file isn't a graph of this model.
        """
        _ = self._session.part

    @property
    def inputs(self) -> set[str]:
        """The names of its inputs."""
        return {graph_input.name for graph_input in self._session.part.get_inputs()}

    def run(self, arrays: Mapping[str, npt.NDArray[Any]]) -> Embeddings:
        """Run the graph on those of the arrays that it takes. Some models have no mask or no token types.

        Raises:
            ModelUnavailable: As `open`.
        """
        session = self._session.part
        feed = {graph_input.name: arrays[graph_input.name] for graph_input in session.get_inputs()}
        return np.asarray(session.run(None, feed)[0], dtype=np.float32)

    def _open_quickly(self) -> ort.InferenceSession:
        session = self._open(is_packed=False)
        timer = Timer(PACK_AFTER_S, self._pack)
        timer.daemon = True
        timer.start()
        return session

    def _pack(self) -> None:
        packed = Lazy(self._open)
        try:
            with _packing:
                _ = packed.part
        except ModelUnavailable:
            return  # The file was replaced. The open session continues.
        self._session = packed

    def _open(self, *, is_packed: bool = True) -> ort.InferenceSession:
        self._options.check()
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._options.threads
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        # Threads that spin while they wait take the core from other processes.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.disable_prepacking", "0" if is_packed else "1")
        folder, name = self._path.parent, self._path.name
        try:
            session = ort.InferenceSession(self._path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors have no common base but Exception
            raise broken_artifact(folder, f"{name} can't be loaded ({type(error).__name__})") from None
        if session.get_outputs()[0].shape[-1] != self._dim:
            raise broken_artifact(folder, f"{name} doesn't give embeddings of length {self._dim}")
        if self._input_shape is not None and session.get_inputs()[0].shape[1:] != list(self._input_shape):
            raise broken_artifact(folder, f"{name} doesn't take the images that artifact.json describes")
        return session
