import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import type { INodeExecutionData } from 'n8n-workflow';

import { Pigeonhole } from '../nodes/Pigeonhole/Pigeonhole.node';
import { host } from './host';
import type { Setup } from './host';
import { echo, refusal, service } from './service';
import type { Call, Reply, Service } from './service';

const LABELS = { values: [{ name: 'good' }, { name: 'bad', description: 'a complaint' }] };
const running: Service[] = [];
after(async () => await Promise.all(running.map(async ({ stop }) => await stop())));

async function start(answer: (call: Call, number: number) => Reply): Promise<Service> {
	running.push(await service(answer));
	return running.at(-1)!;
}

function texts(...values: unknown[]): INodeExecutionData[] {
	return values.map((text) => ({ json: { text } })) as INodeExecutionData[];
}

async function run(url: string, items: INodeExecutionData[], parameters = {}, more: Partial<Setup> = {}): Promise<INodeExecutionData[][]> {
	const context = host({ url, key: 'secret', items, parameters: { labels: LABELS, ...parameters }, ...more });
	return await new Pigeonhole().execute.call(context);
}

/** Run a node that must fail, and return its error. */
async function failure(url: string, items: INodeExecutionData[], parameters = {}, more: Partial<Setup> = {}) {
	return await run(url, items, parameters, more).then(
		() => assert.fail('the node must fail'),
		(error: Error & { description: string; httpCode?: string; context: { itemIndex?: number } }) => error,
	);
}

test('items are sent with their labels, and come back with their label and their origin', async () => {
	const { url, calls } = await start(echo);

	const [items] = await run(`${url}/`, texts('good', 'bad'));

	assert.equal(calls[0]!.path, '/v1/classification');
	assert.equal(calls[0]!.headers['x-api-key'], 'secret');
	assert.deepEqual(calls[0]!.body, {
		dataset: [{ type: 'text', value: 'good' }, { type: 'text', value: 'bad' }],
		labels: [{ type: 'text', key: 'good', value: 'good' }, { type: 'text', key: 'bad', value: 'a complaint' }],
		on_error: 'null',
	});
	assert.deepEqual(items, [
		{ json: { text: 'good', classification: { label: 'good' } }, binary: undefined, pairedItem: { item: 0 } },
		{ json: { text: 'bad', classification: { label: 'bad' } }, binary: undefined, pairedItem: { item: 1 } },
	]);
});

test('70 items are three requests, and their results are in order', async () => {
	const { url, calls } = await start(echo);
	const values = Array.from({ length: 70 }, (_, index) => `text ${index}`);

	const [items] = await run(url, texts(...values));

	assert.deepEqual(calls.map(({ body }) => body.dataset.length), [32, 32, 6]);
	assert.deepEqual(items!.map(({ json }) => (json.classification as { label: string }).label), values);
});

test('options are sent only where they are set', async () => {
	const { url, calls } = await start(() => ({ body: { predictions: [['a', 'b']], scores: [[{ label: 'a', probability: 0.9 }]] } }));
	const options = { threshold: 0, instruction: 'tickets of a bank', outputField: 'topic' };

	const [items] = await run(url, texts('hi'), { labelSource: 'labelSet', labelSet: 'topics', multipleLabels: true, scores: true, options });

	const { dataset, ...question } = calls[0]!.body;
	const sent = { label_set: 'topics', multiple_labels: true, scores: true, threshold: 0, instruction: 'tickets of a bank' };
	assert.equal(dataset.length, 1);
	assert.deepEqual(question, { ...sent, on_error: 'null' });
	assert.deepEqual(items![0]!.json.topic, { labels: ['a', 'b'], scores: [{ label: 'a', probability: 0.9 }] });
});

test('an image file is sent inline, and stays on its item', async () => {
	const { url, calls } = await start(() => ({ body: { predictions: ['good'] } }));
	const binary = { photo: { data: Buffer.from('PIXELS').toString('base64'), mimeType: 'image/png' } };

	const [items] = await run(url, [{ json: {}, binary }], { input: 'binary', binaryField: 'photo' });

	const value = `data:image/any;base64,${binary.photo.data}`;
	assert.deepEqual(calls[0]!.body.dataset, [{ type: 'image', value }]);
	assert.deepEqual(items![0]!.binary, binary);
});

test('an image that is too large for a request is uploaded without the API key, and named', async () => {
	const { url, calls } = await start(({ path }) => {
		const upload = { url: `${url}/bucket`, fields: { key: 'k/1', policy: 'p' }, s3_uri: 's3://b/k/1' };
		return path === '/v1/uploads' ? { body: { upload } } : { body: { predictions: ['good'] } };
	});
	const data = Buffer.alloc(3_000_000, 'PIXELS');

	await run(url, [{ json: {}, binary: { data: { data: data.toString('base64'), mimeType: 'image/png' } } }], { input: 'binary' });

	const [wanted, form, classified] = calls as [Call, Call, Call];
	assert.deepEqual(wanted.body, { content_type: 'application/octet-stream', size: 3_000_000 });
	assert.equal(form.path, '/bucket');
	assert.equal(form.headers['x-api-key'], undefined);
	const sent = await new Response(form.text, { headers: { 'content-type': form.headers['content-type']! } }).formData();
	assert.deepEqual([...sent.keys()], ['key', 'policy', 'file']);
	assert.equal(sent.get('key'), 'k/1');
	assert.equal(await (sent.get('file') as File).text(), data.toString());
	assert.deepEqual(classified.body.dataset, [{ type: 'image', value: 's3://b/k/1' }]);
});

test('an upload that is refused is an error of its item', async () => {
	const upload = { url: 'http://127.0.0.1:9/bucket', fields: {}, s3_uri: '' };
	const { url } = await start(() => ({ body: { upload } }));
	const binary = { data: { data: Buffer.alloc(3_000_000).toString('base64'), mimeType: 'image/png' } };

	const [items] = await run(url, [{ json: {}, binary }], { input: 'binary' }, { continueOnFail: true });

	assert.match(String(items![0]!.json.error), /could not be uploaded/);
});

test('an empty text is an error that names its item and the parameter', async () => {
	const error = await failure('http://127.0.0.1:9', texts('fine', ' '));

	assert.equal(error.context.itemIndex, 1);
	assert.match(error.message, /parameter "Text" is empty/);
});

test('a text that is too long is an error that names its item', async () => {
	const { url, calls } = await start(echo);

	const error = await failure(url, texts('😀'.repeat(8_000), 'a'.repeat(8_001)));

	assert.equal(error.context.itemIndex, 1);
	assert.match(error.message, /8001 characters/);
	assert.equal(calls.length, 0);
});

test('one label is not enough', async () => {
	const error = await failure('http://127.0.0.1:9', texts('fine'), { labels: { values: [{ name: 'good' }, { name: 'good' }] } });

	assert.match(error.message, /At least two labels/);
});

test('an item that the service cannot read fails the node', async () => {
	const errors = [{ index: 1, code: 'unfetchable_url', message: 'dataset[1]: the address answered 404' }];
	const { url } = await start(() => ({ body: { predictions: ['good', null], errors } }));

	const error = await failure(url, texts('a', 'b'));

	assert.equal(error.message, 'dataset[1]: the address answered 404');
	assert.equal(error.context.itemIndex, 1);
	assert.match(error.description, /unfetchable_url/);
});

test('a node that continues on errors gives the other items their labels', async () => {
	const errors = [{ index: 1, code: 'unfetchable_url', message: 'no such image' }];
	const { url } = await start(() => ({ body: { predictions: ['good', null], errors } }));

	const [items] = await run(url, texts('a', 'b', ''), {}, { continueOnFail: true });

	assert.deepEqual(items!.map(({ json }) => json.classification), [{ label: 'good' }, undefined, undefined]);
	assert.equal(items![1]!.json.error, 'no such image');
	assert.match(String(items![2]!.json.error), /"Text" is empty/);
	assert.deepEqual(items!.map(({ pairedItem }) => pairedItem), [{ item: 0 }, { item: 1 }, { item: 2 }]);
});

test('items with errors go to the last of several outputs', async () => {
	const { url } = await start(echo);

	const outputs = await run(url, texts('', 'bad'), { outputPerLabel: true }, { continueOnFail: true });

	assert.deepEqual(outputs.map((items) => items.map(({ pairedItem }) => pairedItem)), [[], [{ item: 1 }], [{ item: 0 }]]);
});

test('an expression gives items labels of their own', async () => {
	const { url, calls } = await start(echo);
	const labels = { values: [{ name: 'other' }, { name: (json: { topic: string }) => json.topic }] };
	const items = [{ json: { text: 'a', topic: 'x' } }, { json: { text: 'b', topic: 'y' } }, { json: { text: 'c', topic: 'x' } }];

	await run(url, items, { labels });

	assert.deepEqual(calls.map(({ body }) => body.dataset.map(({ value }) => value)), [['a', 'c'], ['b']]);
});

test("the service's refusal says how to correct the call", async () => {
	const { url } = await start(() => refusal(401, 'invalid_api_key', 'x-api-key: not a valid key'));

	const error = await failure(url, texts('a'));

	assert.equal(error.message, 'x-api-key: not a valid key');
	assert.equal(error.httpCode, '401');
	assert.match(error.description, /pigeonhole keys create.*invalid_api_key.*log-1/);
	assert.doesNotMatch(JSON.stringify(error), /secret/);
});

test('a server that is no Pigeonhole is named as such', async () => {
	const { url } = await start(() => ({ status: 404, body: '<html>' }));

	const error = await failure(url, texts('a'));

	assert.match(error.message, /does not answer as Pigeonhole does \(status 404\)/);
	assert.match(error.description, /Base URL/);
});

test('a server that cannot be reached is named with its address', async () => {
	const { url, stop } = await service(echo);
	await stop();

	const error = await failure(url, texts('a'));

	assert.match(error.message, new RegExp(`can't be reached at ${url}`));
	assert.match(error.description, /Check "Base URL".*ECONNREFUSED/);
});

test('an execution that the user has stopped sends no further batches', async () => {
	const stop = new AbortController();
	const { url, calls } = await start((call) => {
		stop.abort();
		return echo(call);
	});
	const values = Array.from({ length: 70 }, (_, index) => `text ${index}`);

	const error = await failure(url, texts(...values), {}, { stopped: stop.signal, continueOnFail: true });

	assert.match(error.message, /The execution was stopped/);
	assert.equal(calls.length, 1);
});

test('a busy service is asked again after the time that it names', async () => {
	const busy = refusal(503, 'overloaded', 'too many requests', { 'retry-after': '0.05' });
	const { url, calls } = await start((call, number) => (number < 3 ? busy : echo(call)));

	const [items] = await run(url, texts('good'));

	assert.deepEqual(items![0]!.json.classification, { label: 'good' });
	assert.equal(calls.length, 3);
});

test('a service that stays busy is asked four times', async () => {
	const { url, calls } = await start(() => refusal(429, 'rate_limited', 'too many requests', { 'retry-after': '0.01' }));

	const error = await failure(url, texts('a'));

	assert.match(error.description, /Retry On Fail/);
	assert.equal(calls.length, 4);
});

test('warnings are shown once', async () => {
	const { url } = await start(() => ({ body: { predictions: ['good'], warnings: ['a text was cut'] } }));
	const context = host({ url, key: '', items: texts('a'), parameters: { labels: LABELS } });

	await new Pigeonhole().execute.call(context);

	assert.deepEqual(context.hints, ['a text was cut']);
});
