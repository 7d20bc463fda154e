"""Every operation is declared once, and functions/api answers each of them."""

from __future__ import annotations

import inspect
import re

import pytest

from pigeonhole.api.routes import OPERATIONS, find_methods, find_operation, find_route
from support.handlers import load


def test_every_operation_has_an_endpoint_and_every_endpoint_an_operation() -> None:
    assert list(load("api").ENDPOINTS) == [operation.id for operation in OPERATIONS]


def test_an_endpoint_takes_the_parameters_of_its_path() -> None:
    endpoints = load("api").ENDPOINTS

    for operation in OPERATIONS:
        _, *names = inspect.signature(endpoints[operation.id]).parameters
        assert names == re.findall(r"\{(\w+)\}", operation.path), operation.id


@pytest.mark.parametrize("parameter", ["pets", "😀", 'a"b', "a?b", "a%3Fb", "\x00", "\n", "#", "a b", "\\"])
def test_a_parameter_of_a_path_may_have_any_sign_except_a_slash(parameter: str) -> None:
    for operation in OPERATIONS:
        path, names = re.subn(r"\{\w+\}", lambda _: parameter, operation.path)
        for method in operation.methods:
            found = find_operation(method, path)
            assert found is not None
            assert (found[0].id, list(found[1].values())) == (operation.id, [parameter] * names)


def test_a_request_that_no_operation_takes_has_none() -> None:
    assert find_operation("POST", "/v1/health") is None
    assert find_operation("HEAD", "/v1/classification") is None
    assert find_operation("GET", "/v1/label-sets/a/b") is None


def test_no_two_operations_are_alike() -> None:
    assert len({operation.id for operation in OPERATIONS}) == len(OPERATIONS)
    assert len({(operation.method, operation.path) for operation in OPERATIONS}) == len(OPERATIONS)


@pytest.mark.parametrize(
    ("path", "route", "methods"),
    [
        ("/v1/classification", "/v1/classification", ("POST",)),
        ("/v1/classification/jobs", "/v1/classification/jobs", ("POST", "GET", "HEAD")),
        ("/v1/classification/jobs/17", "/v1/classification/jobs/{job_id}", ("GET", "HEAD", "DELETE")),
        ("/v1/classification/jobs/17/x", None, ()),
        ("/v1/label-sets/pets", "/v1/label-sets/{name}", ("PUT", "GET", "HEAD", "DELETE")),
        ("/v1/label-sets/", None, ()),
        ("/openapi.json", "/openapi.json", ("GET", "HEAD")),
        ("/openapi-json", None, ()),
    ],
)
def test_a_path_has_a_route_and_its_methods(path: str, route: str | None, methods: tuple[str, ...]) -> None:
    assert (find_route(path), find_methods(path)) == (route, methods)
