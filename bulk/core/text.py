"""Numbers as a person writes them in a sentence."""


def figure(number: int) -> str:
    """Return `12,345`."""
    return f"{number:,}"


def counted(number: int, noun: str) -> str:
    """Return `1 row` or `12,345 rows`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
