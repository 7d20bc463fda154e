// A field of labels: words and example images as chips.

import { UserError, announce, button, h } from "../dom.js";
import { droppedFiles, hasFiles, isPhoto, readPhoto } from "./photos.js";

// Only how a chip looks: the service decides what a label means.
const NEGATION = /^(not?|non|isn't|without|never)\b/i;
const CATCH_ALL = /^(other|others|none of (the above|these)|unsure|needs review)$/i;

/** Return the name of a label in answers: its key, else its value. */
export function labelName(label) {
  return String(label.key ?? label.value);
}

/** A field of labels. `changed` is called after each change, `report` with each error. */
export class LabelField {
  constructor(place, changed, report) {
    Object.assign(this, { changed, report, items: [] });
    this.list = h("ul", { class: "chips" });
    this.input = h("input", {
      type: "text",
      class: "chip-input",
      "aria-label": "New label",
      autocomplete: "off",
      enterKeyHint: "enter",
      onkeydown: (event) => this.#onKey(event),
      onpaste: (event) => this.#onPaste(event),
      onblur: () => this.#takeTyped(),
    });
    const files = h("input", {
      type: "file",
      accept: "image/*,.heic,.avif",
      multiple: true,
      hidden: true,
      "aria-label": "Example images",
    });
    files.addEventListener("change", async () => {
      await this.addImages(files.files);
      files.value = "";
    });
    const pick = button("Add an example image", () => files.click(), { class: "link" });
    const hint = h("p", { class: "hint" }, "Press Enter after each. ", pick, " or drop one here.");
    const field = h("div", { class: "label-field", role: "group", "aria-label": "Labels" }, this.list, this.input);
    field.addEventListener("click", (event) => event.target === field && this.input.focus());
    field.addEventListener("drop", (event) => hasFiles(event) && this.#takeDrop(event.dataTransfer));
    place.replaceChildren(field, files, hint);
    this.#render();
  }

  /** The labels, as a request has them. */
  get labels() {
    return this.items.map((item) => item.label);
  }

  /** How many labels answers can have. Labels of one name are one. */
  get distinct() {
    return new Set(this.labels.map(labelName)).size;
  }

  /** Replace the labels by those of a request or a label set. */
  set(labels) {
    this.items = labels.map((label) => ({ label, preview: "" }));
    this.#render();
    this.changed();
  }

  /** Add texts as labels. Those that are there already are left out. */
  addTexts(texts) {
    const names = new Set(this.labels.filter((label) => label.type === "text").map(labelName));
    const added = texts.map((text) => text.trim()).filter((text) => text && !names.has(text));
    if (!added.length) return;
    this.items.push(...added.map((value) => ({ label: { type: "text", value }, preview: "" })));
    this.#render();
    announce(`Label ${added.join(", ")} added`);
    this.changed();
  }

  /** Add images as labels. Each is named for its file until the reader names it. */
  async addImages(files) {
    for (const file of [...files].filter(isPhoto)) {
      try {
        const { value, preview } = await readPhoto(file);
        this.items.push({ label: { type: "image", key: file.name.replace(/\.\w+$/, ""), value }, preview });
      } catch (error) {
        this.report(error);
      }
    }
    this.#render();
    this.list.querySelector("li:last-child .chip-name")?.select();
    this.changed();
  }

  async #takeDrop(transfer) {
    const { files, faults } = await droppedFiles(transfer);
    if (faults.length) this.report(new UserError(faults.join(" ")));
    await this.addImages(files);
  }

  #remove(item) {
    const at = this.items.indexOf(item);
    this.items.splice(at, 1);
    this.#render();
    announce(`Label ${labelName(item.label)} removed`);
    // The focus stays near, for people who use the keyboard, but in a label that is half typed.
    const near = this.list.querySelectorAll("li button")[Math.min(at, this.items.length - 1)];
    (this.input.value ? this.input : (near ?? this.input)).focus();
    this.changed();
  }

  #render() {
    this.input.placeholder = this.items.length ? "Another label" : "cat, not a cat, other …";
    this.list.replaceChildren(...this.items.map((item) => this.#chip(item)));
  }

  #chip(item) {
    const { label } = item,
      name = labelName(label);
    const kind = label.type === "image" ? "picture" : NEGATION.test(name) ? "negated" : CATCH_ALL.test(name) ? "rest" : "";
    const picture = item.preview ? h("img", { src: item.preview, alt: "" }) : "🖼";
    const words = label.key === undefined || label.key === label.value ? name : `${name}: ${label.value}`;
    return h(
      "li",
      { class: `chip ${kind}` },
      label.type === "image" ? [picture, this.#nameInput(item)] : h("span", { title: words }, name),
      button("×", () => this.#remove(item), {
        "aria-label": `Remove ${name}`,
        // The input would lose the focus and take its text as a label. That renders the chips, and the click is lost.
        onmousedown: (event) => event.preventDefault(),
      }),
    );
  }

  #nameInput(item) {
    const fit = (input) => input.setAttribute("size", Math.max(4, input.value.length));
    const input = h("input", {
      class: "chip-name",
      value: labelName(item.label),
      "aria-label": "Name of the example image",
      onchange: () => {
        item.label = { ...item.label, key: input.value.trim() || "example" };
        this.#render();
        this.changed();
      },
      oninput: () => fit(input),
    });
    fit(input);
    return input;
  }

  #onKey(event) {
    if (event.isComposing) return; // Enter confirms the word of an input method, such as one for Japanese
    if (event.key === "Enter" || event.key === ",") {
      event.preventDefault();
      this.#takeTyped();
    } else if (event.key === "Backspace" && !this.input.value && this.items.length) {
      this.#remove(this.items.at(-1));
      this.input.focus();
    }
  }

  #onPaste(event) {
    if (event.clipboardData.files.length) {
      event.preventDefault();
      this.addImages(event.clipboardData.files);
      return;
    }
    const parts = event.clipboardData.getData("text").split(/[\n,;\t]+/);
    if (parts.length < 2) return;
    event.preventDefault();
    this.addTexts(parts);
  }

  #takeTyped() {
    const typed = this.input.value;
    this.input.value = "";
    this.addTexts(typed.split(","));
  }
}
