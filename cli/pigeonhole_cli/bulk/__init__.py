"""`pigeonhole bulk`: classify manifests and folders of any size."""
