"""ports.EventBus: what EventBridge's adapter puts comes out at a rule's target, and what wasn't taken is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto_aws import REGION, in_moto

from fakes import FakeEventBus
from jobs_made import job
from pigeonhole.aws.events import JOB_ENDED, SOURCE, EventBridgeBus
from pigeonhole.errors import Overloaded
from pigeonhole.messages import JobEnded
from pigeonhole.ports import EventBus
from pigeonhole.use_cases.announce import event_of

EVENT = event_of(job().canceled(2_000.25))


class Bus:
    """A bus with a rule for its events, and what the rule's target was given."""

    def __init__(self, port: EventBus, client: Any = None, url: str = "") -> None:
        self.port, self._client, self._url = port, client, url

    def received(self) -> list[JobEnded]:
        if isinstance(self.port, FakeEventBus):
            return self.port.events
        page = self._client.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages", ())
        return [JobEnded.model_validate(json.loads(each["Body"])["detail"]) for each in page]


@pytest.fixture(params=["fake", "eventbridge"])
def bus(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bus]:
    if request.param == "fake":
        yield Bus(FakeEventBus())
        return
    with in_moto(monkeypatch):
        events, queues = boto3.client("events", region_name=REGION), boto3.client("sqs", region_name=REGION)
        url = queues.create_queue(QueueName="target")["QueueUrl"]
        arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        events.create_event_bus(Name="jobs")
        pattern = json.dumps({"source": [SOURCE], "detail-type": [JOB_ENDED], "detail": {"status": ["canceled"]}})
        events.put_rule(Name="ends", EventBusName="jobs", EventPattern=pattern)
        events.put_targets(Rule="ends", EventBusName="jobs", Targets=[{"Id": "1", "Arn": arn}])
        yield Bus(EventBridgeBus(events, "jobs"), queues, url)


def test_an_event_comes_to_who_has_a_rule_for_it(bus: Bus) -> None:
    bus.port.put(EVENT)

    assert bus.received() == [EVENT]


def stubbed() -> Any:
    return boto3.client("events", region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x")


def test_an_event_that_was_not_taken_is_an_overload() -> None:
    client = stubbed()
    with Stubber(client) as stub:
        stub.add_response("put_events", {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]})
        with pytest.raises(Overloaded):
            EventBridgeBus(client, "jobs").put(EVENT)


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalException"])
def test_a_busy_bus_is_an_overload(code: str) -> None:
    client = stubbed()
    with Stubber(client) as stub:
        stub.add_client_error("put_events", code, http_status_code=400)
        with pytest.raises(Overloaded):
            EventBridgeBus(client, "jobs").put(EVENT)
