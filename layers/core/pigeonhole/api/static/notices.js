// Messages at the top of the page: errors with what to do about them, and a service that doesn't answer.

import { UserError, announce, button, byId, h } from "./dom.js";
import { ApiError, BASE, hooks, isHealthy } from "./api.js";

const RETRY_MS = 3_000;

/** Describe an error for a reader: its message, its faults, and a link to what its code means. */
export function describeError(error) {
  const faults = (error.details ?? []).filter((fault) => `${fault.path}: ${fault.message}` !== error.message);
  return [
    h("p", {}, error.message, " ", error.status ? helpLink(error.code) : ""),
    faults.length
      ? h(
          "ul",
          {},
          faults.map((fault) => h("li", {}, `${fault.path}: ${fault.message}`)),
        )
      : null,
    error.status >= 500 ? h("p", { class: "hint" }, `log_id ${error.logId}`) : null,
  ].filter(Boolean);
}

/** Link to the description of an error code. */
export function helpLink(code) {
  return h("a", { href: `docs#error-${code}`, target: "_blank", rel: "noopener" }, code);
}

/** Show an error in a place of the page, or at its top. Nothing is shown for a request that the page itself gave up. */
export function showError(error, place = byId("notices")) {
  if (error.name === "AbortError" || ["no_key", "unreachable", "invalid_api_key"].includes(error.code)) return;
  if (!(error instanceof ApiError || error instanceof UserError)) console.error(error); // a fault of the page
  clearErrors(place);
  const box = h("div", { class: "notice bad", role: "alert" }, h("div", {}, describeError(error)));
  box.append(button("Dismiss", () => box.remove(), { class: "quiet" }));
  place.prepend(box);
}

/** Remove the errors that a place shows. */
export function clearErrors(place = byId("notices")) {
  place.querySelectorAll(":scope > .notice.bad").forEach((box) => box.remove());
}

/** Say that the service doesn't answer, ask again until it does, and then call `resume`. */
export function watchConnection(resume) {
  let box = null,
    timer = 0;
  const askAgain = async () => {
    clearTimeout(timer);
    if (await isHealthy()) return end();
    timer = setTimeout(askAgain, RETRY_MS);
  };
  const end = () => {
    if (!box) return;
    clearTimeout(timer);
    box.remove();
    box = null;
    announce("The service answers again.");
    resume();
  };
  hooks.reachable = end;
  hooks.unreachable = () => {
    if (box) return;
    clearErrors();
    const text = `${BASE.host} doesn't answer. Is the stack running? The page tries again every ${RETRY_MS / 1000} seconds.`;
    box = h("div", { class: "notice bad down", role: "alert" }, h("p", {}, text), button("Try now", askAgain));
    byId("notices").prepend(box);
    timer = setTimeout(askAgain, RETRY_MS);
  };
}
