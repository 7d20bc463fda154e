"""The command line `pigeonhole`: jobs, label sets and uploads of an API, its API keys, models, and the local stack."""
