"""API keys at the gateway and their records are created and revoked together, whichever step fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pigeonhole.contract.commands import S3Grant
from pigeonhole.errors import InvalidApiKey, NotFound, Overloaded
from pigeonhole.tenants.api_keys import ApiKeyManager, NewApiKey
from pigeonhole.tenants.authenticate import Authenticator
from pigeonhole.tenants.tenant import ApiKeyRecord, Tenant, hash_api_key
from support.fakes import FakeApiKeyRegistry, FakeTenantStore

GRANT = S3Grant(bucket="photos", prefix="acme/")
OTHER = S3Grant(bucket="photos", prefix="other/")


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Deployment:
    """A gateway and a table, in memory. `fail`: lets a call raise, before or after its work."""

    def __init__(self) -> None:
        self.registry, self.store, self.clock = FakeApiKeyRegistry(), FakeTenantStore(), Clock()
        self.keys = ApiKeyManager(registry=self.registry, store=self.store, clock=self.clock)

    def fail(self, part: object, call: str, *, after: bool = False, error: BaseException | None = None) -> None:
        real: Callable[..., Any] = getattr(part, call)

        def failing(*arguments: Any, **options: Any) -> Any:
            if after:
                real(*arguments, **options)
            raise error or OSError(f"{call} failed")

        setattr(part, call, failing)

    def meanwhile(self, call: str, act: Callable[[], object]) -> None:
        """Run `act` during the next call of the gateway."""
        real: Callable[..., Any] = getattr(self.registry, call)

        def interrupted(*arguments: Any) -> Any:
            setattr(self.registry, call, real)
            act()
            return real(*arguments)

        setattr(self.registry, call, interrupted)

    def works(self, value: str) -> bool:
        """Return whether the gateway admits an API key and it has a tenant."""
        opens = any(held == value and key in self.registry.admitted for key, held in self.registry.values.items())
        try:
            Authenticator(store=self.store, clock=self.clock).authenticate(value)
        except InvalidApiKey:
            return False
        return opens

    def is_empty(self) -> bool:
        return not (self.registry.values or self.registry.admitted or self.store.records or self.store.tenants)


@pytest.fixture
def deployment() -> Deployment:
    return Deployment()


def test_a_new_key_works_and_belongs_to_its_tenant(deployment: Deployment) -> None:
    new = deployment.keys.create("acme", "laptop", [GRANT])

    assert deployment.works(new.value)
    assert Authenticator(store=deployment.store).authenticate(new.value) == Tenant("acme", created_at=1_000, grants=(GRANT,))
    assert new.record == ApiKeyRecord("key1", hash_api_key(new.value), "acme", "laptop", created_at=1_000)


def test_a_second_key_joins_the_tenant_and_adds_its_grants(deployment: Deployment) -> None:
    deployment.keys.create("acme", "laptop", [GRANT])
    deployment.clock.now = 2_000
    deployment.keys.create("acme", "server", [GRANT, OTHER])

    assert deployment.store.tenants == {"acme": Tenant("acme", created_at=1_000, grants=(GRANT, OTHER))}
    assert [key.name for key in deployment.keys.list()] == ["laptop", "server"]


def test_the_value_of_a_key_is_not_stored(deployment: Deployment) -> None:
    new = deployment.keys.create("acme", "laptop")

    assert new.value not in repr(deployment.store)


def test_an_impossible_tenant_id_creates_nothing(deployment: Deployment) -> None:
    with pytest.raises(ValueError, match="no tenant id"):
        deployment.keys.create("Acme & Sons", "laptop")

    assert deployment.is_empty()


CREATING = [("registry", "create"), ("store", "add_api_key"), ("registry", "admit")]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("part", "call"), CREATING[1:])
def test_a_failed_creation_leaves_nothing(deployment: Deployment, part: str, call: str, after: bool) -> None:
    deployment.fail(getattr(deployment, part), call, after=after)

    with pytest.raises(OSError, match=f"{call} failed"):
        deployment.keys.create("acme", "laptop")

    assert deployment.is_empty()


@pytest.mark.parametrize(("part", "call"), CREATING[1:])
def test_an_interrupt_leaves_nothing_either(deployment: Deployment, part: str, call: str) -> None:
    deployment.fail(getattr(deployment, part), call, after=True, error=KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt):
        deployment.keys.create("acme", "laptop")

    assert deployment.is_empty()


def test_a_gateway_that_creates_no_key_leaves_nothing(deployment: Deployment) -> None:
    deployment.fail(deployment.registry, "create")

    with pytest.raises(OSError, match="create failed"):
        deployment.keys.create("acme", "laptop")

    assert deployment.is_empty()


def test_a_failure_leaves_the_tenant_and_its_other_key_alone(deployment: Deployment) -> None:
    first = deployment.keys.create("acme", "laptop")
    deployment.fail(deployment.registry, "admit")

    with pytest.raises(OSError, match="admit failed"):
        deployment.keys.create("acme", "server")

    assert deployment.works(first.value)
    assert [key.name for key in deployment.keys.list()] == ["laptop"]


def test_two_keys_created_at_once_lose_no_grant(deployment: Deployment) -> None:
    others: list[NewApiKey] = []
    deployment.meanwhile("create", lambda: others.append(deployment.keys.create("acme", "other", [OTHER])))

    with pytest.raises(Overloaded, match="Try again") as caught:
        deployment.keys.create("acme", "laptop", [GRANT])

    assert not hasattr(caught.value, "__notes__")
    assert deployment.works(others[0].value)
    assert [key.name for key in deployment.keys.list()] == ["other"]
    assert set(deployment.registry.values) == {others[0].record.key_id}
    deployment.keys.create("acme", "laptop", [GRANT])
    assert deployment.store.tenants["acme"].grants == (OTHER, GRANT)


def test_undoing_leaves_the_tenant_of_a_key_that_was_created_meanwhile(deployment: Deployment) -> None:
    others: list[NewApiKey] = []

    def create_and_fail() -> None:
        others.append(deployment.keys.create("acme", "other"))
        raise OSError("admit failed")

    deployment.meanwhile("admit", create_and_fail)
    with pytest.raises(OSError, match="admit failed"):
        deployment.keys.create("acme", "laptop")

    assert deployment.works(others[0].value)
    assert [key.name for key in deployment.keys.list()] == ["other"]


def test_the_record_stays_while_the_gateway_has_the_key_so_that_it_can_be_revoked(deployment: Deployment) -> None:
    deployment.fail(deployment.registry, "admit", after=True)
    delete = deployment.registry.delete
    deployment.fail(deployment.registry, "delete")

    with pytest.raises(OSError, match="admit failed") as caught:
        deployment.keys.create("acme", "laptop")

    (left,) = deployment.keys.list()
    assert left.key_id in " ".join(caught.value.__notes__)
    deployment.registry.delete = delete  # type: ignore[method-assign]
    deployment.keys.revoke(left.key_id)
    assert deployment.registry.values == {}


@pytest.mark.parametrize("stop", range(len(CREATING)))
def test_a_crash_between_two_steps_leaves_no_key_that_works_without_a_tenant(deployment: Deployment, stop: int) -> None:
    """A crash undoes nothing: every later call of this process is lost, too."""
    part, call = CREATING[stop]
    deployment.fail(getattr(deployment, part), call, after=True)
    deployment.fail(deployment.registry, "delete")
    deployment.fail(deployment.store, "delete_api_key")

    with pytest.raises(OSError, match="failed"):
        deployment.keys.create("acme", "laptop")

    for key_id in deployment.registry.admitted:
        assert deployment.store.find_api_key(hash_api_key(deployment.registry.values[key_id]))


def test_a_revoked_key_stops_working_and_stays_in_the_list(deployment: Deployment) -> None:
    new = deployment.keys.create("acme", "laptop")
    deployment.clock.now = 2_000
    deployment.keys.revoke("key1")

    assert not deployment.works(new.value)
    assert deployment.registry.values == {}
    assert [key.ends_at for key in deployment.keys.list()] == [2_000]


def test_a_key_is_refused_as_soon_as_its_revocation_has_begun(deployment: Deployment) -> None:
    new = deployment.keys.create("acme", "laptop")
    delete = deployment.registry.delete
    deployment.fail(deployment.registry, "delete")
    with pytest.raises(OSError, match="delete failed"):
        deployment.keys.revoke("key1")
    assert not deployment.works(new.value)

    deployment.registry.delete = delete  # type: ignore[method-assign]
    deployment.keys.revoke("key1")
    assert deployment.registry.values == {}


def test_revoking_twice_does_not_move_the_end(deployment: Deployment) -> None:
    deployment.keys.create("acme", "laptop")
    deployment.keys.revoke("key1")
    deployment.clock.now = 9_000

    assert deployment.keys.revoke("key1").ends_at == 1_000


def test_a_rotated_key_is_replaced_at_once(deployment: Deployment) -> None:
    old = deployment.keys.create("acme", "laptop")
    new, end_old = deployment.keys.rotate("key1")
    end_old()

    assert deployment.works(new.value)
    assert not deployment.works(old.value)
    assert (new.record.tenant_id, new.record.name) == ("acme", "laptop")


def test_a_rotated_key_may_have_a_grace_period(deployment: Deployment) -> None:
    old = deployment.keys.create("acme", "laptop")
    new, end_old = deployment.keys.rotate("key1", grace_s=60)

    assert end_old().ends_at == 1_060
    assert deployment.works(old.value)
    deployment.clock.now = 1_060
    assert not deployment.works(old.value)
    assert deployment.works(new.value)


def test_grace_never_prolongs_a_key(deployment: Deployment) -> None:
    deployment.keys.create("acme", "laptop")
    deployment.keys.revoke("key1")

    assert deployment.keys.rotate("key1", grace_s=60)[1]().ends_at == 1_000


def test_a_rotation_that_fails_leaves_the_old_key_working(deployment: Deployment) -> None:
    old = deployment.keys.create("acme", "laptop")
    deployment.fail(deployment.store, "add_api_key")

    with pytest.raises(OSError, match="add_api_key failed"):
        deployment.keys.rotate("key1")

    assert deployment.works(old.value)


@pytest.mark.parametrize("call", [lambda keys: keys.revoke("foreign"), lambda keys: keys.rotate("foreign")])
def test_a_key_of_another_application_is_not_touched(deployment: Deployment, call: Callable[[ApiKeyManager], object]) -> None:
    deployment.registry.values["foreign"] = "another application's key"

    with pytest.raises(NotFound, match="foreign"):
        call(deployment.keys)

    assert "foreign" in deployment.registry.values
