// What the view Classify shows before there are samples: examples to try.

import { BASE } from "../api.js";
import { UserError, button, h } from "../dom.js";
import { showError } from "../notices.js";

const PHOTOS = { files: ["cat", "coffee", "rocket", "astronaut"], labels: ["cat", "cup of coffee", "rocket", "other"] };
const TEXTS = {
  texts: [
    "I love it. Best purchase of the year!",
    "It broke after a day, and support never answers.",
    "Where can I change my address?",
  ],
  labels: ["praise", "complaint", "question"],
};

/** Create the invitation. Its buttons put examples into the samples and the labels of a view. */
export function invitation({ samples, labels }) {
  return [
    h("img", { src: "playground/logo.svg", alt: "", width: 56, height: 56 }),
    h("h3", {}, "Sort anything into labels that you make up"),
    h("p", {}, "Put in photos or texts, name the labels, and the answers appear here. Nothing is trained."),
    h(
      "p",
      { class: "row center" },
      button("Try four photos", () => tryPhotos(samples, labels), { class: "main" }),
      button("Try three texts", () => tryTexts(samples, labels)),
    ),
  ];
}

async function tryPhotos(samples, labels) {
  try {
    const files = await Promise.all(PHOTOS.files.map(fetchPhoto));
    labels.set([]);
    labels.addTexts(PHOTOS.labels);
    await samples.add(files);
  } catch (error) {
    showError(error);
  }
}

async function fetchPhoto(name) {
  const answer = await fetch(new URL(`playground/${name}.jpg`, BASE)).catch(() => null);
  if (!answer?.ok) throw new UserError("The photos to try can't be loaded. Try again, or drop photos of your own.");
  return new File([await answer.blob()], `${name}.jpg`, { type: "image/jpeg" });
}

function tryTexts(samples, labels) {
  labels.set([]);
  labels.addTexts(TEXTS.labels);
  samples.show("text");
  samples.setTexts(TEXTS.texts);
}
