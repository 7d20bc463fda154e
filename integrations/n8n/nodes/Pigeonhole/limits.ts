// The defaults of the service: "Limits" in its README.
export const MAX_BODY_BYTES = 4_000_000;
export const MAX_SAMPLES = 32;
export const MAX_JOB_SAMPLES = 10_000;
export const MAX_TEXT_CHARS = 8_000;

/** A larger image is uploaded, and requests name it. In base64 it is 3.9 MB, which leaves room for labels and options. */
export const MAX_INLINE_BYTES = 2_900_000;

/** How long the service is asked to hold the answer about an unfinished job. It holds it at most 24 s. */
export const LONG_POLL_S = 20;
/** The pause between two questions about a job, for a proxy that does not hold answers. */
export const POLL_PAUSE_MS = 1_000;
/** The service answers within 30 s, the limit of API Gateway. */
export const REQUEST_TIMEOUT_MS = 60_000;
/** Enough for the largest image, 20 MB, at 0.6 Mbit/s. */
export const UPLOAD_TIMEOUT_MS = 300_000;

/** How often a request is sent that the service is too busy for. */
export const MAX_ATTEMPTS = 4;
/** The longest pause before the next attempt, whatever Retry-After says. */
export const MAX_RETRY_PAUSE_S = 30;
