"""`pigeonhole labels`."""
