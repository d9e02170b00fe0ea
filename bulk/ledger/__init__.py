"""The ledger: its records, their chain, what they add up to, whether they are whole, and its file.

`file` writes and reads it, `records` has a class for each type of record, `folding` adds them up to a
`Progress`, and `proof` is what `bulk audit` holds them against.
"""
