import { MAX_BODY_BYTES } from './limits';
import type { Batch, Entry } from './types';

const ENVELOPE_BYTES = 64; // {"dataset":[…], …} around question and samples

/**
 * Group entries by their question, and cut each group into bodies that the service takes.
 *
 * @param maxSamples The most samples of a body.
 * @param maxBytes The most bytes of a body. An entry that is larger by itself gets a batch of its own.
 */
export function toBatches(entries: Entry[], maxSamples: number, maxBytes = MAX_BODY_BYTES): Batch[] {
	const groups = new Map<string, Entry[]>();
	for (const entry of entries) {
		const key = JSON.stringify(entry.question);
		const group = groups.get(key);
		if (group) group.push(entry);
		else groups.set(key, [entry]);
	}
	return [...groups].flatMap(([key, group]) => cut(group, maxSamples, maxBytes - ENVELOPE_BYTES - Buffer.byteLength(key)));
}

function cut(entries: Entry[], maxSamples: number, maxBytes: number): Batch[] {
	const batches: Batch[] = [];
	let batch: Batch | undefined;
	let bytes = 0;
	for (const entry of entries) {
		const size = sampleBytes(entry);
		if (!batch || batch.entries.length === maxSamples || bytes + size > maxBytes) {
			batch = { question: entry.question, entries: [] };
			batches.push(batch);
			bytes = 0;
		}
		batch.entries.push(entry);
		bytes += size;
	}
	return batches;
}

function sampleBytes(entry: Entry): number {
	return Buffer.byteLength(JSON.stringify(entry.sample)) + 1; // a comma
}
