"""The command `pigeonhole up`: the whole system on this machine."""
