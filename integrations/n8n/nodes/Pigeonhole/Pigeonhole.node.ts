import { NodeConnectionTypes } from 'n8n-workflow';
import type { IExecuteFunctions, INodeExecutionData, INodeType, INodeTypeDescription } from 'n8n-workflow';

import { classifyItems } from './classifyItems';
import { getLabelSets, getLabelsOfSet } from './labelSets';
import { distribute, nodeOutputs, toOutputItem } from './outputs';
import { properties } from './properties';

/** Sorts the items of a workflow into labels. */
export class Pigeonhole implements INodeType {
	description: INodeTypeDescription = {
		displayName: 'Pigeonhole',
		name: 'pigeonhole',
		icon: { light: 'file:../../icons/pigeonhole.svg', dark: 'file:../../icons/pigeonhole.dark.svg' },
		group: ['transform'],
		version: 1,
		subtitle: '={{ $parameter["operation"] + ": " + $parameter["input"] }}',
		description: 'Sort texts and images into labels of your own, without training',
		defaults: { name: 'Pigeonhole' },
		usableAsTool: true,
		inputs: [NodeConnectionTypes.Main],
		outputs: `={{ (${nodeOutputs})($parameter) }}`,
		credentials: [{ name: 'pigeonholeApi', required: true }],
		properties,
	};

	methods = { loadOptions: { getLabelSets, getLabelsOfSet } };

	async execute(this: IExecuteFunctions): Promise<INodeExecutionData[][]> {
		const results = await classifyItems(this);
		const outputs = nodeOutputs({
			outputPerLabel: this.getNodeParameter('outputPerLabel', 0),
			labelSource: this.getNodeParameter('labelSource', 0),
			labels: this.getNodeParameter('labels', 0, {}) as object,
			labelSetOutputs: this.getNodeParameter('labelSetOutputs', 0, []) as string[],
		});
		return distribute(results.map((result, index) => ({ ...result, item: toOutputItem(this, index, result) })), outputs);
	}
}
