"""JobStore: the fake and DynamoDB's adapter behave alike."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from pigeonhole.aws.dynamodb.job_records import AGENDA_SHARDS
from pigeonhole.aws.dynamodb.jobs import DynamoJobStore
from pigeonhole.contract.jobs import JobStatus
from pigeonhole.contract.labels import LabelSetRef
from pigeonhole.contract.spans import Span
from pigeonhole.errors import Overloaded
from pigeonhole.ids import new_id
from pigeonhole.jobs.job import IdempotencyClaim, Job
from pigeonhole.jobs.ports import DueJobs, JobStore
from pigeonhole.jobs.webhook import Webhook
from support.fakes import FakeJobStore
from support.job_fixtures import ID, job, job_id, part
from support.moto_aws import TABLE, create_table, unconnected_client

CLAIM = IdempotencyClaim("acme", key_hash="k" * 64, body_hash="b" * 64, job_id=ID, expires_at=90_000)
NOW = 2_000.25
NOTHING = DueJobs([], [], None)


@pytest.fixture
def store(is_real: bool) -> JobStore:
    return DynamoJobStore(create_table(), TABLE) if is_real else FakeJobStore()


def stored(store: JobStore, **changes: Any) -> Job:
    """Create a job in the store."""
    new = job(**changes)
    assert store.create(new, None)
    return new


def processing(store: JobStore) -> Job:
    started = stored(store).started(NOW)
    assert store.save(started)
    return started


def test_an_empty_store_finds_nothing(store: JobStore) -> None:
    assert (store.get("acme", ID), store.find_claim("acme", "k"), store.list_parts("acme", ID)) == (None, None, [])
    assert store.list_page("acme", None, 10, None).items == []
    assert store.list_due(1e12, 10) == NOTHING


def test_a_job_is_read_as_it_was_written(store: JobStore) -> None:
    first = stored(store, label_set=LabelSetRef(name="pets", version=3))
    assert store.get("acme", ID) == first

    for following in (first.queued(NOW, due_at=3_000.125), ended := first.queued(NOW, 3_000.125).started(NOW)):
        assert store.save(following)
        assert store.get("acme", ID) == following
    last = ended.with_part(part(0, 10, failed=2), NOW + 1)
    assert store.save(last, part(0, 10, failed=2))
    assert store.get("acme", ID) == last


def test_a_tenant_has_no_job_of_another(store: JobStore) -> None:
    stored(store)

    assert store.get("zeta", ID) is None
    assert store.list_page("zeta", None, 10, None).items == []


def test_a_job_is_created_once(store: JobStore) -> None:
    first = stored(store)

    assert not store.create(job(total=3), None)
    assert store.get("acme", ID) == first


def test_a_claim_is_stored_with_its_job(store: JobStore) -> None:
    assert store.create(job(), CLAIM)

    assert store.find_claim("acme", CLAIM.key_hash) == CLAIM
    assert store.find_claim("zeta", CLAIM.key_hash) is None


def test_the_second_claim_on_an_idempotency_key_creates_no_job(store: JobStore) -> None:
    store.create(job(), CLAIM)
    late = job(id=job_id(5))

    assert not store.create(late, replace(CLAIM, job_id=late.id))
    assert (store.get("acme", late.id), store.find_claim("acme", CLAIM.key_hash)) == (None, CLAIM)


def test_an_expired_claim_is_replaced(store: JobStore) -> None:
    store.create(job(), CLAIM)
    late = job(id=job_id(5), created_at=float(CLAIM.expires_at))

    assert store.create(late, replace(CLAIM, job_id=late.id))
    claim = store.find_claim("acme", CLAIM.key_hash)
    assert claim is not None
    assert claim.job_id == late.id


def test_only_one_of_two_writers_of_a_version_succeeds(store: JobStore) -> None:
    first = stored(store)

    assert store.save(first.started(NOW))
    assert not store.save(first.canceled(NOW))
    assert store.get("acme", ID) == first.started(NOW)


def test_a_deleted_job_is_not_written_again(store: JobStore) -> None:
    assert not store.save(job().started(NOW))
    assert store.get("acme", ID) is None


def test_an_illegal_transition_is_not_written_whatever_its_version(store: JobStore) -> None:
    ended = processing(store).canceled(NOW)
    assert store.save(ended)

    assert not store.save(replace(ended, status=JobStatus.SUCCEEDED, version=ended.version + 1))
    assert not store.save(replace(ended, status=JobStatus.QUEUED, version=ended.version + 1))


def test_a_part_and_its_count_are_written_together_or_not_at_all(store: JobStore) -> None:
    begun = processing(store)
    after = begun.with_part(part(0, 4), NOW)
    assert store.save(after, part(0, 4))

    assert not store.save(begun.with_part(part(4, 8), NOW), part(4, 8))  # of an older version
    assert not store.save(after.with_part(part(0, 2), NOW), part(0, 2))  # begins where another does
    assert store.list_parts("acme", ID) == [part(0, 4)]
    assert store.get("acme", ID) == after


def test_parts_are_listed_in_order_as_they_were_written(store: JobStore) -> None:
    parts = [part(8, 10, failed=2), part(0, 4, data=bytes(range(256))), part(4, 8, data=None, object_key="results/x")]
    current = processing(store)
    for next_part in parts:
        current = current.with_part(next_part, NOW)
        assert store.save(current, next_part)

    assert store.list_parts("acme", ID) == [parts[1], parts[2], parts[0]]
    assert store.list_part_spans("acme", ID, Span(0, 8)) == [Span(0, 4), Span(4, 8)]
    assert store.list_part_spans("acme", ID, Span(5, 9)) == [Span(8, 10)]
    assert store.list_parts("acme", job_id(1)) == []


def test_a_list_has_the_newest_first_and_continues_where_a_page_ended(store: JobStore) -> None:
    jobs = [stored(store, id=job_id(number)) for number in range(5)]

    first = store.list_page("acme", None, 2, None)
    second = store.list_page("acme", None, 2, first.next)
    third = store.list_page("acme", None, 2, second.next)

    assert [first.items, second.items, third.items] == [[jobs[4], jobs[3]], [jobs[2], jobs[1]], [jobs[0]]]
    assert third.next is None


def test_a_page_that_ends_with_the_list_has_no_next(store: JobStore) -> None:
    stored(store)

    assert store.list_page("acme", None, 1, None).next is None


def test_a_list_of_one_status_has_full_pages(store: JobStore) -> None:
    for number in range(6):
        queued = stored(store, id=job_id(number))
        if number % 2:
            store.save(queued.started(NOW))

    first = store.list_page("acme", JobStatus.PROCESSING, 2, None)
    second = store.list_page("acme", JobStatus.PROCESSING, 2, first.next)

    assert [job.id for job in first.items + second.items] == [job_id(5), job_id(3), job_id(1)]
    assert all(job.status is JobStatus.PROCESSING for job in first.items)
    assert (len(first.items), second.next) == (2, None)


@pytest.mark.usefixtures("aws")
def test_a_job_that_the_index_lists_with_its_last_status_is_left_out() -> None:
    client = create_table()
    store = DynamoJobStore(client, TABLE)
    jobs = [stored(store, id=job_id(number)) for number in range(3)]
    store.save(jobs[1].started(NOW))
    # moto's index never lags. This change makes the index list the job with its last status.
    client.update_item(
        TableName=TABLE,
        Key={"pk": {"S": "JOBS#acme"}, "sk": {"S": jobs[1].id}},
        UpdateExpression="SET tenant_status = :before",
        ExpressionAttributeValues={":before": {"S": "acme#queued"}},
    )

    first = store.list_page("acme", JobStatus.QUEUED, 2, None)
    second = store.list_page("acme", JobStatus.QUEUED, 2, first.next)

    assert (first.items, second.items, second.next) == ([jobs[2]], [jobs[0]], None)


def test_attempts_are_counted_for_each_span_of_a_job(store: JobStore) -> None:
    first, second = stored(store, id=job_id(1)), stored(store, id=job_id(2))

    assert [store.add_attempt(first, Span(0, 4)) for _ in range(3)] == [1, 2, 3]
    store.add_attempt(first, Span(0, 2))
    store.add_attempt(second, Span(0, 4))

    assert store.count_attempts(first, Span(0, 4)) == 3
    assert [store.count_attempts(second, span) for span in (Span(0, 4), Span(4, 8))] == [1, 0]
    assert store.list_parts("acme", first.id) == []


def test_due_jobs_are_listed_longest_due_first(store: JobStore) -> None:
    late = stored(store, id=job_id(1), tenant_id="zeta", due_at=60.5)
    early = stored(store, id=job_id(2), due_at=9.25)
    stored(store, id=job_id(3), due_at=60.75)
    stored(store, id=job_id(4), due_at=None)

    assert store.list_due(60.5, 10) == DueJobs([early, late], [], None)
    first = store.list_due(60.5, 1)
    second = store.list_due(60.5, 1, first.next)
    assert (first.jobs, second.jobs) == ([early], [late])
    assert first.next is not None
    assert second.next is None or store.list_due(60.5, 1, second.next) == NOTHING


def test_due_jobs_of_all_hash_keys_are_paged_longest_due_first(store: JobStore) -> None:
    ids = [f"{number:012x}" + f"{number * 7:020x}" for number in range(30)]
    due = [stored(store, id=new_id, due_at=float(number // 2)) for number, new_id in enumerate(ids)]
    listed: list[Job] = []
    start = None
    while True:
        page = store.list_due(20.0, 4, start)
        listed += page.jobs
        start = page.next
        if start is None:
            break

    assert [job.due_at for job in listed] == sorted(job.due_at for job in due if job.due_at is not None)
    assert {job.id for job in listed} == set(ids)


def test_a_job_without_further_work_is_not_due(store: JobStore) -> None:
    end = processing(store).canceled(NOW)
    store.save(end)
    assert store.list_due(1e12, 10).jobs == [end]
    store.save(end := end.with_notification_claimed(NOW))
    store.save(end := end.with_notification_published())
    store.save(end := end.with_results_object())
    assert store.get("acme", ID) == end

    assert store.list_due(1e12, 10) == NOTHING


def test_a_jobs_webhook_and_its_attempts_are_read_as_they_were_written(store: JobStore) -> None:
    current = stored(store, webhook=Webhook("https://acme.example.com/hook?a=b"))
    assert store.get("acme", ID) == current
    current = current.canceled(NOW)
    store.save(current)

    for status, error in ((None, "no connection"), (500, None), (204, None)):
        assert current.webhook
        current = current.with_webhook(current.webhook.with_attempt_begun(NOW, 60, 30.5))
        assert store.save(current)
        assert current.webhook
        current = current.with_webhook(current.webhook.with_attempt_result(NOW, 30.5, status, error))
        assert store.save(current)
        assert store.get("acme", ID) == current


@pytest.mark.usefixtures("aws")
def test_many_parts_are_read_over_several_pages() -> None:
    store = DynamoJobStore(create_table(), TABLE)
    current = job(total=20, chunk_size=1).started(NOW)
    store.create(replace(current, version=1), None)
    current = replace(current, version=1)
    parts = [part(number, number + 1, data=bytes(200_000)) for number in range(20)]  # a page ends at 1 MB
    for next_part in parts:
        current = current.with_part(next_part, NOW)
        assert store.save(current, next_part)

    assert store.list_parts("acme", ID) == parts


@pytest.mark.usefixtures("aws")
def test_a_page_has_more_jobs_of_a_status_than_one_call_reads() -> None:
    store = DynamoJobStore(create_table(), TABLE)
    for number in range(105):
        stored(store, id=job_id(number))

    assert len(store.list_page("acme", JobStatus.QUEUED, 105, None).items) == 105


REASONS = ("TransactionConflict", "ConditionalCheckFailed", "ThrottlingError", "ProvisionedThroughputExceeded")


@pytest.mark.parametrize("reason", REASONS)
def test_a_transaction_that_another_writer_prevented_is_a_lost_race(reason: str) -> None:
    client = unconnected_client("dynamodb")
    with Stubber(client) as stub:
        stub.add_client_error(
            "transact_write_items",
            "TransactionCanceledException",
            modeled_fields={"CancellationReasons": [{"Code": reason}, {"Code": "None"}]},
        )
        assert not DynamoJobStore(client, TABLE).save(job().started(NOW))


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalServerError", "TransactionInProgressException"])
def test_a_busy_table_is_an_overload(code: str) -> None:
    client = unconnected_client("dynamodb")
    with Stubber(client) as stub:
        stub.add_client_error("transact_write_items", code)
        with pytest.raises(Overloaded):
            DynamoJobStore(client, TABLE).save(job().started(NOW))


def test_an_invalid_transaction_is_an_error_of_the_service() -> None:
    client = unconnected_client("dynamodb")
    with Stubber(client) as stub:
        stub.add_client_error(
            "transact_write_items",
            "TransactionCanceledException",
            modeled_fields={"CancellationReasons": [{"Code": "ValidationError"}]},
        )
        with pytest.raises(ClientError):
            DynamoJobStore(client, TABLE).save(job().started(NOW))


@pytest.mark.usefixtures("aws")
def test_all_items_of_a_job_expire() -> None:
    client = create_table()
    store = DynamoJobStore(client, TABLE)
    assert store.create(job(), CLAIM)
    started = job().started(NOW)
    assert store.save(started)
    assert store.save(started.with_part(part(0, 4), NOW), part(0, 4))
    store.add_attempt(started, Span(4, 8))
    items = client.scan(TableName=TABLE)["Items"]

    expiry = {item["pk"]["S"].split("#")[0]: int(item["expires_at"]["N"]) for item in items}
    assert expiry == {
        **dict.fromkeys(("JOBS", "PARTS", "ATTEMPTS"), job().expires_at),
        "CLAIMS": CLAIM.expires_at,
    }


@pytest.mark.usefixtures("aws")
def test_reads_of_the_table_are_consistent() -> None:
    """Reads of moto never lag, so the test looks at the requests."""
    consistent: list[bool] = []
    client = create_table()
    for read in ("GetItem", "Query"):
        client.meta.events.register(
            f"provide-client-params.dynamodb.{read}", lambda params, **_: consistent.append(params.get("ConsistentRead", False))
        )
    store = DynamoJobStore(client, TABLE)
    store.get("acme", ID)
    store.find_claim("acme", "k")
    store.list_part_spans("acme", ID, Span(0, 4))
    store.list_parts("acme", ID)
    store.list_page("acme", None, 10, None)

    assert consistent == [True] * 5


@pytest.mark.usefixtures("aws")
def test_jobs_spread_over_the_hash_keys_of_the_agenda() -> None:
    client = create_table()
    store = DynamoJobStore(client, TABLE)
    for number in range(64):
        stored(store, id=new_id(float(number)))

    agendas = [item["agenda"]["S"] for item in client.scan(TableName=TABLE)["Items"]]
    assert len(set(agendas)) == AGENDA_SHARDS == 8
    assert max(map(agendas.count, agendas)) < 64 / 2


@pytest.mark.usefixtures("aws")
def test_a_job_of_the_first_release_is_due() -> None:
    client = create_table()
    store = DynamoJobStore(client, TABLE)
    old, new = stored(store, due_at=9.5), stored(store, id=job_id(7), due_at=9.0)
    client.update_item(
        TableName=TABLE,
        Key={"pk": {"S": "JOBS#acme"}, "sk": {"S": old.id}},
        UpdateExpression="SET agenda = :jobs",
        ExpressionAttributeValues={":jobs": {"S": "JOBS"}},
    )

    assert store.list_due(10.0, 10).jobs == [new, old]


@pytest.mark.usefixtures("aws")
def test_an_unreadable_job_is_named_beside_the_readable_ones() -> None:
    client = create_table()
    store = DynamoJobStore(client, TABLE)
    good, bad = stored(store), job(id=job_id(7))
    store.create(bad, None)
    client.update_item(
        TableName=TABLE,
        Key={"pk": {"S": "JOBS#acme"}, "sk": {"S": bad.id}},
        UpdateExpression="SET #status = :nonsense",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":nonsense": {"S": "nonsense"}},
    )

    assert store.list_due(1e12, 10) == DueJobs([good], [bad.id], None)
