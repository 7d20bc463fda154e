import type { ILoadOptionsFunctions, INodePropertyOptions } from 'n8n-workflow';

import { PigeonholeClient } from './client';

const MAX_PAGES = 10; // of 100: a tenant has at most 1,000 label sets

interface LabelSet {
	name: string;
	labels: Array<{ key?: string | number | null; value: string }>;
}

/** List the label sets, for a field of the editor. */
export async function getLabelSets(this: ILoadOptionsFunctions): Promise<INodePropertyOptions[]> {
	const client = await PigeonholeClient.fromCredentials(this);
	const names: string[] = [];
	let cursor: string | undefined;
	for (let page = 0; page < MAX_PAGES; page++) {
		const query: string = cursor ? `&cursor=${encodeURIComponent(cursor)}` : '';
		const answer = await client.call<{ label_sets: LabelSet[]; cursor?: string }>('GET', `/v1/label-sets?limit=100${query}`);
		names.push(...answer.label_sets.map(({ name }) => name));
		cursor = answer.cursor;
		if (!cursor) break;
	}
	return names.map((name) => ({ name, value: name }));
}

/** List the labels of the selected label set, for a field of the editor. */
export async function getLabelsOfSet(this: ILoadOptionsFunctions): Promise<INodePropertyOptions[]> {
	const name = this.getCurrentNodeParameter('labelSet') as string;
	if (!name) return [];
	const client = await PigeonholeClient.fromCredentials(this);
	const answer = await client.call<{ label_set: LabelSet }>('GET', `/v1/label-sets/${encodeURIComponent(name)}`);
	const labels = answer.label_set.labels.map(({ key, value }) => String(key ?? value));
	return [...new Set(labels)].map((label) => ({ name: label, value: label }));
}
