"""What a change window asks of a run: the calendar in which it may send."""
