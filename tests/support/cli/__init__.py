"""Servers that answer as the API does, for the tests of the command line."""
