"""The use cases behind the verbs; the only place where `run` and the adapters meet."""
