"""The whole pipeline beside its peers: rows a second and CPU a row, all against one server, interleaved.

What a process takes to start is not counted: each way also sends one row, and what one row takes is
taken off. Parallel starts processes for each row, so that nothing of it is taken off but its own start.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.benchmarks.bars import Row, at_least
from tests.benchmarks.fleet import BODY, project_id, service_id, write_job
from tests.benchmarks.measure import ChildFailed, Server, Spent, python, serving, spend

ROUNDS = 3
RATE = "100000/s"
AS_FAST_AS_IT_GOES = ("--rate", RATE, "--yes", "-q")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One way to send many PUTs."""

    name: str
    rows: int
    command: Callable[[str, int], list[str]]
    """The command for a server's URL and a number of rows."""
    bar: float
    """How many times its rows/s the pipeline must reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lap:
    """One contender in one round, its start-up taken off."""

    rows_per_s: float
    sending_per_s: float
    """From the first to the last PUT that the server saw."""
    cpu_us: float
    """User and system time a row."""
    server_core: float
    """Share of a core that the server took."""


def measured(rows: int, home: Path) -> Iterator[Row]:
    """Return the row of each contender, and those of the pipeline against them."""
    with (
        serving(python("tests.benchmarks.server", str(rows)), home=home) as server,
        serving(python("tests.benchmarks.server", "1"), home=home) as small,
    ):
        contenders = [pipeline(home), *peers(rows, home)]
        starts = [_alone(contender, small, home) for contender in contenders]
        laps: list[list[Lap]] = [[] for _ in contenders]
        for _ in range(ROUNDS):
            for contender, start, mine in zip(contenders, starts, laps, strict=True):
                mine.append(_lap(contender, start, server, rows, home))
    yield from _rows(contenders, laps)
    if not shutil.which("parallel") or not shutil.which("curl"):
        yield Row(section="speed", name="GNU parallel + curl", note="not installed here: not measured")


def pipeline(home: Path) -> Contender:
    """Return `bulk apply` with everything it does: read, plan, intents, ledger, verify, report."""

    def command(url: str, rows: int) -> list[str]:
        job = write_job(home / f"speed-{rows}.csv", rows, services_per_project=rows)
        flags = (*AS_FAST_AS_IT_GOES, "--new-run", "-j", "50")
        return python("bulk", "apply", str(job), "--endpoint", url, *flags)

    return Contender(name="bulk apply", rows=0, command=command, bar=1.0)


def peers(rows: int, home: Path) -> Iterator[Contender]:
    """Return the peers that can run here, each with as many rows as take it about two seconds."""
    yield Contender(name="bare aiohttp loop", rows=0, command=_peer("bare"), bar=0.75)
    yield Contender(name="official SDK, 50 threads", rows=min(rows, 2000), command=_peer("sdk"), bar=6.0)
    yield Contender(
        name="official SDK, async client", rows=min(rows, 2000), command=_peer("sdk-async"), bar=6.0
    )
    if shutil.which("parallel") and shutil.which("curl"):
        yield Contender(name="GNU parallel + curl", rows=min(rows, 150), command=_parallel(home), bar=100.0)


def _peer(which: str) -> Callable[[str, int], list[str]]:
    return lambda url, rows: python("tests.benchmarks.peers", which, url, str(rows))


def _parallel(home: Path) -> Callable[[str, int], list[str]]:
    """Return the line that people write: eight curls at a time, each noted in a job log."""
    body = home / "body.json"
    body.write_bytes(BODY)

    def command(url: str, rows: int) -> list[str]:
        ids = home / f"ids-{rows}"
        ids.write_text("".join(f"{service_id(number)}\n" for number in range(rows)), encoding="ascii")
        where = f"{url}/v1/{project_id(0)}/vpc-endpoint-services/{{}}"
        curl = ["curl", "-sfS", "-o", "/dev/null", "-X", "PUT", "--data-binary", f"@{body}", where]
        log = home / "parallel.log"
        log.unlink(missing_ok=True)
        return ["parallel", "--will-cite", "-j8", "--joblog", str(log), "-a", str(ids), *curl]

    return command


def _alone(contender: Contender, small: Server, home: Path) -> Spent:
    """Return what one row takes: the start-up."""
    small.reset()
    return spend(contender.command(small.url, 1), home=home)


def _lap(contender: Contender, start: Spent, server: Server, rows_all: int, home: Path) -> Lap:
    rows = contender.rows or rows_all
    command = contender.command(server.url, rows)
    server.reset()
    spent = spend(command, home=home)
    seen = server.counts()
    if seen["puts"] != rows:
        raise ChildFailed(f"{contender.name} sent {seen['puts']} PUTs for {rows} rows")
    return Lap(
        rows_per_s=(rows - 1) / (spent.wall_s - start.wall_s),
        sending_per_s=(rows - 1) / (seen["last_put_at"] - seen["first_put_at"]),
        cpu_us=1e6 * (spent.cpu_s - start.cpu_s) / (rows - 1),
        server_core=seen["cpu_s"] / spent.wall_s,
    )


def _rows(contenders: list[Contender], laps: list[list[Lap]]) -> Iterator[Row]:
    ours = laps[0]
    for contender, theirs in zip(contenders, laps, strict=True):
        yield Row(
            section="speed",
            name=contender.name,
            figures={
                "rows_per_s": median(lap.rows_per_s for lap in theirs),
                "sending_per_s": median(lap.sending_per_s for lap in theirs),
                "cpu_us_per_row": median(lap.cpu_us for lap in theirs),
                "server_core": max(lap.server_core for lap in theirs),
            },
        )
    for contender, theirs in list(zip(contenders, laps, strict=True))[1:]:
        pairs = list(zip(ours, theirs, strict=True))
        yield Row(
            section="speed",
            name=f"bulk apply / {contender.name}",
            figures={
                "ratio": median(mine.rows_per_s / other.rows_per_s for mine, other in pairs),
                "sending_ratio": median(mine.sending_per_s / other.sending_per_s for mine, other in pairs),
                "cpu_ratio": median(mine.cpu_us / other.cpu_us for mine, other in pairs),
            },
            bars=(at_least("ratio", contender.bar),),
        )
