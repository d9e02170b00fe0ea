"""Files of our own: made so that nothing planted is followed, locked, and read by line."""
