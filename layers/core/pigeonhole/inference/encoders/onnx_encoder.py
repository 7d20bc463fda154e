"""The CPU engine: it runs an artifact folder in ONNX Runtime, without torch or transformers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from pigeonhole.inference.encoders import token_tree
from pigeonhole.inference.encoders.artifact import (
    IMAGE,
    MULTILINGUAL,
    MULTILINGUAL_TOKENIZER,
    TEXT,
    TOKENIZER,
    ArtifactInfo,
    ModelFacts,
    ModelUnavailable,
    broken_artifact,
    read_info,
)
from pigeonhole.inference.encoders.pair_encoder import CrossEncoder, PairTokens
from pigeonhole.inference.encoders.token_tree import TREE_INPUTS, TokenTree
from pigeonhole.inference.encoders.tokens import Embeddings, Ids, TextTokens
from pigeonhole.inference.encoders.tower_encoder import ImageTower, LazyTextTower, Pixels, TextTower, TowerEncoder
from pigeonhole.lazy import Lazy

ENGINE = "onnxruntime"
INT8_ENGINE = "onnxruntime-int8"  # of an encoder whose image tower is in int8


def load(folder: Path, artifact_info: ArtifactInfo, *, threads: int) -> tuple[TowerEncoder, TowerEncoder | CrossEncoder]:
    """Load the encoders of an artifact. Each tower is opened at its first use: no request needs all of them.

    Args:
        folder: The artifact folder.
        artifact_info: The content of its artifact.json.
        threads: The number of threads of each run.

    Returns:
        The image-text encoder, and what compares texts with texts. The first use of a tower raises ModelUnavailable if a file
        isn't what artifact.json says.

    Raises:
        ModelUnavailable: The file of a cross-encoder isn't what artifact.json says.
    """
    facts, check = artifact_info.encoder, partial(_check_unchanged, folder, artifact_info)
    image = load_image_tower(folder / IMAGE, facts, threads=threads, check=check)
    text = _load_text_tower(folder, (TEXT, TOKENIZER), facts, threads, check)
    encoder = TowerEncoder(facts.to_info(INT8_ENGINE if artifact_info.precision == "int8" else ENGINE), text, image)
    if artifact_info.sentence.reads_pairs:
        return encoder, _cross_encoder(folder, artifact_info, threads)
    if artifact_info.one_text_model:
        sentence_text = text
    else:
        sentence_text = _load_text_tower(folder, artifact_info.sentence_files, artifact_info.sentence, threads, check)
    return encoder, TowerEncoder(artifact_info.sentence.to_info(ENGINE), sentence_text)


def load_multilingual(folder: Path, artifact_info: ArtifactInfo, *, threads: int) -> TowerEncoder | None:
    """Load the multilingual sentence encoder of an artifact. It is opened at its first use.

    Args:
        folder: The artifact folder.
        artifact_info: The content of its artifact.json.
        threads: The number of threads of each run.

    Returns:
        The encoder, None if the artifact has none. Its first use raises ModelUnavailable if a file is broken.
    """
    facts = artifact_info.multilingual
    if facts is None:
        return None
    check = partial(_check_unchanged, folder, artifact_info)
    tower = _load_text_tower(folder, (MULTILINGUAL, MULTILINGUAL_TOKENIZER), facts, threads, check)
    return TowerEncoder(facts.to_info(ENGINE), tower)


def _check_unchanged(folder: Path, artifact_info: ArtifactInfo) -> None:
    """Raise ModelUnavailable if another model was prepared in the folder since it was loaded. All towers must be of one."""
    if read_info(folder) != artifact_info:
        raise ModelUnavailable(f"the model in {folder} was replaced: start this process again")


def load_image_tower(path: Path, facts: ModelFacts, *, threads: int, check: Callable[[], None] = lambda: None) -> ImageTower:
    """Load an image tower. Its graph is opened at its first use.

    Args:
        path: The ONNX graph.
        facts: The model that the graph belongs to.
        threads: The number of threads of each run.
        check: Called before the graph is opened, and may raise.

    Raises:
        ModelUnavailable: The model has no image tower. The first use raises it if the graph isn't one for this model.
    """
    spec = facts.image
    if spec is None:
        raise broken_artifact(path.parent, "artifact.json describes no images")

    def open_session() -> ort.InferenceSession:
        check()
        session = _session(path, facts.dim, threads)
        if session.get_inputs()[0].shape[1:] != [spec.side, spec.side, 3]:
            raise broken_artifact(path.parent, f"{path.name} doesn't take the images that artifact.json describes")
        return session

    session = Lazy(open_session)

    def run(pixels: Pixels) -> Embeddings:
        return _run(session.part, {"pixels": np.ascontiguousarray(pixels)})

    def open_now() -> None:
        _ = session.part

    return ImageTower(spec, run, open_now)


def _load_text_tower(
    folder: Path, names: tuple[str, str], facts: ModelFacts, threads: int, check: Callable[[], None]
) -> LazyTextTower:
    """Load a text tower. Its tokenizer and its graph are opened at their first use.

    Args:
        folder: The artifact folder.
        names: The names of the graph and of the tokenizer.
        facts: The model that they belong to.
        threads: The number of threads of each run.
        check: Called before a file is opened, and may raise.
    """
    return LazyTextTower(partial(_open_text_tower, folder, names, facts, threads, check))


def _open_text_tower(
    folder: Path, names: tuple[str, str], facts: ModelFacts, threads: int, check: Callable[[], None]
) -> TextTower:
    check()
    graph, tokenizer = names
    try:
        tokens = TextTokens.from_file(folder / tokenizer, facts.text)
    except Exception as error:  # tokenizers raises bare Exceptions
        raise broken_artifact(folder, f"{tokenizer} can't be read ({error})") from None

    def open_session() -> ort.InferenceSession:
        check()
        return _session(folder / graph, facts.dim, threads)

    # A request whose labels are in the cache counts their tokens, and needs no graph.
    session = Lazy(open_session)

    def run(ids: Ids, mask: Ids) -> Embeddings:
        return _run(session.part, {"ids": ids, "mask": mask})

    def run_tree(tree: TokenTree) -> Embeddings:
        return _run(session.part, tree.inputs)

    def encode(texts: Sequence[str]) -> Embeddings:
        if {graph_input.name for graph_input in session.part.get_inputs()} == TREE_INPUTS:
            return token_tree.embed(tokens, texts, facts.dim, run_tree)
        return tokens.embed(texts, facts.dim, run)

    return TextTower(tokens, encode)


def _cross_encoder(folder: Path, artifact_info: ArtifactInfo, threads: int) -> CrossEncoder:
    graph, tokenizer = artifact_info.sentence_files
    session = _session(folder / graph, artifact_info.sentence.dim, threads)
    try:
        tokens = PairTokens.from_file(folder / tokenizer, artifact_info.sentence.text)
    except Exception as error:  # tokenizers raises bare Exceptions
        raise broken_artifact(folder, f"{tokenizer} can't be read ({error})") from None

    def run(ids: Ids, mask: Ids, types: Ids) -> Embeddings:
        return _run(session, {"ids": ids, "mask": mask, "types": types})

    return CrossEncoder(artifact_info.sentence.to_info(ENGINE), tokens, run)


def _run(session: ort.InferenceSession, arrays: Mapping[str, npt.NDArray[Any]]) -> Embeddings:
    """Run a graph on those of the arrays that it takes. Some models have no mask or no token types."""
    feed = {graph_input.name: arrays[graph_input.name] for graph_input in session.get_inputs()}
    return np.asarray(session.run(None, feed)[0], dtype=np.float32)


def _session(path: Path, dim: int, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    # Threads that spin while they wait take the core from other processes.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common base but Exception
        raise broken_artifact(path.parent, f"{path.name} can't be loaded ({type(error).__name__})") from None
    if session.get_outputs()[0].shape[-1] != dim:
        raise broken_artifact(path.parent, f"{path.name} doesn't give embeddings of length {dim}")
    return session
