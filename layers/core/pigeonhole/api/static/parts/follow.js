// Follow jobs with few requests, and through faults of the service that pass.

import { ApiError, send } from "../api.js";
import { pause } from "../dom.js";

const LISTED = 100; // jobs of one list, the most that the API allows
const MAX_FAULTS = 24; // of one request in a row, for 4 minutes, until it is given up
const FAULT_PAUSE_MS = 2_000; // longer by as much after each fault
const MAX_FAULT_PAUSE_MS = 12_000;
const PASSING = ["unreachable", "no_json", "rate_limited"];

/**
 * Send a request again while the service has a fault that may pass. So the request must be safe to repeat.
 *
 * A service that doesn't answer is asked without an end: a laptop may sleep, and the page says that it tries again.
 */
export async function persist(request, signal) {
  let faults = 0;
  for (;;) {
    try {
      return await request();
    } catch (error) {
      faults = error.code === "unreachable" ? 1 : faults + 1;
      if (!mayPass(error) || faults > MAX_FAULTS) throw error;
      await pause(Math.min(faults * FAULT_PAUSE_MS, MAX_FAULT_PAUSE_MS), signal);
    }
  }
}

function mayPass(error) {
  return error instanceof ApiError && (PASSING.includes(error.code) || error.status === 429 || error.status >= 500);
}

/** Read a job with its results. */
export function readJob(id, signal) {
  return persist(() => send("GET", `v1/classification/jobs/${id}`, { signal }), signal);
}

/** Return jobs as they are now, by id. One request reads the newest of the tenant, which are most of them. */
export async function readJobs(ids, signal) {
  const { jobs } = await persist(() => send("GET", `v1/classification/jobs?limit=${LISTED}`, { signal }), signal);
  const found = new Map(jobs.map((job) => [job.id, job]));
  for (const id of ids) if (!found.has(id)) found.set(id, (await readJob(id, signal)).job);
  return found;
}
