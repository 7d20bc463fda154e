"""Helpers of the tests of the deployed stack."""
