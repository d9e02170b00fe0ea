"""Many rows: check, plan, apply and resume, with memory and the time to the first PUT; and the start-up."""

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from fcntl import LOCK_EX, flock
from math import ceil
from pathlib import Path
from statistics import median
from tempfile import TemporaryFile

from tests.benchmarks.bars import Bar, Row, at_least, at_most
from tests.benchmarks.fleet import write_job
from tests.benchmarks.ledgers import summarise, write_run
from tests.benchmarks.measure import ChildFailed, Server, python, serving, spend, start
from tests.benchmarks.speed import AS_FAST_AS_IT_GOES

MIB = 1024 * 1024
PAGE = 1000
STARTS = 5
LISTED_RUNS, LISTED_ROWS = 1_000, 10_000


def started(home: Path) -> Iterator[Row]:
    """Return how long `bulk --help` takes."""
    walls = [spend(python("bulk", "--help"), home=home).wall_s for _ in range(STARTS)]
    figures = {"wall_s": median(walls)}
    yield Row(section="scale", name="bulk --help", figures=figures, bars=(at_most("wall_s", 0.2),))


def checked(rows: int, home: Path) -> Iterator[Row]:
    """Return how fast a sorted job file is checked, and what memory a row takes."""
    few = min(rows, PAGE)
    small = spend(_check(home, few), home=home)
    spent = spend(_check(home, rows), home=home)
    grown_bytes = spent.rss_bytes_max - small.rss_bytes_max
    figures = {
        "rows_per_s": rows / spent.wall_s,
        "cpu_us_per_row": 1e6 * spent.cpu_s / rows,
        "rss_mib": spent.rss_bytes_max / MIB,
        "bytes_per_row": grown_bytes / max(1, rows - few),
    }
    bars = (at_least("rows_per_s", 150_000), at_most("bytes_per_row", 24))
    yield Row(section="scale", name=f"check {rows:,} rows", figures=figures, bars=bars)


def _check(home: Path, rows: int) -> list[str]:
    job = write_job(home / f"check-{rows}.csv", rows, services_per_project=rows)
    return python("bulk", "check", str(job))


def run(rows: int, projects: int, home: Path) -> Iterator[Row]:
    """Return plan, apply and resume of one job over so many projects."""
    per_project = ceil(rows / projects)
    job = write_job(home / "scale.csv", rows, services_per_project=per_project)
    plan = home / "scale.ledger.jsonl"
    with serving(python("tests.benchmarks.server", str(rows), str(per_project)), home=home) as server:
        yield _planned(job, plan, server, rows, projects, home)
        yield _reported(plan, rows, home)
        for name, done in (
            ("apply", 0.0),
            ("resume, half is done", 0.5),
            ("resume, all but 1 % is done", 0.99),
        ):
            server.reset()
            ledger = Path(shutil.copy(plan, home / "copy.ledger.jsonl"))
            if done:
                _kill_at(round(rows * done), ledger, server, home)
            yield _applied(f"{name}: {rows:,} rows", ledger, server, home)


def _planned(job: Path, plan: Path, server: Server, rows: int, projects: int, home: Path) -> Row:
    flags = ("--rate", "100000/s", "-q", "--out", str(plan), "--endpoint", server.url)
    spent = spend(python("bulk", "plan", str(job), *flags), home=home)
    reads = server.counts()["gets"]
    figures = {
        "reads": reads,
        "rows_per_s": rows / spent.wall_s,
        "cpu_us_per_row": 1e6 * spent.cpu_s / rows,
        "rss_mib": spent.rss_bytes_max / MIB,
    }
    bars = (at_most("reads", projects * ceil(rows / projects / PAGE)), at_most("rss_mib", 400))
    return Row(section="scale", name=f"plan {rows:,} rows, {projects:,} projects", figures=figures, bars=bars)


def _reported(plan: Path, rows: int, home: Path) -> Row:
    spent = spend(python("bulk", "report", str(plan), "--output", "html"), home=home)
    figures = {"cpu_s": spent.cpu_s, "mb": len(spent.said) / 1e6, "rss_mib": spent.rss_bytes_max / MIB}
    bars = (at_most("cpu_s", 20), at_most("mb", 10))
    return Row(section="scale", name=f"report of {rows:,} rows as HTML", figures=figures, bars=bars)


def _apply(ledger: Path, server: Server) -> list[str]:
    return python("bulk", "apply", str(ledger), "--endpoint", server.url, *AS_FAST_AS_IT_GOES, "-j", "50")


def _kill_at(puts: int, ledger: Path, server: Server, home: Path) -> None:
    """Kill a run once the server has seen so many PUTs of it."""
    with TemporaryFile() as said, start(_apply(ledger, server), home=home, out=said) as child:
        seen = 0
        while (seen := seen + server.counts()["puts"]) < puts:
            if child.process.poll() is not None:
                said.seek(0)
                raise ChildFailed(f"the run ended after {seen} PUTs: {said.read()[-2000:].decode()}")
            time.sleep(0.01)
    server.counts()


def _applied(name: str, ledger: Path, server: Server, home: Path) -> Row:
    spent = spend(_apply(ledger, server), home=home)
    seen = server.counts()
    figures = {
        "puts": seen["puts"],
        "first_put_s": seen["first_put_at"] - spent.began_at,
        "wall_s": spent.wall_s,
        "cpu_us_per_put": 1e6 * spent.cpu_s / seen["puts"],
        "rss_mib": spent.rss_bytes_max / MIB,
    }
    bars = (at_most("rss_mib", 400), *([at_most("first_put_s", 10)] if name.startswith("resume") else []))
    return Row(section="scale", name=name, figures=figures, bars=bars)


def resumed(rows: int, home: Path) -> Iterator[Row]:
    """Yield what it takes to go on with a half-done run, to show it, and to begin another beside old ones."""
    job = write_job(home / "scale.csv", rows, services_per_project=rows)
    (home / "runs").mkdir()
    with serving(python("tests.benchmarks.server", str(rows)), home=home) as server:
        ledger = write_run(home / f"runs/{_STAMPED}", job, server.url, rows, done=rows // 2)
        yield _first_put(f"resume by its job, folded: {rows:,} rows", job, ledger, server, home, ())
        summarise(ledger)
        bars = (at_most("cpu_s", 4), at_most("reads", 8))
        yield _first_put(f"resume by its job: {rows:,} rows", job, ledger, server, home, bars)
        yield _quick(f"status: {rows:,} rows", ("status", str(job)), home)
        with ledger.open("rb") as held:
            flock(held.fileno(), LOCK_EX)
            yield _quick(f"busy: {rows:,} rows", ("apply", str(ledger), "--yes"), home, code=8)
        write_run(ledger, job, server.url, rows, done=rows, is_finished=True)
    with serving(python("tests.benchmarks.server", "10"), home=home) as server:
        yield _beside(f"ten rows beside an old run: {rows:,} rows", job, server, home)


def listed(home: Path) -> Iterator[Row]:
    """Yield what it takes to list a thousand runs, of which each second one was killed half-way."""
    job = write_job(home / "scale.csv", LISTED_ROWS, services_per_project=LISTED_ROWS)
    (home / "runs").mkdir()
    whole, half = home / "whole", home / "half"
    write_run(whole, job, "http://127.0.0.1:9", LISTED_ROWS, done=LISTED_ROWS, is_finished=True)
    write_run(half, job, "http://127.0.0.1:9", LISTED_ROWS, done=LISTED_ROWS // 2)
    for number in range(LISTED_RUNS):
        ledger = half if number % 2 else whole  # the same bytes a thousand times, so that a disk holds them
        (home / f"runs/{number}.ledger.jsonl").hardlink_to(ledger)
    name = f"runs: {LISTED_RUNS:,} ledgers of {LISTED_ROWS:,} rows"
    yield _quick(name, ("runs", str(home / "runs")), home, cpu_s_max=2)


_STAMPED = "scale-20260115T083000.000Z.ledger.jsonl"


def _first_put(name: str, job: Path, ledger: Path, server: Server, home: Path, bars: tuple[Bar, ...]) -> Row:
    """Return what a run takes up to its first PUT, at which it is killed; its ledger is then as it was."""
    server.reset()
    size_bytes, reads = ledger.stat().st_size, 0
    argv = python("bulk", "apply", str(job), "--endpoint", server.url, "--yes")
    with TemporaryFile() as said, start(argv, home=home, out=said) as child:
        while not (seen := server.counts())["puts"]:
            reads += seen["gets"]
            if child.process.poll() is not None:
                said.seek(0)
                raise ChildFailed(f"the run ended before its first PUT: {said.read()[-2000:].decode()}")
            time.sleep(0.01)
        times = Path(f"/proc/{child.process.pid}/stat").read_text().rpartition(")")[2].split()
    with ledger.open("r+b") as file:
        file.truncate(size_bytes)
    figures = {
        "cpu_s": (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK"),
        "first_put_s": seen["first_put_at"] - child.began_at,
        "reads": reads + seen["gets"],
    }
    return Row(section="scale", name=name, figures=figures, bars=bars)


def _quick(name: str, words: Sequence[str], home: Path, code: int = 0, cpu_s_max: float = 0.4) -> Row:
    with TemporaryFile() as said, start(python("bulk", *words), home=home, out=said) as child:
        spent = child.wait(said)
    if spent.code != code:
        raise ChildFailed(f"{' '.join(words)} ended with {spent.code}: {spent.said[-2000:]}")
    figures = {"wall_s": spent.wall_s, "cpu_s": spent.cpu_s}
    return Row(section="scale", name=name, figures=figures, bars=(at_most("cpu_s", cpu_s_max),))


def _beside(name: str, job: Path, server: Server, home: Path) -> Row:
    """Return what a run of ten rows takes beside an old one of its job, and how much more than alone."""
    alone = write_job(home / "alone.csv", 10, services_per_project=10)
    flags = ("--endpoint", server.url, *AS_FAST_AS_IT_GOES)
    spent = [
        spend(python("bulk", "apply", str(each), *flags), home=home)
        for each in (alone, write_job(job, 10, services_per_project=10))
    ]
    figures = {"cpu_s": spent[1].cpu_s, "more_cpu_s": spent[1].cpu_s - spent[0].cpu_s}
    return Row(section="scale", name=name, figures=figures, bars=(at_most("more_cpu_s", 0.4),))
