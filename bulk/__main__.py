"""The command `bulk`, also as `python -m bulk`."""

import sys


def main() -> int:
    """Run the command; an INT that comes while it is still loading ends it quietly."""
    try:
        from bulk.cli.main import main as command  # noqa: PLC0415 - loading takes a moment, in which INT may come

        return command()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
