"""The summary beside a ledger: what it gives is what a fold gives, or it is not used."""

import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from bulk.app.ledgers import reading
from bulk.errors import LedgerDamaged
from bulk.files.new_file import partial_of
from bulk.ledger import summary_file
from bulk.ledger.chain import Chain
from bulk.ledger.file import LedgerFile, by_summary, fold, state
from bulk.ledger.folding import take_in
from bulk.ledger.members import checked
from bulk.ledger.progress import Progress
from bulk.ledger.records import (
    Attempt,
    AttemptResult,
    DecidedBy,
    Decision,
    Intent,
    Json,
    Note,
    OutcomeRecord,
    Purpose,
    Record,
)
from bulk.ledger.row_life import NOT_BEGUN
from bulk.ledger.stops import BrakeReason
from bulk.ledger.summary_file import LedgerPoint, Segments, SummaryWriter, path_of
from bulk.model import Action, Outcome, Reply
from tests.fakes import FakeClock
from tests.forging import forged, ledger
from tests.values import PROJECT, change, end_record, planned, ring, run_record, session_record

NOW = FakeClock().now
OPEN = astuple(NOT_BEGUN)
SLOW = [pytest.mark.slow, pytest.mark.timeout(1_200)]
ANSWERS = [result for result in AttemptResult if result is not AttemptResult.PARKED]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a ledger of any size have a summary, and a segment few lines."""
    monkeypatch.setattr(summary_file, "LEDGER_BYTES_MIN", 1)
    monkeypatch.setattr(summary_file, "SEGMENT_BYTES", 1_500)
    monkeypatch.setattr(summary_file, "TAIL_BYTES", 1_000)


def story(dice: random.Random) -> list[Record]:
    """Return the records of a run that went as the dice say, of rows of every kind."""
    rows = dice.randrange(1, 12)
    elsewhere = PROJECT._replace(project_id="f" * 32)
    changes = [
        replace(
            change(row, action=dice.choice([*Action, Action.UPDATE])),
            target=dice.choice([PROJECT, elsewhere]),
        )
        for row in dice.sample(range(1, 20), rows)
    ]
    changes += ring(2, first=30)
    made: list[Record] = [run_record(), *changes, planned(*changes)]
    for _ in range(dice.randrange(3)):
        made.append(replace(session_record(dice.randrange(9)), settings={"rate": "1/s"}))
        for _ in range(dice.randrange(20)):
            made += _step(dice, dice.choice(changes).row)
        if dice.random() < 0.5:
            made.append(end_record(dice.choice(list(BrakeReason))))
    return _legal(made)


def _step(dice: random.Random, row: int) -> list[Record]:
    reply = Reply(http=400, code=f"c{dice.randrange(3)}")
    fields = dice.choice([(), ("vip_port_id",), ("ip", "tcp_proxy")])
    return [
        dice.choice(
            [
                Intent(row=row, attempt=dice.randrange(1, 4), purpose=dice.choice(list(Purpose))),
                Attempt(row=row, attempt=1, verdict=dice.choice(ANSWERS), reply=reply),
                Attempt(row=row, attempt=1, verdict=AttemptResult.PARKED, reply=reply),
                OutcomeRecord(row=row, outcome=dice.choice(list(Outcome)), reply=reply, unconfirmed=fields),
                OutcomeRecord(row=row, outcome=Outcome.APPLIED, reply=reply, unconfirmed=fields),
                Note(about="x", message="é" * dice.randrange(99)),
                Decision(by=DecidedBy.OPERATOR, what="stop", reason="r", id="a", cause=BrakeReason.WAVE),
            ]
        )
    ]


def _legal(made: list[Record]) -> list[Record]:
    """Return the records without those that may not stand where they do."""
    progress, kept = Progress(), []
    for json, record in zip(ledger(*made), made, strict=True):
        try:
            take_in(progress, json, 1)
        except LedgerDamaged:
            continue
        kept.append(record)
    return kept


def lines_of(records: list[Json]) -> list[bytes]:
    """Return the lines of a ledger."""
    return forged(records, digest=False).splitlines(keepends=True)


def summarise(path: Path, records: int) -> None:
    """Write the summary of a ledger's first records, as whoever wrote them does."""
    content = path.read_bytes()
    chain, progress, segments = Chain(), Progress(), Segments()
    for line in content.splitlines(keepends=True)[:records]:
        offset = chain.size_bytes
        take_in(progress, checked(chain.unseal(line, whole=False)), offset)
        segments.add(line)
    fd = os.open(path, os.O_RDONLY)
    writer = SummaryWriter(path, fd, segments)
    writer.write_soon(progress, LedgerPoint(chain.n, chain.sum, chain.size_bytes))
    writer.shut_down()
    os.close(fd)


def plan_ends(records: list[Json]) -> int:
    """Return how many records there are up to the end of the plan."""
    return next(n for n, record in enumerate(records, 1) if record["type"] == "planned")


@pytest.mark.parametrize("stories", [150, pytest.param(3_000, marks=SLOW)])
def test_a_summary_and_the_lines_behind_it_add_up_to_what_a_fold_does(stories: int, tmp_path: Path) -> None:
    """Wherever the summary was written; a torn last line is passed over either way."""
    dice, path = random.Random(3), tmp_path / "ledger"
    for _ in range(stories):
        records = ledger(*story(dice))
        path.write_bytes(b"".join(lines_of(records)) + dice.choice([b"", b'{"n":1']))
        summarise(path, dice.randrange(plan_ends(records), len(records) + 1))
        whole = Chain()
        progress = fold(path, whole)
        for every_byte in (True, False):
            found = by_summary(path, every_byte=every_byte)
            assert found
            assert found[0] == progress
            assert (found[1].n, found[1].sum, found[1].size_bytes) == (whole.n, whole.sum, whole.size_bytes)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return a ledger with lines behind its summary."""
    changes = [change(row) for row in range(1, 41)]
    made: list[Record] = [run_record(), *changes, planned(*changes), session_record()]
    for row in range(1, 31):
        made += [Intent(row=row, attempt=1), OutcomeRecord(row=row, outcome=Outcome.APPLIED)]
    path = tmp_path / "ledger"
    path.write_bytes(b"".join(lines_of(ledger(*made))))
    summarise(path, len(made) - 6)
    assert by_summary(path, every_byte=True)
    return path


@pytest.mark.parametrize("flips", [300, pytest.param(10_000, marks=SLOW)])
@pytest.mark.parametrize("behind", [0, 6], ids="{} records behind the summary".format)
def test_a_byte_of_the_ledger_that_was_changed_is_never_trusted(flips: int, behind: int, run: Path) -> None:
    """Anywhere, by one bit or more: apply and rollback refuse it; only a torn end is passed over."""
    dice, sound = random.Random(4), run.read_bytes()
    summarise(run, sound.count(b"\n") - behind)
    for _ in range(flips):
        at = dice.randrange(len(sound))
        changed = bytes([sound[at] ^ dice.randrange(1, 256)])
        run.write_bytes(sound[:at] + changed + sound[at + 1 :])
        assert by_summary(run, every_byte=True) is None or (behind and at == len(sound) - 1)
        if at == len(sound) - 1:
            assert state(run, every_byte=True)[0] == fold(run)
            continue
        with pytest.raises(LedgerDamaged):
            LedgerFile.open(run, now=NOW)
        with pytest.raises(LedgerDamaged), reading(run, by_summary=True):
            pass


@pytest.mark.parametrize("flips", [300, pytest.param(10_000, marks=SLOW)])
def test_a_byte_of_the_summary_that_was_changed_leads_to_the_fold(flips: int, run: Path) -> None:
    """Also where it is cut off, or bytes are put in."""
    dice, sound = random.Random(5), path_of(run).read_bytes()
    progress = fold(run)
    for _ in range(flips):
        at = dice.randrange(len(sound))
        gone, come = dice.choice(((1, 1), (1, 0), (0, 1), (len(sound), 0)))
        content = sound[:at] + dice.randbytes(come) + sound[at + gone :]
        path_of(run).write_bytes(content)
        assert state(run, every_byte=dice.random() < 0.5) == (progress, content == sound)


def resealed(path: Path, **members: Any) -> None:
    """Write a summary anew with other members in its header, or in its state, and a digest that fits."""
    content = path_of(path).read_bytes()
    _, header, arrays = content.split(b"\n", 2)
    json = orjson.loads(header)
    for name, value in members.items():
        (json if name in json else json["state"])[name] = value
    rest = orjson.dumps(json) + b"\n" + arrays
    path_of(path).write_bytes(summary_file.sha256(rest).hexdigest().encode() + b"\n" + rest)


@pytest.mark.parametrize(
    "members",
    [
        {"writer": ["0.0.1", socket.gethostname(), sys.byteorder]},
        {"writer": [summary_file.__version__, "another-machine", sys.byteorder]},
        {"writer": [summary_file.__version__, socket.gethostname(), "middle"]},
        {"writer": None},
        {"size": 10**9},
        {"size": -1},
        {"size": "1"},
        {"segments": []},
        {"n": "x"},
        {"n": 3},
        {"sum": "0" * 32},
        {"sum": 1},
        {"arrays": []},
        {"arrays": [["order", 10**9]]},
        {"arrays": [["order", -1]]},
        {"state": {}},
        {"run": {}},
        {"run": {"type": "note"}},
        {"planned": None},
        {"sent": "1"},
        {"sessions": [1]},
        {"sessions": [{"n": 1, "type": "session"}]},
        {"targets": [[1, 2, 3]]},
        {"targets": []},
        {"accepting": [7]},
        {"accepting": ["x"]},
        {"open": [[1, *OPEN]]},
        {"open": [[40, *OPEN]]},
        {"open": [[10**9, *OPEN]]},
        {"open": [[40]]},
        {"open": [[40, *OPEN[:2], "dance", *OPEN[3:]]]},
        {"unconfirmed": [[["ip"], [40]]]},
        {"unconfirmed": [[[1], [1]]]},
        {"codes": [[1, 1]]},
        {"codes": 1},
        {"later": 1},
    ],
    ids=str,
)
def test_a_summary_of_another_version_machine_or_run_leads_to_the_fold(members: Json, run: Path) -> None:
    """Also where somebody made its digest fit."""
    progress = fold(run)
    resealed(run, **members)
    assert by_summary(run, every_byte=True) is None
    assert state(run, every_byte=True) == (progress, False)


def test_the_summary_of_another_run_is_not_used(run: Path, tmp_path: Path) -> None:
    """Nor is that of a copied ledger in the quick look, which knows the file by its inode."""
    copy, other = tmp_path / "copy", tmp_path / "other"
    copy.write_bytes(run.read_bytes())
    other.write_bytes(run.read_bytes().replace(b'"r1"', b'"r2"'))
    for path in (copy, other):
        path_of(path).write_bytes(path_of(run).read_bytes())
        path_of(path).chmod(0o600)
    assert by_summary(copy, every_byte=False) is None
    assert by_summary(copy, every_byte=True)
    assert by_summary(other, every_byte=True) is None
    run.write_bytes(run.read_bytes()[:900])
    assert by_summary(run, every_byte=True) is None


@contextmanager
def opened(path: Path) -> Iterator[LedgerFile]:
    """Open a ledger, and let its file go."""
    file = LedgerFile.open(path, now=NOW)
    yield file
    os.close(file._fd)


def test_a_summary_that_others_may_write_is_not_used(run: Path) -> None:
    """Nobody knows who wrote it last."""
    path_of(run).chmod(0o620)
    assert state(run, every_byte=True) == (fold(run), False)


def test_a_planted_summary_is_neither_followed_nor_used(run: Path, tmp_path: Path) -> None:
    """A link, a pipe or a folder in its place does no harm, and the next one takes the place of a link."""
    summary, mine = path_of(run), tmp_path / "mine"
    summary.rename(mine)
    for plant in (lambda: summary.symlink_to(mine), lambda: os.mkfifo(summary), summary.mkdir):
        plant()
        assert by_summary(run, every_byte=True) is None
        with opened(run) as file:
            assert file.progress == fold(run)
        if summary.is_dir():
            summary.rmdir()
        else:
            summary.unlink()


async def test_a_run_writes_its_summary_when_its_plan_is_complete_for_each_segment_and_at_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Private to its user; nothing before the plan has its name, and nothing for a ledger that is short."""
    written: list[int] = []
    write = SummaryWriter._write

    def noted(self: SummaryWriter, *args: Any) -> None:
        written.append(args[-1].n)
        write(self, *args)

    monkeypatch.setattr(SummaryWriter, "_write", noted)
    path = tmp_path / "run.ledger.jsonl"
    async with LedgerFile.create(path, now=NOW) as file:
        for record in (run_record(), change(1), planned(change(1))):
            await file.commit(record)
        assert written == []
        await file.publish()
        for number in range(20):
            await file.commit(Note(about="x", message=f"{number}" + "m" * 500))
            if file._summary and file._summary._writing:
                file._summary._writing.result()
    assert written[0] == 4
    assert 4 < len(written) < 15
    assert written[-1] == 23
    assert path_of(path).stat().st_mode & 0o777 == 0o600
    found = by_summary(path, every_byte=True)
    assert found
    assert found[0] == fold(path)
    monkeypatch.setattr(summary_file, "LEDGER_BYTES_MIN", 10**6)
    path_of(path).unlink()
    async with LedgerFile.open(path, now=NOW) as file:
        await file.commit(Note(about="x", message="m" * 9_000))
    assert not path_of(path).exists()


async def test_a_run_that_goes_on_from_its_summary_writes_one_that_fits(run: Path) -> None:
    """With the digests of segments that the one before had, and of those that came since."""
    for number in range(3):
        async with LedgerFile.open(run, now=NOW) as file:
            assert file._summary
            assert file._summary._written_bytes
            await file.commit(Note(about="x", message="m" * 700 * number))
        found = by_summary(run, every_byte=True)
        assert found
        assert found[0] == fold(run)


@pytest.mark.parametrize("trouble", ["no room", "no folder", "a bug"])
async def test_a_summary_that_cannot_be_written_fails_no_run(
    trouble: str, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is left out, and leaves nothing behind."""
    path_of(run).unlink()
    match trouble:
        case "no room":
            monkeypatch.setattr(summary_file, "ROOM_BYTES_MIN", 10**18)
        case "no folder":
            partial_of(path_of(run)).mkdir()
        case _:
            monkeypatch.setattr(summary_file, "packed", lambda _: 1 / 0)
    async with LedgerFile.open(run, now=NOW) as file:
        await file.commit(Note(about="x", message="m"))
    assert not path_of(run).exists()
    assert fold(run).notes
    assert partial_of(path_of(run)).exists() is (trouble == "no folder")


async def test_a_ledger_that_somebody_writes_to_as_it_is_opened_gets_no_summary(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read and what the digests are of would not be the same."""
    path_of(run).unlink()
    whole = LedgerFile._point

    def touched(self: LedgerFile) -> LedgerPoint:
        return whole(self)

    segments_of = Segments.of
    monkeypatch.setattr(Segments, "of", lambda fd, size: (os.utime(run, ns=(1, 1)), segments_of(fd, size))[1])
    monkeypatch.setattr(LedgerFile, "_point", touched)
    async with LedgerFile.open(run, now=NOW) as file:
        await file.commit(Note(about="x", message="m"))
    assert not path_of(run).exists()


WRITER = """
import asyncio, io, os, signal, sys
from itertools import count
from pathlib import Path
from bulk.ledger import summary_file
from bulk.ledger.file import LedgerFile
from bulk.ledger.records import Note

summary_file.LEDGER_BYTES_MIN, summary_file.SEGMENT_BYTES, summary_file.TAIL_BYTES = 1, 1_500, 1_000
parts, steps = summary_file.SummaryWriter._parts, count()
os.fdopen = lambda fd, mode: io.open(fd, mode, buffering=0)  # what was written is there when it is killed

def step():
    if next(steps) == last:
        os.kill(os.getpid(), signal.SIGKILL)

def cut(self, *args):
    for part in parts(self, *args):
        for begin in range(0, len(part), 3_000):
            step()
            yield part[begin : begin + 3_000]

def hook(event, args):
    if event in EVENTS and str(args[0]).endswith(".summary.partial"):
        step()

EVENTS = "open", "os.rename", "os.remove"
summary_file.SummaryWriter._parts = cut
sys.addaudithook(hook)

async def work():
    async with LedgerFile.open(Path(sys.argv[1]), now=lambda: 0.0) as ledger:
        await ledger.commit(Note(about="x", message="m"))

for line in sys.stdin:
    last = int(line)
    if not os.fork():
        asyncio.run(work())
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
"""
"""Writes a summary in a process of its own for each line read, which is the step at which that is killed."""


def test_a_kill_at_any_step_of_writing_a_summary_leaves_the_one_before_or_the_next(run: Path) -> None:
    """Before each file that is opened, renamed or removed, and between the pieces that are written."""
    ended, left = list[int](), set[int]()
    argv, pipe = [sys.executable, "-c", WRITER, str(run)], subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True, bufsize=1) as writer:
        assert writer.stdin
        assert writer.stdout
        while not ended or ended[-1]:
            writer.stdin.write(f"{len(ended)}\n")
            ended.append(int(writer.stdout.readline()))
            if partial_of(path_of(run)).exists():
                left.add(partial_of(path_of(run)).stat().st_size)
            assert by_summary(run, every_byte=True)
            assert state(run, every_byte=True)[0] == fold(run)
    assert set(ended[:-1]) == {-signal.SIGKILL}
    assert len(ended) > 8
    assert len(left) > 4
    assert not partial_of(path_of(run)).exists()


@pytest.mark.parametrize("has_one", [True, False], ids=["beside the one before", "as the first"])
async def test_a_summary_that_was_written_in_part_is_passed_over_and_taken_away(
    run: Path, *, has_one: bool
) -> None:
    """Whichever byte the last was, under its partial name or, after a power cut, under its own."""
    sound = path_of(run).read_bytes()
    progress = fold(run)
    for size in (0, 1, *range(62, 68), *range(130, len(sound), 211)):
        path_of(run).unlink(missing_ok=True)
        for path in (partial_of(path_of(run)), *([] if has_one else [path_of(run)])):
            path.write_bytes(sound[:size])
            path.chmod(0o600)
        if has_one:
            path_of(run).write_bytes(sound)
            path_of(run).chmod(0o600)
        assert state(run, every_byte=True) == (progress, has_one)
        with opened(run) as file:
            assert file.progress == progress
    async with LedgerFile.open(run, now=NOW) as file:
        await file.commit(Note(about="x", message="m"))
    assert by_summary(run, every_byte=True)
    assert not partial_of(path_of(run)).exists()
