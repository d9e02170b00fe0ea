"""The pure core: no await, no file, no clock, no randomness, no log."""
