"""`bulk worker`."""

from typing import Any

from bulk.cli import options, output
from bulk.cli.verbs.shared import environment
from bulk.errors import ExitCode, Interrupted


@options.takes("endpoint", "region")
def worker(connect: options.Connect = "", served: options.Served = None, **flags: Any) -> int:
    """Sign and send, from this machine, the requests of runs elsewhere, which come over NATS; until TERM.

    Runs find it by `--via`. What it takes is the list of services, single services and their PUTs; when it
    stops it answers what it has taken.
    """
    from bulk.app.needing_nats import needing_nats
    from bulk.cli import running

    with needing_nats():
        from bulk.app.working import work
    flags["region"] = flags["region"] or ""
    try:
        running.run(work(connect, served or [], flags, environment(flags, can_ask=False)))
    except Interrupted as signal:  # before it served anything, or a second one
        output.notify(
            "the worker ended at once; a run that waits for it reads its services to settle its PUTs"
        )
        return signal.exit_code
    return ExitCode.OK
