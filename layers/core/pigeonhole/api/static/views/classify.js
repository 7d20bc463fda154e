// The view Classify: samples and labels in, answers out, live.

import { apiKey } from "../api.js";
import { announce, button, byId, count, debounce, h } from "../dom.js";
import { invitation } from "../parts/invitation.js";
import { LabelField } from "../parts/labels.js";
import { clearErrors, showError } from "../notices.js";
import { Results, summarize } from "../parts/results.js";
import { MAX_NOW, classifyByJobs, classifyNow } from "../parts/run.js";
import { SampleInput } from "../parts/samples.js";
import { setUpCopyAs } from "../parts/copy_as.js";
import { LabelSetChooser } from "../parts/label_set_chooser.js";

const LIVE_MS = 300; // after the last change of a label
const KEPT = ["threshold", "top_k", "prompt_templates"]; // options that the page has no input for, or a less exact one

/** The view Classify. */
export class ClassifyView {
  constructor() {
    this.answers = new Map(); // the id of a sample -> { row, asked }, the question that the row answers, as JSON
    this.running = null; // { controller, isJobs } of the request or the jobs that run
    this.changed = debounce(() => this.#refresh(), LIVE_MS);
    this.kept = null; // options of a label set, until the reader changes its labels or how they are chosen
    this.samples = new SampleInput(() => this.#showSamples());
    this.labels = new LabelField(byId("labels"), () => this.#change(), showError);
    this.results = new Results(byId("results"), {
      remove: (sample) => this.samples.remove(sample),
      copyAs: () => this.copyAs(this.samples.samples, this.question),
    });
    this.copyAs = setUpCopyAs();
    this.sets = new LabelSetChooser(this);
    this.#listen();
    this.#showSamples();
  }

  /** The labels and the options, as a request has them. */
  get question() {
    const question = { labels: this.labels.labels, multiple_labels: byId("multiple").checked, ...this.kept };
    const instruction = byId("instruction").value.trim();
    if (question.multiple_labels && !this.kept) question.threshold = Number(byId("threshold").value);
    return instruction ? { ...question, instruction } : question;
  }

  /** A row for each sample that is shown. One that has no answer yet has no scores. */
  get rows() {
    const unanswered = (sample) => ({ sample, labels: [], scores: [], error: null });
    return this.samples.samples.map((sample) => this.answers.get(sample.id)?.row ?? unanswered(sample));
  }

  /** Use the labels and the options of a label set. */
  use(labelSet) {
    byId("multiple").checked = labelSet.multiple_labels;
    byId("threshold").value = labelSet.threshold ?? byId("threshold").defaultValue;
    byId("instruction").value = labelSet.instruction ?? "";
    this.labels.set(labelSet.labels);
    const isSet = ([name, value]) => KEPT.includes(name) && value !== null && value !== undefined;
    this.kept = Object.fromEntries(Object.entries(labelSet).filter(isSet));
    this.#showThreshold();
  }

  /** Do again what a missing key or a silent service prevented. */
  resume() {
    this.sets.load();
    if (!this.running?.isJobs) this.#refresh();
  }

  #listen() {
    byId("clear-labels").addEventListener("click", () => this.labels.set([]));
    byId("multiple").addEventListener("change", () => this.#change());
    byId("threshold").addEventListener("input", () => {
      this.#change();
      this.results.markThreshold(this.#threshold);
    });
    byId("instruction").addEventListener("input", this.changed);
  }

  /** Ask what the page shows, which is no longer what a label set asks. */
  #change() {
    this.kept = null;
    this.#showThreshold();
    this.changed();
  }

  get #threshold() {
    return this.kept?.threshold ?? Number(byId("threshold").value);
  }

  #showThreshold() {
    byId("threshold-row").hidden = !byId("multiple").checked;
    byId("threshold-value").textContent = `${Math.round(100 * this.#threshold)} %`;
  }

  /** Show the samples at once, with the answers that are known, and ask for the others. */
  #showSamples() {
    const ids = new Set([...this.samples.photos, ...this.samples.texts].map((sample) => sample.id));
    for (const id of this.answers.keys()) if (!ids.has(id)) this.answers.delete(id);
    this.#show(false);
    this.changed();
  }

  #show(isStale) {
    const threshold = byId("multiple").checked ? this.#threshold : 0;
    this.results.show(this.rows, { threshold, isStale });
    byId("empty").replaceChildren(...(this.rows.length ? [] : invitation(this)));
    if (!this.rows.some((row) => row.scores.length)) byId("summary").textContent = this.#missing();
  }

  #missing() {
    if (!this.rows.length) return "";
    const missing = 2 - this.labels.distinct;
    return missing > 0 ? `Name ${count(missing, missing === 2 ? "label" : "more label")} to begin.` : "";
  }

  /** Ask the service. An answer to an earlier question is discarded. */
  async #refresh() {
    this.#stop();
    byId("run").hidden = true;
    const { samples } = this.samples;
    if (this.labels.distinct < 2) this.answers.clear();
    if (!samples.length || this.labels.distinct < 2) return this.#show(false);
    if (this.#isAnswered()) {
      this.#show(false);
      return this.#summarize();
    }
    if (samples.length > MAX_NOW) return this.#offerJobs(samples);
    if (!apiKey.get()) this.#show(false);
    return this.#run(async ({ signal, question, take }) => {
      this.#show(true);
      byId("summary").textContent = "Classifying …";
      take(await classifyNow(samples, question, signal));
    });
  }

  /** Whether every row answers the question as it is now. So a sample that is taken out costs no request. */
  #isAnswered() {
    const asked = JSON.stringify(this.question);
    return this.samples.samples.every((sample) => this.answers.get(sample.id)?.asked === asked);
  }

  #offerJobs(samples) {
    const text = `${count(samples.length, "sample")} are classified in the background, by jobs.`;
    byId("run").replaceChildren(
      h("p", {}, text),
      button(`Classify ${samples.length}`, () => this.#runJobs(samples), { class: "main", id: "start-jobs" }),
    );
    byId("run").hidden = false;
    this.#show(this.rows.some((row) => row.scores.length));
  }

  #runJobs(samples) {
    for (const sample of samples) this.answers.delete(sample.id);
    const bar = h("progress", { max: samples.length, value: 0, "aria-label": "Samples classified" });
    const text = h("p", {}, "Sending the samples …");
    byId("run").replaceChildren(
      text,
      bar,
      button("Cancel", () => this.#cancel(samples), { id: "cancel-jobs" }),
    );
    byId("run").hidden = false;
    byId("cancel-jobs").focus();
    this.#show(false);
    const onProgress = (done) => {
      bar.value = done;
      text.textContent = `${done} of ${samples.length} classified`;
    };
    const work = ({ signal, question, take }) => classifyByJobs(samples, question, { signal, onProgress, onRows: take });
    return this.#run(work, { isJobs: true });
  }

  #cancel(samples) {
    this.#stop();
    announce("Canceled");
    this.#offerJobs(samples);
  }

  #summarize(time = "") {
    byId("summary").textContent = summarize(this.rows) + time;
    announce(summarize(this.rows));
  }

  #stop() {
    this.running?.controller.abort();
    this.running = null;
  }

  /** Do work that calls `take` with rows. Work that was stopped changes nothing, even if it ends later than its successor. */
  async #run(work, { isJobs = false } = {}) {
    const running = { controller: new AbortController(), isJobs },
      question = this.question,
      started = performance.now();
    const take = (rows) => {
      if (this.running !== running) return;
      for (const row of rows) this.answers.set(row.sample.id, { row, asked: JSON.stringify(question) });
      this.#show(false);
    };
    this.running = running;
    try {
      await work({ signal: running.controller.signal, question, take });
      if (this.running !== running) return;
      this.running = null;
      byId("run").hidden = true;
      this.#summarize(` · ${((performance.now() - started) / 1000).toFixed(1)} s`);
      clearErrors();
    } catch (error) {
      if (this.running !== running) return;
      this.running = null;
      byId("summary").textContent = "";
      this.#show(false);
      showError(error);
      if (this.samples.samples.length > MAX_NOW) this.#offerJobs(this.samples.samples);
    }
  }
}
