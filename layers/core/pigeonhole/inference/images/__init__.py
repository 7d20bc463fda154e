"""From the value of an image to its pixels."""
