"""Requests that name a label set: they get its labels and options, and their jobs record its version."""

from __future__ import annotations

from typing import Any

import pytest

from pigeonhole.contract.jobs import Preference
from pigeonhole.contract.labels import LabelSetRef
from pigeonhole.errors import InvalidRequest
from pigeonhole.jobs.job import IdempotencyKey
from pigeonhole.label_sets.apply import AppliedLabelSet
from support.job_fixtures import ACME, Jobs

WORDS = {"labels": [{"type": "text", "value": "even"}, {"type": "text", "value": "odd"}]}
DATASET = [{"type": "text", "value": "2"}, {"type": "text", "value": "3"}]


def put(jobs: Jobs, body: object = WORDS, name: str = "pets", **more: Any) -> Any:
    return jobs.sets.put(body, name, tenant=ACME, log_id="log-1", **more)


def test_a_request_gets_labels_and_options_of_the_set_and_its_own_prevail() -> None:
    jobs = Jobs()
    put(jobs, WORDS | {"threshold": 0.5, "multiple_labels": True, "instruction": "numbers", "prompt_templates": ["a {}"]})
    given = {"threshold": 0.75, "task": "own", "prompt_template": "b {}"}

    applied = jobs.label_set_applier.apply({"dataset": DATASET, "label_set": "pets", "multiple_labels": None, **given}, ACME)

    assert (applied.ref, applied.faults) == (LabelSetRef(name="pets", version=1), ())
    assert applied.body == WORDS | given | {"dataset": DATASET, "label_set": "pets", "multiple_labels": True}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"label_set": "cats"}, "there is none called 'cats'"),
        ({"labels": WORDS["labels"]}, "combined with `labels`"),
        ({"label_set": "No Name"}, "must be 1 to 64"),
    ],
)
def test_a_label_set_that_cannot_be_used_is_reported_with_all_other_faults(more: dict[str, Any], said: str) -> None:
    jobs = Jobs()
    put(jobs)
    service = jobs.classification()

    body = {"dataset": [], "label_set": "pets", "threshold": 3, **more}
    with pytest.raises(InvalidRequest) as refused:
        service.submit_job(body, tenant=ACME, log_id="l", preference=Preference())
    assert {fault.path for fault in refused.value.details} == {"label_set", "dataset", "threshold"}
    assert any(said in fault.message for fault in refused.value.details)


@pytest.mark.parametrize("body", [None, [], "x", {}, {"label_set": None}, {"label_set": 5}, {"label_set": "No Name"}])
def test_a_body_without_a_valid_label_set_is_left_to_validation(body: object) -> None:
    assert Jobs().label_set_applier.apply(body, ACME) == AppliedLabelSet(body)


def test_a_job_records_the_version_of_its_label_set() -> None:
    jobs = Jobs()
    put(jobs)
    service = jobs.classification()

    job = service.submit_job({"dataset": DATASET, "label_set": "pets"}, tenant=ACME, log_id="l", preference=Preference())
    put(jobs)  # a new version, which the job isn't changed by
    jobs.work()

    shown = jobs.responder.respond(jobs.job(job), "l")
    assert (shown.job.label_set, shown.predictions) == (LabelSetRef(name="pets", version=1), ["even", "odd"])


def test_an_idempotent_replay_returns_the_job_though_its_label_set_was_deleted() -> None:
    jobs = Jobs()
    put(jobs)
    service = jobs.classification()
    body, key = {"dataset": DATASET, "label_set": "pets"}, IdempotencyKey("caller", "k", b"body")

    first = service.submit_job(body, tenant=ACME, log_id="l", preference=Preference(), idempotency_key=key)
    jobs.sets.delete(ACME, "pets")

    assert service.submit_job(body, tenant=ACME, log_id="l", preference=Preference(), idempotency_key=key).id == first.id
    with pytest.raises(InvalidRequest):
        service.submit_job(
            body, tenant=ACME, log_id="l", preference=Preference(), idempotency_key=IdempotencyKey("caller", "other", b"body")
        )


def test_a_redriven_job_keeps_the_version_of_the_label_set() -> None:
    jobs = Jobs()
    put(jobs)
    service = jobs.classification()
    job = service.submit_job({"dataset": DATASET, "label_set": "pets"}, tenant=ACME, log_id="l", preference=Preference())
    jobs.abandon(jobs.take())

    assert jobs.redriver.redrive("acme", job.id).job.label_set == LabelSetRef(name="pets", version=1)
