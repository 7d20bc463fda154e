"""Tenants, their API keys and their webhook secrets."""
