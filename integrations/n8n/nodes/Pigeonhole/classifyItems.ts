import { NodeApiError, NodeOperationError } from 'n8n-workflow';
import type { IDataObject, IExecuteFunctions } from 'n8n-workflow';

import { toBatches } from './batches';
import { PigeonholeClient } from './client';
import { readEntry } from './entries';
import { MAX_JOB_SAMPLES, MAX_SAMPLES } from './limits';
import type { Answer, Batch, Entry, Result } from './types';

type Classify = (body: IDataObject) => Promise<Answer>;

/** Return the result of each input item. Throws the first error, unless the node continues on errors. */
export async function classifyItems(context: IExecuteFunctions): Promise<Result[]> {
	const results: Result[] = [];
	const record = (index: number, result: Result): void => {
		if (result.error && !context.continueOnFail()) throw result.error;
		results[index] = result;
	};
	const client = await PigeonholeClient.fromCredentials(context);
	const { classify, maxSamples } = chosenOperation(context, client);
	async function* readEntries(): AsyncGenerator<Entry> {
		for (const index of context.getInputData().keys()) {
			const entry = await readEntry(context, client, index).catch((error) => record(index, failed(context, error, index)));
			if (entry) yield entry;
		}
	}
	for await (const batch of toBatches(readEntries(), maxSamples)) {
		client.throwIfStopped();
		const ofBatch = await classifyBatch(context, classify, batch);
		batch.entries.forEach(({ index }, position) => record(index, ofBatch[position]!));
	}
	return results;
}

function chosenOperation(context: IExecuteFunctions, client: PigeonholeClient): { classify: Classify; maxSamples: number } {
	if (context.getNodeParameter('operation', 0) === 'classify') {
		return { classify: async (body) => await client.classify(body), maxSamples: MAX_SAMPLES };
	}
	const deadline = Date.now() + 1_000 * (context.getNodeParameter('options.maxWait', 0, 600) as number);
	return { classify: async (body) => await client.classifyInJob(body, deadline), maxSamples: MAX_JOB_SAMPLES };
}

async function classifyBatch(context: IExecuteFunctions, classify: Classify, batch: Batch): Promise<Result[]> {
	let answer: Answer;
	try {
		answer = await classify({ ...batch.question, dataset: batch.entries.map(({ sample }) => sample) });
	} catch (error) {
		return batch.entries.map(({ index }) => failed(context, error, index));
	}
	const warnings = answer.warnings ?? [];
	if (warnings.length > 0) context.addExecutionHints({ message: warnings.join(' · '), location: 'outputPane', type: 'warning' });
	const errors = new Map(answer.errors?.map((error) => [error.index, error]));
	return batch.entries.map(({ index }, position) => {
		const error = errors.get(position);
		if (!error) return { prediction: answer.predictions[position] ?? null, scores: answer.scores?.[position] };
		const description = `Code ${error.code}. With "On Error: Continue" in the settings of the node, the other items are still classified.`;
		return failed(context, new NodeOperationError(context.getNode(), error.message, { itemIndex: index, description }), index);
	});
}

function failed(context: IExecuteFunctions, error: unknown, itemIndex: number): Result {
	const isNodeError = error instanceof NodeApiError || error instanceof NodeOperationError;
	return {
		prediction: null,
		error: isNodeError ? error : new NodeOperationError(context.getNode(), error as Error, { itemIndex }),
	};
}
