"""Adapters of the ports to AWS, one file per service."""
