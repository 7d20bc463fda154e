"""`pigeonhole keys`: what it prints to which output, and its exit codes."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner, Result

from pigeonhole.contract.commands import S3Grant
from pigeonhole.errors import NotFound
from pigeonhole.tenants.api_keys import ApiKeyManager
from pigeonhole.tenants.tenant import hash_api_key
from pigeonhole_cli import keys
from pigeonhole_cli.main import app
from support.fakes import FakeApiKeyRegistry, FakeTenantStore


class Stack:
    """A deployment in memory, and the command line that uses it."""

    def __init__(self) -> None:
        self.registry, self.store = FakeApiKeyRegistry(), FakeTenantStore()
        self.calls: list[tuple[str, str | None]] = []

    def api_key_manager(self, stack_name: str, endpoint_url: str | None) -> ApiKeyManager:
        self.calls.append((stack_name, endpoint_url))
        return ApiKeyManager(registry=self.registry, store=self.store)

    def run(self, *arguments: str, exit_code: int = 0) -> Result:
        result = CliRunner().invoke(app, ["keys", *arguments])
        assert result.exit_code == exit_code, result.output
        return result


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Stack:
    stack = Stack()
    monkeypatch.setattr(keys, "api_key_manager", stack.api_key_manager)
    return stack


def test_only_a_new_api_key_is_printed_to_standard_output(stack: Stack) -> None:
    result = stack.run("create", "acme", "--name", "laptop")

    api_key = result.stdout.removesuffix("\n")
    assert re.fullmatch(r"pgh\w{40}", api_key)
    assert stack.store.records["key1"].key_hash == hash_api_key(api_key)
    assert api_key not in result.stderr
    assert "key1 of tenant acme" in result.stderr


def test_a_tenant_may_be_granted_prefixes(stack: Stack) -> None:
    stack.run("create", "acme", "--grant", "s3://photos/acme/", "--grant", "s3://photos/shared/")

    assert stack.store.tenants["acme"].grants == tuple(
        S3Grant(bucket="photos", prefix=prefix) for prefix in ("acme/", "shared/")
    )


@pytest.mark.parametrize("grant", ["s3://photos", "s3://photos/", "s3://photos/acme", "photos/acme/", "s3:///acme/", ""])
def test_an_invalid_grant_or_that_of_a_whole_bucket_creates_nothing(stack: Stack, grant: str) -> None:
    assert "s3://bucket/prefix/" in stack.run("create", "acme", "--grant", grant, exit_code=2).stderr
    assert stack.calls == []


def test_the_list_contains_no_api_key(stack: Stack) -> None:
    api_key = stack.run("create", "acme", "--name", "laptop").stdout.strip()
    stack.run("create", "other")
    stack.run("revoke", "key2")
    result = stack.run("list")

    head, first, second = result.stdout.splitlines()
    assert head.split() == ["KEY", "ID", "TENANT", "NAME", "CREATED", "STATUS"]
    assert re.fullmatch(r"key1    acme    laptop   20\d\d-\d\d-\d\d \d\d:\d\d UTC  active", first)
    assert re.fullmatch(r"key2    other   default  20\d\d-\d\d-\d\d \d\d:\d\d UTC  ended 20.*UTC", second)
    assert api_key not in result.output


def test_rotate_revokes_the_old_key_at_once(stack: Stack) -> None:
    old = stack.run("create", "acme").stdout.strip()
    result = stack.run("rotate", "key1")

    assert result.stdout.strip() not in ("", old)
    assert "old key key1 is revoked" in result.stderr
    assert set(stack.registry.admitted) == {"key2"}


@pytest.mark.parametrize(("grace", "seconds"), [("90s", 90), ("30m", 1_800), ("24h", 86_400), ("7d", 604_800)])
def test_rotate_prints_the_end_of_the_grace_period(stack: Stack, grace: str, seconds: int) -> None:
    stack.run("create", "acme")
    result = stack.run("rotate", "key1", "--grace", grace)

    old = stack.store.records["key1"]
    assert old.ends_at is not None
    assert old.ends_at - old.created_at == pytest.approx(seconds, abs=30)
    assert "old key key1 is valid until 20" in result.stderr
    assert set(stack.registry.admitted) == {"key1", "key2"}


@pytest.mark.parametrize("grace", ["7", "a week", "-1d", "1.5h"])
def test_an_invalid_grace_period_creates_nothing(stack: Stack, grace: str) -> None:
    stack.run("create", "acme")

    assert "30m, 24h, 7d" in stack.run("rotate", "key1", "--grace", grace, exit_code=2).stderr
    assert list(stack.store.records) == ["key1"]


def test_rotate_prints_the_new_key_even_if_the_old_one_could_not_be_revoked(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.run("create", "acme")

    def fail(key_id: str) -> None:
        raise NotFound("the gateway is gone")

    monkeypatch.setattr(stack.registry, "delete", fail)
    result = stack.run("rotate", "key1", exit_code=1)

    assert hash_api_key(result.stdout.strip()) == stack.store.records["key2"].key_hash
    assert "pigeonhole keys revoke key1" in result.stderr
    assert "error: the gateway is gone" in result.stderr


def test_revoke_may_be_repeated(stack: Stack) -> None:
    stack.run("create", "acme")
    for _ in range(2):
        assert "key1 is revoked" in stack.run("revoke", "key1").stderr

    assert stack.registry.values == {}


def test_an_unknown_key_is_reported_in_one_line(stack: Stack) -> None:
    result = stack.run("revoke", "key9", exit_code=1)

    assert result.output.startswith("error: ")
    assert "'key9'" in result.output
    assert result.output.count("\n") == 1


def test_an_invalid_tenant_id_is_reported_in_one_line(stack: Stack) -> None:
    stderr = stack.run("create", "A B", exit_code=1).stderr

    assert stderr.startswith("error: ")
    assert "'A B'" in stderr
    assert stderr.count("\n") == 1


def test_a_key_that_could_not_be_removed_after_a_failure_is_named(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise NotFound("no usage plan")

    monkeypatch.setattr(stack.registry, "admit", fail)
    monkeypatch.setattr(stack.registry, "delete", fail)

    assert "key1" in stack.run("create", "acme", exit_code=1).stderr


@pytest.mark.parametrize("command", [["list"], ["create", "acme"], ["rotate", "key1"], ["revoke", "key1"]])
def test_stack_and_endpoint_are_options(stack: Stack, command: list[str]) -> None:
    stack.run("create", "acme")
    stack.run(*command)
    stack.run(*command, "--stack-name", "other", "--endpoint-url", "http://127.0.0.1:8081")

    assert stack.calls[1:] == [("pigeonhole", None), ("other", "http://127.0.0.1:8081")]
