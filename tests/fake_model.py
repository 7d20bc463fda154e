"""A loaded model around FakeEncoder, background and all."""

from __future__ import annotations

from functools import cache

from pigeonhole.encoders import background_files
from pigeonhole.encoders.fake_encoder import FakeEncoder
from pigeonhole.encoders.registry import LoadedModel
from pigeonhole.ports import Backgrounds


@cache
def fake_backgrounds() -> Backgrounds:
    """The background concepts and texts as FakeEncoder has them."""
    return background_files.embed(FakeEncoder(), FakeEncoder())


def fake_loaded_model() -> LoadedModel:
    """A model that was never calibrated."""
    return LoadedModel(FakeEncoder(), FakeEncoder(model_id="fake-text"), fake_backgrounds(), calibration=None)
