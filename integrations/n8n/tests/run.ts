// Run the node once: a setup as JSON on standard input, its outputs or its error as JSON on standard output.
import { Pigeonhole } from '../nodes/Pigeonhole/Pigeonhole.node';
import { host } from './host';
import type { Setup } from './host';

async function main(): Promise<void> {
	const chunks: Buffer[] = [];
	for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
	const setup = JSON.parse(Buffer.concat(chunks).toString()) as Setup;
	const outcome = await new Pigeonhole().execute.call(host(setup)).then(
		(outputs) => ({ outputs }),
		({ message, description }: Error & { description: string }) => ({ error: { message, description } }),
	);
	console.log(JSON.stringify(outcome));
}

void main();
