import assert from 'node:assert/strict';
import { test } from 'node:test';

import { NodeHelpers, Workflow } from 'n8n-workflow';
import type { INode, INodeOutputConfiguration } from 'n8n-workflow';

import { Pigeonhole } from '../nodes/Pigeonhole/Pigeonhole.node';
import { distribute, nodeOutputs } from '../nodes/Pigeonhole/outputs';

const labels = { values: [{ name: 'cat' }, { name: 'dog' }, { name: 'cat', description: 'a kitten' }] };
const item = (name: string) => ({ json: { name } });

function names(parameters: object): Array<string | undefined> {
	return nodeOutputs({ ...parameters }).map(({ displayName }) => displayName);
}

test('a node has one output by default', () => {
	assert.deepEqual(nodeOutputs({ labels }), [{ type: 'main' }]);
});

test('a node has an output for each label, and one for the other items', () => {
	assert.deepEqual(names({ outputPerLabel: true, labelSource: 'labels', labels }), ['cat', 'dog', 'Other']);
});

test('the outputs of a label set are the selected labels', () => {
	const parameters = { outputPerLabel: true, labelSource: 'labelSet', labels, labelSetOutputs: ['angry'] };

	assert.deepEqual(names(parameters), ['angry', 'Other']);
});

test('n8n finds the same outputs by the expression of the description, and adds that of errors', () => {
	const type = new Pigeonhole();
	const parameters = { outputPerLabel: true, labelSource: 'labels', labels };
	const node: INode = { id: '1', name: 'Sort', type: 'pigeonhole', typeVersion: 1, position: [0, 0], parameters };
	const nodeTypes = { getByName: () => type, getByNameAndVersion: () => type, getKnownTypes: () => ({}) };
	const workflow = new Workflow({ nodes: [{ ...node, onError: 'continueErrorOutput' }], connections: {}, active: false, nodeTypes });

	const outputs = NodeHelpers.getNodeOutputs(workflow, workflow.getNode('Sort')!, type.description);

	assert.deepEqual(outputs.slice(0, -1), nodeOutputs(parameters));
	assert.equal((outputs.at(-1) as INodeOutputConfiguration).category, 'error');
});

test('an item goes to the outputs of all its labels', () => {
	const outputs = nodeOutputs({ outputPerLabel: true, labelSource: 'labels', labels });
	const items = [
		{ item: item('1'), prediction: 'dog' },
		{ item: item('2'), prediction: ['cat', 'dog'] },
		{ item: item('3'), prediction: null },
		{ item: item('4'), prediction: 'bird' },
	];

	const distributed = distribute(items, outputs).map((output) => output.map(({ json }) => json.name));

	assert.deepEqual(distributed, [['2'], ['1', '2'], ['3', '4']]);
});
