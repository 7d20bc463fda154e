// The view Uploads: results of the files that were put into the upload bucket.

import { send } from "../api.js";
import { button, byId, emptyBox, h, localTime, percent, table } from "../dom.js";
import { helpLink, showError } from "../notices.js";

/** The view Uploads. */
export class UploadsView {
  constructor() {
    byId("upload-filter").addEventListener("submit", (event) => {
      event.preventDefault();
      this.open();
    });
  }

  /** Show the newest results, or those of keys that begin with what the reader typed. */
  async open() {
    this.results = [];
    await this.#load("");
  }

  async #load(cursor) {
    const query = new URLSearchParams({ limit: "50" }),
      prefix = byId("upload-prefix").value.trim();
    if (prefix) query.set("prefix", prefix);
    if (cursor) query.set("cursor", cursor);
    try {
      const shown = this.results;
      const { results, cursor: next } = await send("GET", `v1/results?${query}`);
      if (shown !== this.results) return; // the reader has asked for others meanwhile
      shown.push(...results);
      this.#render(next);
    } catch (error) {
      showError(error);
    }
  }

  #render(next) {
    const place = byId("upload-list");
    if (!this.results.length) {
      const command = h("code", {}, "pigeonhole upload photos/ --label-set NAME");
      return place.replaceChildren(emptyBox("There are none. ", command, " sends files."));
    }
    const rows = this.results.map((result) => [
      h("span", { class: "names", title: result.key }, result.key.split("/").pop()),
      result.label_set?.name ?? "",
      result.error
        ? h("span", { class: "bad small" }, result.error.message, " ", helpLink(result.error.code))
        : outcome(result),
      localTime(result.classified_at),
    ]);
    const more = next ? [button("Show more", () => this.#load(next))] : [];
    return place.replaceChildren(table("List of uploads", ["File", "Label set", "Result", "Classified"], rows), ...more);
  }
}

function outcome(result) {
  if (result.samples) return `${result.samples.succeeded} of ${result.samples.total} lines`;
  const labels = [result.prediction ?? []].flat();
  const scores = new Map((result.scores ?? []).map((score) => [score.label, score.probability]));
  return labels.map((label) => (scores.has(label) ? `${label} ${percent(scores.get(label))}` : label)).join(", ");
}
