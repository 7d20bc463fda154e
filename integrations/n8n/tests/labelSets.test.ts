import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { ILoadOptionsFunctions } from 'n8n-workflow';

import { getLabelSets, getLabelsOfSet } from '../nodes/Pigeonhole/labelSets';
import { host } from './host';
import { service } from './service';

test('the editor lists the label sets of all pages, and the labels of the selected one', async () => {
	const labels = [{ key: 'pet', value: 'a cat' }, { key: 'pet', value: 'a dog' }, { value: 'car' }];
	const pages: Record<string, object> = {
		'/v1/label-sets?limit=100': { label_sets: [{ name: 'a' }], cursor: 'n+1' },
		'/v1/label-sets?limit=100&cursor=n%2B1': { label_sets: [{ name: 'b' }] },
		'/v1/label-sets/b': { label_set: { name: 'b', labels } },
	};
	const { url, stop } = await service(({ path }) => ({ body: pages[path] }));
	const context = host({ url, key: '', items: [], parameters: { labelSet: 'b' } }) as unknown as ILoadOptionsFunctions;

	const sets = await getLabelSets.call(context);
	const names = await getLabelsOfSet.call(context);
	await stop();

	assert.deepEqual(sets.map(({ value }) => value), ['a', 'b']);
	assert.deepEqual(names.map(({ value }) => value), ['pet', 'car']);
});
