// The samples: photos by drop, paste and file picker, or typed texts.

import { UserError, announce, button, byId, count, debounce } from "../dom.js";
import { clearErrors, showError } from "../notices.js";
import { droppedFiles, hasFiles, isPhoto, photoName, readPhoto } from "./photos.js";

export const MAX_PHOTOS = 500;
const MAX_SHOWN_FAULTS = 5;
const TOO_MANY = `The page takes ${MAX_PHOTOS} photos. The others were left out: use pigeonhole jobs submit for them.`;
const TYPING_MS = 350;
const ORDER = new Intl.Collator(undefined, { numeric: true }); // 2.jpg comes before 10.jpg

/** The photos and texts that the reader has put in. `changed` is called after each change. */
export class SampleInput {
  constructor(changed) {
    Object.assign(this, { changed, kind: "image", photos: [], texts: [], nextId: 1 });
    for (const choice of document.querySelectorAll("[data-kind]")) {
      choice.addEventListener("click", () => this.show(choice.dataset.kind));
    }
    this.#pickFrom("choose-photos", "photo-files");
    this.#pickFrom("choose-folder", "photo-folder");
    byId("texts").addEventListener(
      "input",
      debounce(() => this.#readTexts(), TYPING_MS),
    );
    this.#takeDrops();
    document.addEventListener("paste", (event) => this.#takePaste(event));
    this.#showCounts();
  }

  /** The samples of the kind that is shown. */
  get samples() {
    return this.kind === "image" ? this.photos : this.texts;
  }

  /** Show the input of photos or of texts. */
  show(kind) {
    this.kind = kind;
    byId("photo-input").hidden = kind !== "image";
    byId("text-input").hidden = kind !== "text";
    for (const choice of document.querySelectorAll("[data-kind]")) {
      choice.setAttribute("aria-pressed", String(choice.dataset.kind === kind));
    }
    this.changed();
  }

  /** Remove every sample of the kind that is shown. */
  clear() {
    if (this.kind === "image") {
      this.photos.forEach(forget);
      this.photos = [];
    } else byId("texts").value = "";
    this.#readTexts();
  }

  /** Remove one sample. */
  remove(sample) {
    if (sample.type === "image") {
      forget(sample);
      this.photos = this.photos.filter((other) => other !== sample);
      return this.#update();
    }
    byId("texts").value = this.texts
      .filter((other) => other !== sample)
      .map((text) => text.value)
      .join("\n");
    return this.#readTexts();
  }

  /** Replace the texts. */
  setTexts(texts) {
    byId("texts").value = texts.join("\n");
    this.#readTexts();
  }

  /** Add the photos among some files. They appear when all are read: jobs of a part of them would be canceled then. */
  async add(files, unreadable = []) {
    if (!files.length && !unreadable.length) return;
    const found = [...files].filter(isPhoto),
      room = MAX_PHOTOS - this.photos.length;
    if (found.length && this.kind !== "image") this.show("image");
    const faults = found.length || !files.length ? [...unreadable] : [...unreadable, "None of these files is a photo."],
      photos = [];
    for (const [index, file] of found.slice(0, room).entries()) {
      try {
        photos.push({ id: this.nextId++, type: "image", ...(await readPhoto(file)) });
      } catch (error) {
        faults.push(error.message);
      }
      if (found.length > 8) byId("photo-count").textContent = `Reading ${index + 1} of ${Math.min(found.length, room)} …`;
    }
    const isTooMany = found.length > room || this.photos.length + photos.length > MAX_PHOTOS;
    this.photos = [...this.photos, ...photos].slice(0, MAX_PHOTOS);
    this.#report(isTooMany ? [TOO_MANY, ...faults] : faults);
    announce(`${count(this.photos.length, "photo")} to classify`);
    this.#update();
  }

  /** Add a photo by its address, which the service fetches. */
  addAddress(address) {
    const isFull = this.photos.length >= MAX_PHOTOS;
    this.#report(isFull ? [TOO_MANY] : []);
    if (isFull) return;
    const name = readable(address.split("/").pop()) || address;
    this.photos = [...this.photos, { id: this.nextId++, type: "image", name, value: address, preview: "" }];
    this.#update();
  }

  /** Say which photos were left out. It stays at the input until photos are added again. */
  #report(faults) {
    const place = byId("photo-faults"),
      further = faults.length - MAX_SHOWN_FAULTS;
    clearErrors(place);
    if (!faults.length) return;
    const shown = faults.slice(0, MAX_SHOWN_FAULTS);
    showError(new UserError([...shown, ...(further > 0 ? [`${further} more were left out.`] : [])].join(" ")), place);
  }

  #readTexts() {
    const lines = byId("texts")
      .value.split("\n")
      .map((line) => line.trim())
      .filter(Boolean);
    // A line that hasn't changed keeps its card.
    const known = new Map(this.texts.map((text) => [text.value, text]));
    this.texts = lines.map((value) => {
      const text = known.get(value) ?? { id: this.nextId++, type: "text", name: value, value, preview: "" };
      known.delete(value);
      return text;
    });
    this.#update();
  }

  #update() {
    this.#showCounts();
    this.changed();
  }

  #showCounts() {
    const clear = button("Remove all", () => this.clear(), { class: "link" });
    byId("photo-count").replaceChildren(...(this.photos.length ? [`${count(this.photos.length, "photo")} · `, clear] : []));
    if (!this.photos.length) byId("photo-count").textContent = "They are scaled down here and sent to this deployment only.";
    byId("text-count").textContent = this.texts.length ? count(this.texts.length, "text") : "";
  }

  #pickFrom(buttonId, inputId) {
    const input = byId(inputId);
    byId(buttonId).addEventListener("click", () => input.click());
    input.addEventListener("change", async () => {
      await this.add(byName(input.files));
      input.value = ""; // the same files can be chosen again
    });
  }

  #takeDrops() {
    const zone = document.body;
    zone.addEventListener("dragover", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      zone.classList.add("dragging");
    });
    zone.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) zone.classList.remove("dragging");
    });
    zone.addEventListener("drop", async (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      zone.classList.remove("dragging");
      if (event.target.closest(".label-field")) return;
      const { files, faults } = await droppedFiles(event.dataTransfer, MAX_PHOTOS + 1); // one too many is reported
      await this.add(byName(files), faults);
    });
  }

  async #takePaste(event) {
    if (event.clipboardData.files.length && !event.target.closest(".label-field")) {
      event.preventDefault();
      return this.add(event.clipboardData.files);
    }
    const text = event.clipboardData.getData("text").trim();
    const isTyping = event.target.closest("input, textarea, select, dialog");
    if (!isTyping && this.kind === "image" && /^(https?|s3):\/\/\S+$/.test(text)) this.addAddress(text);
  }
}

function byName(files) {
  return [...files].sort((one, other) => ORDER.compare(photoName(one), photoName(other)));
}

function readable(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // it has a % that encodes nothing
  }
}

function forget(photo) {
  if (photo.preview) URL.revokeObjectURL(photo.preview);
}
