// The request of the page as code: curl, Python, JavaScript, OpenAI.

import { BASE, apiKey } from "../api.js";
import { announce, button, byId, h } from "../dom.js";
import { labelName } from "./labels.js";
import { MAX_NOW, toBody } from "./run.js";

const SHOWN_CHARS = 60; // of a data: URL; the copied code has all of it

const LANGUAGES = {
  curl: { name: "curl", write: curl, note: "For a shell." },
  python: { name: "Python", write: python, note: "pip install jigsawstack" },
  javascript: { name: "JavaScript", write: javascript, note: "Needs no package. Node 18, a browser, Deno or Bun." },
  jigsaw: { name: "JigsawStack for npm", write: jigsaw, note: "npm install jigsawstack" },
  openai: { name: "OpenAI", write: openai, note: "pip install openai" },
};

/** Prepare the dialog, and return a function that opens it with samples and a question. */
export function setUpCopyAs() {
  let language = "curl",
    samples = [],
    total = 0,
    question = {};
  const show = () => {
    const key = byId("copy-key").checked ? "pgh…" : "";
    byId("copy-code").textContent = shorten(LANGUAGES[language].write(samples, question, key));
    byId("copy-note").textContent = notes(LANGUAGES[language], question, total).join(" ");
    for (const choice of byId("copy-languages").children)
      choice.setAttribute("aria-pressed", String(choice.dataset.language === language));
  };
  for (const [key, { name }] of Object.entries(LANGUAGES)) {
    const choice = button(name, () => {
      language = key;
      show();
    });
    choice.dataset.language = key;
    byId("copy-languages").append(choice);
  }
  byId("copy-key").addEventListener("change", show);
  byId("copy-close").addEventListener("click", () => byId("copy-dialog").close());
  // The button that opened the dialog may have been replaced since by one of the same id.
  byId("copy-dialog").addEventListener("close", () => byId("copy-as")?.focus());
  byId("copy-copy").addEventListener("click", async () => {
    const key = byId("copy-key").checked ? apiKey.get() : "";
    await copy(LANGUAGES[language].write(samples, question, key));
    byId("copy-copy").textContent = "Copied";
    announce("Copied");
    setTimeout(() => {
      byId("copy-copy").textContent = "Copy";
    }, 1_500);
  });
  return (newSamples, newQuestion) => {
    [samples, total, question] = [newSamples.slice(0, MAX_NOW), newSamples.length, newQuestion];
    show();
    byId("copy-dialog").showModal();
  };
}

function notes(language, { labels }, total) {
  const hasPictures = language.write === openai && labels.some((label) => label.type === "image");
  return [
    language.note,
    total > MAX_NOW ? `The first ${MAX_NOW} of ${total} samples.` : "",
    hasPictures ? "OpenAI's client sends no example images: such a label is asked by its name." : "",
  ].filter(Boolean);
}

async function copy(text) {
  // Without https, browsers have no clipboard for pages other than localhost's. A reader or a policy may deny its use.
  const isCopied = await navigator.clipboard?.writeText(text).then(
    () => true,
    () => false,
  );
  if (isCopied) return;
  const area = h("textarea", { value: text });
  byId("copy-dialog").append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

function shorten(code) {
  return code.replace(/(data:[\w/+.-]+;base64,[\w+/]{20})[\w+/=]{40,}/g, `$1${"…".padEnd(3)}`).replaceAll("…  ", "…");
}

const url = () => BASE.href.replace(/\/$/, "");
const json = (value) => JSON.stringify(value, null, 2);
const literal = (key, orElse) => (key ? JSON.stringify(key) : orElse);

// Python and JSON write the same, but for these words.
const inPython = (value, spaces = 4) =>
  JSON.stringify(value, null, spaces).replace(
    /^(\s*(?:"\w+": )?)(true|false|null)(,?)$/gm,
    (_, before, word, comma) => `${before}${{ true: "True", false: "False", null: "None" }[word]}${comma}`,
  );

function curl(samples, question, key) {
  // A body of many photos is too long for an argument, so it comes as a here-document.
  return [
    `curl ${url()}/v1/classification \\`,
    `  -H "x-api-key: ${key || "$JIGSAWSTACK_API_KEY"}" -H "content-type: application/json" \\`,
    "  --data-binary @- <<'JSON'",
    json(toBody(samples, question)),
    "JSON",
    "",
  ].join("\n");
}

function python(samples, question, key) {
  return [
    "import os",
    "from jigsawstack import JigsawStack",
    "",
    `client = JigsawStack(api_key=${literal(key, 'os.environ["JIGSAWSTACK_API_KEY"]')}, base_url=${JSON.stringify(url())})`,
    `answer = client.classification(${inPython(toBody(samples, question))})`,
    'print(answer["predictions"])',
    "",
  ]
    .slice(key ? 1 : 0)
    .join("\n");
}

function javascript(samples, question, key) {
  return [
    `const response = await fetch(${JSON.stringify(`${url()}/v1/classification`)}, {`,
    '  method: "POST",',
    `  headers: { "x-api-key": ${literal(key, "process.env.JIGSAWSTACK_API_KEY")}, "content-type": "application/json" },`,
    `  body: JSON.stringify(${json(toBody(samples, question))}),`,
    "});",
    "const answer = await response.json();",
    "console.log(answer.predictions);",
    "",
  ].join("\n");
}

function jigsaw(samples, question, key) {
  const options = `apiKey: ${literal(key, "process.env.JIGSAWSTACK_API_KEY")}, baseURL: ${JSON.stringify(url())}`;
  return [
    'import { JigsawStack } from "jigsawstack";',
    "",
    `const client = JigsawStack({ ${options} });`,
    `const answer = await client.classification(${json(toBody(samples, question))});`,
    "console.log(answer.predictions);",
    "",
  ].join("\n");
}

/** Return a label as a choice of OpenAI's. The text of a label that has a key describes it. */
function describedLabel(label) {
  const value = labelName(label);
  return label.type === "image" || label.value === value ? { value } : { value, description: label.value };
}

function openai(samples, question, key) {
  const content = ({ type, value }) =>
    type === "text" ? value : [{ role: "user", content: [{ type: "input_image", image_url: value }] }];
  const labels = [...new Map(question.labels.map((label) => [labelName(label), describedLabel(label)])).values()];
  const asked = question.multiple_labels
    ? labels.map(({ value, description = value }) => ({
        type: "predicate",
        name: value,
        instructions: `Is it about ${description}?`,
      }))
    : [
        {
          type: "choice",
          name: "label",
          instructions: question.instruction ?? "What is it?",
          choices: labels,
        },
      ];
  const answered = question.multiple_labels
    ? "{a.name: a.probability for a in decision.answers}"
    : "decision.answers[0].choice";
  return [
    "import os",
    "from openai import OpenAI",
    "",
    `client = OpenAI(api_key=${literal(key, 'os.environ["JIGSAWSTACK_API_KEY"]')}, base_url=${JSON.stringify(`${url()}/v1`)})`,
    `samples = ${inPython(samples.map(content))}`,
    `questions = ${inPython(asked)}`,
    "for sample in samples:",
    '    decision = client.decisions.create(model="deployed", input=sample, questions=questions)',
    `    print(${answered})`,
    "",
  ]
    .slice(key ? 1 : 0)
    .join("\n");
}
