// n8n's two plugins with all rules of `n8n-node lint`, n8n Cloud's included. That command itself brings an AI framework.
import { n8nCommunityNodesPlugin } from '@n8n/eslint-plugin-community-nodes';
import nodesBase from 'eslint-plugin-n8n-nodes-base';
import tseslint from 'typescript-eslint';

const community = n8nCommunityNodesPlugin.configs.recommended;

export default tseslint.config(
	{ ignores: ['dist/**', 'build/**'] },
	{ files: ['**/*.ts'], extends: [tseslint.configs.recommended] },
	{ files: ['credentials/**/*.ts', 'nodes/**/*.ts'], extends: [community], rules: { 'no-console': 'error' } },
	{ files: ['**/*.ts', 'package.json'], plugins: { 'n8n-nodes-base': nodesBase } },
	{
		files: ['package.json'],
		extends: [community],
		languageOptions: { parser: tseslint.parser, parserOptions: { extraFileExtensions: ['.json'] } },
		rules: {
			...nodesBase.configs.community.rules,
			// The project has no public address yet. Who publishes the package adds theirs.
			'@n8n/community-nodes/require-homepage': 'off',
			'@n8n/community-nodes/valid-author': 'off',
			// It wants MIT. The project's licence is Apache-2.0.
			'n8n-nodes-base/community-package-json-license-not-default': 'off',
		},
	},
	{
		files: ['credentials/**/*.ts'],
		rules: {
			...nodesBase.configs.credentials.rules,
			'n8n-nodes-base/cred-class-field-documentation-url-missing': 'off', // no public address yet
			'n8n-nodes-base/cred-class-field-type-options-password-missing': 'off', // off in `n8n-node lint`
		},
	},
	{
		files: ['nodes/**/*.ts'],
		rules: {
			...nodesBase.configs.nodes.rules,
			// Off in `n8n-node lint`.
			'n8n-nodes-base/node-class-description-inputs-wrong-regular-node': 'off',
			'n8n-nodes-base/node-class-description-outputs-wrong': 'off',
			'n8n-nodes-base/node-param-type-options-max-value-present': 'off',
		},
	},
);
