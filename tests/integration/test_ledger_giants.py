"""What a ledger claims does not decide how much memory is taken to read it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, repeat
from pathlib import Path

import pytest

from bulk.errors import ExitCode
from bulk.ledger.records import Json, Note, Record, record_json, record_type
from bulk.model import ROWS_MAX, TARGETS_MAX
from tests.forging import forged
from tests.values import change, planned, run_record, service_id, session_record

MEMORY_BYTES_MAX = 240 * 2**20
AT = "2026-01-15T08:30:00.000Z"


def line(record: Record) -> Json:
    """Return a record as it is read."""
    return {"at": AT, "type": record_type(record), **record_json(record)}


RUN, CHANGE = line(run_record("job")), line(change(1))
PLANNED, SESSION = line(planned(change(1))), line(session_record(not_attempted=1))
SOUND = (RUN, CHANGE, PLANNED, SESSION)


def hole(path: Path) -> None:
    """Write a file that is one line of 1 GiB."""
    path.touch()
    os.truncate(path, 2**30)


def hole_behind_a_sound_ledger(path: Path) -> None:
    """Write a sound ledger, then a line of 1 GiB."""
    path.write_bytes(forged(SOUND))
    os.truncate(path, 2**30)


def of(*records: Json) -> Callable[[Path], None]:
    """Return what writes a ledger of these records."""
    return lambda path: put(path, records)


def many(record: Json, times: int = 3_000) -> Callable[[Path], None]:
    """Return what writes a ledger of a sound plan and then of one record many times."""
    return lambda path: put(path, chain(SOUND, repeat(record, times)))


def put(path: Path, records: Iterable[Json]) -> None:
    """Write a ledger of these records."""
    path.write_bytes(forged(records))


def deep(levels: int) -> object:
    """Return a list in a list in a list."""
    return [deep(levels - 1)] if levels else []


def of_many_targets() -> Iterator[Json]:
    """Yield a plan with a target for each of its rows."""
    yield RUN
    for row in range(1, TARGETS_MAX + 2):
        yield {**CHANGE, "row": row, "target": {**CHANGE["target"], "profile": f"p{row}"}}


WRONG: dict[str, Callable[[Path], None]] = {
    "a line of 1 GiB": hole,
    "a line of 1 GiB behind a sound ledger": hole_behind_a_sound_ledger,
    "a row of 2^40": of(RUN, {**CHANGE, "row": 2**40}),
    "a row beyond the last": of(RUN, {**CHANGE, "row": ROWS_MAX + 1}),
    "a million targets": of({**RUN, "targets": [CHANGE["target"]] * 40_000}, CHANGE, PLANNED),
    "a target for each row": lambda path: put(path, of_many_targets()),
    "a line of nothing but lists": of({**RUN, "options": {"endpoint": [[]] * 1_000_000}}),
    "a line that is nested too deep": of({**RUN, "options": {"endpoint": deep(200)}}),
    "waits for all rows": of(RUN, {**CHANGE, "after": list(range(2, 400_000))}, PLANNED),
}
RIGHT: dict[str, Callable[[Path], None]] = {
    "the highest row": of(RUN, {**CHANGE, "row": ROWS_MAX}, PLANNED, SESSION),
    "many sessions": many({**SESSION, "settings": {"name": "x" * 9_000}, "user": "u" * 9_000}),
    "many long notes": many(line(Note(about="x", message="\N{GRINNING FACE}" * 4_000))),
    "a line of members that nobody knows": many({**SESSION, "later": [[]] * 1_000_000}, 1),
}


OTHERS = ("status", "report", "why", "apply")


MEASURED = """
import sys
from pathlib import Path
from bulk.cli.main import main
code = main(sys.argv[2:])
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
Path(sys.argv[1]).write_text(peak.split()[1])
sys.exit(code)
"""
"""The command, which then writes its peak of memory in KiB; `getrusage` would count the parent.s too."""


def ended(folder: Path, *argv: str) -> tuple[int, str, int]:
    """Run the command as a process: its exit code, what it said, and the bytes of memory that it took."""
    peak = folder / "peak"
    process = subprocess.run(
        [sys.executable, "-c", MEASURED, str(peak), *argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return process.returncode, process.stdout, int(peak.read_text()) * 1024


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("verb", ["audit", *(pytest.param(verb, marks=pytest.mark.slow) for verb in OTHERS)])
def test_what_no_run_writes_is_refused_in_little_memory(case: str, verb: str, tmp_path: Path) -> None:
    """With the line, and where it is to come from; never an error of its own."""
    path = tmp_path / "job-20260115T083000.000Z.ledger.jsonl"
    WRONG[case](path)
    more = {"why": [service_id(1)], "apply": ["--yes"]}.get(verb, [])
    code, text, memory_bytes = ended(tmp_path, verb, str(path), *more)
    assert code in {ExitCode.CANNOT_RUN, ExitCode.USAGE}, text
    assert "line " in text or "is not a ledger" in text
    assert "bug in bulk" not in text
    assert len(text) < 5_000
    assert memory_bytes <= MEMORY_BYTES_MAX


@pytest.mark.parametrize("case", RIGHT)
@pytest.mark.parametrize("verb", ["audit", *(pytest.param(verb, marks=pytest.mark.slow) for verb in OTHERS)])
def test_what_is_much_is_read_in_little_memory(case: str, verb: str, tmp_path: Path) -> None:
    """What stays in memory has bounds; the audit says what does not add up."""
    path = tmp_path / "job-20260115T083000.000Z.ledger.jsonl"
    RIGHT[case](path)
    more = {"why": [service_id(1)], "apply": []}.get(verb, [])
    code, text, memory_bytes = ended(tmp_path, verb, str(path), *more)
    assert code == ExitCode.OK or verb in {"audit", "apply"}, text
    assert "bug in bulk" not in text
    assert memory_bytes <= MEMORY_BYTES_MAX
