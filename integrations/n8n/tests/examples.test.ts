import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

import type { IDataObject } from 'n8n-workflow';

import { nodeOutputs } from '../nodes/Pigeonhole/outputs';
import { properties } from '../nodes/Pigeonhole/properties';

interface Workflow {
	nodes: Array<{ name: string; type: string; parameters: IDataObject }>;
	connections: Record<string, { main: Array<Array<{ node: string }>> }>;
}

const NAMES = new Set(properties.map(({ name }) => name));

for (const file of readdirSync('examples')) {
	test(`${file} sets fields that the node has, and connects each of its outputs`, () => {
		const { nodes, connections } = JSON.parse(readFileSync(`examples/${file}`, 'utf8')) as Workflow;
		const ours = nodes.filter(({ type }) => type === 'n8n-nodes-pigeonhole.pigeonhole');

		assert.ok(ours.length > 0);
		for (const { name, parameters } of ours) {
			assert.deepEqual(Object.keys(parameters).filter((field) => !NAMES.has(field)), []);
			assert.equal(connections[name]!.main.length, nodeOutputs(parameters).length);
		}
	});
}
