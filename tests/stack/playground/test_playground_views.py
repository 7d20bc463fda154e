"""Each view of the playground in Chromium: what it shows, for every screen, and by the keyboard alone."""

from __future__ import annotations

import base64
import re

import pytest
from playwright.sync_api import expect

from pigeonhole import __version__
from pigeonhole.aws.events import UPLOADS_CLASSIFIED
from support.stack.browser import Open
from support.stack.deployment import Deployment, image, request, text
from support.stack.job_calls import EventRecorder, submit, wait_until_ended
from support.stack.uploads import UploadFolder

# What each view has when it is no longer loading.
SHOWN = {
    "classify": ".card",
    "label-sets": "tbody tr",
    "jobs": "tbody tr",
    "uploads": "tbody tr",
    "deployment": "#deployment > :not(.none-yet)",
}
TEXTS = ["I love it, it works perfectly!", "It broke after one day."]


def data_url(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def test_a_label_set_is_saved_edited_used_and_deleted(visit: Open, deployed: Deployment) -> None:
    visitor = visit()
    page = visitor.open()
    page.on("dialog", lambda dialog: dialog.accept())
    visitor.add_labels(["praise", "complaint"])
    page.get_by_role("button", name="Save these").click()
    editor = page.get_by_role("form", name="Label set")
    expect(editor.get_by_label("Name", exact=True)).to_be_focused()
    editor.get_by_label("Name", exact=True).fill("page-moods")
    editor.get_by_role("button", name="Save").click()
    expect(page.get_by_role("region", name=re.compile("label set"))).to_contain_text("page-moods")

    page.get_by_role("button", name="Edit page-moods").click()
    deployed.call("PUT", "/v1/label-sets/page-moods", {"labels": [{"type": "text", "value": word} for word in "ab"]})
    editor.get_by_label("New label").fill("question")
    editor.get_by_label("New label").press("Enter")
    visitor.allow_failed_requests()
    editor.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("precondition_failed")

    page.get_by_role("button", name="Edit page-moods").click()
    expect(editor.get_by_role("button", name="Remove b")).to_be_visible()
    editor.get_by_label("New label").fill("question")
    editor.get_by_role("button", name="Save").click()
    expect(page.get_by_role("region", name=re.compile("label set"))).to_contain_text("a, b, question")
    page.get_by_role("button", name="Use page-moods").click()
    expect(page.locator("#labels .chip")).to_have_count(3)

    page.get_by_role("link", name="Label sets").click()
    page.get_by_role("button", name="Delete page-moods").click()
    expect(page.get_by_role("button", name="Delete page-moods")).to_have_count(0)


def test_a_job_is_listed_with_its_progress_and_its_errors(visit: Open, deployed: Deployment, photos: dict[str, bytes]) -> None:
    dataset = [image(data_url(photos["cat"]), custom_id="tom.png"), image(data_url(b"no image"), custom_id="broken.png")]
    job = submit(deployed, request(dataset, [text("cat"), text("rocket")], scores=True)).job
    wait_until_ended(deployed, job.id)
    page = visit().open("jobs")

    row = page.get_by_role("row").filter(has_text=job.id[:12])
    expect(row).to_contain_text("2 of 2, 1 with an error")
    row.get_by_role("button", name=re.compile("^Open job")).click()
    results = page.get_by_role("region", name="Results")
    expect(results.get_by_role("row").filter(has_text="tom.png")).to_contain_text(re.compile("cat.*%"))
    failed = results.get_by_role("row").filter(has_text="broken.png")
    expect(failed.get_by_role("link", name="unsupported_media")).to_have_attribute("href", "docs#error-unsupported_media")

    page.get_by_label("Status", exact=True).select_option("canceled")
    expect(row).to_have_count(0)


def test_a_job_with_questions_shows_the_results_of_each_by_its_name(
    visit: Open, deployed: Deployment, photos: dict[str, bytes]
) -> None:
    thing = {"labels": [text("cat"), text("rocket")]}
    traits = {"labels": [text("a pet"), text("a machine")], "multiple_labels": True}
    dataset = [image(data_url(photos["cat"]), custom_id="tom.png"), image(data_url(b"no image"), custom_id="broken.png")]
    job = submit(deployed, {"dataset": dataset, "questions": {"thing": thing, "traits": traits}, "scores": True}).job
    wait_until_ended(deployed, job.id)
    page = visit().open("jobs")

    page.get_by_role("button", name=f"Open job {job.id[:12]}").click()
    things = page.get_by_role("region", name="Results of thing")
    expect(things.get_by_role("row").filter(has_text="tom.png")).to_contain_text(re.compile("cat.*%"))
    of_traits = page.get_by_role("region", name="Results of traits")
    expect(of_traits.get_by_role("row").filter(has_text="tom.png")).to_contain_text(re.compile("a (pet|machine).*%"))
    expect(of_traits.get_by_role("row").filter(has_text="broken.png")).to_contain_text("unsupported_media")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV of traits").click()
    assert download.value.suggested_filename == "job-traits.csv"


def test_the_results_of_uploads_are_shown(visit: Open, deployed: Deployment, photos: dict[str, bytes]) -> None:
    deployed.call("PUT", "/v1/label-sets/page-things", {"labels": [text("cat"), text("rocket")]})
    folder = UploadFolder(deployed, EventRecorder(deployed.stack, "playground", UPLOADS_CLASSIFIED), "page-things")
    for name, data in {"tom.png": photos["cat"], "broken.png": b"no image"}.items():
        folder.wait_for_result(folder.upload(name, data))
    page = visit().open("uploads")

    page.get_by_label("Keys that begin with").fill(folder.prefix)
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_role("row").filter(has_text="tom.png")).to_contain_text(re.compile("page-things.*cat.*%"))
    broken = page.get_by_role("row").filter(has_text="broken.png")
    expect(broken.get_by_role("link", name="unsupported_media")).to_be_visible()


def test_the_deployment_is_described(visit: Open, deployed: Deployment) -> None:
    page = visit().open("deployment")

    model = deployed.call("GET", "/v1/models").json()["models"][0]
    expect(page.get_by_role("region", name="Model")).to_contain_text(model["revision"])
    expect(page.get_by_role("region", name="Limits")).to_contain_text("10,000")
    expect(page.get_by_role("region", name="Software")).to_contain_text(__version__)


def test_the_keyboard_alone_is_enough(visit: Open) -> None:
    visitor = visit()
    page = visitor.open()

    def tab_to(selector: str) -> None:
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.locator(selector).evaluate_all("(all) => all.includes(document.activeElement)"):
                return
        raise AssertionError(f"{selector} was not reached")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    tab_to("[data-kind=text]")
    page.keyboard.press("Enter")
    tab_to("#texts")
    page.keyboard.type("\n".join(TEXTS))
    tab_to(".chip-input")
    page.keyboard.type("praise,complaint,question")
    page.keyboard.press("Enter")
    assert len(visitor.answers(2)) == 2
    page.keyboard.press("Backspace")
    expect(page.locator("#labels .chip")).to_have_count(2)
    tab_to("#copy-as")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#copy-as")).to_be_focused()


def seed(deployed: Deployment, photo: bytes) -> None:
    """Create a label set, a job with an error, and an upload, so that each view has something to show."""
    deployed.call("PUT", "/v1/label-sets/page-seeds", {"labels": [text("cat"), text("rocket")]})
    dataset = [image(data_url(photo), custom_id="tom.png"), image(data_url(b"no image"), custom_id="broken.png")]
    wait_until_ended(deployed, submit(deployed, request(dataset, [text("cat"), text("rocket")], scores=True)).job.id)
    folder = UploadFolder(deployed, EventRecorder(deployed.stack, "playground-seed", UPLOADS_CLASSIFIED), "page-seeds")
    folder.wait_for_result(folder.upload("tom.png", photo))


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1280, "light")])
def test_no_view_has_a_barrier_or_is_wider_than_the_screen(
    visit: Open, deployed: Deployment, photos: dict[str, bytes], width: int, scheme: str
) -> None:
    seed(deployed, photos["cat"])
    visitor = visit(viewport={"width": width, "height": 800}, color_scheme=scheme, reduced_motion="reduce")
    page = visitor.open()

    def check(place: str) -> None:
        assert visitor.violations() == [], place
        assert not visitor.is_wider_than_the_window(), place

    check("the empty page")
    page.get_by_role("button", name="Try four photos").click()
    assert visitor.answers(4)["cat.jpg"] == ["cat"]
    for view, shown in SHOWN.items():
        page.goto(f"{visitor.url}#/{view}")
        expect(page.locator(f"#view-{view} {shown}").first).to_be_visible()
        expect(page.locator(f"#view-{view}")).not_to_contain_text("Loading …")
        check(view)
    page.goto(f"{visitor.url}#/jobs")
    page.get_by_role("row").filter(has_text="1 with an error").first.get_by_role("button", name=re.compile("^Open job")).click()
    expect(page.get_by_role("region", name="Results")).to_be_visible()
    check("a job")
    page.goto(f"{visitor.url}#/label-sets")
    page.get_by_role("button", name="Edit page-seeds").click()
    expect(page.get_by_role("form", name="Label set").get_by_role("button", name="Remove rocket")).to_be_visible()
    check("the editor of label sets")
    page.goto(f"{visitor.url}#/classify")
    page.get_by_role("button", name="Copy as code").click()
    check("the code")
    page.locator("#copy-close").click()
    page.locator("#key-button").click()
    check("the API key")
