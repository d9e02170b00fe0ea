"""`bulk simulator`."""

import os
import sys

from bulk.cli import options


def simulator(arguments: options.Arguments = None) -> int:
    """Run the API as a local server, for practice, tests and rehearsals; see `bulk simulator --help`."""
    from bulk.rehearsal.children import bare

    own = {name: value for name, value in os.environ.items() if name.startswith("BULK_SIMULATOR_")}
    words = [sys.executable, "-P", "-m", "bulk.simulator", *(arguments or [])]
    sys.stdout.flush()
    os.execve(sys.executable, words, bare(os.environ) | own)  # noqa: S606
