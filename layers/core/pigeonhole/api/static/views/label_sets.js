// The view Label sets: list, create, edit and delete them.

import { send, sendForAll, sendForAnswer } from "../api.js";
import { announce, button, byId, count, emptyBox, h, localTime, table } from "../dom.js";
import { LabelField, labelName } from "../parts/labels.js";
import { clearErrors, showError } from "../notices.js";

const NAME_PATTERN = "[a-z0-9]([a-z0-9_\\-]{0,62}[a-z0-9])?"; // the API's rule

/** The view Label sets. `use` is called with a label set that the reader wants to classify with. */
export class LabelSetsView {
  constructor(use, changed) {
    Object.assign(this, { use, changed });
    byId("new-set").addEventListener("click", () => this.edit({ labels: [], multiple_labels: false }));
    addEventListener("edit-label-set", (event) => this.edit(event.detail));
  }

  /** Show the label sets as they are now. */
  async open() {
    const place = byId("label-set-list");
    try {
      const sets = await sendForAll("v1/label-sets", "label_sets");
      place.replaceChildren(sets.length ? this.#table(sets) : emptyBox("There are none yet."));
    } catch (error) {
      showError(error);
    }
  }

  /** Open the editor with new labels, or with a label set that has a name. */
  edit(set) {
    const place = byId("label-set-editor");
    const name = h("input", {
      type: "text",
      id: "set-name",
      value: set.name ?? "",
      required: true,
      pattern: NAME_PATTERN,
      maxLength: 64,
      autocomplete: "off",
      readOnly: Boolean(set.name),
      placeholder: "pets",
      title: "1 to 64 lower-case letters, digits, - and _, with a letter or digit at each end",
    });
    const fieldPlace = h("div");
    const field = new LabelField(
      fieldPlace,
      () => {},
      (error) => showError(error, place),
    );
    field.set(set.labels ?? []);
    const multiple = h("input", { type: "checkbox", checked: set.multiple_labels ?? false });
    const save = async (event) => {
      event.preventDefault();
      await this.#save(place, set, { name: name.value, labels: field.labels, multiple_labels: multiple.checked });
    };
    place.replaceChildren(
      h(
        "form",
        { class: "panel form", onsubmit: save, "aria-label": "Label set" },
        h("h2", {}, set.name ? `Edit ${set.name}` : "New label set"),
        h("label", { htmlFor: "set-name" }, "Name"),
        name,
        h("p", { class: "label" }, "Labels"),
        fieldPlace,
        h("label", { class: "toggle" }, multiple, h("span", {}, "Several labels may fit")),
        h(
          "div",
          { class: "row" },
          h("button", { type: "submit", class: "main" }, "Save"),
          button("Cancel", () => place.replaceChildren(), { class: "quiet" }),
        ),
      ),
    );
    name.focus();
  }

  async #save(place, before, { name, labels, multiple_labels }) {
    // The API refuses to replace a version that this page hasn't read, so a change by another client isn't lost.
    const headers = before.etag ? { "if-match": before.etag } : { "if-none-match": "*" };
    const { threshold, instruction, top_k, prompt_templates } = before;
    const body = { labels, multiple_labels, threshold, instruction, top_k, prompt_templates };
    try {
      await send("PUT", `v1/label-sets/${encodeURIComponent(name)}`, { body, headers });
      clearErrors(place);
      place.replaceChildren();
      announce(`Label set ${name} saved`);
      this.changed();
      await this.open();
    } catch (error) {
      showError(error, place);
    }
  }

  async #editStored(name) {
    try {
      const { json, headers } = await sendForAnswer("GET", `v1/label-sets/${name}`);
      this.edit({ ...json.label_set, etag: headers.get("etag") });
    } catch (error) {
      showError(error);
    }
  }

  async #delete(name) {
    if (!confirm(`Delete the label set ${name}? Jobs that use it continue.`)) return;
    try {
      await send("DELETE", `v1/label-sets/${name}`);
      announce(`Label set ${name} deleted`);
      this.changed();
      await this.open();
    } catch (error) {
      showError(error);
    }
  }

  #table(sets) {
    const rows = sets.map((set) => [
      h("strong", {}, set.name),
      h(
        "span",
        { class: "names" },
        [...new Set(set.labels.map(labelName))].slice(0, 8).join(", "),
        set.labels.length > 8 ? " …" : "",
      ),
      `version ${set.version}`,
      localTime(set.updated_at),
      h(
        "span",
        { class: "row" },
        button("Use", () => this.use(set), { "aria-label": `Use ${set.name}` }),
        button("Edit", () => this.#editStored(set.name), { class: "quiet", "aria-label": `Edit ${set.name}` }),
        button("Delete", () => this.#delete(set.name), { class: "quiet", "aria-label": `Delete ${set.name}` }),
      ),
    ]);
    return table(count(sets.length, "label set"), ["Name", "Labels", "Version", "Changed", "Actions"], rows);
  }
}
