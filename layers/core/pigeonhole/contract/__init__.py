"""What crosses a wire: HTTP bodies, commands between functions, queue messages and events."""
