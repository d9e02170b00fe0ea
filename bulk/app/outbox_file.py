"""The file of the messages that left, beside the ledgers of a job; it is only ever added to."""

import os
from contextlib import suppress
from pathlib import Path

from bulk.errors import UsageError
from bulk.files.new_file import new_folder, open_own
from bulk.operations.outbox import SUFFIX, Sent, line, lost

_BYTES_MAX = 1_048_576
"""What is read of the file's end: years of a nightly job."""


def outbox_of(folder: Path, job: str) -> "Outbox":
    """Return the outbox of a job, by the folder of its runs and its name."""
    return Outbox(folder / f"{job}{SUFFIX}")


class Outbox:
    """The file of one job; where it cannot be used, messages leave all the same."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._size = -1

    def add(self, **members: str | bool) -> None:
        """Add a line."""
        with suppress(OSError, UsageError):
            new_folder(self.path.parent)
            fd = open_own(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            try:
                os.write(fd, line(**members))
            finally:
                os.close(fd)

    def lost(self) -> dict[str, Sent]:
        """Return the messages that may not have arrived and are on record nowhere else, by id."""
        with suppress(OSError, UsageError), os.fdopen(open_own(self.path, os.O_RDONLY), "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _BYTES_MAX))
            return lost(file)
        return {}

    def has_grown(self) -> bool:
        """Return whether there are new lines since this was asked last."""
        before = self._size
        with suppress(OSError):
            self._size = self.path.stat().st_size
        return self._size != before
