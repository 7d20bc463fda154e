"""TenantStore: the fake and DynamoDB's adapter behave alike."""

from __future__ import annotations

import json
import shlex
import socket
from dataclasses import replace
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from pigeonhole.aws.dynamodb.tenants import DynamoTenantStore
from pigeonhole.contract.commands import S3Grant
from pigeonhole.errors import Overloaded
from pigeonhole.tenants.ports import TenantStore
from pigeonhole.tenants.tenant import ApiKeyRecord, Tenant
from support import pages
from support.fakes import FakeTenantStore
from support.moto_aws import REGION, TABLE, create_table, unconnected_client

GRANTS = (S3Grant(bucket="photos", prefix="acme/"), S3Grant(bucket="photos", prefix="shared/å/"))
ACME = Tenant("acme", created_at=1_000, grants=GRANTS)
LAPTOP = ApiKeyRecord("id1", "hash1", "acme", "laptop", created_at=1_000)
SERVER = ApiKeyRecord("id2", "hash2", "acme", "server", created_at=2_000, ends_at=3_000)


@pytest.fixture
def store(is_real: bool) -> TenantStore:
    return DynamoTenantStore(create_table(), TABLE) if is_real else FakeTenantStore()


def test_an_empty_store_finds_nothing(store: TenantStore) -> None:
    assert (store.find_api_key("hash1"), store.get_tenant("acme"), store.get_api_key("id1"), store.list_api_keys()) == (
        None,
        None,
        None,
        [],
    )


def test_an_added_api_key_is_found_in_every_way(store: TenantStore) -> None:
    store.add_api_key(LAPTOP, ACME, known=None)

    assert store.find_api_key("hash1") == (LAPTOP, ACME)
    assert store.get_tenant("acme") == ACME
    assert store.get_api_key("id1") == LAPTOP
    assert store.list_api_keys() == [LAPTOP]


def test_api_keys_are_listed_oldest_first(store: TenantStore) -> None:
    store.add_api_key(SERVER, ACME, known=None)
    store.add_api_key(LAPTOP, ACME, known=ACME)

    assert store.list_api_keys() == [LAPTOP, SERVER]


def test_adding_an_api_key_replaces_its_tenant(store: TenantStore) -> None:
    store.add_api_key(LAPTOP, ACME, known=None)
    store.add_api_key(SERVER, Tenant("acme", created_at=1_000), known=ACME)

    assert store.get_tenant("acme") == Tenant("acme", created_at=1_000)


@pytest.mark.parametrize("known", [None, Tenant("acme", created_at=1_000), replace(ACME, grants=GRANTS[:1])])
def test_a_tenant_that_changed_since_it_was_read_gets_no_api_key(store: TenantStore, known: Tenant | None) -> None:
    store.add_api_key(LAPTOP, ACME, known=None)

    with pytest.raises(Overloaded):
        store.add_api_key(SERVER, Tenant("acme", created_at=2_000), known=known)
    assert store.get_tenant("acme") == ACME
    assert (store.list_api_keys(), store.find_api_key("hash2")) == ([LAPTOP], None)


def test_a_tenant_that_was_deleted_since_it_was_read_gets_no_api_key(store: TenantStore) -> None:
    with pytest.raises(Overloaded):
        store.add_api_key(SERVER, ACME, known=ACME)
    assert (store.get_tenant("acme"), store.list_api_keys()) == (None, [])


def test_an_end_is_stored_wherever_the_api_key_is_found(store: TenantStore) -> None:
    store.add_api_key(LAPTOP, ACME, known=None)
    store.end_api_key(LAPTOP, 5_000)

    by_hash = store.find_api_key("hash1")
    assert by_hash is not None
    api_keys = [by_hash[0], store.get_api_key("id1"), *store.list_api_keys()]
    assert [api_key.ends_at for api_key in api_keys if api_key] == [5_000, 5_000, 5_000]


def test_a_deleted_api_key_is_not_found_and_its_tenant_stays(store: TenantStore) -> None:
    store.add_api_key(LAPTOP, ACME, known=None)
    store.add_api_key(SERVER, ACME, known=ACME)
    store.delete_api_key(LAPTOP, with_tenant=False)

    assert (store.find_api_key("hash1"), store.get_api_key("id1"), store.list_api_keys()) == (None, None, [SERVER])
    assert store.find_api_key("hash2") == (SERVER, ACME)


def test_an_api_key_may_be_deleted_with_its_tenant(store: TenantStore) -> None:
    store.add_api_key(LAPTOP, ACME, known=None)
    store.delete_api_key(LAPTOP, with_tenant=True)

    assert (store.find_api_key("hash1"), store.get_tenant("acme")) == (None, None)


def test_a_tenant_with_a_later_api_key_stays_when_the_first_is_deleted(store: TenantStore) -> None:
    store.add_api_key(LAPTOP, ACME, known=None)
    store.add_api_key(SERVER, ACME, known=ACME)
    store.delete_api_key(LAPTOP, with_tenant=True)

    assert store.find_api_key("hash1") is None
    assert store.find_api_key("hash2") == (SERVER, ACME)


def test_deleting_an_absent_api_key_is_no_error(store: TenantStore) -> None:
    store.delete_api_key(LAPTOP, with_tenant=True)

    assert store.list_api_keys() == []


def test_an_api_key_without_a_tenant_is_not_found_by_its_hash(store: TenantStore) -> None:
    store.add_api_key(LAPTOP, ACME, known=None)
    store.add_api_key(SERVER, ACME, known=ACME)
    store.delete_api_key(SERVER, with_tenant=True)

    assert store.find_api_key("hash1") is None


@pytest.mark.usefixtures("aws")
def test_the_documented_command_revokes_a_grant() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text()
    (command,) = [block.code for block in pages.blocks(page) if block.code.startswith("aws dynamodb update-item")]
    words = shlex.split(command.replace("\\\n", " "))
    options = dict(zip(words[3::2], words[4::2], strict=True))
    client = create_table()
    store = DynamoTenantStore(client, TABLE)
    store.add_api_key(LAPTOP, ACME, known=None)
    client.update_item(
        TableName=TABLE,
        Key=json.loads(options["--key"]),
        ConditionExpression=options["--condition-expression"],
        UpdateExpression=options["--update-expression"],
        ExpressionAttributeValues=json.loads(options["--expression-attribute-values"]),
    )

    remaining = Tenant("acme", created_at=1_000, grants=(S3Grant(bucket="my-bucket", prefix="acme/"),))
    assert store.find_api_key("hash1") == (LAPTOP, remaining)


@pytest.mark.usefixtures("aws")
def test_many_api_keys_are_listed_over_several_pages() -> None:
    store = DynamoTenantStore(create_table(), TABLE)
    name = "x" * 30_000  # a page ends at 1 MB
    api_keys = [ApiKeyRecord(f"id{number}", f"hash{number}", "acme", name, created_at=number) for number in range(40)]
    for api_key in api_keys:
        store.add_api_key(api_key, ACME, known=store.get_tenant("acme"))

    assert store.list_api_keys() == api_keys


@pytest.mark.usefixtures("aws")
def test_ending_an_unknown_api_key_creates_no_item() -> None:
    store = DynamoTenantStore(create_table(), TABLE)
    with pytest.raises(ClientError):
        store.end_api_key(LAPTOP, 5_000)

    assert store.list_api_keys() == []


@pytest.mark.parametrize("code", ["ThrottlingException", "ProvisionedThroughputExceededException", "InternalServerError"])
def test_a_busy_table_is_an_overload(code: str) -> None:
    client = unconnected_client("dynamodb")
    with Stubber(client) as stub:
        stub.add_client_error("get_item", code)
        with pytest.raises(Overloaded):
            DynamoTenantStore(client, TABLE).find_api_key("hash1")


def test_an_absent_table_is_an_error_of_the_service() -> None:
    client = unconnected_client("dynamodb")
    with Stubber(client) as stub:
        stub.add_client_error("get_item", "ResourceNotFoundException")
        with pytest.raises(ClientError):
            DynamoTenantStore(client, TABLE).find_api_key("hash1")


def test_a_table_that_cannot_be_reached_is_an_overload() -> None:
    with socket.socket() as unconnected:  # bound, but not listening
        unconnected.bind(("127.0.0.1", 0))
        client = boto3.client(
            "dynamodb",
            region_name=REGION,
            aws_access_key_id="x",
            aws_secret_access_key="x",
            endpoint_url=f"http://127.0.0.1:{unconnected.getsockname()[1]}",
            config=Config(retries={"total_max_attempts": 1}),
        )
        with pytest.raises(Overloaded):
            DynamoTenantStore(client, TABLE).find_api_key("hash1")
