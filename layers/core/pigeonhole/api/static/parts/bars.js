// The probabilities of one sample, as bars.

import { h, percent } from "../dom.js";

/**
 * Create the list of bars, with the best label first.
 *
 * `most` limits the bars, `threshold` draws a mark (0 for none), and `before` has the probabilities from which bars move.
 */
export function bars(row, { most, threshold, before }) {
  const scores = row.scores.slice(0, Math.max(most, row.labels.length));
  const list = h(
    "ul",
    { class: threshold ? "bars marked" : "bars" },
    scores.map((score) => bar(score, row, before)),
  );
  if (threshold) list.style.setProperty("--threshold", threshold);
  const hidden = row.scores.length - scores.length;
  if (hidden > 0 && most > 1) list.append(h("li", { class: "hint" }, `and ${hidden} less likely`));
  return list;
}

function bar({ label, probability }, row, before) {
  const fill = h("span", { class: "fill" });
  fill.style.width = `${100 * (before?.get(label) ?? 0)}%`;
  requestAnimationFrame(() =>
    requestAnimationFrame(() => {
      fill.style.width = `${100 * probability}%`;
    }),
  );
  const isChosen = row.labels.includes(label);
  return h(
    "li",
    { class: isChosen ? "bar chosen" : "bar" },
    h("span", { class: "bar-label" }, label, isChosen ? h("span", { class: "hidden-text" }, " (chosen)") : null),
    h("span", { class: "bar-value" }, percent(probability)),
    h("span", { class: "track", "aria-hidden": "true" }, fill),
  );
}
