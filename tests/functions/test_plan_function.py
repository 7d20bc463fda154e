"""functions/plan: messages of its queue, and dry runs of functions/api."""

from __future__ import annotations

import io
import json
from types import ModuleType
from typing import Any

import pytest

from pigeonhole.bulk.planning.choose import BulkEstimator
from pigeonhole.contract.bulk import Compute
from pigeonhole.contract.estimates import EstimateCommand, EstimateReply
from pigeonhole.contract.messages import PlanMessage
from pigeonhole.observability import observer
from support.bulk_fixtures import BUCKET, Bulk, to_line
from support.fakes import LambdaContext
from support.handlers import ROOT, load


class Context(LambdaContext):
    """A Lambda context with time left."""

    def get_remaining_time_in_millis(self) -> int:
        return 100_000


@pytest.fixture
def bulk() -> Bulk:
    return Bulk()


@pytest.fixture
def plan(bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    planner = bulk.planner
    monkeypatch.setattr("pigeonhole.wiring.bulk.bulk_planner", lambda settings: planner)
    monkeypatch.setattr("pigeonhole.wiring.bulk.plan_queue", lambda settings: bulk.plan_queue)
    estimator = BulkEstimator(access=bulk.access, inputs=planner.inputs, chooser=planner.chooser)
    monkeypatch.setattr("pigeonhole.wiring.bulk.bulk_estimator", lambda settings: estimator)
    return load("plan")


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr(observer("plan").logger.registered_handler, "stream", stream)
    return stream


def event(message: PlanMessage, receives: int = 1) -> dict[str, Any]:
    (record,) = json.loads((ROOT / "events/sqs-plan.json").read_text("utf-8"))["Records"]
    attributes = record["attributes"] | {"ApproximateReceiveCount": str(receives)}
    return {"Records": [record | {"body": message.model_dump_json(), "attributes": attributes}]}


def command(key: str = "acme/in.jsonl") -> EstimateCommand:
    return EstimateCommand(
        log_id="log-7",
        tenant_id="acme",
        bucket=BUCKET,
        object_key=key,
        input_kind="lines",
        span_samples=2,
        compute=Compute.AUTO,
    )


def test_a_message_advances_its_job(bulk: Bulk, plan: ModuleType) -> None:
    job = bulk.submit(to_line("1") * 5)

    answer = plan.handler(event(PlanMessage(tenant_id="acme", job_id=job.id)), Context())

    assert answer == {"batchItemFailures": []}
    assert bulk.store.get("acme", job.id).bulk.spans == 2


def test_a_redelivered_message_is_counted(bulk: Bulk, plan: ModuleType) -> None:
    """A planner that dies with each attempt must come to an end."""
    job = bulk.submit(to_line("1") * 5)
    message = PlanMessage(tenant_id="acme", job_id=job.id)
    bulk.store.jobs["acme", job.id] = job.started(1_000)
    bulk.manifests.before = lambda: (_ for _ in ()).throw(RuntimeError("secret"))

    answer = plan.handler(event(message, receives=3), Context())

    assert [item["itemIdentifier"] for item in answer["batchItemFailures"]]
    assert bulk.store.get("acme", job.id).bulk.attempts == 1
    assert bulk.plan_queue.delays


def test_a_command_is_answered_with_an_estimate(bulk: Bulk, plan: ModuleType, log: io.StringIO) -> None:
    bulk.manifests.objects[BUCKET, "acme/in.jsonl"] = (to_line("1") * 5, "etag")

    answer = plan.handler(command().model_dump(mode="json"), Context())

    reply = EstimateReply.model_validate_json(json.dumps(answer))
    assert reply.estimate
    assert (reply.estimate.samples, reply.estimate.spans, reply.estimate.is_exact) == (5, 3, True)
    assert "log-7" in log.getvalue()
    assert "in.jsonl" not in log.getvalue()


@pytest.mark.parametrize(("key", "code"), [("acme/missing.jsonl", "unfetchable_url"), ("zeta/in.jsonl", "forbidden_url")])
def test_an_error_of_a_command_is_a_reply(plan: ModuleType, key: str, code: str) -> None:
    answer = plan.handler(command(key).model_dump(mode="json"), Context())

    reply = EstimateReply.model_validate_json(json.dumps(answer))
    assert reply.error
    assert reply.error.code == code


def test_a_bug_is_a_reply_and_its_message_is_not_logged(bulk: Bulk, plan: ModuleType, log: io.StringIO) -> None:
    bulk.manifests.objects[BUCKET, "acme/in.jsonl"] = (to_line("1"), "etag")
    bulk.manifests.before = lambda: (_ for _ in ()).throw(RuntimeError("a secret key"))

    answer = plan.handler(command().model_dump(mode="json"), Context())

    assert answer["error"]["code"] == "internal_error"
    assert "RuntimeError" in log.getvalue()
    assert "secret" not in log.getvalue()
