"""The command `bulk`, also as `python -m bulk`.

Nothing is imported before `main` can end quietly at a signal, for each import takes a moment.
"""

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]  # the working folder, where a file of the user's may be named like a module


def main() -> int:
    """Run the command; a signal that comes while it is still loading ends it quietly."""
    if sys.platform == "win32":
        sys.stderr.write("bulk: runs on Linux and macOS; on Windows, run it in WSL\n")
        return 1
    try:
        _heed_signals()
        from bulk.cli import streams  # noqa: PLC0415 - see above

        streams.prepare()
        from bulk.cli.main import main as command  # noqa: PLC0415 - see above

        return command()
    except KeyboardInterrupt:
        return 130


def _heed_signals() -> None:
    """End at TERM and HUP from here on, which the first process of a container would ignore otherwise.

    USR1, by which a run shows where it stands, ends nothing, neither before the run begins nor while its
    result is shown; a child has its default again, which it would not have if it were ignored.
    """
    import signal  # noqa: PLC0415 - see above

    for number, action in ((signal.SIGTERM, _ended), (signal.SIGHUP, _ended), (signal.SIGUSR1, _kept)):
        if signal.getsignal(number) == signal.SIG_DFL:  # nohup has HUP ignored
            signal.signal(number, action)


def _ended(*_: object) -> None:
    raise SystemExit(143)


def _kept(*_: object) -> None:
    """Go on."""


if __name__ == "__main__":
    sys.exit(main())
