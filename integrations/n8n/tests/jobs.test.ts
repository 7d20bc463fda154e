import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { PigeonholeClient } from '../nodes/Pigeonhole/client';
import { host } from './host';
import { service } from './service';
import type { Call, Reply, Service } from './service';

const BODY = { dataset: [{ type: 'text', value: 'a' }] };
const running: Service[] = [];
after(async () => await Promise.all(running.map(async ({ stop }) => await stop())));

async function start(answer: (call: Call, number: number) => Reply): Promise<{ client: PigeonholeClient; calls: Call[]; url: string }> {
	const server = await service(answer);
	running.push(server);
	return { client: client(server.url), ...server };
}

function client(url: string, stopped?: AbortSignal): PigeonholeClient {
	return new PigeonholeClient(host({ url, key: 'secret', items: [], parameters: {}, stopped }), url);
}

function job(status: string, more = {}): Reply {
	return { status: status === 'queued' ? 202 : 200, body: { job: { id: 'j1', status }, ...more } };
}

const inSeconds = (seconds: number): number => Date.now() + seconds * 1_000;

test('a job is submitted with an idempotency key, and polled until it ends', async () => {
	const { client, calls } = await start((_, number) => (number < 3 ? job('queued') : job('succeeded', { predictions: ['x'] })));

	const answer = await client.classifyInJob(BODY, inSeconds(60));

	assert.deepEqual(answer.predictions, ['x']);
	assert.deepEqual(calls.map(({ method, path }) => `${method} ${path}`), [
		'POST /v1/classification/jobs',
		'GET /v1/classification/jobs/j1?wait=20',
		'GET /v1/classification/jobs/j1?wait=20',
	]);
	assert.match(String(calls[0]!.headers['idempotency-key']), /^[0-9a-f-]{36}$/);
});

test('large results are read from their link, without the API key', async () => {
	const { client, calls, url } = await start((call) => {
		if (call.method === 'POST') return job('queued');
		return call.path === '/signed' ? { body: { predictions: ['far'] } } : job('succeeded', { results_url: `${url}/signed` });
	});

	assert.deepEqual((await client.classifyInJob(BODY, inSeconds(60))).predictions, ['far']);
	assert.equal(calls.at(-1)!.headers['x-api-key'], undefined);
});

test('a job that does not end in time is an error that names it', async () => {
	const { client } = await start(() => job('queued'));

	await assert.rejects(client.classifyInJob(BODY, inSeconds(1.5)), (error: Error & { description: string }) => {
		assert.match(error.message, /Maximum Wait/);
		assert.match(error.description, /jobs\/j1/);
		return true;
	});
});

test('an execution that the user has stopped cancels its job', async () => {
	const { url, calls } = await start(() => job('queued'));

	await assert.rejects(client(url, AbortSignal.abort()).classifyInJob(BODY, inSeconds(60)), /The execution was stopped/);

	assert.deepEqual(calls.map(({ method, path }) => `${method} ${path}`), [
		'POST /v1/classification/jobs',
		'DELETE /v1/classification/jobs/j1',
	]);
});

test('a canceled job is an error', async () => {
	const { client } = await start(() => job('canceled'));

	await assert.rejects(client.classifyInJob(BODY, inSeconds(60)), /Job j1 is canceled/);
});

test('the errors of a failed job are those of its samples', async () => {
	const errors = [{ index: 0, code: 'unreadable_image', message: 'no image' }];
	const { client } = await start(() => job('failed', { predictions: [null], errors }));

	assert.deepEqual((await client.classifyInJob(BODY, inSeconds(60))).errors, errors);
});
