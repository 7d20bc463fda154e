import { NodeOperationError } from 'n8n-workflow';
import type { IDataObject, IExecuteFunctions } from 'n8n-workflow';

import type { PigeonholeClient } from './client';
import { MAX_INLINE_BYTES, MAX_TEXT_CHARS } from './limits';
import type { Entry, Question, Sample } from './types';

/** Read what the node's parameters say of an item. Throws an error that names the parameter to correct. */
export async function readEntry(context: IExecuteFunctions, client: PigeonholeClient, index: number): Promise<Entry> {
	return { index, sample: await readSample(context, client, index), question: readQuestion(context, index) };
}

async function readSample(context: IExecuteFunctions, client: PigeonholeClient, index: number): Promise<Sample> {
	switch (context.getNodeParameter('input', index) as 'text' | 'binary' | 'url') {
		case 'binary':
			return { type: 'image', value: await readImage(context, client, index) };
		case 'url':
			return { type: 'image', value: readWords(context, index, 'imageUrl', 'Image URL') };
		case 'text':
			return { type: 'text', value: readText(context, index) };
	}
}

/** Return a text. One that is too long would be refused together with all others of its request. */
function readText(context: IExecuteFunctions, index: number): string {
	const text = readWords(context, index, 'text', 'Text');
	const length = [...text].length;
	if (length <= MAX_TEXT_CHARS) return text;
	throw new NodeOperationError(context.getNode(), `The text has ${length} characters, and a text has at most ${MAX_TEXT_CHARS}`, {
		itemIndex: index,
		description: `Shorten it in the parameter "Text", for example with {{ $json.text.slice(0, ${MAX_TEXT_CHARS}) }}.`,
	});
}

function readWords(context: IExecuteFunctions, index: number, name: string, displayName: string): string {
	const value = context.getNodeParameter(name, index) ?? '';
	if (typeof value !== 'object' && String(value).trim() !== '') return String(value);
	throw new NodeOperationError(context.getNode(), `The parameter "${displayName}" is empty or not a text`, {
		itemIndex: index,
		description: 'Set it to a field that every item has, or remove the items without one with a Filter node.',
	});
}

/** Return the image of an item as a data: URL, or the address of its upload if it is too large for a request. */
async function readImage(context: IExecuteFunctions, client: PigeonholeClient, index: number): Promise<string> {
	const field = context.getNodeParameter('binaryField', index) as string;
	context.helpers.assertBinaryData(index, field);
	const data = await context.helpers.getBinaryDataBuffer(index, field);
	if (data.length > MAX_INLINE_BYTES) return await client.upload(data);
	return `data:image/any;base64,${data.toString('base64')}`; // The service looks at the bytes, not at the media type.
}

function readQuestion(context: IExecuteFunctions, index: number): Question {
	const options = context.getNodeParameter('options', index, {}) as IDataObject;
	return {
		...readLabels(context, index),
		// A label set has options of its own. One that the node does not set stays as the label set has it.
		...(context.getNodeParameter('multipleLabels', index) ? { multiple_labels: true } : {}),
		...(context.getNodeParameter('scores', index) ? { scores: true } : {}),
		...(options.threshold === undefined ? {} : { threshold: options.threshold }),
		...(options.instruction ? { instruction: options.instruction } : {}),
		on_error: 'null', // An item that can't be read must not fail the others of its request.
	};
}

function readLabels(context: IExecuteFunctions, index: number): Question {
	if (context.getNodeParameter('labelSource', index) === 'labelSet') {
		const name = context.getNodeParameter('labelSet', index) as string;
		if (name) return { label_set: name };
		throw new NodeOperationError(context.getNode(), 'No label set is selected', {
			itemIndex: index,
			description: 'Select one under "Label Set". "pigeonhole labels put" or PUT /v1/label-sets/{name} stores one.',
		});
	}
	const entries = context.getNodeParameter('labels.values', index, []) as Array<{ name: string; description?: string }>;
	const names = new Set(entries.map(({ name }) => String(name).trim()));
	if (names.size < 2 || names.has('')) {
		throw new NodeOperationError(context.getNode(), 'At least two labels with different names are needed', {
			itemIndex: index,
			description: 'Add them under "Labels". "other" is a label for items that fit none of the others.',
		});
	}
	return {
		labels: entries.map(({ name, description }) => ({ type: 'text', key: String(name), value: description || String(name) })),
	};
}
