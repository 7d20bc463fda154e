"""The commands `pigeonhole jobs`."""
