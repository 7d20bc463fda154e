import { NodeOperationError } from 'n8n-workflow';
import type { IDataObject, IExecuteFunctions, IHttpRequestOptions, INode, INodeExecutionData } from 'n8n-workflow';

import { PigeonholeApi } from '../credentials/PigeonholeApi.credentials';
import { properties } from '../nodes/Pigeonhole/properties';

/** What a test sets of a node. A parameter that is a function is an expression, which n8n evaluates for each item. */
export interface Setup {
	url: string;
	key: string;
	items: INodeExecutionData[];
	parameters: Record<string, unknown>;
	continueOnFail?: boolean;
	stopped?: AbortSignal;
}

export interface Host extends IExecuteFunctions {
	/** The hints that the node shows in the editor. */
	hints: string[];
}

const DEFAULTS = Object.fromEntries(properties.map(({ name, default: value }) => [name, value]));

/** The part of n8n that runs a node: parameters, items, credentials, and HTTP by `fetch`. Errors are n8n's own. */
export function host({ url, key, items, parameters, continueOnFail = false, stopped }: Setup): Host {
	const node = { id: '1', name: 'Pigeonhole', type: 'pigeonhole', typeVersion: 1, position: [0, 0], parameters: {} } as INode;
	const hints: string[] = [];
	const context = {
		hints,
		getNode: () => node,
		getInputData: () => items,
		continueOnFail: () => continueOnFail,
		getCredentials: async () => ({ baseUrl: url, apiKey: key }),
		getExecutionCancelSignal: () => stopped,
		addExecutionHints: (hint: { message: string }) => hints.push(hint.message),
		getCurrentNodeParameter: (name: string) => parameters[name],
		getNodeParameter(path: string, index: number, fallback?: unknown): unknown {
			const [name, ...fields] = path.split('.') as [string, ...string[]];
			let value = evaluate(parameters[name] ?? DEFAULTS[name], items[index]);
			for (const field of fields) value = (value as IDataObject | undefined)?.[field];
			return value ?? fallback;
		},
		helpers: {
			httpRequest: request,
			async httpRequestWithAuthentication(_credentials: string, options: IHttpRequestOptions) {
				return await request({ ...options, headers: { ...options.headers, ...keyHeaders(key) } });
			},
			assertBinaryData(index: number, field: string) {
				const data = items[index]?.binary?.[field];
				if (!data) throw new NodeOperationError(node, `This operation expects a binary file '${field}'`, { itemIndex: index });
				return data;
			},
			async getBinaryDataBuffer(index: number, field: string) {
				return Buffer.from(items[index]!.binary![field]!.data, 'base64');
			},
		},
	};
	return context as unknown as Host;
}

/** Evaluate the parameters that are functions, in lists and objects also. */
function evaluate(value: unknown, item: INodeExecutionData | undefined): unknown {
	if (typeof value === 'function') return value(item?.json);
	if (value === '={{ $json.text }}') return item?.json.text;
	if (value === '={{ $json.url }}') return item?.json.url;
	if (Array.isArray(value)) return value.map((entry) => evaluate(entry, item));
	if (typeof value !== 'object' || value === null) return value;
	return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, evaluate(entry, item)]));
}

function keyHeaders(key: string): Record<string, string> {
	const { headers } = new PigeonholeApi().authenticate.properties;
	return Object.fromEntries(
		Object.entries(headers ?? {}).map(([name, value]) => [name, String(value).replace('={{$credentials.apiKey}}', key)]),
	);
}

/** Send a request. Where no server answers, the error has the code and the message that n8n's own client gives it. */
async function connect(url: string, options: RequestInit): Promise<Response> {
	return await fetch(url, options).catch(({ cause }: Error) => {
		const { code, message } = cause as Error & { code?: string };
		throw Object.assign(new Error(message), { code });
	});
}

async function request(options: IHttpRequestOptions): Promise<unknown> {
	const response = await connect(options.url, {
		method: options.method,
		headers: { ...(options.json ? { 'content-type': 'application/json' } : {}), ...(options.headers as Record<string, string>) },
		body: Buffer.isBuffer(options.body) ? options.body : JSON.stringify(options.body),
	});
	if (!response.ok && !options.ignoreHttpStatusErrors) throw new Error(`status ${response.status}`);
	const text = await response.text();
	const body = response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : text;
	if (!options.returnFullResponse) return body;
	return { body, headers: Object.fromEntries(response.headers), statusCode: response.status };
}
