"""The order of effects: what is read, written and sent when."""
