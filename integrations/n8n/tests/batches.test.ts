import assert from 'node:assert/strict';
import { test } from 'node:test';

import { toBatches } from '../nodes/Pigeonhole/batches';
import type { Batch, Entry } from '../nodes/Pigeonhole/types';

function entries(values: string[], question = {}): Entry[] {
	return values.map((value, index) => ({ index, sample: { type: 'text', value }, question }));
}

async function batchesOf(...args: Parameters<typeof toBatches>): Promise<Batch[]> {
	const batches: Batch[] = [];
	for await (const batch of toBatches(...args)) batches.push(batch);
	return batches;
}

function indexes(batches: Batch[]): number[][] {
	return batches.map((batch) => batch.entries.map(({ index }) => index));
}

test('a batch has at most as many samples as the service takes', async () => {
	assert.deepEqual(indexes(await batchesOf(entries(['a', 'b', 'c', 'd', 'e']), 2)), [[0, 1], [2, 3], [4]]);
});

test('a body has at most as many bytes as the service takes', async () => {
	const batches = await batchesOf(entries(Array.from({ length: 40 }, () => 'ä"'.repeat(50)), { label_set: 'moods' }), 100, 1_000);

	const bodies = batches.map(({ question, entries }) => JSON.stringify({ ...question, dataset: entries.map(({ sample }) => sample) }));
	assert.ok(bodies.every((body) => Buffer.byteLength(body) <= 1_000));
	assert.ok(bodies.length < 20);
	assert.deepEqual(indexes(batches).flat(), [...Array(40).keys()]);
});

test('a sample that is too large by itself is sent by itself', async () => {
	assert.deepEqual(indexes(await batchesOf(entries(['a', 'b'.repeat(2_000), 'c']), 32, 1_000)), [[0], [1], [2]]);
});

test('only items with the same labels and options share a batch', async () => {
	const [a, b, c] = [...entries(['a'], { labels: ['x'] }), ...entries(['b'], { labels: ['y'] }), ...entries(['c'], { labels: ['x'] })];
	const mixed = [a!, { ...b!, index: 1 }, { ...c!, index: 2 }];

	assert.deepEqual(indexes(await batchesOf(mixed, 32)), [[0, 2], [1]]);
});

test('a full batch is yielded before further entries are read', async () => {
	const read: number[] = [];
	function* reading(): Generator<Entry> {
		for (const entry of entries(['a', 'b', 'c', 'd'])) {
			read.push(entry.index);
			yield entry;
		}
	}

	const { value } = await toBatches(reading(), 2).next();

	assert.deepEqual(indexes([value as Batch]), [[0, 1]]);
	assert.deepEqual(read, [0, 1, 2]);
});
