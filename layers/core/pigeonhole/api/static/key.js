// The dialog that asks for the API key.

import { apiKey, hooks } from "./api.js";
import { byId } from "./dom.js";

const REASON = "The page sends the API key with each request, to this deployment only. Closing this tab deletes it.";

/** Prepare the dialog. `changed` is called when there is another key. */
export function setUpKey(changed) {
  const dialog = byId("key-dialog"),
    input = byId("key-input");
  byId("key-button").addEventListener("click", () => open(""));
  byId("key-cancel").addEventListener("click", () => dialog.close());
  byId("key-forget").addEventListener("click", () => {
    apiKey.forget();
    showState();
    dialog.close();
  });
  byId("key-form").addEventListener("submit", () => {
    apiKey.set(input.value.trim());
    showState();
    changed();
  });
  hooks.refused = (message) => {
    if (!dialog.open) open(message);
  };
  takeKeyFromAddress();
  showState();
}

/**
 * Take the key that the address `#key=…` hands over, as `make start` may do, and return whether there was one.
 *
 * The address is replaced, so the tab's history doesn't have the key. The browser's own history may.
 */
export function takeKeyFromAddress() {
  if (!location.hash.startsWith("#key=")) return false;
  const key = decode(location.hash.slice("#key=".length));
  history.replaceState(null, "", location.pathname + location.search);
  if (!isKey(key)) {
    hooks.refused("The address has no valid API key. Copy it again, whole.");
    return false;
  }
  apiKey.set(key);
  byId("key-dialog").close();
  showState();
  return true;
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return ""; // a % without two digits
  }
}

/** Whether a text can be an API key. A browser can't send every other character in a header. */
function isKey(text) {
  return /^[!-~]+$/.test(text);
}

function open(message) {
  byId("key-reason").textContent = message || REASON;
  byId("key-reason").classList.toggle("bad", Boolean(message));
  byId("key-input").value = apiKey.get();
  byId("key-dialog").showModal();
  byId("key-input").select();
}

function showState() {
  byId("key-button").textContent = apiKey.get() ? "API key ✓" : "Enter API key";
  byId("key-forget").hidden = !apiKey.get();
}
