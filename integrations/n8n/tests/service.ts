import { createServer } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Call {
	method: string;
	path: string;
	headers: IncomingHttpHeaders;
	text: string;
	body: { dataset: Array<{ type: string; value: string }> } & Record<string, unknown>;
}

export interface Reply {
	status?: number;
	headers?: Record<string, string>;
	body: unknown;
}

/** A server on loopback with scripted answers. */
export interface Service {
	stop: () => Promise<void>;
	url: string;
	calls: Call[];
}

/** Start a server that answers each call as `answer` says. */
export async function service(answer: (call: Call, number: number) => Reply): Promise<Service> {
	const calls: Call[] = [];
	const server = createServer(async (request, response) => {
		const chunks: Buffer[] = [];
		for await (const chunk of request) chunks.push(chunk as Buffer);
		const text = Buffer.concat(chunks).toString();
		const { method = '', url: path = '', headers } = request;
		const isJson = headers['content-type'] === 'application/json' && text !== '';
		const call = { method, path, headers, text, body: isJson ? JSON.parse(text) : undefined };
		calls.push(call);
		const reply = answer(call, calls.length);
		const isText = typeof reply.body === 'string';
		response.writeHead(reply.status ?? 200, { 'content-type': isText ? 'text/html' : 'application/json', ...reply.headers });
		response.end(isText ? reply.body : JSON.stringify(reply.body));
	});
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
	const stop = async (): Promise<void> => {
		server.closeAllConnections();
		await new Promise((resolve) => server.close(resolve));
	};
	return { url, calls, stop };
}

/** Answer a classification: each sample's label is its value. */
export function echo(call: Call): Reply {
	return { body: { success: true, predictions: call.body.dataset.map(({ value }) => value) } };
}

/** An error answer of the service. */
export function refusal(status: number, code: string, message: string, headers: Record<string, string> = {}): Reply {
	return { status, headers, body: { success: false, message, log_id: 'log-1', error: { code } } };
}
