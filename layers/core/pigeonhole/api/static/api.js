// Requests to the API that serves this page.

import { pause } from "./dom.js";

export const BASE = new URL(".", document.baseURI); // on AWS it ends with the stage's name
const MAX_ATTEMPTS = 4; // of a request that the service was too busy for
const STORED_KEY = "pigeonhole-api-key";

/** An answer that isn't a success, or none at all. `code` is an error code of the API, "unreachable", "no_json" or "no_key". */
export class ApiError extends Error {
  constructor(message, { status = 0, code = "unreachable", details = [], logId = "" } = {}) {
    super(message);
    Object.assign(this, { status, code, details, logId });
  }
}

/** The API key. It stays in this tab: sessionStorage ends with it. */
export const apiKey = {
  get: () => sessionStorage.getItem(STORED_KEY) ?? "",
  set: (value) => sessionStorage.setItem(STORED_KEY, value),
  forget: () => sessionStorage.removeItem(STORED_KEY),
};

/** What the page does when the API refuses the key, can't be reached, or can be again. */
export const hooks = { refused: () => {}, unreachable: () => {}, reachable: () => {} };

/**
 * Send a request and return the answer's JSON.
 *
 * A request that the service is too busy for is sent again, up to three times, when the service says.
 */
export async function send(method, path, { body, headers = {}, signal } = {}) {
  return (await sendForAnswer(method, path, { body, headers, signal })).json;
}

/** Send a request as `send` does, and return the JSON and the headers. */
export async function sendForAnswer(method, path, { body, headers = {}, signal } = {}) {
  if (!apiKey.get()) {
    hooks.refused("");
    throw new ApiError("An API key is needed.", { code: "no_key" });
  }
  const sent = { "x-api-key": apiKey.get(), ...(body ? { "content-type": "application/json" } : {}), ...headers };
  for (let attempt = 1; ; attempt += 1) {
    const options = { method, headers: sent, body: body && JSON.stringify(body), signal };
    const { answer, text } = await reach(new URL(path, BASE), options);
    const json = toObject(answer, text);
    if (answer.ok) return { json, headers: answer.headers };
    const wait_s = Number(answer.headers.get("retry-after"));
    if (![429, 503].includes(answer.status) || attempt === MAX_ATTEMPTS || wait_s > 30) throw toError(answer.status, json);
    await pause(1000 * (wait_s || attempt), signal);
  }
}

/** Read each page of a list, and return the items of all. `field` is the answer's field that has them. */
export async function sendForAll(path, field) {
  const items = [];
  let cursor = "";
  do {
    const query = new URLSearchParams({ limit: "100", ...(cursor ? { cursor } : {}) });
    const answer = await send("GET", `${path}?${query}`);
    items.push(...answer[field]);
    cursor = answer.cursor;
  } while (cursor);
  return items;
}

/** Return whether the service answers. */
export async function isHealthy() {
  const answer = await fetch(new URL("v1/health", BASE)).catch(() => null);
  return Boolean(answer?.ok);
}

/** Return an answer with its whole body. A connection may also break while the body is read. */
async function reach(url, options) {
  try {
    const answer = await fetch(url, { ...options, cache: "no-store" });
    const text = await answer.text();
    hooks.reachable();
    return { answer, text };
  } catch (error) {
    if (error.name === "AbortError") throw error;
    hooks.unreachable();
    throw new ApiError(`${BASE.host} doesn't answer.`);
  }
}

/** Return the JSON object of an answer. An error may lack one, because a gateway answers some errors with its own page. */
function toObject(answer, text) {
  const json = parse(text);
  if (json?.constructor === Object) return json;
  if (!answer.ok) return {};
  throw new ApiError("The answer isn't from Pigeonhole's API.", { code: "no_json" });
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function toError(status, json) {
  const code = json.error?.code ?? "internal_error";
  const message = json.message ?? `The service answered ${status}.`;
  if (status === 401) hooks.refused("This deployment doesn't know the key. Was it revoked, or is it another deployment's?");
  return new ApiError(message, { status, code, details: json.error?.details ?? [], logId: json.log_id ?? "" });
}
