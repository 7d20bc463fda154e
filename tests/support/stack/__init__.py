"""What the tests of the deployed stack share."""
