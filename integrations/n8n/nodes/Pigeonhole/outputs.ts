import type { IDataObject, IExecuteFunctions, INodeExecutionData, INodeOutputConfiguration } from 'n8n-workflow';

import type { Prediction, Result } from './types';

/**
 * Name the outputs of a node with these parameters: one, or one per label and a last one for the other items.
 *
 * n8n's editor evaluates the source of this function as an expression, so it uses nothing outside itself.
 */
export function nodeOutputs(parameters: IDataObject): INodeOutputConfiguration[] {
	if (!parameters.outputPerLabel) return [{ type: 'main' }];
	const entries = ((parameters.labels as IDataObject) || {}).values as IDataObject[] | undefined;
	const own = (entries || []).map((entry) => String(entry.name));
	const names = parameters.labelSource === 'labelSet' ? (parameters.labelSetOutputs as string[]) || [] : own;
	return [...new Set(names), 'Other'].map((displayName) => ({ type: 'main', displayName }));
}

/**
 * Distribute items over the outputs of their labels. An item with several labels goes to each of them.
 *
 * @param items The items and their labels, null for none.
 * @param outputs The outputs of the node. The last of several takes the items that no other output takes.
 */
export function distribute(
	items: Array<{ item: INodeExecutionData; prediction: Prediction }>,
	outputs: INodeOutputConfiguration[],
): INodeExecutionData[][] {
	const distributed = outputs.map((): INodeExecutionData[] => []);
	const positions = new Map(outputs.slice(0, -1).map((output, position) => [output.displayName, position]));
	for (const { item, prediction } of items) {
		const labels = [prediction ?? []].flat();
		const found = labels.map((label) => positions.get(label)).filter((position) => position !== undefined);
		for (const position of found.length > 0 ? found : [outputs.length - 1]) distributed[position]?.push(item);
	}
	return distributed;
}

/** Return an input item with its result, or with the message of its error. */
export function toOutputItem(context: IExecuteFunctions, index: number, result: Result): INodeExecutionData {
	const { json, binary } = context.getInputData()[index]!;
	const pairedItem = { item: index };
	const { prediction, scores, error } = result;
	if (error) return { json: { ...json, error: error.message }, error, binary, pairedItem };
	const field = context.getNodeParameter('options.outputField', index, 'classification') as string;
	const classification = {
		...(Array.isArray(prediction) ? { labels: prediction } : { label: prediction }),
		...(scores ? { scores } : {}),
	};
	return { json: { ...json, [field]: classification }, binary, pairedItem };
}
