"""What a ledger says, without the file: its records, its chain, its progress."""
