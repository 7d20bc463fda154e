// The answers: a card per sample with bars, or a grid for many, sorted and filtered.

import { button, byId, count, download, h, percent } from "../dom.js";
import { bars } from "./bars.js";
import { confidence, histogram, labelCounts } from "./histogram.js";
import { helpLink } from "../notices.js";

const MANY = 10; // from so many rows on, the histogram says more than the cards
const GRID = 33; // from so many rows on, the grid is the first view

const ORDERS = {
  given: { name: "In order", compare: null },
  sure: { name: "Most certain first", compare: (one, other) => confidence(other) - confidence(one) },
  unsure: { name: "Least certain first", compare: (one, other) => confidence(one) - confidence(other) },
  label: { name: "By label", compare: (one, other) => (one.labels[0] ?? "~").localeCompare(other.labels[0] ?? "~") },
  name: {
    name: "By name",
    compare: (one, other) => one.sample.name.localeCompare(other.sample.name, undefined, { numeric: true }),
  },
};

/** The answers on the page. `remove` is called with a sample that the reader takes out, `copyAs` to show the code. */
export class Results {
  constructor(place, { remove, copyAs }) {
    Object.assign(this, { place, remove, copyAs, rows: [], order: "given", onlyLabel: "", threshold: 0, drawn: new Map() });
    this.layout = "";
  }

  /** Show rows. A row without an answer yet has no scores. `isStale` says that a newer answer is on its way. */
  show(rows, { threshold = 0, isStale = false } = {}) {
    Object.assign(this, { rows, threshold });
    if (!rows.some((row) => row.labels.includes(this.onlyLabel))) this.onlyLabel = "";
    this.place.classList.toggle("stale", isStale);
    this.place.setAttribute("aria-busy", String(isStale));
    this.#render();
  }

  /** Mark another threshold on the bars, before the service has answered with it. */
  markThreshold(threshold) {
    this.threshold = threshold;
    this.place.querySelectorAll(".bars").forEach((list) => list.style.setProperty("--threshold", threshold));
  }

  #render() {
    const scroll = scrollY,
      focused = document.activeElement?.id;
    const answered = this.rows.filter((row) => row.scores.length || row.error);
    this.place.replaceChildren(
      ...(answered.length ? [this.#toolbar(answered)] : []),
      ...(answered.length >= MANY ? [this.#overview(answered)] : []),
      this.#cards(),
    );
    if (focused) byId(focused)?.focus();
    scrollTo({ top: scroll, behavior: "instant" });
  }

  #cards() {
    const { compare } = ORDERS[this.order];
    const shown = this.rows.filter((row) => !this.onlyLabel || row.labels.includes(this.onlyLabel));
    const sorted = compare ? [...shown].sort(compare) : shown;
    const layout = this.layout || (this.rows.length >= GRID ? "grid" : "bars");
    const isText = this.rows[0]?.sample.type === "text";
    return h(
      "ol",
      { class: `cards ${isText ? "texts" : `${layout}-layout`}` },
      sorted.map((row) => this.#card(row, layout)),
    );
  }

  #card(row, layout) {
    const { sample } = row,
      isGrid = layout === "grid" && sample.type === "image";
    const take = button("×", () => this.#take(sample), {
      class: "take",
      id: `take-${sample.id}`, // keeps the focus when the cards are rendered again
      "aria-label": `Remove ${sample.name}`,
      title: "Remove",
    });
    const before = this.drawn.get(sample.id);
    const list = bars(row, { most: isGrid ? 1 : 6, threshold: this.threshold, before });
    this.drawn.set(sample.id, new Map(row.scores.map((score) => [score.label, score.probability])));
    return h(
      "li",
      { class: "card" },
      sample.type === "image" ? picture(sample) : h("p", { class: "said" }, sample.value),
      h(
        "div",
        { class: "card-body" },
        sample.type === "image" ? h("p", { class: "name", title: sample.name }, sample.name) : null,
        row.error ? h("p", { class: "bad small" }, row.error.message, " ", helpLink(row.error.code)) : list,
      ),
      take,
    );
  }

  /** Remove a sample. The focus goes to the next card, for people who use the keyboard. */
  #take(sample) {
    const at = [...this.place.querySelectorAll(".take")].findIndex((take) => take.id === `take-${sample.id}`);
    this.remove(sample);
    const left = this.place.querySelectorAll(".take");
    (left[Math.min(at, left.length - 1)] ?? byId(sample.type === "image" ? "choose-photos" : "texts")).focus();
  }

  #toolbar(answered) {
    const choose = (name, options, value, onchange, id) => [
      h("label", { class: "hidden-text", htmlFor: id }, name),
      h(
        "select",
        { id, onchange: (event) => onchange(event.target.value) },
        options.map(([key, text]) => h("option", { value: key, selected: key === value }, text)),
      ),
    ];
    const layout = this.layout || (this.rows.length >= GRID ? "grid" : "bars");
    return h(
      "div",
      { class: "toolbar" },
      choose(
        "Order",
        Object.entries(ORDERS).map(([key, { name }]) => [key, name]),
        this.order,
        (key) => {
          this.order = key;
          this.#render();
        },
        "order",
      ),
      this.rows[0].sample.type === "image"
        ? h(
            "div",
            { class: "switch", role: "group", "aria-label": "Layout" },
            ["bars", "grid"].map((name) =>
              button(
                name === "bars" ? "Bars" : "Grid",
                () => {
                  this.layout = name;
                  this.#render();
                },
                { id: `layout-${name}`, "aria-pressed": String(layout === name) },
              ),
            ),
          )
        : null,
      h("span", { class: "grow" }),
      button("Copy as code", this.copyAs, { id: "copy-as" }),
      button("CSV", () => download("pigeonhole.csv", "text/csv", toCsv(answered)), {
        id: "save-csv",
        title: "Save the answers as CSV",
      }),
      button("JSON", () => download("pigeonhole.json", "application/json", toJson(answered)), {
        id: "save-json",
        title: "Save the answers as JSON",
      }),
    );
  }

  #overview(answered) {
    const filters = labelCounts(answered).map(([label, number], index) =>
      button(
        `${label} ${number}`,
        () => {
          this.onlyLabel = this.onlyLabel === label ? "" : label;
          this.#render();
        },
        { id: `only-${index}`, class: "filter", "aria-pressed": String(this.onlyLabel === label) },
      ),
    );
    return h(
      "div",
      { class: "panel overview" },
      histogram(answered),
      h("div", { class: "filters", role: "group", "aria-label": "Show only one label" }, filters),
    );
  }
}

function picture(sample) {
  if (sample.preview) return h("img", { class: "shot", src: sample.preview, alt: "", loading: "lazy", decoding: "async" });
  return h("div", { class: "shot none" }, "No preview");
}

/** Return the answers as CSV: a line per sample, a column per label. It begins with the mark by which Excel knows UTF-8. */
export function toCsv(rows) {
  const labels = [...new Set(rows.flatMap((row) => row.scores.map((score) => score.label)))].sort();
  const lines = rows.map((row) => {
    const probability = new Map(row.scores.map((score) => [score.label, score.probability]));
    return [
      row.sample.name,
      row.labels.join("; "),
      row.error?.message ?? "",
      ...labels.map((label) => probability.get(label) ?? ""),
    ];
  });
  const header = ["sample", "labels", "error", ...labels];
  return "\ufeff" + [header, ...lines].map((line) => line.map(cell).join(",")).join("\r\n") + "\r\n";
}

/** Write a cell of CSV. A text that a spreadsheet would run as a formula gets an apostrophe before it. */
function cell(value) {
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Return the answers as JSON: an object per sample. */
export function toJson(rows) {
  const objects = rows.map(({ sample, labels, scores, error }) => ({
    sample: sample.name,
    labels,
    scores,
    ...(error ? { error } : {}),
  }));
  return JSON.stringify(objects, null, 2) + "\n";
}

/** Say in one line what the answers are. */
export function summarize(rows) {
  const failed = rows.filter((row) => row.error).length;
  const counts = labelCounts(rows)
    .slice(0, 4)
    .map(([label, number]) => `${label} ${number}`);
  const noun = rows[0]?.sample.type === "text" ? "text" : "photo";
  return [count(rows.length, noun), ...counts, ...(failed ? [`${failed} with an error`] : [])].join(" · ");
}
