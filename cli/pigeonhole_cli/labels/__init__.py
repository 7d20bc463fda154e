"""The commands `pigeonhole labels`."""
