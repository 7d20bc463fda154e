"""Label sets, models and the account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from pigeonhole.client.exchange import call
from pigeonhole.client.fields import Labels, to_json
from pigeonhole.client.flow import Flow, HttpRequest
from pigeonhole.client.labels import to_label_fields
from pigeonhole.client.uploads import JSON_HEADERS
from pigeonhole.contract.label_sets import LABEL_SETS, LabelSetInfo, LabelSetResponse, LabelSetsResponse, RemovedResponse
from pigeonhole.contract.service import MODELS, AccountResponse, ModelInfo, ModelsResponse

PAGE_SIZE = 100  # the largest page of a listing
ACCOUNT = "/v1/account"


def list_label_sets() -> Flow[list[LabelSetInfo]]:
    """Return all label sets, sorted by name."""
    found: list[LabelSetInfo] = []
    params: dict[str, str | int] = {"limit": PAGE_SIZE}
    while True:
        page = yield from call(LabelSetsResponse, HttpRequest("GET", LABEL_SETS, params=params))
        found += page.label_sets
        if page.cursor is None:
            return found
        params = {**params, "cursor": page.cursor}


def get_label_set(name: str) -> Flow[LabelSetInfo]:
    """Return a label set."""
    answer = yield from call(LabelSetResponse, HttpRequest("GET", _path(name)))
    return answer.label_set


def put_label_set(name: str, labels: Labels, options: Mapping[str, Any]) -> Flow[LabelSetInfo]:
    """Save labels and options under a name."""
    fields = yield from to_label_fields(labels, None, options)
    request = HttpRequest("PUT", _path(name), headers=JSON_HEADERS, content=to_json(fields))
    answer = yield from call(LabelSetResponse, request)
    return answer.label_set


def delete_label_set(name: str) -> Flow[None]:
    """Delete a label set. If the first attempt succeeded, a second one would find nothing to delete."""
    yield from call(RemovedResponse, HttpRequest("DELETE", _path(name), is_repeatable=False))


def list_models() -> Flow[list[ModelInfo]]:
    """Return the deployed models."""
    answer = yield from call(ModelsResponse, HttpRequest("GET", MODELS))
    return answer.models


def get_account() -> Flow[AccountResponse]:
    """Return the caller's tenant, its limits and its prefixes."""
    return (yield from call(AccountResponse, HttpRequest("GET", ACCOUNT)))


def _path(name: str) -> str:
    return f"{LABEL_SETS}/{quote(name, safe='')}"
