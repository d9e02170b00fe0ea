"""Any line of a long file, by the byte at which it begins."""

import os

_READ_BYTES, _READ_BYTES_MAX = 32_768, 1_048_576
"""What is read at a time: twice as much each time that the lines go on where the last read ended."""


class Lines:
    """Reads single lines of an open file; lines that follow each other share one read."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._near, self._near_at = b"", 0
        """What was last read, and where it stands."""
        self._read_bytes = _READ_BYTES

    def at(self, offset: int) -> bytes:
        """Return the line that begins at `offset`, without its end; where it has none, all there is."""
        begin = offset - self._near_at
        end = self._near.find(b"\n", begin) if begin >= 0 else -1
        if end < 0:
            goes_on = 0 <= begin <= len(self._near) + _READ_BYTES
            self._read_bytes = min(2 * self._read_bytes, _READ_BYTES_MAX) if goes_on else _READ_BYTES
            begin, self._near, self._near_at = 0, os.pread(self._fd, self._read_bytes, offset), offset
            while (end := self._near.find(b"\n")) < 0:
                more = os.pread(self._fd, _READ_BYTES, offset + len(self._near))
                if not more:
                    return self._near
                self._near += more
        return self._near[begin:end]
