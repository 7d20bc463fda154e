// From a file to what a request carries: a photo that is scaled down in the browser, as a data: URL.

import { UserError } from "../dom.js";

const SHORT_SIDES = [384, 288, 224]; // pixels; models see 224 to 384
const QUALITY = 0.85;
const MAX_BYTES = 85_000; // of a scaled photo: 32 of them fit into a body of 4 MB, in base64
const MAX_UNSCALED_BYTES = 2_500_000; // of a file that this browser can't draw, such as HEIC

/**
 * Read a photo.
 *
 * Returns its name, its data: URL, and the address of a preview, which is empty if this browser can't draw the file.
 */
export async function readPhoto(file) {
  const bitmap = await createImageBitmap(file).catch(() => null);
  if (bitmap) {
    const scaled = await scale(bitmap);
    bitmap.close();
    return { name: photoName(file), value: await toDataUrl(scaled), preview: URL.createObjectURL(scaled) };
  }
  if (file.size > MAX_UNSCALED_BYTES || file.size === 0) {
    throw new UserError(`${photoName(file)}: this browser can't read the file. Convert it to JPEG, PNG or WebP.`);
  }
  return { name: photoName(file), value: await toDataUrl(file), preview: "" };
}

/** Return the name of a file, with its path in the folder that was chosen or dropped: names occur twice in sub-folders. */
export function photoName(file) {
  return file.webkitRelativePath || file.name;
}

/** Whether a file looks like a photo, by its media type or its name. */
export function isPhoto(file) {
  return file.type.startsWith("image/") || /\.(jpe?g|png|webp|gif|bmp|tiff?|avif|heic|heif)$/i.test(file.name);
}

/** Whether a drag brings files. Any other drag, such as one of a text, is the browser's own matter. */
export function hasFiles(event) {
  return event.dataTransfer.types.includes("Files");
}

/**
 * Return the files of a drop and the faults of those that can't be read.
 *
 * Of dropped folders it returns the photos, at most `most` of them.
 */
export async function droppedFiles(transfer, most = Infinity) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return { files: [...transfer.files], faults: [] };
  const found = { files: [], faults: [] };
  for (const entry of entries) await collect(entry, found, most);
  if (!found.files.length && !found.faults.length) found.faults.push("There is no photo in this folder.");
  return found;
}

async function collect(entry, found, most) {
  if (found.files.length >= most) return;
  try {
    if (entry.isDirectory) return await collectFolder(entry.createReader(), found, most);
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    // The file input sets the path of a chosen folder's files. A drop doesn't.
    Object.defineProperty(file, "webkitRelativePath", { value: entry.fullPath.slice(1) });
    if (isPhoto(file)) found.files.push(file);
  } catch (error) {
    found.faults.push(`${entry.fullPath.slice(1)}: this browser can't read it (${error.message}).`);
  }
}

async function collectFolder(reader, found, most) {
  while (found.files.length < most) {
    const page = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // at most 100 entries
    if (!page.length) return;
    for (const inner of page) await collect(inner, found, most);
  }
}

async function scale(bitmap) {
  let blob = null;
  for (const side of SHORT_SIDES) {
    const factor = Math.min(1, side / Math.min(bitmap.width, bitmap.height));
    blob = await draw(bitmap, Math.max(1, Math.round(bitmap.width * factor)), Math.max(1, Math.round(bitmap.height * factor)));
    if (blob.size <= MAX_BYTES) break;
  }
  return blob;
}

function draw(bitmap, width, height) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff"; // what the service shows through transparent areas
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
}

function toDataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(new UserError("The file can't be read. Has it been moved or deleted?"));
    reader.readAsDataURL(blob);
  });
}
