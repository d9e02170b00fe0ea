"""The use cases behind the verbs; the only place where all the rooms meet."""
