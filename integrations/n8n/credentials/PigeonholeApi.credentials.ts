import type { IAuthenticateGeneric, ICredentialTestRequest, ICredentialType, INodeProperties } from 'n8n-workflow';

/** Where a Pigeonhole runs, and an API key of it. */
export class PigeonholeApi implements ICredentialType {
	name = 'pigeonholeApi';

	displayName = 'Pigeonhole API';

	icon = { light: 'file:../icons/pigeonhole.svg', dark: 'file:../icons/pigeonhole.dark.svg' } as const;

	properties: INodeProperties[] = [
		{
			displayName: 'Base URL',
			name: 'baseUrl',
			type: 'string',
			required: true,
			default: '',
			placeholder: 'https://pigeonhole.example.com',
			description: 'The URL that the deployment prints, without /v1. In Docker, 127.0.0.1 is the container itself.',
		},
		{
			displayName: 'API Key',
			name: 'apiKey',
			type: 'string',
			typeOptions: { password: true },
			required: true,
			default: '',
			description: 'A key that "pigeonhole keys create" printed',
		},
	];

	authenticate: IAuthenticateGeneric = {
		type: 'generic',
		properties: { headers: { 'x-api-key': '={{$credentials.apiKey}}' } },
	};

	test: ICredentialTestRequest = {
		request: { baseURL: '={{$credentials.baseUrl.trim().replace(/\\/+$/, "")}}', url: '/v1/account' },
	};
}
