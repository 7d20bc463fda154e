import type { IDataObject, NodeApiError, NodeOperationError } from 'n8n-workflow';

/** A thing to classify, as the API takes it. */
export interface Sample {
	type: 'text' | 'image';
	value: string;
}

/** Labels and options: the body of a request without its samples. */
export type Question = IDataObject;

/** An item of n8n that is ready to be sent. */
export interface Entry {
	/** The position of the item in the node's input. */
	index: number;
	sample: Sample;
	question: Question;
}

/** Entries that one request, or one job, classifies. They have the same question. */
export interface Batch {
	question: Question;
	entries: Entry[];
}

/** One label, several with `multiple_labels`, or null where no label reaches the threshold or the sample has an error. */
export type Prediction = string | string[] | null;

/** The result of an item. An item with an error has no prediction. */
export interface Result {
	prediction: Prediction;
	scores?: IDataObject[] | null;
	error?: NodeApiError | NodeOperationError;
}

/** What a request or an ended job says of its samples, in their order. */
export interface Answer {
	predictions: Prediction[];
	scores?: Array<IDataObject[] | null>;
	errors?: Array<{ index: number; code: string; message: string }>;
	warnings?: string[];
}

/** An answer about a job. Results above 4 MB are an object of this shape at `results_url`. */
export interface JobAnswer extends Partial<Answer> {
	job: { id: string; status: 'queued' | 'processing' | 'succeeded' | 'failed' | 'canceled' };
	results_url?: string;
}

/** A form that takes one file, and the address of the file afterwards. */
export interface UploadAnswer {
	upload: { url: string; fields: Record<string, string>; s3_uri: string };
}

/** The service's answer to a request that it refuses. */
export interface ErrorAnswer {
	message: string;
	log_id?: string;
	error: { code: string; details?: Array<{ path?: string; message?: string }> };
}
