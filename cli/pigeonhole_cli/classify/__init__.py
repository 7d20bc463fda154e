"""The command `pigeonhole classify`."""
