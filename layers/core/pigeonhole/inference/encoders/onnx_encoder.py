"""The CPU engine: it runs an artifact folder in ONNX Runtime, without torch or transformers."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime as ort

from pigeonhole.inference.encoders.artifact import (
    IMAGE,
    MULTILINGUAL,
    MULTILINGUAL_TOKENIZER,
    TEXT,
    TOKENIZER,
    ArtifactInfo,
    ModelFacts,
    broken_artifact,
)
from pigeonhole.inference.encoders.pair_encoder import CrossEncoder, PairTokens
from pigeonhole.inference.encoders.tokens import Embeddings, Ids, TextTokens
from pigeonhole.inference.encoders.tower_encoder import ImageTower, LazyTextTower, Pixels, TextTower, TowerEncoder

ENGINE = "onnxruntime"
INT8_ENGINE = "onnxruntime-int8"  # of an encoder whose image tower is in int8


def load(folder: Path, artifact_info: ArtifactInfo, *, threads: int) -> tuple[TowerEncoder, TowerEncoder | CrossEncoder]:
    """Load the encoders of an artifact.

    Args:
        folder: The artifact folder.
        artifact_info: The content of its artifact.json.
        threads: The number of threads of each run.

    Returns:
        The image-text encoder, and what compares texts with texts.

    Raises:
        ModelUnavailable: A file isn't what artifact.json says.
    """
    facts = artifact_info.encoder
    image = load_image_tower(folder / IMAGE, facts, threads=threads)
    text = _text_tower(folder, (TEXT, TOKENIZER), facts, threads)
    encoder = TowerEncoder(facts.to_info(INT8_ENGINE if artifact_info.precision == "int8" else ENGINE), text, image)
    if artifact_info.sentence.reads_pairs:
        return encoder, _cross_encoder(folder, artifact_info, threads)
    if artifact_info.one_text_model:
        sentence_text = text
    else:
        sentence_text = _text_tower(folder, artifact_info.sentence_files, artifact_info.sentence, threads)
    return encoder, TowerEncoder(artifact_info.sentence.to_info(ENGINE), sentence_text)


def load_multilingual(folder: Path, artifact_info: ArtifactInfo, *, threads: int) -> TowerEncoder | None:
    """Load the multilingual sentence encoder of an artifact at its first use. Many services never get a text that needs it.

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
    tower = LazyTextTower(partial(_text_tower, folder, (MULTILINGUAL, MULTILINGUAL_TOKENIZER), facts, threads))
    return TowerEncoder(facts.to_info(ENGINE), tower)


def load_image_tower(path: Path, facts: ModelFacts, *, threads: int) -> ImageTower:
    """Load an image tower.

    Args:
        path: The ONNX graph.
        facts: The model that the graph belongs to.
        threads: The number of threads of each run.

    Raises:
        ModelUnavailable: The graph isn't one for this model.
    """
    session = _session(path, facts.dim, threads)
    spec = facts.image
    if spec is None or session.get_inputs()[0].shape[1:] != [spec.side, spec.side, 3]:
        raise broken_artifact(path.parent, f"{path.name} doesn't take the images that artifact.json describes")

    def run(pixels: Pixels) -> Embeddings:
        return np.asarray(session.run(None, {"pixels": np.ascontiguousarray(pixels)})[0], dtype=np.float32)

    return ImageTower(spec, run)


def _text_tower(folder: Path, names: tuple[str, str], facts: ModelFacts, threads: int) -> TextTower:
    graph, tokenizer = names
    session = _session(folder / graph, facts.dim, threads)
    takes_mask = len(session.get_inputs()) == 2
    try:
        tokens = TextTokens.from_file(folder / tokenizer, facts.text)
    except Exception as error:  # tokenizers raises bare Exceptions
        raise broken_artifact(folder, f"{tokenizer} can't be read ({error})") from None

    def run(ids: Ids, mask: Ids) -> Embeddings:
        feed = {"ids": ids, "mask": mask} if takes_mask else {"ids": ids}
        return np.asarray(session.run(None, feed)[0], dtype=np.float32)

    return TextTower(tokens, run)


def _cross_encoder(folder: Path, artifact_info: ArtifactInfo, threads: int) -> CrossEncoder:
    graph, tokenizer = artifact_info.sentence_files
    session = _session(folder / graph, artifact_info.sentence.dim, threads)
    names = {graph_input.name for graph_input in session.get_inputs()}
    try:
        tokens = PairTokens.from_file(folder / tokenizer, artifact_info.sentence.text)
    except Exception as error:  # tokenizers raises bare Exceptions
        raise broken_artifact(folder, f"{tokenizer} can't be read ({error})") from None

    def run(ids: Ids, mask: Ids, types: Ids) -> Embeddings:
        feed = {"ids": ids, "mask": mask, "types": types}
        return np.asarray(session.run(None, {name: feed[name] for name in names})[0], dtype=np.float32)

    return CrossEncoder(artifact_info.sentence.to_info(ENGINE), tokens, run)


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
