import { randomUUID } from 'node:crypto';

import { NodeApiError, NodeOperationError, sleep } from 'n8n-workflow';
import type {
	IDataObject,
	IExecuteFunctions,
	IHttpRequestMethods,
	ILoadOptionsFunctions,
	IN8nHttpFullResponse,
	JsonObject,
} from 'n8n-workflow';

import { LONG_POLL_S, MAX_ATTEMPTS, MAX_RETRY_PAUSE_S, POLL_PAUSE_MS, REQUEST_TIMEOUT_MS, UPLOAD_TIMEOUT_MS } from './limits';
import { encodeForm } from './multipart';
import type { Answer, ErrorAnswer, JobAnswer, UploadAnswer } from './types';

const CREDENTIALS = 'pigeonholeApi';

const HINTS: Record<string, string> = {
	invalid_api_key: 'Enter another API key in the credentials. "pigeonhole keys create" prints one.',
	too_large: 'Make the images smaller with an Edit Image node.',
	timed_out: 'Use the operation "Classify in a Job", which has no time limit of its own.',
	rate_limited: 'Lower the number of items per run, or turn on "Retry On Fail" in the settings of the node.',
	overloaded: 'Turn on "Retry On Fail" in the settings of the node, or use the operation "Classify in a Job".',
};

/** The API of the Pigeonhole that the node's credentials name. */
export class PigeonholeClient {
	constructor(
		private readonly context: IExecuteFunctions | ILoadOptionsFunctions,
		private readonly baseUrl: string,
	) {}

	static async fromCredentials(context: IExecuteFunctions | ILoadOptionsFunctions): Promise<PigeonholeClient> {
		const { baseUrl } = await context.getCredentials<{ baseUrl: string }>(CREDENTIALS);
		return new PigeonholeClient(context, baseUrl.trim().replace(/\/+$/, ''));
	}

	/** Send a request, again where the service asks for that. Throws an error that says how to correct the call. */
	async call<T>(method: IHttpRequestMethods, path: string, body?: IDataObject, headers: IDataObject = {}): Promise<T> {
		for (let attempt = 1; ; attempt++) {
			const response = await this.send(method, path, body, headers);
			if (response.statusCode < 300 && isObject(response.body)) return response.body as T;
			const isBusy = response.statusCode === 429 || response.statusCode === 503;
			if (!isBusy || attempt === MAX_ATTEMPTS) throw this.refusal(response);
			const seconds = Number(response.headers['retry-after']) || 2 ** attempt;
			await sleep(Math.min(seconds, MAX_RETRY_PAUSE_S) * 1_000);
		}
	}

	/** Classify samples at once. */
	async classify(body: IDataObject): Promise<Answer> {
		return await this.call<Answer>('POST', '/v1/classification', body);
	}

	/** Classify samples in a job, and wait until it ends, but not longer than until `deadline` (epoch ms). */
	async classifyInJob(body: IDataObject, deadline: number): Promise<Answer> {
		// The key makes it safe to send the job again: the service then answers with the first one.
		const headers = { 'Idempotency-Key': randomUUID() };
		let answer = await this.call<JobAnswer>('POST', '/v1/classification/jobs', body, headers);
		const path = `/v1/classification/jobs/${answer.job.id}`;
		while (answer.job.status === 'queued' || answer.job.status === 'processing') {
			const seconds = Math.floor((deadline - Date.now()) / 1_000);
			if (this.isStopped()) await this.cancel(path);
			this.throwIfStopped();
			if (seconds < 1) throw this.unfinished(path);
			answer = await this.call<JobAnswer>('GET', `${path}?wait=${Math.min(seconds, LONG_POLL_S)}`);
			if (answer.job.status === 'queued' || answer.job.status === 'processing') await sleep(POLL_PAUSE_MS);
		}
		if (answer.results_url) answer = await this.download(answer.results_url);
		if (answer.predictions) return answer as Answer;
		throw new NodeOperationError(this.context.getNode(), `Job ${answer.job.id} is ${answer.job.status} and has no results`, {
			description: `GET ${this.baseUrl}${path} says more. Run the node again to submit a new job.`,
		});
	}

	/** Store an image that is too large for a request, and return the address by which requests name it. */
	async upload(image: Buffer): Promise<string> {
		const wanted = { content_type: 'application/octet-stream', size: image.length };
		const { upload } = await this.call<UploadAnswer>('POST', '/v1/uploads', wanted);
		const { body, contentType } = encodeForm(upload.fields, image);
		const headers = { 'content-type': contentType };
		try {
			// The form is signed. The API key must not be sent to it.
			await this.context.helpers.httpRequest({ method: 'POST', url: upload.url, body, headers, timeout: UPLOAD_TIMEOUT_MS });
		} catch (error) {
			const hint = `Check that n8n may connect to ${new URL(upload.url).host}, or make the image smaller with an Edit Image node.`;
			throw this.unreachable('The image could not be uploaded', error, hint);
		}
		return upload.s3_uri;
	}

	private async send(
		method: IHttpRequestMethods,
		path: string,
		body: IDataObject | undefined,
		headers: IDataObject,
	): Promise<IN8nHttpFullResponse> {
		const options = {
			...{ method, url: this.baseUrl + path, body, headers, json: true, timeout: REQUEST_TIMEOUT_MS },
			...{ returnFullResponse: true, ignoreHttpStatusErrors: true },
		};
		try {
			return await this.context.helpers.httpRequestWithAuthentication.call(this.context, CREDENTIALS, options);
		} catch (error) {
			const hint = 'Check "Base URL" in the credentials, and that n8n may connect to it. In Docker, 127.0.0.1 is the container.';
			throw this.unreachable(`Pigeonhole can't be reached at ${this.baseUrl}`, error, hint);
		}
	}

	private async download(url: string): Promise<JobAnswer> {
		// The link is signed. The API key must not be sent to it.
		return await this.context.helpers.httpRequest({ method: 'GET', url, json: true, timeout: REQUEST_TIMEOUT_MS });
	}

	private refusal({ statusCode, body }: IN8nHttpFullResponse): NodeApiError {
		const node = this.context.getNode();
		if (!isErrorAnswer(body)) {
			return new NodeApiError(node, { statusCode }, {
				message: `${this.baseUrl} does not answer as Pigeonhole does (status ${statusCode})`,
				description: 'Check "Base URL" in the credentials: the URL that the deployment prints, without /v1.',
				httpCode: String(statusCode),
			});
		}
		const hint = HINTS[body.error.code];
		return new NodeApiError(node, body as unknown as JsonObject, {
			message: body.message,
			description: [hint, `Code ${body.error.code}`, body.log_id && `log id ${body.log_id}`].filter(Boolean).join(' · '),
			httpCode: String(statusCode),
		});
	}

	/** Throw if the user has stopped the execution. n8n notifies a running node of that, and does not end it. */
	throwIfStopped(): void {
		if (!this.isStopped()) return;
		throw new NodeOperationError(this.context.getNode(), 'The execution was stopped', {
			description: 'A job that had not ended is canceled. Run the node again to classify all items.',
		});
	}

	/** Cancel a job. Its execution has been stopped, so there is no reader for an error. */
	private async cancel(path: string): Promise<void> {
		await this.send('DELETE', path, undefined, {}).catch(() => undefined);
	}

	/** A NodeApiError, or a code such as ECONNREFUSED in the message, would make n8n replace the message with its own. */
	private unreachable(message: string, cause: unknown, hint: string): NodeOperationError {
		const description = `${hint} (${(cause as Error).message})`;
		return new NodeOperationError(this.context.getNode(), message, { description });
	}

	private isStopped(): boolean {
		return 'getExecutionCancelSignal' in this.context && (this.context.getExecutionCancelSignal()?.aborted ?? false);
	}

	private unfinished(path: string): NodeOperationError {
		return new NodeOperationError(this.context.getNode(), 'The job has not ended within "Maximum Wait"', {
			description: `It continues. GET ${this.baseUrl}${path} has its results later. Raise "Maximum Wait", or send fewer items.`,
		});
	}
}

function isObject(value: unknown): value is object {
	return typeof value === 'object' && value !== null;
}

function isErrorAnswer(body: unknown): body is ErrorAnswer {
	return isObject(body) && 'message' in body && 'error' in body && isObject(body.error) && 'code' in body.error;
}
