"""The playground in Chromium, on the deployed stack: a person's way from the first photo to code that works elsewhere."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from support.stack.browser import ANSWER_MS, Visit, launch, read_axe
from support.stack.deployment import Deployment

ROOT = Path(__file__).resolve().parents[2]
LABELS = ["cat", "rocket", "cup of coffee"]
TEXTS = ["I love it, it works perfectly!", "It broke after one day."]
VIEWS = ("classify", "label-sets", "jobs", "uploads", "deployment")

Open = Callable[..., Visit]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = launch(playwright)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def axe() -> str:
    return read_axe(ROOT / ".cache" / "npm")


@pytest.fixture
def visit(browser: Browser, deployed: Deployment, axe: str) -> Iterator[Open]:
    """Start visits, with the options of a browser window. After the test each of them is checked."""
    visits: list[Visit] = []

    def start(**options: object) -> Visit:
        context = browser.new_context(permissions=["clipboard-read", "clipboard-write"], **options)  # type: ignore[arg-type]
        visits.append(Visit(context, deployed.url, deployed.key, axe))
        return visits[-1]

    yield start
    for each in visits:
        each.check()
        each.page.context.close()


def type_texts(page: Page, texts: list[str]) -> None:
    page.get_by_role("button", name="Texts").click()
    page.get_by_label("Texts, one per line").fill("\n".join(texts))


def copied(page: Page, language: str) -> str:
    """Copy the request as code, and return what is in the clipboard."""
    page.get_by_role("button", name="Copy as code").click()
    page.get_by_role("button", name=language, exact=True).click()
    page.locator("#copy-copy").click()
    expect(page.locator("#copy-copy")).to_have_text("Copied")
    page.locator("#copy-close").click()
    return str(page.evaluate("navigator.clipboard.readText()"))


def test_dropped_photos_are_answered_and_the_copied_curl_works_in_a_shell(visit: Open, photos: dict[str, bytes]) -> None:
    visitor = visit()
    page = visitor.open()

    visitor.drop("#photo-input", {f"{label}.png": photos[label] for label in LABELS})
    visitor.add_labels([*LABELS, "other"])
    answers = visitor.answers(3)

    assert answers == {f"{label}.png": [label] for label in LABELS}
    assert page.url == visitor.url, "the API key is taken from the address"
    done = subprocess.run(["bash"], input=copied(page, "curl"), capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout)["predictions"] == LABELS, done.stderr


def test_the_copied_code_of_each_language_works(visit: Open, javascript: Path) -> None:
    visitor = visit()
    page = visitor.open()
    type_texts(page, TEXTS)
    visitor.add_labels(["positive", "negative"])
    assert [*visitor.answers(2).values()] == [["positive"], ["negative"]]

    runners = {
        "Python": [sys.executable, "-W", "ignore", "-c"],
        "JavaScript": ["node", "--input-type=module", "-e"],
        "JigsawStack for npm": ["node", "--input-type=module", "-e"],
        "OpenAI": [sys.executable, "-W", "ignore", "-c"],
    }
    for language, command in runners.items():
        code = copied(page, language)
        done = subprocess.run([*command, code], capture_output=True, text=True, timeout=60, cwd=javascript)
        assert re.findall(r"positive|negative", done.stdout) == ["positive", "negative"], f"{language}: {done.stderr}"


def test_answers_follow_the_labels_and_the_threshold(visit: Open) -> None:
    visitor = visit()
    page = visitor.open()
    type_texts(page, TEXTS)
    visitor.add_labels(["praise", "complaint"])
    visitor.answers(2)

    page.get_by_label("Several labels may fit").first.check()
    page.get_by_label("At least").fill("0.05")
    expect(page.locator(".bars.marked")).to_have_count(2)
    visitor.add_labels(["product review", "not a question"])
    expect(page.locator("#results .card").first.locator(".bar")).to_have_count(4, timeout=ANSWER_MS)
    most = sum(map(len, visitor.answers(2).values()))
    page.get_by_label("At least").fill("0.95")
    expect(page.locator("#threshold-value")).to_have_text("95 %")
    expect(page.locator(".bar.chosen")).not_to_have_count(most, timeout=ANSWER_MS)

    page.get_by_role("button", name="Remove product review").click()
    expect(page.locator("#results .card").first.locator(".bar")).to_have_count(3, timeout=ANSWER_MS)


def test_an_example_image_is_a_label(visit: Open, photos: dict[str, bytes]) -> None:
    visitor = visit()
    page = visitor.open()
    visitor.drop("#photo-input", {"mine.png": photos["cat"]})
    visitor.drop(".label-field", {"tom.png": photos["cat"], "launch.png": photos["rocket"]})

    assert visitor.answers(1) == {"mine.png": ["tom"]}
    page.get_by_label("Name of the example image").first.fill("Tom the cat")
    page.keyboard.press("Enter")
    expect(page.locator(".bar.chosen")).to_contain_text("Tom the cat", timeout=ANSWER_MS)


def test_a_folder_is_classified_by_jobs_with_progress_cancel_and_results(
    visit: Open, photos: dict[str, bytes], deployed: Deployment, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(36):
        label = LABELS[index % 3]
        (folder / f"{index:02}-{label}.png").write_bytes(photos[label])
    visitor = visit()
    page = visitor.open()
    visitor.add_labels(LABELS)
    page.set_input_files("#photo-folder", folder)
    page.locator("#start-jobs").click(timeout=ANSWER_MS)

    page.locator("#cancel-jobs").click()
    expect(page.locator("#start-jobs")).to_be_visible()
    page.locator("#start-jobs").click()
    expect(page.get_by_role("progressbar", name="Samples classified")).to_be_visible()
    assert len(visitor.answers(36)) == 36

    statuses = [job["status"] for job in deployed.call("GET", "/v1/classification/jobs?limit=4").json()["jobs"]]
    assert statuses[:2] == ["succeeded", "succeeded"], "32 photos and 4"
    assert "canceled" in statuses[2:]
    expect(page.get_by_role("img", name=re.compile("^Confidence: "))).to_be_visible()
    page.get_by_label("Order").select_option("Most certain first")
    values = [int(re.sub(r"\D", "", value)) for value in page.locator(".bar-value").all_inner_texts()]
    assert values == sorted(values, reverse=True)
    page.get_by_role("button", name=re.compile(r"^rocket \d+$")).click()
    assert all("rocket" in name for name in page.locator(".card .name").all_inner_texts())
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert (len(lines), lines[0]) == (37, "sample,labels,error,cat,rocket,cup of coffee")

    page.get_by_role("link", name="Jobs").click()
    page.get_by_role("button", name=re.compile("^Open job")).first.click()
    expect(page.get_by_role("region", name="Results")).to_contain_text("32-cup of coffee.png")


def test_a_label_set_is_saved_edited_used_and_deleted(visit: Open, deployed: Deployment) -> None:
    visitor = visit()
    page = visitor.open()
    page.on("dialog", lambda dialog: dialog.accept())
    visitor.add_labels(["praise", "complaint"])
    page.get_by_role("button", name="Save these").click()
    editor = page.get_by_role("form", name="Label set")
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
    page.get_by_role("button", name="Classify with page-moods").click()
    expect(page.locator("#labels .chip")).to_have_count(3)

    page.get_by_role("link", name="Label sets").click()
    page.get_by_role("button", name="Delete page-moods").click()
    expect(page.get_by_role("button", name="Delete page-moods")).to_have_count(0)


def test_a_wrong_key_is_asked_for_again_and_stays_in_the_tab(visit: Open, deployed: Deployment) -> None:
    visitor = visit()
    visitor.allow_failed_requests()
    page = visitor.open(key="")
    type_texts(page, TEXTS)
    visitor.add_labels(["praise", "complaint"])
    dialog = page.get_by_role("dialog", name="Your API key")

    expect(dialog).to_be_visible()
    dialog.get_by_label("API key", exact=True).fill("pgh" + "x" * 40)
    dialog.get_by_role("button", name="Use this key").click()
    expect(dialog).to_contain_text("doesn't know the key", timeout=ANSWER_MS)
    dialog.get_by_label("API key", exact=True).fill(deployed.key)
    dialog.get_by_role("button", name="Use this key").click()

    assert len(visitor.answers(2)) == 2
    assert page.evaluate("Object.values(sessionStorage)") == [deployed.key]
    assert page.evaluate("localStorage.length") == 0
    assert page.context.cookies() == []
    assert deployed.key not in page.content()


def test_a_service_that_stops_is_said_and_asked_again(visit: Open) -> None:
    visitor = visit()
    visitor.allow_failed_requests()
    page = visitor.open()
    type_texts(page, TEXTS)
    visitor.add_labels(["praise", "complaint"])
    visitor.answers(2)

    page.context.set_offline(True)
    visitor.add_labels(["question"])
    expect(page.get_by_role("alert")).to_contain_text("doesn't answer")
    page.context.set_offline(False)
    page.get_by_role("button", name="Try now").click()

    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.locator("#results .card").first.locator(".bar")).to_have_count(3, timeout=ANSWER_MS)


def test_an_error_says_how_to_fix_the_request_and_links_to_its_code(visit: Open) -> None:
    visitor = visit()
    visitor.allow_failed_requests()
    page = visitor.open()
    type_texts(page, TEXTS)
    visitor.add_labels([f"label {number}" for number in range(25)])

    expect(page.get_by_role("alert")).to_contain_text("must have at most 24 labels", timeout=ANSWER_MS)
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="invalid_request").click()
    expect(opened.value.locator("#error-invalid_request")).to_be_in_viewport(timeout=30_000)


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


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1280, "light")])
def test_no_view_has_a_barrier_or_is_wider_than_the_screen(visit: Open, width: int, scheme: str) -> None:
    visitor = visit(viewport={"width": width, "height": 800}, color_scheme=scheme, reduced_motion="reduce")
    page = visitor.open()
    assert visitor.violations() == []
    page.get_by_role("button", name="Try four photos").click()
    assert visitor.answers(4)["cat.jpg"] == ["cat"]

    for view in VIEWS:
        page.goto(f"{visitor.url}#{view}")
        page.wait_for_load_state("networkidle")
        assert visitor.violations() == [], view
        assert page.evaluate("document.documentElement.scrollWidth") <= width, view
    page.goto(f"{visitor.url}#classify")
    page.get_by_role("button", name="Copy as code").click()
    assert visitor.violations() == [], "the code"
    page.locator("#copy-close").click()
    page.locator("#key-button").click()
    assert visitor.violations() == [], "the API key"


def test_the_results_of_uploads_and_the_deployment_are_shown(visit: Open, deployed: Deployment) -> None:
    page = visit().open("deployment")
    model = deployed.call("GET", "/v1/models").json()["models"][0]
    expect(page.get_by_role("region", name="Model")).to_contain_text(model["revision"])
    expect(page.get_by_role("region", name="Limits")).to_contain_text("10,000")
    expect(page.get_by_role("region", name="Software")).to_contain_text("0.1.0")

    page.get_by_role("link", name="Uploads").click()
    listed = deployed.call("GET", "/v1/results?limit=1").json()["results"]
    shown = listed[0]["key"].rpartition("/")[2] if listed else "There are none"
    expect(page.locator("#upload-list")).to_contain_text(shown)
