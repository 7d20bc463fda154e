"""The first minute: installing, the panel that `pigeonhole up` prints, the browser."""
