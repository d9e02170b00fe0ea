"""The use cases behind the verbs; the only place where engine and adapters meet."""
