"""`pigeonhole jobs`."""
