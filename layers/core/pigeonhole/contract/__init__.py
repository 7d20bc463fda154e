"""The models that cross a wire: HTTP bodies, queue messages and events."""
