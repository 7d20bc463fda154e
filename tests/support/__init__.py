"""What the tests share: fakes, makers of inputs, servers on loopback."""
