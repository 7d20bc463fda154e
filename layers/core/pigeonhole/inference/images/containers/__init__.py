"""Readers of file formats. Each reads no more than the service must know before a decoder runs, and leaves pixels alone.

A reader may raise any exception on a file that is broken: `open_image` catches all of them.
"""
