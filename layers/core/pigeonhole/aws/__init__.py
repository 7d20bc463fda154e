"""Adapters of the ports to AWS, a module or a folder per service."""
