import { randomUUID } from 'node:crypto';

/** A body of multipart/form-data, and its media type with the boundary. */
export interface Form {
	body: Buffer;
	contentType: string;
}

/** Encode the fields of a form, and its file as the last field, `file`. The names of the fields are the service's. */
export function encodeForm(fields: Record<string, string>, file: Buffer): Form {
	const boundary = randomUUID();
	const parts = Object.entries(fields).map(([name, value]) => `${heading(boundary, `name="${name}"`)}\r\n${value}\r\n`);
	const last = `${heading(boundary, 'name="file"; filename="file"')}Content-Type: application/octet-stream\r\n\r\n`;
	const body = Buffer.concat([Buffer.from(parts.join('') + last), file, Buffer.from(`\r\n--${boundary}--\r\n`)]);
	return { body, contentType: `multipart/form-data; boundary=${boundary}` };
}

function heading(boundary: string, disposition: string): string {
	return `--${boundary}\r\nContent-Disposition: form-data; ${disposition}\r\n`;
}
