"""`pigeonhole doctor`: check what Pigeonhole needs on this machine."""
