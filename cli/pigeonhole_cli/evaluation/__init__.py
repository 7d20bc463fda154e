"""`pigeonhole eval` and `pigeonhole models calibrate`: measure and calibrate the classifier that the functions run."""
