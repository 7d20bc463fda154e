"""The command `pigeonhole upload`."""
