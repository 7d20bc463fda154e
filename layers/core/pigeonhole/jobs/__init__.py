"""Asynchronous jobs: submitting, processing in chunks, reading, canceling, sweeping and redriving them."""
