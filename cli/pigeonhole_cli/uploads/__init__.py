"""`pigeonhole upload`."""
