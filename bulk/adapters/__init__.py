"""The effects: network, files, time."""
