"""The pace against limits and noise that it has to find: the simulator's, each beside the others in one run.

From `SEARCH_S` after the first PUT on, for `LOOK_S`: the share of what the server allows that was taken,
and the share of PUTs that it refused, as the ledger, or the peer, has them.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import orjson

from bulk.ledger.file import records
from tests.benchmarks.bars import Row, at_least, at_most
from tests.benchmarks.fleet import BEFORE, project_id, service_id, write_job
from tests.benchmarks.measure import Child, ChildFailed, environment, python, serving, start

SEARCH_S, LOOK_S = 10.0, 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """A limit of the simulator, and the share of PUTs that it refuses besides, whatever the rate."""

    spec: str
    allowed_per_s: float
    refused_max: float
    used_min: float = 0.97
    noise: float = 0.0
    rate: str = "auto"
    """What the run is told; a peer always searches."""

    @property
    def name(self) -> str:
        """Return what tells it from the others."""
        noise = f", noise {self.noise:.0%}" if self.noise else ""
        return f"{self.rate} at {self.spec}{noise}"


LIMITS = (
    Hidden(spec="token:20/s,burst=2,policy=none", allowed_per_s=20, refused_max=0.05, used_min=0.88),
    Hidden(spec="token:100/s,burst=10,policy=none", allowed_per_s=100, refused_max=0.03),
    Hidden(spec="token:100/s,burst=10", allowed_per_s=100, refused_max=0.015),
    Hidden(spec="fixed:100/5s,policy=none", allowed_per_s=20, refused_max=0.03),
    Hidden(spec="fixed:100/5s", allowed_per_s=20, refused_max=0.015),
    Hidden(
        spec="token:2000/s,burst=2000,policy=none", rate="100/s", noise=0.06,
        allowed_per_s=94, refused_max=0.11, used_min=0.9,
    ),
    Hidden(
        spec="token:2000/s,burst=2000,policy=none", rate="100/s", noise=0.2,
        allowed_per_s=80, refused_max=0.25, used_min=0.8,
    ),
    Hidden(
        spec="token:75/s,burst=8,policy=none", rate="100/s", noise=0.02,
        allowed_per_s=75, refused_max=0.07, used_min=0.95,
    ),
)  # fmt: skip
"""Windows whose length goes into `LOOK_S`, so that the phase of the first one does not matter."""


def found(home: Path) -> Iterator[Row]:
    """Return the row of each limit; all are run at the same time, which takes about half a minute.

    Where botocore is installed, its adaptive mode then meets the same limits.
    """
    yield from _all_at_once(home, "", _bulk)
    if find_spec("botocore"):
        yield from _all_at_once(home, "botocore adaptive, ", _botocore)
    else:
        yield Row(section="auto", name="botocore adaptive", note="not installed here: not measured")


Begin = Callable[[ExitStack, Hidden, Path, IO[bytes]], Child]


def _all_at_once(home: Path, who: str, begin: Begin) -> Iterator[Row]:
    with ExitStack() as stack:
        runs = []
        for number, limit in enumerate(LIMITS):
            folder = home / f"{who}{number}"
            folder.mkdir()
            said = stack.enter_context((folder / "said").open("w+b"))
            runs.append((limit, begin(stack, limit, folder, said), said, folder))
        for limit, child, said, folder in runs:
            spent = child.wait(said)
            if spent.code:
                raise ChildFailed(f"{who}{limit.name}: ended with {spent.code}: {spent.said[-2000:]}")
            told = _told_by_bulk(folder) if begin is _bulk else _told_by_botocore(spent.said)
            yield _row(who, limit, list(told), with_bars=begin is _bulk)


def _rows(limit: Hidden) -> int:
    return round(limit.allowed_per_s * (SEARCH_S + LOOK_S + 3))


def _simulator(stack: ExitStack, limit: Hidden, folder: Path) -> str:
    fleet = folder / "fleet.jsonl"
    fleet.write_bytes(b"".join(_line(number) for number in range(_rows(limit))))
    env = environment(folder)
    access = {"BULK_SIMULATOR_AK": env["HUAWEICLOUD_SDK_AK"], "BULK_SIMULATOR_SK": env["HUAWEICLOUD_SDK_SK"]}
    faults = orjson.dumps({"rates": {"throttle_400": limit.noise}, "for": "writes"}).decode()
    limits = ["--limit", f"{limit.spec},for=writes", "--faults", faults]
    simulator = python("bulk.simulator", "--fleet", str(fleet), *limits)
    return stack.enter_context(serving([*simulator, "--stop-with-stdin"], home=folder, env=access)).url


def _bulk(stack: ExitStack, limit: Hidden, folder: Path, said: IO[bytes]) -> Child:
    job = write_job(folder / "job.csv", _rows(limit), services_per_project=_rows(limit))
    url = _simulator(stack, limit, folder)
    command = python("bulk", "apply", str(job), "--endpoint", url, "--rate", limit.rate, "--yes", "-q")
    return stack.enter_context(start(command, home=folder, out=said))


def _botocore(stack: ExitStack, limit: Hidden, folder: Path, said: IO[bytes]) -> Child:
    url = _simulator(stack, limit, folder)
    seconds = SEARCH_S + LOOK_S + 3
    command = python("tests.benchmarks.adaptive", url, str(_rows(limit)), str(seconds))
    return stack.enter_context(start(command, home=folder, out=said))


def _line(number: int) -> bytes:
    service = {"id": service_id(number), "project_id": project_id(0), "ports": orjson.loads(BEFORE)}
    return orjson.dumps(service) + b"\n"


def _told_by_bulk(folder: Path) -> Iterator[tuple[float, bool]]:
    """Return when each reply to a PUT came, and whether it was a refusal."""
    for _, record in records(next(folder.glob("runs/*.ledger.jsonl")), whole=False):
        is_refusal = record["type"] == "attempt" and record["verdict"] == "throttled"
        if record["type"] == "outcome" or is_refusal:
            yield datetime.fromisoformat(record["at"]).timestamp(), is_refusal


def _told_by_botocore(said: str) -> Iterator[tuple[float, bool]]:
    for line in said.splitlines():
        at, refused = line.split()
        yield float(at), refused == "1"


def _row(who: str, limit: Hidden, told: list[tuple[float, bool]], *, with_bars: bool) -> Row:
    begin = told[0][0] + SEARCH_S
    seen = [refused for at, refused in told if begin <= at < begin + LOOK_S]
    taken, refused = seen.count(False), seen.count(True)
    figures = {"used": taken / (limit.allowed_per_s * LOOK_S), "refused": refused / max(1, len(seen))}
    bars = (at_least("used", limit.used_min), at_most("refused", limit.refused_max)) if with_bars else ()
    return Row(section="auto", name=f"{who}{limit.name}", figures=figures, bars=bars)
