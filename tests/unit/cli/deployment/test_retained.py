"""The template by which a new stack imports what an old one has left behind."""

from __future__ import annotations

from pigeonhole_cli.deployment.retained import to_retained_template
from support.template import list_references, read_template


def test_every_resource_that_is_retained_can_be_imported() -> None:
    template = read_template()
    retained = {
        name
        for name, item in template["Resources"].items()
        if item.get("DeletionPolicy", "").startswith("Retain") and "Condition" not in item
    }

    assert set(to_retained_template(template)["Resources"]) == retained == {"JobBucket", "Table", "UploadBucket"}


def test_an_import_refers_to_nothing_that_is_not_imported() -> None:
    template = to_retained_template(read_template())

    assert list_references(template["Resources"]) == set(template["Parameters"])
    assert all("DependsOn" not in item and item["DeletionPolicy"] for item in template["Resources"].values())


def test_the_next_deploy_creates_no_index_that_the_table_has_already() -> None:
    before = read_template()["Resources"]["Table"]

    assert to_retained_template(read_template())["Resources"]["Table"] == before
