import assert from 'node:assert/strict';
import { test } from 'node:test';

import { toBatches } from '../nodes/Pigeonhole/batches';
import type { Entry } from '../nodes/Pigeonhole/types';

function entries(values: string[], question = {}): Entry[] {
	return values.map((value, index) => ({ index, sample: { type: 'text', value }, question }));
}

function indexes(batches: Array<{ entries: Entry[] }>): number[][] {
	return batches.map((batch) => batch.entries.map(({ index }) => index));
}

test('a batch has at most as many samples as the service takes', () => {
	assert.deepEqual(indexes(toBatches(entries(['a', 'b', 'c', 'd', 'e']), 2)), [[0, 1], [2, 3], [4]]);
});

test('a body has at most as many bytes as the service takes', () => {
	const batches = toBatches(entries(Array.from({ length: 40 }, () => 'ä"'.repeat(50)), { label_set: 'moods' }), 100, 1_000);

	const bodies = batches.map(({ question, entries }) => JSON.stringify({ ...question, dataset: entries.map(({ sample }) => sample) }));
	assert.ok(bodies.every((body) => Buffer.byteLength(body) <= 1_000));
	assert.ok(bodies.length < 20);
	assert.deepEqual(indexes(batches).flat(), [...Array(40).keys()]);
});

test('a sample that is too large by itself is sent by itself', () => {
	assert.deepEqual(indexes(toBatches(entries(['a', 'b'.repeat(2_000), 'c']), 32, 1_000)), [[0], [1], [2]]);
});

test('only items with the same labels and options share a batch', () => {
	const [a, b, c] = [...entries(['a'], { labels: ['x'] }), ...entries(['b'], { labels: ['y'] }), ...entries(['c'], { labels: ['x'] })];
	const mixed = [a!, { ...b!, index: 1 }, { ...c!, index: 2 }];

	assert.deepEqual(indexes(toBatches(mixed, 32)), [[0, 2], [1]]);
});
