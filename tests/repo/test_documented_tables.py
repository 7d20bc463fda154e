"""The tables of the documents match the template, the registry and the functions."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest

from pigeonhole.client import Client, RetryPolicy, batches, images, transport
from pigeonhole.client import labels as client_labels
from pigeonhole.inference.encoders.artifact import FILES
from pigeonhole.inference.encoders.registry import PRESETS
from pigeonhole_cli import schemas as schemas_of
from pigeonhole_cli.local import capacity, snapshots
from support import pages
from support.template import read_template

ROOT = Path(__file__).resolve().parents[2]
OPERATIONS = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
MESSAGES = (ROOT / "docs/messages.md").read_text(encoding="utf-8")
LOCAL_STACK = (ROOT / "docs/local-stack.md").read_text(encoding="utf-8")
CLIENT = (ROOT / "docs/client.md").read_text(encoding="utf-8")
MODELS = (ROOT / "docs/models.md").read_text(encoding="utf-8")
METRIC = re.compile(r"""\.(?:count|record_ms)\("(\w+)""")


def test_the_parameters_are_those_of_the_template() -> None:
    parameters = read_template()["Parameters"]

    assert {row["parameter"].strip("`"): row["default"] for row in pages.table_after(OPERATIONS, "Parameters")} == {
        name: str(parameter["Default"]) for name, parameter in parameters.items()
    }


@pytest.mark.parametrize("function", ["api", "classify", "worker", "dead_letters", "sweep", "notify", "webhooks", "ingest"])
def test_the_metrics_are_those_of_the_functions(function: str) -> None:
    rows = pages.table_after(OPERATIONS, "What to watch")
    documented = {row["metric"].strip("`") for row in rows if function in row["service"].split(", ")}
    counted = set(METRIC.findall((ROOT / "functions" / function / "handler.py").read_text()))

    assert counted
    assert documented == counted | {"errors", "ColdStart"}  # observability.py's own


def test_the_metrics_are_those_of_gpu_workers() -> None:
    rows = pages.table_after(OPERATIONS, "What to watch")
    documented = {row["metric"].strip("`") for row in rows if "gpu" in row["service"].split(", ")}

    assert documented == {*METRIC.findall((ROOT / "functions/gpu/worker.py").read_text()), "errors"}


def test_the_presets_are_those_of_the_registry() -> None:
    uses = pages.table_after(MODELS, "Which model for what")
    sources = pages.table_after(MODELS, "Sources and licences")

    assert [(row["preset"].strip("`"), row["good for"]) for row in uses] == [
        (preset.name, preset.good_for) for preset in PRESETS.values()
    ]
    assert [(row["preset"].strip("`"), row["model"].removeprefix("models/"), row["licence"]) for row in sources] == [
        (preset.name, preset.source, preset.licence) for preset in PRESETS.values()
    ]


def test_the_files_are_those_of_an_artifact() -> None:
    rows = pages.table_after(MODELS, "The artifact folder")
    documented = {name for row in rows for name in re.findall(r"`([\w.]+)`", row["file"])}

    assert documented == FILES


def test_every_sample_event_is_documented_and_every_message_has_its_schema() -> None:
    rows = pages.table_after(MESSAGES, "Messages, events and webhooks")
    samples = {row["sample"].rpartition("/")[2].rstrip(")") for row in rows}
    schemas = {name for row in rows for name in re.findall(r"`(\w+)`", row["schema"])}

    assert samples == {path.name for path in (ROOT / "events").iterdir()}
    assert schemas == {model.__name__ for model in schemas_of.SENT}
    assert (ROOT / "docs/messages.json").read_text("utf-8") == schemas_of.as_json(), "it has drifted: make documents"


@pytest.mark.parametrize(("heading", "module"), [("Limits", capacity), ("Saved state", snapshots)])
def test_the_limits_of_the_local_stack_are_documented(heading: str, module: ModuleType) -> None:
    units = {"": 1, "s": 1, "%": 1 / 100, "MB": 1024**2, "GiB": 1024**3}
    documented = {}
    for row in pages.table_after(LOCAL_STACK, heading):
        amount, _, unit = row["default"].partition(" ")
        documented[row["limit"].strip("`")] = int(amount) * units[unit]

    public = {name: value for name, value in vars(module).items() if name.isupper() and not name.startswith("_")}
    limits = {name: value for name, value in public.items() if isinstance(value, int | float) and name != "GIB"}
    assert documented == limits


def test_the_example_of_a_laptop_is_its_capacity() -> None:
    laptop = capacity.Capacity.of(2, 8 * capacity.GIB)

    example = "two cores and 8 GiB runs four requests, two of them in the classifier, and eight requests that wait for a job"
    assert example in " ".join(LOCAL_STACK.split())
    assert (laptop.requests, laptop.classify, laptop.waits) == (4, 2, 8)


def test_the_limits_of_the_client_are_its_defaults() -> None:
    retries = {f"RetryPolicy.{field.name}": field.default for field in fields(RetryPolicy)}
    arguments = {
        "Client(concurrency=)": inspect.signature(Client).parameters["concurrency"].default,
        "wait_for_job(timeout_s=)": inspect.signature(Client.wait_for_job).parameters["timeout_s"].default,
    }
    constants = {
        "batches.MAX_BATCH": batches.MAX_BATCH,
        "batches.MAX_HELD_BYTES": batches.MAX_HELD_BYTES,
        "images.MAX_FILE_BYTES": images.MAX_FILE_BYTES,
        "transport.TIMEOUT_S": transport.TIMEOUT_S,
        "transport.UPLOAD_TIMEOUT_S": transport.UPLOAD_TIMEOUT_S,
        "labels.MAX_INLINE_BYTES": client_labels.MAX_INLINE_BYTES,
    }

    assert {row["setting"].strip("`"): float(row["default"]) for row in pages.table_after(CLIENT, "Limits of the client")} == {
        **retries,
        **arguments,
        **constants,
    }
