"""From similarities to calibrated scores."""
