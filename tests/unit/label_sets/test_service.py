"""Label sets: stored in versions, changed by one caller at a time, and their images stored with them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pigeonhole.api.answers import to_label_set_info
from pigeonhole.contract.classification import ClassificationRequest, parse_request
from pigeonhole.contract.commands import ClassifyReply, ErrorReply, StoreLabelImagesCommand
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.errors import InvalidRequest, NotFound, Overloaded, PreconditionFailed, TooLarge, UnfetchableUrl
from pigeonhole.label_sets.label_set import Precondition
from support.fakes import kept_address
from support.job_fixtures import ACME, ZETA, Jobs

CAT = {"type": "image", "value": "https://example.com/cat.jpg", "text": "a cat"}
DOG = {"type": "image", "value": "https://example.com/dog.jpg", "key": "dog"}
WORDS = {"labels": [{"type": "text", "value": "even"}, {"type": "text", "value": "odd"}]}
DATASET = [{"type": "text", "value": "2"}, {"type": "text", "value": "3"}]


def put(jobs: Jobs, body: object = WORDS, name: str = "pets", **more: Any) -> Any:
    return jobs.sets.put(body, name, tenant=ACME, log_id="log-1", **more)


def test_a_label_set_is_stored_and_read_as_it_was_sent() -> None:
    jobs = Jobs()
    body = WORDS | {"multiple_labels": True, "threshold": 0.5, "task": "numbers", "prompt_template": "a {}", "unknown": 1}

    label_set = put(jobs, body)

    assert (label_set.version, label_set.created_at, label_set.updated_at) == (1, 1_000.0, 1_000.0)
    assert jobs.sets.get(ACME, "pets") == label_set
    assert label_set.options == WORDS | {
        "multiple_labels": True,
        "threshold": 0.5,
        "instruction": "numbers",
        "prompt_templates": ["a {}"],
    }
    info = to_label_set_info(label_set).model_dump(exclude_none=True)
    assert (info["name"], info["version"], info["created_at"]) == ("pets", 1, "1970-01-01T00:16:40Z")
    assert info["labels"] == WORDS["labels"]


def test_each_change_adds_a_version_even_after_a_deletion() -> None:
    jobs = Jobs()
    put(jobs)
    jobs.now += 10
    second = put(jobs)
    assert (second.version, second.created_at, second.updated_at) == (2, 1_000.0, 1_010.0)

    jobs.sets.delete(ACME, "pets")
    assert put(jobs).version == 3


def test_all_faults_are_reported_at_once() -> None:
    with pytest.raises(InvalidRequest) as refused:
        put(Jobs(), {"labels": [{"type": "text", "value": ""}], "threshold": 2}, name="No Name")

    assert [fault.path for fault in refused.value.details] == ["name", "labels.0.value", "threshold"]


def test_a_text_is_no_image_whatever_it_begins_with() -> None:
    labels = [{"type": "text", "value": "Data: personal"}, {"type": "text", "value": "data:other"}]

    assert put(Jobs(), {"labels": labels}).options["labels"] == labels


def test_a_stored_label_set_is_valid_in_a_request_and_can_be_put_again() -> None:
    """A label set that was put is valid in a request, and can be put again as it is read."""
    jobs = Jobs()
    label_set = put(jobs, {"labels": [CAT | {"value": "https://example.com/" + "x" * 490}, DOG]})
    body = jobs.label_set_applier.apply({"dataset": DATASET, "label_set": "pets"}, ACME).body

    assert parse_request(ClassificationRequest, body, RequestLimits()).labels[0].key == "https://example.com/" + "x" * 490
    again = put(jobs, to_label_set_info(label_set).model_dump(exclude_none=True))
    assert [label["key"] for label in again.options["labels"]] == [label["key"] for label in label_set.options["labels"]]


def test_a_label_set_too_large_for_the_table_is_refused_before_an_image_is_stored() -> None:
    jobs = Jobs()
    labels = [CAT, *({"type": "text", "value": chr(0x1F600) * 500 + str(n), "key": n} for n in range(23))]
    templates = [chr(0x1F600) * 500 + "{}" + str(n) for n in range(16)]
    limits = replace(jobs.sets, limits=RequestLimits(max_labels=200, max_label_chars=5_000))

    assert put(jobs, {"labels": labels, "prompt_templates": templates}).version == 1
    jobs.classifier.commands.clear()
    many = [label | {"value": label["value"] * 5, "key": n} for n, label in enumerate(labels[1:] * 2)]
    with pytest.raises(TooLarge, match="350000"):
        limits.put({"labels": [CAT, *many]}, "pets", tenant=ACME, log_id="l")
    assert jobs.classifier.commands == []


def test_the_number_of_label_sets_of_a_tenant_is_limited() -> None:
    jobs = Jobs()
    few = replace(jobs.sets, limits=RequestLimits(max_label_sets=2))
    for name in ("a", "b"):
        few.put(WORDS, name, tenant=ACME, log_id="l")

    with pytest.raises(TooLarge, match="2 label sets"):
        few.put({"labels": [CAT, DOG]}, "c", tenant=ACME, log_id="l")
    assert jobs.classifier.commands == [], "no image was stored"
    assert few.put(WORDS, "a", tenant=ACME, log_id="l").version == 2, "those there are may be changed"
    assert few.put(WORDS, "c", tenant=ZETA, log_id="l").version == 1, "other tenants are not counted"
    few.delete(ACME, "b")
    assert few.put(WORDS, "c", tenant=ACME, log_id="l").version == 1


def test_images_are_stored_and_keep_their_names() -> None:
    jobs = Jobs()

    label_set = put(jobs, {"labels": [CAT, DOG, {"type": "text", "value": "bird"}]})

    (command,) = jobs.classifier.commands
    assert isinstance(command, StoreLabelImagesCommand)
    assert (command.values, command.paths) == ([CAT["value"], DOG["value"]], ["labels.0.value", "labels.1.value"])
    assert (command.tenant_id, command.label_set, command.grants) == ("acme", "pets", ACME.grants)
    assert label_set.options["labels"] == [
        {"type": "image", "value": kept_address(command, CAT["value"]), "key": CAT["value"], "text": "a cat"},
        {"type": "image", "value": kept_address(command, DOG["value"]), "key": "dog"},
        {"type": "text", "value": "bird"},
    ]


def test_a_label_set_with_an_unfetchable_image_is_not_stored() -> None:
    jobs = Jobs()
    put(jobs)
    details = [{"path": "labels.0.value", "message": "404"}]
    jobs.classifier.reply = ClassifyReply(error=ErrorReply(code="unfetchable_url", message="404", details=details))

    with pytest.raises(UnfetchableUrl) as refused:
        put(jobs, {"labels": [CAT, DOG]})

    assert [fault.path for fault in refused.value.details] == ["labels.0.value"]
    assert jobs.sets.get(ACME, "pets").version == 1


def test_images_of_only_the_previous_version_are_marked_unused() -> None:
    jobs = Jobs()
    first = put(jobs, {"labels": [CAT, DOG]})
    cat, dog = (address.removeprefix("s3://jobs/") for address in first.image_addresses)

    put(jobs, {"labels": [DOG, {"type": "text", "value": "bird"}]})
    assert jobs.objects.unused == [cat]
    jobs.sets.delete(ACME, "pets")
    assert jobs.objects.unused == [cat, dog]


def test_an_image_that_a_concurrent_change_needs_is_marked_used() -> None:
    jobs = Jobs()
    put(jobs, {"labels": [CAT, DOG]})
    real = jobs.objects.mark_unused

    def other_comes_first(key: str) -> None:
        jobs.objects.mark_unused = real
        put(jobs, {"labels": [CAT, DOG]})
        real(key)

    jobs.objects.mark_unused = other_comes_first
    put(jobs)

    assert len(jobs.sets.get(ACME, "pets").image_addresses) == 2
    assert jobs.objects.unused == []


def test_a_failed_precondition_changes_nothing() -> None:
    jobs = Jobs()
    stale = Precondition(frozenset({'"1"'}))
    with pytest.raises(PreconditionFailed):
        put(jobs, precondition=stale)
    label_set = put(jobs, precondition=Precondition(is_new=True))
    assert label_set.etag == '"1"'
    with pytest.raises(PreconditionFailed):
        put(jobs, precondition=Precondition(is_new=True))
    put(jobs, precondition=stale)
    for change in (lambda: put(jobs, precondition=stale), lambda: jobs.sets.delete(ACME, "pets", stale)):
        with pytest.raises(PreconditionFailed):
            change()
    assert jobs.sets.get(ACME, "pets").version == 2
    jobs.sets.delete(ACME, "pets", Precondition(frozenset({"*"})))


def test_concurrent_changes_each_create_a_version_unless_a_precondition_fails() -> None:
    jobs = Jobs()
    put(jobs)

    def other() -> None:
        jobs.label_sets.before = lambda: None
        put(jobs, {"labels": [DOG, CAT]})

    jobs.label_sets.before = other
    assert put(jobs).version == 3
    jobs.label_sets.before = other
    with pytest.raises(PreconditionFailed):
        put(jobs, precondition=Precondition(frozenset({'"3"'})))
    jobs.label_sets.before = other
    with pytest.raises(PreconditionFailed):
        jobs.sets.delete(ACME, "pets", Precondition(frozenset({'"4"'})))
    assert jobs.sets.get(ACME, "pets").version == 5


def test_a_label_set_under_constant_change_is_overloaded() -> None:
    jobs = Jobs()
    put(jobs)
    jobs.label_sets.save = lambda *_: False

    with pytest.raises(Overloaded):
        put(jobs)


@pytest.mark.parametrize("trouble", ["overtaken", "busy"])
def test_images_of_a_failed_put_are_marked_unused_except_those_of_the_stored_set(trouble: str) -> None:
    jobs = Jobs()
    (cat,) = put(jobs, {"labels": [CAT, {"type": "text", "value": "bird"}]}).image_addresses

    def overtaken() -> None:
        jobs.label_sets.before = lambda: None
        put(jobs, {"labels": [CAT, {"type": "text", "value": "fish"}]})

    def busy() -> None:
        raise Overloaded("busy")

    jobs.label_sets.before = overtaken if trouble == "overtaken" else busy
    with pytest.raises((PreconditionFailed, Overloaded)):
        put(jobs, {"labels": [CAT, DOG]}, precondition=Precondition(frozenset({'"1"'})))

    kept = jobs.classifier.commands[-1 if trouble == "busy" else 1]
    assert jobs.objects.unused == [kept_address(kept, DOG["value"]).removeprefix("s3://jobs/")]
    assert jobs.sets.get(ACME, "pets").image_addresses == [cat]


def test_a_change_succeeds_though_the_bucket_is_too_busy_for_marks() -> None:
    jobs = Jobs()
    put(jobs, {"labels": [CAT, DOG]})

    def busy() -> None:
        raise Overloaded("busy")

    jobs.objects.before = busy
    assert put(jobs).version == 2
    jobs.sets.delete(ACME, "pets")
    assert jobs.label_sets.sets == {}


def test_a_tenant_cannot_access_the_label_set_of_another() -> None:
    jobs = Jobs()
    put(jobs)

    for call in (
        lambda: jobs.sets.get(ZETA, "pets"),
        lambda: jobs.sets.delete(ZETA, "pets"),
        lambda: jobs.sets.get(ACME, "no"),
    ):
        with pytest.raises(NotFound):
            call()
    with pytest.raises(NotFound):
        jobs.sets.get(ACME, "../x")
    assert jobs.sets.list(ZETA, 10, None).items == []
    assert [label_set.name for label_set in jobs.sets.list(ACME, 10, None).items] == ["pets"]
