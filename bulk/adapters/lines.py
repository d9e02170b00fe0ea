"""Any line of a long file, by the byte at which it begins."""

import os

_READ_BYTES = 32_768


class Lines:
    """Reads single lines of an open file; those that stand behind one another come of one read."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._near, self._near_at = b"", 0
        """What was last read, and where it stands."""

    def at(self, offset: int) -> bytes:
        """Return the line that begins at `offset`, without its end; where it has none, all there is."""
        begin = offset - self._near_at
        end = self._near.find(b"\n", begin) if begin >= 0 else -1
        if end < 0:
            begin, self._near, self._near_at = 0, os.pread(self._fd, _READ_BYTES, offset), offset
            while (end := self._near.find(b"\n")) < 0:
                more = os.pread(self._fd, _READ_BYTES, offset + len(self._near))
                if not more:
                    return self._near
                self._near += more
        return self._near[begin:end]
