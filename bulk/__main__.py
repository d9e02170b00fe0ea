"""The command `bulk`, also as `python -m bulk`."""

import os
import sys


def main() -> int:
    """Run the command; an INT that comes while it is still loading ends it quietly."""
    for fd in (0, 1, 2):
        _open_if_closed(fd)
    try:
        from bulk.cli.main import main as command  # noqa: PLC0415 - loading takes a moment, in which INT may come

        return command()
    except KeyboardInterrupt:
        return 130


def _open_if_closed(fd: int) -> None:
    """Let a closed standard stream (cron, `>&-`) lead nowhere, so that no other file takes its number."""
    try:
        os.fstat(fd)
    except OSError:
        os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one
        name = ("stdin", "stdout", "stderr")[fd]
        setattr(sys, name, open(fd, "r" if fd == 0 else "w", encoding="utf-8"))  # noqa: SIM115


if __name__ == "__main__":
    sys.exit(main())
