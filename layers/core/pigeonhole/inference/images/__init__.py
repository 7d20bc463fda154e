"""From the address of an image to its pixels."""
