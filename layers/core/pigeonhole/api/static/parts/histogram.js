// How certain the answers of many samples are.

import { h } from "../dom.js";

const BINS = 10;

/** The probability of the first label of a row, or of the best one if none was chosen. 0 for a row with an error. */
export function confidence(row) {
  const chosen = row.scores.find((score) => score.label === row.labels[0]);
  return chosen?.probability ?? row.scores[0]?.probability ?? 0;
}

/** Return how often each label was chosen, the most frequent first. */
export function labelCounts(rows) {
  const counts = new Map();
  for (const label of rows.flatMap((row) => row.labels)) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts].sort((one, other) => other[1] - one[1]);
}

/** Draw how many rows have which confidence. */
export function histogram(rows) {
  const bins = new Array(BINS).fill(0);
  for (const row of rows.filter((each) => each.scores.length)) {
    bins[Math.min(BINS - 1, Math.floor(confidence(row) * BINS))] += 1;
  }
  const most = Math.max(...bins, 1);
  const said = bins.map((number, bin) => (number ? `${number} from ${bin * 10} to ${bin * 10 + 10} %` : "")).filter(Boolean);
  const columns = bins.map((number, bin) => {
    const column = h("span", { class: "column", title: `${number} from ${bin * 10} to ${bin * 10 + 10} %` }, h("i"));
    column.firstChild.style.height = `${(100 * number) / most}%`;
    return column;
  });
  return h(
    "figure",
    { class: "histogram" },
    h("figcaption", {}, "How certain the answers are"),
    h("div", { class: "columns", role: "img", "aria-label": `Confidence: ${said.join(", ")}` }, columns),
    h("div", { class: "axis", "aria-hidden": "true" }, h("span", {}, "0 %"), h("span", {}, "50 %"), h("span", {}, "100 %")),
  );
}
