"""Asynchronous jobs: submitted, worked on in chunks, read, canceled and repaired."""
