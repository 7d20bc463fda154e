"""A person's way through the playground in Chromium, from the first photo to code that works elsewhere."""

from __future__ import annotations

import base64
import codecs
import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, Request, Route, expect

from chromium import ANSWER_MS
from support.stack.browser import Open
from support.stack.deployment import Deployment

JOB_LIST = re.compile(r"/v1/classification/jobs\?")  # which the page follows its jobs by
LABELS = ["cat", "cup of coffee", "rocket"]
SETTLED_MS = 800  # longer than the page waits for the last change of a label
TEXTS = ["I love it, it works perfectly!", "It broke after one day."]


# The page reads 40 photos, and the others when the test calls release().
HOLD_READING = """
  const read = createImageBitmap, released = new Promise((resolve) => { window.release = resolve; });
  let count = 0;
  window.createImageBitmap = async (file) => {
    count += 1;
    if (count > 40) await released;
    return read(file);
  };
"""
PASTE_TEXT = """(text) => {
  const data = new DataTransfer();
  data.setData("text/plain", text);
  document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
}"""


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
    visitor.type_texts(TEXTS)
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
    visitor.type_texts(TEXTS)
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


def test_a_photo_is_pasted_and_taken_out(visit: Open, photos: dict[str, bytes]) -> None:
    visitor = visit()
    page = visitor.open()
    visitor.add_labels(["cat", "rocket", "other"])

    visitor.paste({"from the clipboard.png": photos["cat"]})

    assert visitor.answers(1) == {"from the clipboard.png": ["cat"]}
    page.get_by_role("button", name="Remove from the clipboard.png").click()
    expect(page.locator("#results .card")).to_have_count(0)


def test_the_page_takes_500_photos_and_says_so(visit: Open) -> None:
    visitor = visit()
    page = visitor.open()
    dot = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(dot, "PNG")

    visitor.drop("#photo-input", {"0-empty.png": b"", **{f"{index}.png": dot.getvalue() for index in range(501)}})

    expect(page.get_by_role("alert")).to_contain_text("The page takes 500 photos.")
    expect(page.get_by_role("alert"), "both in one message").to_contain_text("0-empty.png: this browser can't read the file")
    expect(page.locator("#photo-count")).to_contain_text("499 photos", timeout=ANSWER_MS)
    for name in ("500.jpg", "501.jpg"):
        page.evaluate(PASTE_TEXT, f"https://example.com/{name}")
    expect(page.get_by_role("alert"), "addresses count as well").to_contain_text("The page takes 500 photos.")
    expect(page.locator("#photo-count")).to_contain_text("500 photos")


def test_a_photo_that_was_left_out_is_named_until_the_next_photos(visit: Open, photos: dict[str, bytes]) -> None:
    visitor = visit()
    page = visitor.open()
    visitor.add_labels(["cat", "other"])

    visitor.drop("#photo-input", {"empty.png": b"", "cat.png": photos["cat"]})
    visitor.answers(1)

    fault = page.get_by_text("empty.png: this browser can't read the file")
    expect(fault).to_be_visible()
    visitor.drop("#photo-input", {"rocket.png": photos["rocket"]})
    visitor.answers(2)
    expect(fault).to_have_count(0)


def test_an_example_image_is_a_label(visit: Open, photos: dict[str, bytes]) -> None:
    visitor = visit()
    page = visitor.open()
    visitor.drop("#photo-input", {"mine.png": photos["cat"]})
    visitor.drop(".label-field", {"tom.png": photos["cat"], "launch.png": photos["rocket"]})

    assert visitor.answers(1) == {"mine.png": ["tom"]}
    page.get_by_label("Name of the example image").first.fill("Tom the cat")
    page.keyboard.press("Enter")
    expect(page.locator(".bar.chosen")).to_contain_text("Tom the cat", timeout=ANSWER_MS)


def test_jobs_start_only_when_all_photos_are_read(visit: Open, photos: dict[str, bytes]) -> None:
    visitor = visit()
    visitor.page.add_init_script(HOLD_READING)
    page = visitor.open()
    visitor.add_labels(LABELS)

    visitor.drop("#photo-input", {f"{index}.png": photos["person"] for index in range(60)})
    expect(page.locator("#photo-count")).to_have_text("Reading 40 of 60 …")
    page.wait_for_timeout(SETTLED_MS)
    expect(page.locator("#start-jobs")).to_have_count(0)

    page.evaluate("release()")
    expect(page.locator("#start-jobs")).to_have_text("Classify 60", timeout=ANSWER_MS)


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
    held: list[Route] = []
    page.route(JOB_LIST, lambda route: held.append(route))
    with page.expect_request(JOB_LIST):
        page.locator("#start-jobs").click(timeout=ANSWER_MS)

    visitor.allow_failed_requests()  # a job may have ended just before: 409
    with page.expect_response(lambda response: response.request.method == "DELETE") as cancellation:
        page.locator("#cancel-jobs").click()
    expect(page.locator("#start-jobs")).to_be_visible()
    page.unroute(JOB_LIST)
    page.locator("#start-jobs").click()
    expect(page.get_by_role("progressbar", name="Samples classified")).to_be_visible()
    assert len(visitor.answers(36)) == 36

    statuses = [job["status"] for job in deployed.call("GET", "/v1/classification/jobs?limit=4").json()["jobs"]]
    assert statuses[:2] == ["succeeded", "succeeded"], "32 photos and 4"
    assert cancellation.value.status in (200, 409)
    assert "canceled" in statuses[2:] or cancellation.value.status == 409
    expect(page.get_by_role("img", name=re.compile("^Confidence: "))).to_be_visible()
    page.get_by_label("Order").select_option("Most certain first")
    values = [int(re.sub(r"\D", "", value)) for value in page.locator(".bar-value").all_inner_texts()]
    assert values == sorted(values, reverse=True)
    page.get_by_role("button", name=re.compile(r"^rocket \d+$")).click()
    assert all("rocket" in name for name in page.locator(".card .name").all_inner_texts())
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    lines = Path(download.value.path()).read_text("utf-8-sig").splitlines()
    assert (len(lines), lines[0]) == (37, "sample,labels,error,cat,cup of coffee,rocket")
    with page.expect_download() as download:
        page.get_by_role("button", name="JSON").click()
    saved = json.loads(Path(download.value.path()).read_text())
    assert {(row["sample"], *row["labels"]) for row in saved} == {
        (f"photos/{index:02}-{LABELS[index % 3]}.png", LABELS[index % 3]) for index in range(36)
    }

    page.get_by_role("button", name="Remove photos/02-rocket.png").click()
    expect(page.locator("#summary")).to_contain_text("35 photos")
    expect(page.locator("#start-jobs"), "nothing is asked again").to_be_hidden()

    page.get_by_role("link", name="Jobs").click()
    page.get_by_role("button", name=re.compile("^Open job")).first.click()
    expect(page.get_by_role("region", name="Results")).to_contain_text("photos/32-rocket.png")


def test_an_older_request_does_not_replace_the_answers_of_a_newer_one(visit: Open) -> None:
    """A request may be answered in the moment in which the page gives it up."""
    visitor = visit()
    page = visitor.page
    page.add_init_script("const real = fetch; window.fetch = (url, { signal, ...options } = {}) => real(url, options)")
    visitor.open()
    held: list[Route] = []
    page.route("**/v1/classification", lambda route: held.append(route) if not held else route.continue_())
    visitor.type_texts(TEXTS)
    with page.expect_request("**/v1/classification"):
        visitor.add_labels(["praise", "complaint"])
    visitor.add_labels(["question"])
    visitor.answers(2)

    with page.expect_response("**/v1/classification"):
        held[0].continue_()

    page.wait_for_timeout(SETTLED_MS)
    assert page.locator("#results .card").first.locator(".bar").count() == 3


def test_answers_are_still_there_after_a_look_at_the_other_kind(visit: Open, photos: dict[str, bytes]) -> None:
    visitor = visit()
    page = visitor.open()
    visitor.drop("#photo-input", {f"{index}.png": photos["cat"] for index in range(33)})
    visitor.add_labels(["cat", "rocket"])
    page.locator("#start-jobs").click(timeout=ANSWER_MS)
    visitor.answers(33)

    visitor.type_texts(TEXTS)
    visitor.answers(2)
    page.get_by_role("button", name="Photos", exact=True).click()

    visitor.answers(33)
    page.wait_for_timeout(SETTLED_MS)
    expect(page.locator("#start-jobs"), "nothing is asked again").to_be_hidden()


DRAG = """({ kind, type }) => {
  const transfer = new DataTransfer();
  if (type === "Files") transfer.items.add(new File(["x"], "cat.txt"));
  else transfer.setData(type, "a text");
  return !document.querySelector("h1").dispatchEvent(
    new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true })
  );
}"""


@pytest.mark.parametrize("kind", ["dragover", "drop"])
def test_the_page_takes_dragged_files_and_leaves_dragged_texts_to_the_browser(visit: Open, kind: str) -> None:
    visitor = visit()
    page = visitor.open()
    visitor.type_texts(TEXTS)

    assert not page.evaluate(DRAG, {"kind": kind, "type": "text/plain"})
    expect(page.locator("#text-input"), "the texts are still shown").to_be_visible()
    assert page.evaluate(DRAG, {"kind": kind, "type": "Files"})


FOLDER = """() => {
  const read = (entries) => { let pages = [entries, []]; return { readEntries: (resolve) => resolve(pages.shift()) }; };
  const file = (path, data, type) => ({
    isFile: true, name: path.split("/").pop(), fullPath: path,
    file: (resolve) => resolve(new File([data], path.split("/").pop(), { type })),
  });
  const folder = (path, entries) => ({ isDirectory: true, name: path, fullPath: path, createReader: () => read(entries) });
  const broken = {
    isFile: true, name: "locked.jpg", fullPath: "/all/locked.jpg", file: (_, reject) => reject(new Error("locked")),
  };
  window.opened = 0;
  const endless = { isDirectory: true, name: "endless", fullPath: "/all/endless", createReader: () => ({
    readEntries: (resolve) => { window.opened += 1; resolve(window.opened > 100 ? [] : many(window.opened)); } }) };
  const many = (page) => [...Array(100).keys()].map((index) => file(`/all/endless/${page}-${index}.png`, "", "image/png"));
  const same = folder("/all", [file("/all/a/1.png", "x", "image/png"), file("/all/b/1.png", "x", "image/png")]);
  const folders = { broken: folder("/all", [broken]), endless, same };
  return (name) => {
    const event = new Event("drop", { bubbles: true, cancelable: true });
    event.dataTransfer = { types: ["Files"], files: [], items: [{ webkitGetAsEntry: () => folders[name] }] };
    document.querySelector("h1").dispatchEvent(event);
  };
}"""


def test_a_file_of_a_folder_that_cannot_be_read_is_reported(visit: Open) -> None:
    page = visit().open()

    page.evaluate_handle(FOLDER).evaluate("(drop) => drop('broken')")

    expect(page.get_by_role("alert")).to_contain_text("all/locked.jpg: this browser can't read it")


def test_a_folder_is_walked_only_until_it_has_too_many_photos(visit: Open) -> None:
    page = visit().open()

    page.evaluate_handle(FOLDER).evaluate("(drop) => drop('endless')")

    expect(page.get_by_role("alert")).to_contain_text("The page takes 500 photos.")
    assert page.evaluate("window.opened") == 6, "pages of 100 files"


def test_enter_that_confirms_a_composed_word_does_not_end_the_label(visit: Open) -> None:
    page = visit().open()
    field = page.get_by_label("New label")
    field.fill("ね")

    field.dispatch_event("keydown", {"key": "Enter", "isComposing": True})
    expect(field).to_have_value("ね")

    field.press("Enter")
    expect(page.locator("#labels .chip")).to_have_text([re.compile("^ね")])


def test_a_label_is_removed_while_another_is_half_typed(visit: Open) -> None:
    visitor = visit()
    page = visitor.open()
    visitor.add_labels(["cat", "dog"])
    page.get_by_label("New label").press_sequentially("roc")

    page.get_by_role("button", name="Remove cat").click()

    expect(page.locator("#labels .chip")).to_have_text([re.compile("^dog")])
    expect(page.get_by_label("New label")).to_have_value("roc")
    expect(page.get_by_label("New label")).to_be_focused()


def sent(request: Request) -> dict[str, Any]:
    """Return the options of a request."""
    body: dict[str, Any] = request.post_data_json
    return {name: body[name] for name in ("multiple_labels", "threshold", "top_k", "prompt_templates") if name in body}


@pytest.mark.parametrize(
    "options",
    [
        {"multiple_labels": True, "threshold": 0.333, "top_k": 2, "prompt_templates": ["a photo of {}"]},
        {"multiple_labels": False, "threshold": 0.2},
        {"multiple_labels": True},
    ],
)
def test_a_label_set_asks_with_its_own_options_until_they_are_changed(
    visit: Open, deployed: Deployment, options: dict[str, Any]
) -> None:
    labels = [{"type": "text", "value": label} for label in ("praise", "complaint")]
    stored = deployed.call("PUT", "/v1/label-sets/exact", {"labels": labels, **options})
    assert stored.is_success, stored.text
    visitor = visit()
    page = visitor.open()
    page.get_by_label("Several labels may fit").first.check()
    page.get_by_label("At least").fill("0.8")
    visitor.type_texts(TEXTS)

    with page.expect_request("**/v1/classification") as asked:
        page.get_by_label("Load a label set").select_option("exact")

    assert sent(asked.value) == options
    page.get_by_label("Several labels may fit").first.check()
    with page.expect_request(lambda request: '"threshold":0.62' in (request.post_data or "")) as asked:
        page.get_by_label("At least").fill("0.62")
    assert sent(asked.value) == {"multiple_labels": True, "threshold": 0.62}


def test_photos_to_try_that_cannot_be_loaded_are_reported(visit: Open) -> None:
    visitor = visit()
    visitor.allow_failed_requests()
    page = visitor.open()
    page.route("**/playground/rocket.jpg", lambda route: route.fulfill(status=503, body="busy"))

    page.get_by_role("button", name="Try four photos").click()

    expect(page.get_by_role("alert")).to_contain_text("The photos to try can't be loaded.")
    expect(page.locator("#results .card")).to_have_count(0)


def test_the_focus_goes_to_the_next_card_when_one_is_removed(visit: Open) -> None:
    visitor = visit()
    page = visitor.open()
    visitor.type_texts([*TEXTS, "Where is it?"])
    visitor.add_labels(["praise", "complaint"])
    visitor.answers(3)

    page.get_by_role("button", name=f"Remove {TEXTS[0]}").press("Enter")

    page.wait_for_timeout(SETTLED_MS)
    expect(page.get_by_role("button", name=f"Remove {TEXTS[1]}")).to_be_focused()


def test_photos_of_a_dropped_folder_have_their_path_as_name(visit: Open) -> None:
    """Their data is no image, which the service would say. The page shows them all the same, as it does HEIC."""
    page = visit().open()

    page.evaluate_handle(FOLDER).evaluate("(drop) => drop('same')")

    expect(page.locator("#results .card .name")).to_have_text(["all/a/1.png", "all/b/1.png"])


def test_a_long_name_is_not_cut_within_a_character(visit: Open, photos: dict[str, bytes]) -> None:
    visitor = visit()
    page = visitor.open()
    name = "a" * 127 + "😀" * 20

    visitor.drop("#photo-input", {f"{name}.png": photos["cat"]})
    with page.expect_request("**/v1/classification") as asked:
        visitor.add_labels(["cat", "rocket"])

    assert asked.value.post_data_json["dataset"][0]["custom_id"] == name[:128]
    visitor.answers(1)


def test_the_pasted_address_of_an_image_may_have_any_percent_sign(visit: Open) -> None:
    page = visit().open()

    for name in ("a%20cat.jpg", "100%.jpg"):
        page.evaluate(PASTE_TEXT, f"https://example.com/{name}")

    expect(page.locator("#results .card .name")).to_have_text(["a cat.jpg", "100%.jpg"])


def test_a_saved_csv_has_no_formulas_and_says_that_it_is_utf_8(visit: Open) -> None:
    visitor = visit()
    page = visitor.open()
    visitor.type_texts(["=1+1", "@cmd", "é, that's fine"])
    visitor.add_labels(["-2", "other"])
    visitor.answers(3)

    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()

    saved = Path(download.value.path()).read_bytes()
    assert saved.startswith(codecs.BOM_UTF8)
    rows = list(csv.reader(io.StringIO(saved.decode("utf-8-sig"))))
    assert rows[0] == ["sample", "labels", "error", "'-2", "other"]
    assert [row[0] for row in rows[1:]] == ["'=1+1", "'@cmd", "é, that's fine"]


def test_copied_code_says_what_it_leaves_out(visit: Open, photos: dict[str, bytes], deployed: Deployment) -> None:
    labels = [
        {"type": "text", "key": "good", "value": "praise of a product"},
        {"type": "image", "key": "tom", "value": "data:image/png;base64," + base64.b64encode(photos["cat"]).decode()},
    ]
    stored = deployed.call("PUT", "/v1/label-sets/described", {"labels": labels})
    assert stored.is_success, stored.text
    visitor = visit()
    page = visitor.open()
    visitor.type_texts([f"Text {number}" for number in range(41)])
    page.get_by_label("Load a label set").select_option("described")
    page.locator("#start-jobs").click(timeout=ANSWER_MS)
    visitor.answers(41)

    page.get_by_role("button", name="Copy as code").click()
    expect(page.locator("#copy-note")).to_have_text("For a shell. The first 32 of 41 samples.")
    page.get_by_role("button", name="OpenAI", exact=True).click()
    expect(page.locator("#copy-note")).to_contain_text("sends no example images")
    expect(page.locator("#copy-code")).to_contain_text('"description": "praise of a product"')


def test_code_is_copied_where_the_clipboard_is_denied(visit: Open) -> None:
    visitor = visit()
    denied = "navigator.clipboard.writeText = () => Promise.reject(new DOMException('denied', 'NotAllowedError'))"
    visitor.page.add_init_script(denied)
    page = visitor.open()
    visitor.type_texts(TEXTS)
    visitor.add_labels(["praise", "complaint"])
    visitor.answers(2)

    assert copied(page, "curl").startswith("curl ")
