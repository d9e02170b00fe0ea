"""Numbers as a person writes them in a sentence, and a mark that a spreadsheet reads."""

from collections.abc import Sequence

BYTE_ORDER_MARK = "\ufeff"


def figure(number: int) -> str:
    """Return `12,345`."""
    return f"{number:,}"


def counted(number: int, noun: str) -> str:
    """Return `1 row` or `12,345 rows`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listed(noun: str, numbers: Sequence[int]) -> str:
    """Return `row 3`, `rows 3, 7`, or the first ten and how many there are besides."""
    shown = ", ".join(map(str, numbers[:_LISTED_MAX]))
    more = f" and {len(numbers) - _LISTED_MAX:,} more" if len(numbers) > _LISTED_MAX else ""
    return f"{noun if len(numbers) == 1 else f'{noun}s'} {shown}{more}"


_LISTED_MAX = 10
