"""The playground in Chromium with a wrong API key, with a service that stops, and with a request that has a fault."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from playwright.sync_api import Route, expect

from chromium import ANSWER_MS
from support.loopback import LoopbackServer, forward
from support.stack.browser import Open
from support.stack.deployment import Deployment

JOBS = re.compile(r"/v1/classification/jobs\?")  # the list that the page follows jobs by
TEXTS = ["I love it, it works perfectly!", "It broke after one day."]


def test_a_wrong_key_is_asked_for_again_and_stays_in_the_tab(visit: Open, deployed: Deployment) -> None:
    visitor = visit()
    visitor.allow_failed_requests()
    page = visitor.open(key="")
    visitor.type_texts(TEXTS)
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


def test_a_key_that_no_request_can_carry_is_refused_in_the_dialog(visit: Open, deployed: Deployment) -> None:
    page = visit().open(key="")
    page.locator("#key-button").click()
    field = page.get_by_role("dialog", name="Your API key").get_by_label("API key", exact=True)

    for wrong in ("pgh…", " ", "pgh 1"):
        field.fill(wrong)
        page.get_by_role("button", name="Use this key").click()
        assert not field.evaluate("(input) => input.validity.valid"), wrong
        expect(page.get_by_role("dialog")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0
    field.fill(f" {deployed.key} ")
    page.get_by_role("button", name="Use this key").click()
    assert page.evaluate("Object.values(sessionStorage)") == [deployed.key]


def test_a_key_in_the_address_of_an_open_page_is_taken_and_leaves_the_address(visit: Open, deployed: Deployment) -> None:
    visitor = visit()
    page = visitor.open(key="")
    visitor.type_texts(TEXTS)
    visitor.add_labels(["praise", "complaint"])
    expect(page.get_by_role("dialog", name="Your API key")).to_be_visible()

    page.evaluate("(key) => { location.hash = `key=${key}`; }", deployed.key)

    assert len(visitor.answers(2)) == 2
    assert page.url == visitor.url
    for broken in ("%", "%E2%80%A6", ""):
        page.evaluate("(key) => { location.hash = `key=${key}`; }", broken)
        expect(page.get_by_role("dialog")).to_contain_text("no valid API key")
        assert page.url == visitor.url
        page.locator("#key-cancel").click()
    assert page.evaluate("Object.values(sessionStorage)") == [deployed.key]


def test_a_service_that_stops_is_said_and_asked_again(visit: Open, deployed: Deployment) -> None:
    port = urlsplit(deployed.url).port or 0
    with LoopbackServer(forward(port)) as service:
        visitor = visit(url=service.url(""))
        visitor.allow_failed_requests()
        page = visitor.open()
        visitor.type_texts(TEXTS)
        visitor.add_labels(["praise", "complaint"])
        visitor.answers(2)

    visitor.add_labels(["question"])
    expect(page.get_by_role("alert")).to_contain_text("doesn't answer")

    with LoopbackServer(forward(port), port=service.port):
        page.get_by_role("button", name="Try now").click()
        expect(page.get_by_role("alert")).to_have_count(0)
        expect(page.locator("#results .card").first.locator(".bar")).to_have_count(3, timeout=ANSWER_MS)


def test_jobs_are_followed_again_after_the_service_stopped(visit: Open, deployed: Deployment, photos: dict[str, bytes]) -> None:
    port = urlsplit(deployed.url).port or 0
    with LoopbackServer(forward(port)) as service:
        visitor = visit(url=service.url(""))
        visitor.allow_failed_requests()
        page = visitor.open()
        visitor.add_labels(["cat", "rocket"])
        visitor.drop("#photo-input", {f"{index}.png": photos["cat"] for index in range(33)})
        held: list[Route] = []
        # The list gets no answer until the stop, so that the page sees no job end before it.
        page.route(JOBS, lambda route: held.append(route))
        page.locator("#start-jobs").click(timeout=ANSWER_MS)
        expect(page.locator("#run")).to_contain_text("0 of 33 classified")
        for _ in range(100):
            if held:
                break
            page.wait_for_timeout(100)

    held[0].abort("connectionfailed")
    page.unroute(JOBS)
    expect(page.get_by_role("alert")).to_contain_text("doesn't answer")

    with LoopbackServer(forward(port), port=service.port):
        page.get_by_role("button", name="Try now").click()
        assert len(visitor.answers(33)) == 33


def test_an_error_says_how_to_fix_the_request_and_links_to_its_code(visit: Open) -> None:
    visitor = visit()
    visitor.allow_failed_requests()
    page = visitor.open()
    visitor.type_texts(TEXTS)
    visitor.add_labels([f"label {number}" for number in range(25)])

    expect(page.get_by_role("alert")).to_contain_text("must have at most 24 labels", timeout=ANSWER_MS)
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="invalid_request").click()
    # Swagger UI changes the address when it has rendered.
    expect(opened.value).to_have_url(re.compile("#/error-invalid_request$"))
    expect(opened.value.locator("#error-invalid_request")).to_be_in_viewport(timeout=30_000)
