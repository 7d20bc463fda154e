"""The CPU engine: it runs an artifact folder in ONNX Runtime, without torch or transformers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

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
from pigeonhole.inference.encoders.onnx_graph import AT_ONCE, GraphOptions, OnnxGraph
from pigeonhole.inference.encoders.pair_encoder import CrossEncoder, PairTokens
from pigeonhole.inference.encoders.token_tree import TREE_INPUTS, TokenTree
from pigeonhole.inference.encoders.tokens import Embeddings, Ids, TextTokens
from pigeonhole.inference.encoders.tower_encoder import ImageTower, LazyTextTower, Pixels, TextTower, TowerEncoder

ENGINE = "onnxruntime"
INT8_ENGINE = "onnxruntime-int8"  # of an encoder whose image tower is in int8


def load(folder: Path, artifact_info: ArtifactInfo, options: GraphOptions) -> tuple[TowerEncoder, TowerEncoder | CrossEncoder]:
    """Load the encoders of an artifact. Each tower is opened at its first use: no request needs all of them.

    Args:
        folder: The artifact folder.
        artifact_info: The content of its artifact.json.
        options: How its graphs are opened. A cross-encoder is opened now, and doesn't start quickly.

    Returns:
        The image-text encoder, and what compares texts with texts. The first use of a tower raises ModelUnavailable if a file
        isn't what artifact.json says.

    Raises:
        ModelUnavailable: The file of a cross-encoder isn't what artifact.json says.
    """
    facts, options = artifact_info.encoder, _of_this_artifact(options, folder, artifact_info)
    image = load_image_tower(folder / IMAGE, facts, options)
    text = _load_text_tower(folder, (TEXT, TOKENIZER), facts, options)
    encoder = TowerEncoder(facts.to_info(INT8_ENGINE if artifact_info.precision == "int8" else ENGINE), text, image)
    if artifact_info.sentence.reads_pairs:
        return encoder, _cross_encoder(folder, artifact_info, options.threads)
    if artifact_info.one_text_model:
        sentence_text = text
    else:
        sentence_text = _load_text_tower(folder, artifact_info.sentence_files, artifact_info.sentence, options)
    return encoder, TowerEncoder(artifact_info.sentence.to_info(ENGINE), sentence_text)


def load_multilingual(folder: Path, artifact_info: ArtifactInfo, options: GraphOptions) -> TowerEncoder | None:
    """Load the multilingual sentence encoder of an artifact. It is opened at its first use.

    Args:
        folder: The artifact folder.
        artifact_info: The content of its artifact.json.
        options: How its graph is opened.

    Returns:
        The encoder, None if the artifact has none. Its first use raises ModelUnavailable if a file is broken.
    """
    facts = artifact_info.multilingual
    if facts is None:
        return None
    options = _of_this_artifact(options, folder, artifact_info)
    tower = _load_text_tower(folder, (MULTILINGUAL, MULTILINGUAL_TOKENIZER), facts, options)
    return TowerEncoder(facts.to_info(ENGINE), tower)


def _of_this_artifact(options: GraphOptions, folder: Path, artifact_info: ArtifactInfo) -> GraphOptions:
    """Let a graph be opened only while the folder holds the model that was loaded. All towers must be of one."""

    def check() -> None:
        if read_info(folder) != artifact_info:
            raise ModelUnavailable(f"the model in {folder} was replaced: start this process again")

    return replace(options, check=check)


def load_image_tower(path: Path, facts: ModelFacts, options: GraphOptions = AT_ONCE) -> ImageTower:
    """Load an image tower. Its graph is opened at its first use.

    Args:
        path: The ONNX graph.
        facts: The model that the graph belongs to.
        options: How the graph is opened.

    Raises:
        ModelUnavailable: The model has no image tower. The first use raises it if the graph isn't one for this model.
    """
    spec = facts.image
    if spec is None:
        raise broken_artifact(path.parent, "artifact.json describes no images")

    graph = OnnxGraph(path, facts.dim, options, input_shape=(spec.side, spec.side, 3))

    def run(pixels: Pixels) -> Embeddings:
        return graph.run({"pixels": np.ascontiguousarray(pixels)})

    return ImageTower(spec, run, graph.open)


def _load_text_tower(folder: Path, names: tuple[str, str], facts: ModelFacts, options: GraphOptions) -> LazyTextTower:
    """Load a text tower. Its tokenizer and its graph are opened at their first use.

    Args:
        folder: The artifact folder.
        names: The names of the graph and of the tokenizer.
        facts: The model that they belong to.
        options: How the graph is opened.
    """
    return LazyTextTower(partial(_open_text_tower, folder, names, facts, options))


def _open_text_tower(folder: Path, names: tuple[str, str], facts: ModelFacts, options: GraphOptions) -> TextTower:
    options.check()
    graph_name, tokenizer = names
    try:
        tokens = TextTokens.from_file(folder / tokenizer, facts.text)
    except Exception as error:  # tokenizers raises bare Exceptions
        raise broken_artifact(folder, f"{tokenizer} can't be read ({error})") from None

    # A request whose labels are in the cache counts their tokens, and doesn't open the graph.
    graph = OnnxGraph(folder / graph_name, facts.dim, options)

    def run(ids: Ids, mask: Ids) -> Embeddings:
        return graph.run({"ids": ids, "mask": mask})

    def run_tree(tree: TokenTree) -> Embeddings:
        return graph.run(tree.inputs)

    def encode(texts: Sequence[str]) -> Embeddings:
        if graph.inputs == TREE_INPUTS:
            return token_tree.embed(tokens, texts, facts.dim, run_tree)
        return tokens.embed(texts, facts.dim, run)

    return TextTower(tokens, encode)


def _cross_encoder(folder: Path, artifact_info: ArtifactInfo, threads: int) -> CrossEncoder:
    graph_name, tokenizer = artifact_info.sentence_files
    graph = OnnxGraph(folder / graph_name, artifact_info.sentence.dim, GraphOptions(threads))
    graph.open()
    try:
        tokens = PairTokens.from_file(folder / tokenizer, artifact_info.sentence.text)
    except Exception as error:  # tokenizers raises bare Exceptions
        raise broken_artifact(folder, f"{tokenizer} can't be read ({error})") from None

    def run(ids: Ids, mask: Ids, types: Ids) -> Embeddings:
        return graph.run({"ids": ids, "mask": mask, "types": types})

    return CrossEncoder(artifact_info.sentence.to_info(ENGINE), tokens, run)
