// The view Jobs: a list, and one job with its errors and results.

import { send } from "../api.js";
import { announce, button, byId, count, download, emptyBox, h, localTime, pause, percent, table } from "../dom.js";
import { helpLink, showError } from "../notices.js";
import { readJobs } from "../parts/follow.js";
import { toCsv, toJson } from "../parts/results.js";
import { byQuestion, toRows } from "../parts/run.js";

const POLL_MS = 1_500;
const SHOWN = 200; // results of a job on the page, over all its questions; the files have all
const MIN_SHOWN = 5; // results of each question, however many questions there are

/** The view Jobs. */
export class JobsView {
  constructor() {
    byId("reload-jobs").addEventListener("click", () => this.open());
    byId("job-status").addEventListener("change", () => this.open());
  }

  /** Show the jobs as they are now, and follow them while the view is open. */
  async open() {
    this.close();
    this.following = new AbortController();
    const { signal } = this.following;
    this.jobs = [];
    try {
      await this.#loadPage("", signal);
      while (this.jobs.some((job) => !job.finished_at)) {
        await pause(POLL_MS, signal);
        await this.#update(signal);
      }
    } catch (error) {
      showError(error);
    }
  }

  /** Stop following the jobs. */
  close() {
    this.following?.abort();
  }

  async #loadPage(cursor, signal) {
    const { jobs, cursor: next } = await send("GET", this.#address(cursor), { signal });
    this.jobs.push(...jobs);
    this.next = next;
    this.#render();
  }

  #address(cursor = "") {
    const query = new URLSearchParams({ limit: "20" });
    if (byId("job-status").value) query.set("status", byId("job-status").value);
    if (cursor) query.set("cursor", cursor);
    return `v1/classification/jobs?${query}`;
  }

  async #update(signal) {
    const unfinished = this.jobs.filter((job) => !job.finished_at);
    const latest = await readJobs(
      unfinished.map((job) => job.id),
      signal,
    );
    const status = byId("job-status").value;
    this.jobs = this.jobs.map((job) => latest.get(job.id) ?? job).filter((job) => !status || job.status === status);
    this.#render();
  }

  #render() {
    const place = byId("job-list"),
      content = JSON.stringify([this.jobs, this.next]);
    if (content === this.rendered) return;
    this.rendered = content;
    if (!this.jobs.length) {
      place.replaceChildren(emptyBox("There are none."));
      return;
    }
    const focused = document.activeElement?.id,
      scrolled = byId("job-table")?.scrollLeft ?? 0;
    const list = table(
      "List of jobs",
      ["Job", "Status", "Progress", "Created", "Actions"],
      this.jobs.map((job) => this.#row(job)),
    );
    Object.assign(list, { id: "job-table" });
    const showMore = () => this.#loadPage(this.next, this.following.signal).catch(showError);
    place.replaceChildren(list, ...(this.next ? [button("Show more", showMore, { id: "more-jobs" })] : []));
    list.scrollLeft = scrolled;
    // A job that has ended has no button Cancel. The next nearest is its button Open.
    if (focused) (byId(focused) ?? byId(focused.replace("cancel-", "open-")))?.focus({ preventScroll: true });
  }

  #row(job) {
    const { total, succeeded, failed } = job.progress,
      done = succeeded + failed;
    return [
      h("code", { title: job.id }, job.id.slice(0, 12)),
      h("span", { class: `badge ${job.status}` }, job.status),
      h(
        "span",
        { class: "row" },
        h("progress", { max: Math.max(total, 1), value: done, "aria-label": `Job ${job.id.slice(0, 12)}` }),
        failed ? `${done} of ${total}, ${failed} with an error` : `${done} of ${total}`,
      ),
      localTime(job.created_at),
      h(
        "span",
        { class: "row" },
        button("Open", () => this.#show(job.id), { id: `open-${job.id}`, "aria-label": `Open job ${job.id.slice(0, 12)}` }),
        job.finished_at
          ? null
          : button("Cancel", () => this.#cancel(job.id), {
              id: `cancel-${job.id}`,
              class: "quiet",
              "aria-label": `Cancel job ${job.id.slice(0, 12)}`,
            }),
      ),
    ];
  }

  async #cancel(id) {
    try {
      await send("DELETE", `v1/classification/jobs/${id}`);
      announce("Job canceled");
    } catch (error) {
      showError(error);
    }
    await this.open();
  }

  async #show(id) {
    try {
      const answer = await send("GET", `v1/classification/jobs/${id}`);
      const place = byId("job-detail"),
        results = h("div");
      place.replaceChildren(
        h(
          "section",
          { class: "panel", "aria-label": `Job ${id}` },
          h(
            "div",
            { class: "panel-head" },
            h("h2", { tabIndex: -1 }, `Job ${id.slice(0, 12)}`),
            button("Close", () => place.replaceChildren(), { class: "quiet" }),
          ),
          ...this.#describe(answer),
          results,
        ),
      );
      place.querySelector("h2").focus();
    } catch (error) {
      showError(error);
    }
  }

  #describe(answer) {
    const { job } = answer;
    const { total, succeeded, failed } = job.progress;
    const facts = [
      h("span", { class: `badge ${job.status}` }, job.status),
      ` ${count(total, "sample")}, ${succeeded} with a result, ${failed} with an error. `,
      job.label_set ? `Label set ${job.label_set.name}, version ${job.label_set.version}. ` : "",
      `Expires ${localTime(job.expires_at)}.`,
    ];
    const parts = [h("p", {}, facts), h("p", { class: "hint" }, "id ", h("code", {}, job.id))];
    if (job.error) parts.push(h("p", { class: "bad" }, job.error.message));
    if (answer.results_url)
      parts.push(
        h(
          "p",
          {},
          h("a", { href: answer.results_url }, "The results"),
          " are too large for the page. The link works for an hour.",
        ),
      );
    const files = answer.results ? [...answer.results.parts, ...answer.results.errors] : [];
    if (files.length)
      parts.push(
        h(
          "ul",
          {},
          files.map((file) => h("li", {}, h("a", { href: file.url }, file.name), ` ${count(file.rows, "row")}`)),
        ),
      );
    if (answer.predictions) {
      const questions = byQuestion(answer);
      const most = Math.max(MIN_SHOWN, Math.floor(SHOWN / questions.length));
      parts.push(...questions.flatMap((question) => resultsOf(question, most)));
    }
    return parts;
  }
}

/** Show the results of one question, the first `most` of them. */
function resultsOf(question, most) {
  const samples = question.predictions.map((_, index) => ({
    id: index,
    type: "text",
    name: question.custom_ids?.[index] ?? `sample ${index}`,
  }));
  const rows = toRows(samples, question);
  const cells = rows
    .slice(0, most)
    .map((row) => [
      row.sample.name,
      row.error ? h("span", { class: "bad small" }, row.error.message, " ", helpLink(row.error.code)) : row.labels.join(", "),
      row.scores.length
        ? percent((row.scores.find((score) => score.label === row.labels[0]) ?? row.scores[0]).probability)
        : "",
    ]);
  const { name } = question,
    ofQuestion = name && ` of ${name}`,
    file = name ? `job-${name}` : "job";
  const save = (kind, mediaType, write) =>
    button(kind, () => download(`${file}.${kind.toLowerCase()}`, mediaType, write(rows)), { "aria-label": kind + ofQuestion });
  return [
    name ? h("h3", {}, name) : null,
    h(
      "div",
      { class: "row" },
      save("CSV", "text/csv", toCsv),
      save("JSON", "application/json", toJson),
      rows.length > most ? h("span", { class: "hint" }, `The first ${most} of ${rows.length}. The files have all.`) : null,
    ),
    table(`Results${ofQuestion}`, ["Sample", "Labels", "Probability"], cells),
  ];
}
