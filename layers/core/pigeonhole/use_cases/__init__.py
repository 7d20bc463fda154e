"""One file per thing that the service does."""
