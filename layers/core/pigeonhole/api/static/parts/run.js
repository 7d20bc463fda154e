// Classify samples: some now, many by jobs.

import { send } from "../api.js";
import { UserError, pause } from "../dom.js";
import { persist, readJob, readJobs } from "./follow.js";

export const MAX_NOW = 32; // samples of a direct request (the setting max_samples)
const MAX_BODY_CHARS = 3_800_000; // the service takes 4 MB, and labels are in it as well
const MAX_JOB_SAMPLES = 32; // of a job, so that the first answers of a folder appear early
const MAX_NAME_CHARS = 128; // of a custom_id
const POLL_MS = 700; // between the first two looks at the jobs. Each later pause is longer
const POLL_GROWTH = 1.2;
const MAX_POLL_MS = 4_000;

/** Return the body of a request. `question` has its labels and options. */
export function toBody(samples, question) {
  const dataset = samples.map(({ type, value, name }) =>
    type === "image" ? { type, value, custom_id: [...name].slice(0, MAX_NAME_CHARS).join("") } : { type, value },
  );
  return { dataset, ...question, scores: true, on_error: "null" };
}

/** Classify up to 32 samples and return their rows, in order. */
export async function classifyNow(samples, question, signal) {
  const rows = [];
  for (const part of inParts(samples, question, MAX_NOW)) {
    const answer = await send("POST", "v1/classification", { body: toBody(part, question), signal });
    rows.push(...toRows(part, answer));
  }
  return rows;
}

/**
 * Classify any number of samples by jobs.
 *
 * `onRows` gets the rows of each job when it ends, `onProgress` how many samples are done. An aborted signal cancels the jobs.
 */
export async function classifyByJobs(samples, question, { signal, onRows, onProgress }) {
  const running = [];
  try {
    for (const part of inParts(samples, question, MAX_JOB_SAMPLES)) {
      running.push({ id: await createJob(toBody(part, question), signal), part });
      signal.throwIfAborted();
      onProgress(0);
    }
    await follow(running, { signal, onRows, onProgress });
  } catch (error) {
    // What the page no longer waits for must not use the deployment's workers.
    await Promise.allSettled(running.map((job) => send("DELETE", `v1/classification/jobs/${job.id}`)));
    throw error;
  }
}

/** Create a job and return its id. The key makes the request safe to repeat. */
async function createJob(body, signal) {
  const headers = { "idempotency-key": randomKey() };
  // Without the signal: the id of a job that was created is needed to cancel it.
  const { job } = await persist(() => send("POST", "v1/classification/jobs", { body, headers }), signal);
  return job.id;
}

/** Follow jobs until all have ended. Each that has is taken out of `running`. */
async function follow(running, { signal, onRows, onProgress }) {
  const done = new Map();
  for (let wait_ms = POLL_MS; running.length; wait_ms = Math.min(wait_ms * POLL_GROWTH, MAX_POLL_MS)) {
    const states = await readJobs(
      running.map((job) => job.id),
      signal,
    );
    for (const job of [...running]) {
      const { progress, finished_at, status } = states.get(job.id);
      done.set(job.id, progress.succeeded + progress.failed);
      if (finished_at) {
        running.splice(running.indexOf(job), 1);
        if (status === "canceled") throw new UserError("A job of these samples was canceled elsewhere. Start again.");
        onRows(toRows(job.part, await readJob(job.id, signal)));
      }
    }
    onProgress([...done.values()].reduce((sum, each) => sum + each, 0));
    if (running.length) await pause(wait_ms, signal);
  }
}

/** Return the rows of samples from an answer: the labels, all scores with the best first, or an error. */
export function toRows(samples, answer) {
  const faults = new Map((answer.errors ?? []).map((fault) => [fault.index, fault]));
  return samples.map((sample, index) => ({
    sample,
    labels: [answer.predictions?.[index] ?? []].flat(),
    scores: answer.scores?.[index] ?? [],
    error: faults.get(index) ?? null,
  }));
}

/** Divide an answer by question. The answer to a request with labels has one question, without a name. */
export function byQuestion(answer) {
  const { predictions, scores } = answer;
  if (Array.isArray(predictions)) return [{ ...answer, name: "" }];
  return Object.entries(predictions).map(([name, list]) => ({ ...answer, name, predictions: list, scores: scores?.[name] }));
}

/** Return a key that no other request has. crypto.randomUUID is missing where a page has no https. */
function randomKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Divide samples into parts that fit into a body each. */
function inParts(samples, question, most) {
  const parts = [[]];
  let room = MAX_BODY_CHARS - JSON.stringify(question).length;
  for (const sample of samples) {
    const size = sample.value.length + MAX_NAME_CHARS + 60;
    if (parts.at(-1).length === most || (size > room && parts.at(-1).length)) {
      parts.push([]);
      room = MAX_BODY_CHARS - JSON.stringify(question).length;
    }
    parts.at(-1).push(sample);
    room -= size;
  }
  return parts;
}
