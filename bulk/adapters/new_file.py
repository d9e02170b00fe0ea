"""A file that appears whole under its name, or not at all, and never in place of another."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bulk.core.errors import CannotRun, UsageError

PARTIAL = ".partial"
"""Ending of the file while it is written."""


@contextmanager
def new_file(path: Path) -> Iterator[Callable[[str], object]]:
    """Yield a function that writes to a new file, which gets its name when the block ends without an error.

    Raises UsageError where the name is taken, and CannotRun where the file cannot be written.
    """
    if path.exists():
        raise _taken(path)
    partial = path.with_name(path.name + PARTIAL)
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            yield file.write
        os.link(partial, path)
    except FileExistsError as error:
        raise _taken(path) from error
    except OSError as error:
        raise CannotRun(
            f"{path}: {error.strerror or error}", hint="choose another place for --out"
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def _taken(path: Path) -> UsageError:
    return UsageError(f"{path} already exists", hint="choose another name; bulk never replaces a file")
