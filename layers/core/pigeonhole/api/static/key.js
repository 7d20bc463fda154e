// The dialog that asks for the API key.

import { apiKey, hooks } from "./api.js";
import { byId } from "./dom.js";

const REASON = "The page sends it with each request, to this deployment only. It is kept until you close this tab.";

/** Prepare the dialog. `changed` is called when there is another key. */
export function setUpKey(changed) {
  takeKeyFromAddress();
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
  showState();
}

/** `#key=…` hands over a key, as `make start` may do. The address is cleaned, so the key enters no history. */
function takeKeyFromAddress() {
  const found = /^#key=([!-~]+)$/.exec(location.hash);
  if (!found) return;
  apiKey.set(decodeURIComponent(found[1]));
  history.replaceState(null, "", location.pathname + location.search);
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
