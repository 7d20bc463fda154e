import { MAX_BODY_BYTES } from './limits';
import type { Batch, Entry } from './types';

const ENVELOPE_BYTES = 64; // {"dataset":[…], …} around question and samples

/**
 * Group entries by their question, into bodies that the service takes.
 *
 * A full batch is yielded before further entries are read, so that not all images of a workflow are in memory.
 *
 * @param maxSamples The most samples of a body.
 * @param maxBytes The most bytes of a body. An entry that is larger by itself gets a batch of its own.
 */
export async function* toBatches(
	entries: AsyncIterable<Entry> | Iterable<Entry>,
	maxSamples: number,
	maxBytes = MAX_BODY_BYTES,
): AsyncGenerator<Batch> {
	const open = new Map<string, Batch & { bytes: number }>();
	for await (const entry of entries) {
		const key = JSON.stringify(entry.question);
		const size = Buffer.byteLength(JSON.stringify(entry.sample)) + 1; // a comma
		let batch = open.get(key);
		if (batch && (batch.entries.length === maxSamples || batch.bytes + size > maxBytes)) {
			yield batch;
			batch = undefined;
		}
		if (!batch) {
			batch = { question: entry.question, entries: [], bytes: ENVELOPE_BYTES + Buffer.byteLength(key) };
			open.set(key, batch);
		}
		batch.entries.push(entry);
		batch.bytes += size;
	}
	yield* open.values();
}
