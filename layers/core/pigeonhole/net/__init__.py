"""The only code that connects to an address that a caller named."""
