"""The content of a ledger, without the file: its records, its chain, its progress."""
