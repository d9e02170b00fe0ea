"""Where scenarios play: a simulator beside this thread, a job folder, and the real command.

The command runs in this process (`Stage.bulk`), which is how most of it is measured, or as a child
(`Stage.child`) where signals, terminals and sudden deaths are the matter.
"""

import asyncio
import io
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import orjson
import pytest

from bulk.cli.main import main
from bulk.errors import ExitCode
from bulk.ledger.file import records
from bulk.simulator import AppliedPut, Simulator
from tests.forging import forged, records_of
from tests.simulator_caller import PROJECT, line, mapping, service_id

T = TypeVar("T")

WAIT_S = 60
"""How long a scenario waits for what must come, before it is failed."""
_SETTINGS = re.compile("^(BULK|HC|HW|HUAWEICLOUD|OS)_|_PROXY$|^NO_COLOR$", re.IGNORECASE)

Json = dict[str, Any]


def fleet_lines(count: int, **fields: Any) -> list[Json]:
    """Return a fleet of `count` services, each with two mappings of its own."""
    return [
        line(number, ports=[mapping(80, 8000 + number), mapping(443, 9000 + number)], **fields)
        for number in range(1, count + 1)
    ]


def wide(numbers: Iterator[int] | range | list[int], *, client_port: int = 8443) -> str:
    """Return a wide CSV that moves 443 of each service to another client port."""
    rows = (f"{service_id(n)},80:{8000 + n} {client_port}:{9000 + n}\n" for n in numbers)
    return "service_id,ports\n" + "".join(rows)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What a command left: its exit code and what it said."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """Both streams."""
        return self.out + self.err


class Typed(io.StringIO):
    """A terminal at which somebody has typed."""

    def isatty(self) -> bool:
        """Say that it is one."""
        return True


class Aside:
    """A simulator on a loop in another thread."""

    def __init__(self, **settings: Any) -> None:
        self._settings = {"projects": {"cn-north-4": PROJECT}} | settings
        self._ready = threading.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(),))

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with Simulator(**self._settings) as self.simulator:
            self._ready.set()
            await self._stop.wait()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(WAIT_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(WAIT_S)

    def do(self, work: Callable[[Simulator], T]) -> T:
        """Have something done on the simulator's own loop."""

        async def there() -> T:
            return work(self.simulator)

        return asyncio.run_coroutine_threadsafe(there(), self._loop).result(WAIT_S)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One job folder, one API, and the command between them."""

    folder: Path
    aside: Aside
    capsys: pytest.CaptureFixture[str]

    @property
    def applied(self) -> list[AppliedPut]:
        """Every PUT that took effect."""
        return self.aside.do(lambda simulator: list(simulator.applied))

    @property
    def fleet(self) -> dict[str, Json]:
        """The services by id."""
        return self.aside.do(lambda simulator: simulator.fleet)

    def ports(self, number: int) -> list[tuple[int, int]]:
        """Return the (client_port, server_port) that a service has."""
        return [(m["client_port"], m["server_port"]) for m in self.fleet[service_id(number)]["ports"]]

    def order(self, **orders: Any) -> None:
        """Alter the running simulator: switches, limits, faults, services."""
        problem = self.aside.do(lambda simulator: simulator.world.obey(orjson.dumps(orders)))
        assert problem is None, problem

    def file(self, name: str, content: str) -> str:
        """Write a file into the folder and give its path."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return str(path)

    def job(self, rows: str, **settings: Any) -> str:
        """Write a job folder, whose runs settle doubts at once, and give its path."""
        self.file("services.csv", rows)
        stored = {"rows": "services.csv", "name": "job", "settle_s": 0.05} | settings
        self.file(
            "job.toml", "".join(f"{key} = {orjson.dumps(value).decode()}\n" for key, value in stored.items())
        )
        return str(self.folder)

    def bulk(self, *argv: str) -> Ended:
        """Run the command in this process."""
        self.capsys.readouterr()
        code = main(list(argv))
        said = self.capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        assert "a bug in bulk" not in said.err, said.err
        return Ended(code=code, out=said.out, err=said.err)

    def apply(self, *argv: str) -> Ended:
        """Run `bulk apply … --yes`."""
        return self.bulk("apply", *argv, "--yes")

    @contextmanager
    def child(self, *argv: str, **popen: Any) -> Iterator[subprocess.Popen[str]]:
        """Start the command as a process; it is killed if it still runs at the end."""
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | popen
        process = subprocess.Popen([sys.executable, "-m", "bulk", *argv], text=True, **streams)
        try:
            yield process
        finally:
            process.kill()
            process.communicate(timeout=WAIT_S)

    def run_child(self, *argv: str, **popen: Any) -> Ended:
        """Run the command as a process to its end."""
        with self.child(*argv, **popen) as process:
            out, err = process.communicate(timeout=WAIT_S)
        return Ended(code=process.returncode, out=out, err=err)

    @property
    def ledgers(self) -> list[Path]:
        """The ledgers in `runs`, oldest first."""
        return sorted(self.folder.glob("runs/*.ledger.jsonl"))

    @property
    def ledger(self) -> Path:
        """The latest ledger."""
        return self.ledgers[-1]

    def status(self, ledger: Path | None = None) -> Json:
        """Return `bulk status --output json` of a ledger, and check that its outcomes add up."""
        ended = self.bulk("status", str(ledger or self.ledger), "--output", "json")
        assert ended.code == ExitCode.OK
        status: Json = orjson.loads(ended.out)
        assert sum(status["outcomes"].values()) == status["rows"]
        return status

    def outcomes(self, ledger: Path | None = None) -> dict[str, int]:
        """Return the outcomes that there are, with their counts."""
        return {name: count for name, count in self.status(ledger)["outcomes"].items() if count}

    def despite(self, ledger: Path | None = None) -> list[str]:
        """Return the words that lift every stop that stands in a run, and let any number of rows fail."""
        lifted = [
            word for stop in self.status(ledger)["stops"] for word in ("--despite", f"{stop['id']}:known")
        ]
        return [*lifted, "--max-failures", "9"]

    def forged(self, ledger: str, edit: Callable[[Json], Json]) -> str:
        """Return a copy of a ledger with what `edit` returns in each record, and with right sums."""
        records = (record | edit(record) for record in records_of(Path(ledger).read_bytes()))
        return self.file("forged.ledger.jsonl", forged(records, digest=False).decode())

    def records(self, kind: str, ledger: Path | None = None) -> list[Json]:
        """Return the records of one type in a ledger, the latest one unless another is named."""
        return [record for _, record in records(ledger or self.ledger) if record["type"] == kind]


def until(true: Callable[[], object], process: subprocess.Popen[str] | None = None) -> None:
    """Return once something has become true; fail when it does not or the process ends before."""
    deadline = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline, "what was waited for did not come"
        assert process is None or process.poll() is None or true(), "the process ended before"
        time.sleep(0.005)


def clear_settings(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Take away whatever in the environment would steer the command, and give it an empty home."""
    for name in list(os.environ):
        if _SETTINGS.search(name):
            monkeypatch.delenv(name)
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
