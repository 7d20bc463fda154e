"""The classifier describes its model, or says why it can't."""

from __future__ import annotations

import pytest

from pigeonhole.api.describe_model import ModelDescriber
from pigeonhole.contract.commands import DescribeCommand
from pigeonhole.errors import Overloaded
from support.fakes import MODEL, FakeClassifierClient, error_reply


def test_the_description_is_that_of_the_classifier() -> None:
    client = FakeClassifierClient()

    assert ModelDescriber(classifier=client).describe("log-1") == MODEL
    assert client.commands == [DescribeCommand(log_id="log-1")]


def test_an_error_of_the_classifier_is_raised_again() -> None:
    with pytest.raises(Overloaded):
        ModelDescriber(classifier=FakeClassifierClient(error_reply("overloaded", "busy"))).describe("log-1")
