"""EventBus: EventBridge delivers the adapter's events to a rule's target, and a refused event is an error."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from pigeonhole.aws.events import JOB_ENDED, MAX_BATCH_BYTES, MAX_BATCH_EVENTS, SOURCE, UPLOADS_CLASSIFIED, EventBridgeBus
from pigeonhole.contract.messages import AnyEvent, ClassifiedUpload, JobEnded, UploadsClassified
from pigeonhole.errors import Overloaded
from pigeonhole.notifications.job_ended import to_event
from pigeonhole.ports import EventBus
from support.fakes import FakeEventBus
from support.job_fixtures import job
from support.moto_aws import REGION, unconnected_client

EVENT = to_event(job().canceled(2_000.25))
CAT = ClassifiedUpload(
    key="incoming/acme/pets/猫.jpg",
    sequencer="0" * 62 + "AF",
    version_id="v1",
    status="succeeded",
    labels=["cat"],
    score=0.9731,
    error=None,
    results_line=1,
)
DOG = CAT.model_copy(update={"key": "incoming/acme/pets/dog.jpg", "labels": ["dog", "pet"], "results_line": 2})
UPLOADS = UploadsClassified(
    tenant_id="acme",
    bucket="uploads",
    label_set="pets",
    label_set_version=3,
    job_id=EVENT.job_id,
    results_uri=f"s3://uploads/results/acme/pets/{EVENT.job_id}.jsonl",
    classified_at="1970-01-01T00:16:40Z",
    uploads=[DOG, CAT],
)
TYPES: dict[str, type[AnyEvent]] = {JOB_ENDED: JobEnded, UPLOADS_CLASSIFIED: UploadsClassified}


class Bus:
    """A bus with a rule for each type of its events, and the events that the rules' target received."""

    def __init__(self, port: EventBus, client: Any = None, url: str = "") -> None:
        self.port, self._client, self._url = port, client, url

    def received(self) -> list[AnyEvent]:
        if isinstance(self.port, FakeEventBus):
            return self.port.published
        events: list[AnyEvent] = []
        while page := self._client.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages"):
            delivered = [json.loads(message["Body"]) for message in page]
            events += [TYPES[event["detail-type"]].model_validate(event["detail"]) for event in delivered]
        return events


@pytest.fixture
def bus(is_real: bool) -> Bus:
    if not is_real:
        return Bus(FakeEventBus())
    events, queues = boto3.client("events", region_name=REGION), boto3.client("sqs", region_name=REGION)
    url = queues.create_queue(QueueName="target")["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.create_event_bus(Name="jobs")
    rules: list[tuple[str, str, dict[str, Any]]] = [
        ("ends", JOB_ENDED, {"status": ["canceled"]}),
        ("uploads", UPLOADS_CLASSIFIED, {"label_set": ["pets"]}),
    ]
    for name, detail_type, detail in rules:
        pattern = json.dumps({"source": [SOURCE], "detail-type": [detail_type], "detail": detail})
        events.put_rule(Name=name, EventBusName="jobs", EventPattern=pattern)
        events.put_targets(Rule=name, EventBusName="jobs", Targets=[{"Id": "1", "Arn": arn}])
    return Bus(EventBridgeBus(events, "jobs"), queues, url)


def test_an_event_is_delivered_to_the_target_of_its_rule(bus: Bus) -> None:
    bus.port.put([EVENT])

    assert bus.received() == [EVENT]


def test_each_type_of_event_has_its_own_rule(bus: Bus) -> None:
    bus.port.put([UPLOADS, EVENT])

    assert bus.received() == [UPLOADS, EVENT]


def test_any_number_of_events_is_delivered_also_none(bus: Bus) -> None:
    many = [UPLOADS.model_copy(update={"job_id": f"{number:032x}"}) for number in range(2 * MAX_BATCH_EVENTS + 3)]

    bus.port.put([])
    bus.port.put(many)

    assert bus.received() == many


def test_a_refused_event_is_an_overload() -> None:
    client = unconnected_client("events")
    with Stubber(client) as stub:
        stub.add_response("put_events", {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]})
        with pytest.raises(Overloaded):
            EventBridgeBus(client, "jobs").put([EVENT])


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalException"])
def test_a_busy_bus_is_an_overload(code: str) -> None:
    client = unconnected_client("events")
    with Stubber(client) as stub:
        stub.add_client_error("put_events", code, http_status_code=400)
        with pytest.raises(Overloaded):
            EventBridgeBus(client, "jobs").put([EVENT])


class Spy:
    """An EventBridge client with EventBridge's limits. It refuses an event of the call with the number `refuses`, from 0."""

    def __init__(self, refuses: int | None = None) -> None:
        self.calls: list[list[dict[str, str]]] = []
        self._refuses = refuses

    def put_events(self, Entries: list[dict[str, str]]) -> dict[str, int]:
        assert len(Entries) <= 10
        assert sum(len("".join(entry.values()).encode()) for entry in Entries) <= 256 * 1024
        self.calls.append(Entries)
        return {"FailedEntryCount": int(len(self.calls) - 1 == self._refuses)}


def test_large_events_are_sent_in_several_calls() -> None:
    cats = [CAT.model_copy(update={"labels": ["猫" * (MAX_BATCH_BYTES // 9)]})]
    spy, large = Spy(), [UPLOADS.model_copy(update={"uploads": cats})] * 7

    EventBridgeBus(spy, "jobs").put([EVENT, *large, EVENT])

    assert [len(entries) for entries in spy.calls] == [3, 2, 2, 2]
    sent = [entry["DetailType"] for entries in spy.calls for entry in entries]
    assert sent == [JOB_ENDED, *[UPLOADS_CLASSIFIED] * 7, JOB_ENDED]


@pytest.mark.parametrize("refuses", [0, 1, 2])
def test_one_refusal_among_many_is_an_overload(refuses: int) -> None:
    with pytest.raises(Overloaded):
        EventBridgeBus(Spy(refuses), "jobs").put([UPLOADS] * (2 * MAX_BATCH_EVENTS + 1))
