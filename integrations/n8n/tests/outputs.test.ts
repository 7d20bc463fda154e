import assert from 'node:assert/strict';
import { test } from 'node:test';

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

test("n8n's editor gets the same outputs from the expression of the description", () => {
	const expression = /^={{ (.*) }}$/s.exec(new Pigeonhole().description.outputs as string)![1]!;
	const parameters = { outputPerLabel: true, labelSource: 'labels', labels };

	assert.deepEqual(new Function('$parameter', `return ${expression}`)(parameters), nodeOutputs(parameters));
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
