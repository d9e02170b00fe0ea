"""`python -m bulk.simulator`: the simulator as a process of its own.

The first line on stdout is its URL; at a terminal, stderr has the lines that a second terminal needs. It
serves until INT or TERM, or, with `--stop-with-stdin`, until its standard input ends. Exit
codes: 0 after that, 1 when it cannot start, 2 for wrong usage.
"""

import argparse
import asyncio
import contextlib
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import orjson
import uvloop

from bulk.simulator import FaultPlan, Identity, Simulator, StoreError, Switches
from bulk.simulator.fleet import PROJECT_ID
from bulk.simulator.fleet_lines import project_id_of
from bulk.simulator.problems import explained
from bulk.simulator.usage import epilog, second_terminal

LOCK_WAIT_S = 2.0  # as long as a killed predecessor may need to let go of the fleet file

JSON_BYTES_MAX = 1_048_576


def main(argv: list[str] | None = None) -> int:
    """Run the simulator and return its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        simulator = _simulator(arguments)
    except ValueError as error:
        return _failed(explained(error), 2)
    try:
        uvloop.run(_serve(simulator, stop_with_stdin=arguments.stop_with_stdin))
    except (StoreError, OSError) as error:
        return _failed(str(error), 1)
    return 0


def _failed(why: str, code: int) -> int:
    sys.stderr.write(f"simulator: {why}\n")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bulk simulator",
        description="The VPCEP API as a server on loopback. The first line on stdout is its URL.",
        epilog=epilog(Identity()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_fleet(parser.add_argument)
    _add_behaviour(parser.add_argument)
    return parser


def _add_fleet(add: Callable[..., object]) -> None:
    """Add the flags that say where the simulator is and what it begins with."""
    add(
        "--port",
        type=_port,
        default=0,
        metavar="N",
        help="port on 127.0.0.1; 0, the default, takes a free one",
    )
    add("--fleet", type=Path, metavar="FILE", help="JSON Lines of services, loaded first and kept up to date")
    add(
        "--seed-fleet",
        type=int,
        default=0,
        metavar="N",
        help="begin an empty fleet with N generated services",
    )
    add(
        "--project",
        action="append",
        default=[],
        metavar="NAME[=ID]",
        help="a project: its name is a region or region_sub; repeatable",
    )
    add("--region", default="cn-north-4", help="region of projects that only the fleet names")


def _add_behaviour(add: Callable[..., object]) -> None:
    """Add the flags that say how the simulator answers and when it ends."""
    add("--applied-log", type=Path, metavar="FILE", help="JSON Lines of every PUT that took effect")
    add(
        "--limit",
        action="append",
        default=[],
        metavar="SPEC",
        help="a rate limit, see below; repeatable",
    )
    add("--faults", default="{}", metavar="JSON|FILE", help="a plan of faults, see below")
    add(
        "--switches",
        default="{}",
        metavar="JSON|FILE",
        help="behaviour where the documents are silent, see below",
    )
    add("--stop-with-stdin", action="store_true", help="stop when standard input ends")


def _simulator(arguments: argparse.Namespace) -> Simulator:
    """Return the simulator that the flags and the environment ask for; raises ValueError."""
    return Simulator(
        seed_count=arguments.seed_fleet,
        projects=dict(_project(text) for text in arguments.project),
        region=arguments.region,
        identity=_identity(),
        switches=Switches.model_validate(_json_argument(arguments.switches)),
        limits=arguments.limit,
        faults=FaultPlan.model_validate(_json_argument(arguments.faults)),
        fleet_file=arguments.fleet,
        applied_log=arguments.applied_log,
        lock_wait_s=LOCK_WAIT_S,
        port=arguments.port,
    )


def _port(text: str) -> int:
    """Return a port number; raises what argparse shows."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port, write 0 to 65535")
    return int(text)


def _project(text: str) -> tuple[str, str]:
    """Return (name, id) of `NAME=ID` or `NAME`; raises ValueError."""
    name, _, given = text.partition("=")
    if given and not PROJECT_ID.fullmatch(given):
        raise ValueError(f"--project {text}: a project id has 32 hex digits, lower case")
    return name, given or project_id_of(name)


def _identity() -> Identity:
    names = ("ak", "sk", "user", "password", "domain")
    given = {name: os.environ.get(f"BULK_SIMULATOR_{name.upper()}") for name in names}
    return Identity(**{name: value for name, value in given.items() if value})


def _json_argument(text: str) -> object:
    """Return the JSON that an argument is, or that the file it names holds; raises ValueError."""
    try:
        if text.lstrip().startswith("{"):
            return orjson.loads(text)
        with Path(text).open("rb") as file:
            return orjson.loads(file.read(JSON_BYTES_MAX))
    except OSError as error:
        raise ValueError(f"{text}: {error.strerror}") from None
    except orjson.JSONDecodeError as error:
        raise ValueError(f"{text[:80]}: not JSON: {error}") from None


async def _serve(simulator: Simulator, *, stop_with_stdin: bool) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    async with simulator:
        gc.collect()
        gc.freeze()
        sys.stdout.write(f"{simulator.url}\n")
        sys.stdout.flush()
        if sys.stderr.isatty():
            sys.stderr.write(second_terminal(simulator.url, simulator.identity, is_empty=not simulator.fleet))
        if stop_with_stdin:
            threading.Thread(target=_await_stdin_end, args=(loop, stop), daemon=True).start()
        await stop.wait()


def _await_stdin_end(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Set `stop` when standard input ends; a plain read, so that it works for pipes, files and terminals."""
    while os.read(0, 4096):
        pass
    with contextlib.suppress(RuntimeError):  # the loop may have ended by itself
        loop.call_soon_threadsafe(stop.set)


if __name__ == "__main__":
    sys.exit(main())
