// Small helpers for elements, numbers and text.

/** A fault that the reader can fix. The message says how. */
export class UserError extends Error {}

/** Return the element with an id. */
export function byId(id) {
  return document.getElementById(id);
}

/**
 * Create an element.
 *
 * A property whose name starts with "on" adds a listener; one that the element has is set; any other becomes an attribute.
 * Strings become text, never markup.
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name in element && !name.startsWith("aria")) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Say something to people who use a screen reader. */
export function announce(text) {
  byId("status").textContent = text;
}

/** Write a probability: "97 %", and "<1 %" or ">99 %" where rounding would claim certainty. */
export function percent(probability) {
  const rounded = Math.round(probability * 100);
  if (rounded === 0 && probability > 0) return "<1 %";
  if (rounded === 100 && probability < 1) return ">99 %";
  return `${rounded} %`;
}

/** Write a count with its noun: "1 photo", "1,200 photos". */
export function count(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

/** Write an ISO 8601 time as the reader's own clock says it. */
export function localTime(iso) {
  return new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/** Return a function that calls `callback` once, `wait_ms` after its last call. */
export function debounce(callback, wait_ms) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(callback, wait_ms);
  };
}

/** Wait, or stop waiting with an AbortError when the signal is aborted. */
export function pause(wait_ms, signal) {
  if (signal?.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, wait_ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

/** Offer a text as a file to download. */
export function download(name, mediaType, text) {
  const url = URL.createObjectURL(new Blob([text], { type: mediaType }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Create a button. */
export function button(text, onclick, properties = {}) {
  return h("button", { type: "button", onclick, ...properties }, text);
}

/** Create a box that says that there is nothing to show, or not yet. */
export function emptyBox(...content) {
  return h("p", { class: "none-yet" }, content);
}

/** Create a table in a box that scrolls sideways where the screen is narrow. */
export function table(caption, columns, rows) {
  return h(
    "div",
    { class: "scroll", tabIndex: 0, role: "region", "aria-label": caption },
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          columns.map((name) => h("th", { scope: "col" }, name)),
        ),
      ),
      h(
        "tbody",
        {},
        rows.map((cells) =>
          h(
            "tr",
            {},
            cells.map((cell) => h("td", {}, ...[cell].flat())),
          ),
        ),
      ),
    ),
  );
}
