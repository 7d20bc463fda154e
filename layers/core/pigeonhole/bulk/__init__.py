"""Bulk jobs: classify a manifest of any length, span by span, in constant memory."""
