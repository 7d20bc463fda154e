"""Uploads: files that callers put into the upload bucket, and their results."""
