"""`pigeonhole keys`: what it prints where, and how it ends."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner, Result

from pigeonhole.contract.messages import S3Grant
from pigeonhole.errors import NotFound
from pigeonhole.tenants.api_keys import ApiKeyManager
from pigeonhole.tenants.tenant import hash_api_key
from pigeonhole_cli import keys
from pigeonhole_cli.main import app
from support.fakes import FakeApiKeyRegistry, FakeTenantStore


class Stack:
    """A deployment in memory, and the command line in front of it."""

    def __init__(self) -> None:
        self.registry, self.store = FakeApiKeyRegistry(), FakeTenantStore()
        self.asked: list[tuple[str, str | None]] = []

    def services(self, stack_name: str, endpoint_url: str | None) -> ApiKeyManager:
        self.asked.append((stack_name, endpoint_url))
        return ApiKeyManager(registry=self.registry, store=self.store)

    def run(self, *arguments: str, exit_code: int = 0) -> Result:
        result = CliRunner().invoke(app, ["keys", *arguments])
        assert result.exit_code == exit_code, result.output
        return result


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Stack:
    stack = Stack()
    monkeypatch.setattr(keys, "services", stack.services)
    return stack


def test_a_new_key_is_all_that_goes_to_standard_output(stack: Stack) -> None:
    result = stack.run("create", "acme", "--name", "laptop")

    key = result.stdout.removesuffix("\n")
    assert re.fullmatch(r"pgh\w{40}", key)
    assert stack.store.records["key1"].key_hash == hash_api_key(key)
    assert key not in result.stderr
    assert "key1 of tenant acme" in result.stderr


def test_a_tenant_may_be_granted_prefixes(stack: Stack) -> None:
    stack.run("create", "acme", "--grant", "s3://photos/acme/", "--grant", "s3://photos/shared/")

    assert stack.store.tenants["acme"].grants == tuple(S3Grant(bucket="photos", prefix=it) for it in ("acme/", "shared/"))


@pytest.mark.parametrize("grant", ["s3://photos", "s3://photos/", "s3://photos/acme", "photos/acme/", "s3:///acme/", ""])
def test_a_grant_of_a_whole_bucket_or_of_nonsense_makes_nothing(stack: Stack, grant: str) -> None:
    assert "s3://bucket/prefix/" in stack.run("create", "acme", "--grant", grant, exit_code=2).stderr
    assert stack.asked == []


def test_the_list_has_everything_but_the_keys(stack: Stack) -> None:
    value = stack.run("create", "acme", "--name", "laptop").stdout.strip()
    stack.run("create", "other")
    stack.run("revoke", "key2")
    result = stack.run("list")

    head, first, second = result.stdout.splitlines()
    assert head.split() == ["KEY", "ID", "TENANT", "NAME", "CREATED", "STATUS"]
    assert re.fullmatch(r"key1    acme    laptop   20\d\d-\d\d-\d\d \d\d:\d\d UTC  active", first)
    assert re.fullmatch(r"key2    other   default  20\d\d-\d\d-\d\d \d\d:\d\d UTC  ended 20.*UTC", second)
    assert value not in result.output


def test_a_key_is_rotated_at_once_and_says_so(stack: Stack) -> None:
    old = stack.run("create", "acme").stdout.strip()
    result = stack.run("rotate", "key1")

    assert result.stdout.strip() not in ("", old)
    assert "old key key1 is revoked" in result.stderr
    assert set(stack.registry.admitted) == {"key2"}


@pytest.mark.parametrize(("grace", "seconds"), [("90s", 90), ("30m", 1_800), ("24h", 86_400), ("7d", 604_800)])
def test_a_key_is_rotated_with_a_time_of_grace_and_says_until_when(stack: Stack, grace: str, seconds: int) -> None:
    stack.run("create", "acme")
    result = stack.run("rotate", "key1", "--grace", grace)

    old = stack.store.records["key1"]
    assert old.ends_at is not None
    assert old.ends_at - old.created_at == pytest.approx(seconds, abs=30)
    assert "old key key1 is valid until 20" in result.stderr
    assert set(stack.registry.admitted) == {"key1", "key2"}


@pytest.mark.parametrize("grace", ["7", "a week", "-1d", "1.5h"])
def test_a_time_of_grace_that_is_none_makes_nothing(stack: Stack, grace: str) -> None:
    stack.run("create", "acme")

    assert "30m, 24h, 7d" in stack.run("rotate", "key1", "--grace", grace, exit_code=2).stderr
    assert list(stack.store.records) == ["key1"]


def test_a_new_key_is_shown_even_if_the_old_one_could_not_be_ended(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.run("create", "acme")

    def fail(key_id: str) -> None:
        raise NotFound("the gateway is gone")

    monkeypatch.setattr(stack.registry, "delete", fail)
    result = stack.run("rotate", "key1", exit_code=1)

    assert hash_api_key(result.stdout.strip()) == stack.store.records["key2"].key_hash
    assert "pigeonhole keys revoke key1" in result.stderr
    assert "error: the gateway is gone" in result.stderr


def test_a_key_is_revoked_and_may_be_revoked_again(stack: Stack) -> None:
    stack.run("create", "acme")
    for _ in range(2):
        assert "key1 is revoked" in stack.run("revoke", "key1").stderr

    assert stack.registry.values == {}


def test_an_unknown_key_is_told_in_one_line(stack: Stack) -> None:
    result = stack.run("revoke", "key9", exit_code=1)

    assert result.output == "error: there is no key 'key9'; `pigeonhole keys list` shows those there are\n"


def test_an_impossible_tenant_is_told_in_one_line(stack: Stack) -> None:
    assert stack.run("create", "A B", exit_code=1).stderr.startswith("error: 'A B' is no tenant id")


def test_what_could_not_be_taken_back_is_told(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise NotFound("no usage plan")

    monkeypatch.setattr(stack.registry, "admit", fail)
    monkeypatch.setattr(stack.registry, "delete", fail)

    assert "key key1 may be left" in stack.run("create", "acme", exit_code=1).stderr


@pytest.mark.parametrize("command", [["list"], ["create", "acme"], ["rotate", "key1"], ["revoke", "key1"]])
def test_the_stack_and_where_it_is_may_be_named(stack: Stack, command: list[str]) -> None:
    stack.run("create", "acme")
    stack.run(*command)
    stack.run(*command, "--stack-name", "other", "--endpoint-url", "http://127.0.0.1:8081")

    assert stack.asked[1:] == [("pigeonhole", None), ("other", "http://127.0.0.1:8081")]
