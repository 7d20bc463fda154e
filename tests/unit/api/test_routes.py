"""Every operation is declared once, and functions/api answers each of them."""

from __future__ import annotations

import inspect
import re

import pytest

from pigeonhole.api.routes import OPERATIONS, find_methods, find_route
from support.handlers import load


def test_every_operation_has_an_endpoint_and_every_endpoint_an_operation() -> None:
    assert list(load("api").ENDPOINTS) == [operation.id for operation in OPERATIONS]


def test_an_endpoint_takes_the_parameters_of_its_path() -> None:
    endpoints = load("api").ENDPOINTS

    for operation in OPERATIONS:
        _, *names = inspect.signature(endpoints[operation.id]).parameters
        assert names == re.findall(r"\{(\w+)\}", operation.path), operation.id


def test_the_resolver_has_the_route_of_each_operation_and_no_other() -> None:
    resolver = load("api").app
    routes = {(route.method, route.path) for route in resolver._static_routes + resolver._dynamic_routes}

    assert routes == {(operation.method, operation.rule) for operation in OPERATIONS}


def test_no_two_operations_are_alike() -> None:
    assert len({operation.id for operation in OPERATIONS}) == len(OPERATIONS)
    assert len({(operation.method, operation.path) for operation in OPERATIONS}) == len(OPERATIONS)


@pytest.mark.parametrize(
    ("path", "route", "methods"),
    [
        ("/v1/classification", "/v1/classification", ("POST",)),
        ("/v1/classification/jobs", "/v1/classification/jobs", ("POST", "GET")),
        ("/v1/classification/jobs/17", "/v1/classification/jobs/{job_id}", ("GET", "DELETE")),
        ("/v1/classification/jobs/17/x", None, ()),
        ("/v1/label-sets/pets", "/v1/label-sets/{name}", ("PUT", "GET", "DELETE")),
        ("/v1/label-sets/", None, ()),
        ("/openapi.json", "/openapi.json", ("GET",)),
        ("/openapi-json", None, ()),
    ],
)
def test_a_path_has_a_route_and_its_methods(path: str, route: str | None, methods: tuple[str, ...]) -> None:
    assert (find_route(path), find_methods(path)) == (route, methods)
