"""The list of jobs in Chromium while jobs change, with answers that the test gives."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, Route, expect

from support.stack.browser import Open

JOBS = re.compile(r"/v1/classification/jobs\b")
CREATED = "2026-01-01T00:00:00Z"


def job(name: str, status: str = "processing", done: int = 0) -> dict[str, Any]:
    finished_at = CREATED if status in ("succeeded", "canceled") else None
    progress = {"total": 9, "succeeded": done, "failed": 0}
    return {"id": name, "status": status, "created_at": CREATED, "finished_at": finished_at, "progress": progress}


class Service:
    """Answers the page's requests for jobs. `listed` are those of a list, `all` those that an id finds."""

    def __init__(self, page: Page, *jobs: dict[str, Any]) -> None:
        self.listed, self.all, self.lists = list(jobs), {each["id"]: each for each in jobs}, 0
        page.route(JOBS, self._answer)

    def _answer(self, route: Route) -> None:
        parts = urlsplit(route.request.url)
        name = parts.path.rsplit("/", 1)[1]
        if name in self.all:
            route.fulfill(body=json.dumps({"job": self.all[name]}))
            return
        self.lists += 1
        (status,) = parse_qs(parts.query).get("status", [""])
        jobs = [each for each in self.listed if status in ("", each["status"])]
        route.fulfill(body=json.dumps({"jobs": jobs}))

    def wait_for_lists(self, page: Page, count: int) -> None:
        reached = self.lists + count
        for _ in range(100):
            if self.lists >= reached:
                return
            page.wait_for_timeout(100)
        raise AssertionError(f"the page asked for {self.lists} lists in 10 s, not {reached}")


def test_the_focus_and_the_place_stay_while_the_list_is_read_again(visit: Open) -> None:
    page = visit(viewport={"width": 360, "height": 800}).open()
    service = Service(page, job("first"), job("second"))
    page.get_by_role("link", name="Jobs", exact=True).click()
    cancel = page.get_by_role("button", name="Cancel job second")
    cancel.focus()
    table = page.get_by_role("region", name="List of jobs")
    table.evaluate("(box) => { box.scrollLeft = 60; }")
    marked = cancel.element_handle()

    service.wait_for_lists(page, 2)
    assert marked.evaluate("(button) => button.isConnected"), "nothing had changed"
    service.listed[0] = job("first", done=5)
    expect(page.get_by_role("row").filter(has_text="5 of 9")).to_be_visible()
    expect(cancel).to_be_focused()
    assert table.evaluate("(box) => box.scrollLeft") == 60

    service.listed[1] = job("second", "succeeded", done=9)
    expect(page.get_by_role("button", name="Open job second")).to_be_focused()


def test_a_job_that_left_the_first_page_is_still_followed(visit: Open) -> None:
    page = visit().open()
    service = Service(page, job("first"))
    page.get_by_role("link", name="Jobs", exact=True).click()
    row = page.get_by_role("row").filter(has_text="first")
    expect(row).to_contain_text("0 of 9")

    service.listed.clear()
    service.all["first"] = job("first", "succeeded", done=9)

    expect(row).to_contain_text("9 of 9")
    expect(row).to_contain_text("succeeded")


def test_a_job_that_left_the_status_of_the_list_leaves_the_list(visit: Open) -> None:
    page = visit().open()
    service = Service(page, job("first"), job("second"))
    page.get_by_role("link", name="Jobs", exact=True).click()
    page.get_by_label("Status", exact=True).select_option("processing")
    expect(page.get_by_role("button", name="Open job second")).to_be_visible()

    service.listed[1] = service.all["second"] = job("second", "succeeded", done=9)

    expect(page.get_by_role("button", name="Open job second")).to_have_count(0)
    expect(page.get_by_role("button", name="Open job first")).to_be_visible()
