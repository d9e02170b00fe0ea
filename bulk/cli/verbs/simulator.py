"""`bulk simulator`."""

import os
import sys

from bulk.cli import options


def simulator(arguments: options.Arguments = None) -> int:
    """Run the API as a local server, for practice, tests and rehearsals; see `bulk simulator --help`."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-P", "-m", "bulk.simulator", *(arguments or [])])  # noqa: S606
