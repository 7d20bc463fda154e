"""Fake servers of the API for the tests of the command line."""
