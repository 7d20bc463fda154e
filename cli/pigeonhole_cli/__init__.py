"""`pigeonhole`, the command line: the local stack, API keys, models."""
