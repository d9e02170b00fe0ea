"""Job files as they get damaged: good ones, mutated at random, read in this process.

No input may raise, take long or leave anything behind in memory, and no row of it may vanish. The dice are
seeded, so that every run reads the same files.
"""

import gc
import io
import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from bulk.cli.main import main
from bulk.errors import ExitCode
from bulk.jobfile import read_all, read_ids, read_rows, survey
from bulk.model import Format, Target
from tests.fuzzing import fuzzing

FILES = 3_000
MANY_FILES = 100_000
BY_COMMAND = 50
"""Every so many files, one goes through the real command."""
MEMORY_BYTES = 200_000
NOWHERE = Target(region="cn-north-4", project_id="")
WITNESS = "ffffffff-ffff-4fff-8fff-ffffffffffff"
"""The id of a last row that no mutation touches."""
DELIMITERS = (",", ",", ";", "\t")
LINE_ENDS = ("\n", "\r\n", "\r\r\n")

Dice = random.Random


def service_id(dice: Dice) -> str:
    """Return one of few ids, so that some come twice."""
    return f"4189d3c2-8882-4871-a3c2-{dice.randrange(1, 200):012x}"


def mapping(dice: Dice) -> tuple[int, int, str]:
    """Return a mapping."""
    return dice.randrange(1, 65_536), dice.randrange(1, 65_536), dice.choice(("TCP", "UDP", "tcp"))


def text(dice: Dice) -> str:
    """Return a note of some kind."""
    return dice.choice(
        ("", "", "CHG-7", "größe", "two words", "a, b; c", 'say "it"', "line\nend", "'=1", "# 1")
    )


def cell(value: str) -> str:
    """Return a cell, in quotes where it needs them."""
    return '"' + value.replace('"', '""') + '"' if set(value) & set('",;\t\r\n') else value


def csv_of(
    dice: Dice, header: tuple[str, ...], rows: list[tuple[str, ...]], witness: tuple[str, ...]
) -> tuple[str, str]:
    """Return a CSV file as some program writes it, and its last row."""
    delimiter, end = dice.choice(DELIMITERS), dice.choice(LINE_ENDS)
    lines = [delimiter.join(map(cell, row)) for row in (header, *rows)]
    lines.insert(dice.randrange(len(lines) + 1), dice.choice(("# a comment", "", delimiter * 3)))
    mark = dice.choice(("", "", "\ufeff", f"sep={delimiter}{end}"))
    return mark + "".join(line + end for line in lines), delimiter.join(witness) + end


def long_csv(dice: Dice) -> tuple[str, str]:
    """Return a file with one mapping a line."""
    header = ("service_id", "client_port", "server_port", "protocol", "note")
    rows = []
    for _ in range(dice.randrange(1, 6)):
        id_ = service_id(dice)
        rows += [(id_, *map(str, mapping(dice)), text(dice)) for _ in range(dice.randrange(1, 4))]
    return csv_of(dice, header, rows, (WITNESS, "1", "2", "TCP", ""))


def wide_csv(dice: Dice) -> tuple[str, str]:
    """Return a file with one service a line."""
    header = ("service_id", "ports", "expect_ports", "description", "approval_enabled", "note")
    rows = []
    for _ in range(dice.randrange(1, 12)):
        ports, live = ([f"{c}:{s}/{p}" for c, s, p in (mapping(dice), mapping(dice))] for _ in range(2))
        truth = dice.choice(("", "true", "FALSE"))
        rows.append(
            (service_id(dice), dice.choice(" ;,").join(ports), " ".join(live), text(dice), truth, text(dice))
        )
    return csv_of(dice, header, rows, (WITNESS, "1:2", "", "", "", ""))


def json_lines(dice: Dice) -> tuple[str, str]:
    """Return JSON Lines."""
    rows = [
        {
            "service_id": service_id(dice),
            "ports": [dict(zip(("client_port", "server_port", "protocol"), mapping(dice), strict=True))],
            "note": text(dice),
        }
        for _ in range(dice.randrange(1, 12))
    ]
    lines = [orjson.dumps(row).decode() for row in rows]
    witness = orjson.dumps({"service_id": WITNESS, "ports": [{"client_port": 1, "server_port": 2}]}).decode()
    return "".join(line + dice.choice(("\n", "\r\n")) for line in lines), witness + "\n"


KINDS: tuple[tuple[Callable[[Dice], tuple[str, str]], Format], ...] = (
    (long_csv, Format.CSV),
    (wide_csv, Format.CSV),
    (json_lines, Format.JSONL),
)
TOKENS = (
    *(
        b",",
        b";",
        b"\t",
        b"|",
        b":",
        b"/",
        b"\n",
        b"\r",
        b"\r\n",
        b'"',
        b'""',
        b"'",
        b"#",
        b"# ",
        b" ",
        b"\\",
    ),
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b"null",
        b"true",
        b"1e999",
        b"-1",
        b"65536",
        b"\0",
        b"\xff",
        b"\xed\xa0\x80",
        b"\x1a",
    ),
    *(
        b"#N/A",
        b"#REF!",
        b"####",
        b"#BEZUG!",
        b"=1+1",
        b"sep=;",
        b"service_id",
        b"ports",
        b"client_port",
    ),
    *(
        "\ufeff".encode(),
        "\u00a0".encode(),
        "\u202f".encode(),
        "\u2028".encode(),
        "\u200b".encode(),
        "８".encode(),
    ),
    *(
        b"PK\x03\x04",
        b"\xff\xfe",
        b"\x1f\x8b",
        b",,,,,,",
        b"[" * 300 + b"]" * 300,
        b'"service_id":',
        b"4189d3c2-8882-4871-a3c2-000000000001",
    ),
)


def mutated(dice: Dice, content: bytes) -> bytes:
    """Return a file with one thing done to it; seldom in its first line, without which it is not read."""
    spared = content.find(b"\n") + 1 if dice.random() < 0.9 else 0
    head, body = bytearray(content[:spared]), bytearray(content[spared:])
    at = dice.randrange(len(body) + 1)
    to = min(len(body), at + dice.choice((1, 1, 4, 40)))
    lines = body.splitlines(keepends=True)
    match dice.randrange(9):
        case 0 | 1 | 2:
            body[at:at] = dice.choice(TOKENS)
        case 3:
            body[at:to] = dice.choice(TOKENS)
        case 4:
            del body[at:to]
        case 5:
            body[at:to] = dice.randbytes(to - at)
        case 6:
            body[at:at] = body[at:to] * dice.choice((1, 3, 300))
        case 7:
            dice.shuffle(lines)
            body = bytearray(b"".join(lines))
        case _:
            body[at:at] = dice.choice(TOKENS) * dice.choice((10, 100, 3_000))
    return bytes(head + body)


def job_file(dice: Dice) -> tuple[bytes, Format]:
    """Return a mutated job file whose last line is good."""
    kind, form = dice.choice(KINDS)
    content, witness = kind(dice)
    damaged = content.encode()
    for _ in range(dice.choice((0, 1, 1, 2, 3, 5))):
        damaged = mutated(dice, damaged)
    return damaged.rstrip(b"\r\n") + b"\n" + witness.encode(), form


def must_be_read(content: bytes, form: Format) -> bool:
    """Read a file in each way; fail where a row vanishes. Return whether its rows were reached."""
    found = survey(io.BytesIO(content), name="f", format=form)
    rows = read_all(read_rows(io.BytesIO(content), name="f", format=form, default=NOWHERE))
    read_ids(io.BytesIO(content), name="f")
    numbers = sorted([row.row for row in rows.updates] + [row.row for row in rows.invalid])
    assert numbers == list(range(1, found.rows + 1))
    assert sum(found.counts.values()) == len(rows.issues)
    for issue in found.issues:
        _, line, column = issue.place.split(":")
        assert 1 <= int(line) <= content.count(b"\n") + 1
        assert int(column) >= 1
        assert issue.hint
        assert str(issue).isprintable()
    lines = found.lines
    left = lines.read - lines.header - lines.comments - lines.blank
    assert left >= found.rows
    if not rows.file_issues:
        assert lines.read == content.count(b"\n")
        its_place = f"f:{lines.read}:"
        named = (row.service_id == WITNESS for row in (*rows.updates, *rows.invalid))
        assert any(named) or any(issue.place.startswith(its_place) for issue in rows.issues)
        if form is Format.JSONL:
            assert left == found.rows
    return found.rows > 0


def fuzz(seed: int, files: int, folder: Path) -> None:
    """Read so many files; at least half of them must have rows that are reached."""
    dice, path = random.Random(seed), folder / "f"
    path.write_text(f"service_id,ports\n{WITNESS},1:2\n")
    main(["check", str(path), "--format", "csv"])
    with fuzzing("job files", files) as tally:
        for number in range(files):
            content, form = job_file(dice)
            try:
                with tally.bounded(f"file {number}"):
                    tally.passed += must_be_read(content, form)
                    if number % BY_COMMAND == 0:
                        path.write_bytes(content)
                        ended = main(["check", str(path), "--format", form])
                        assert ended in {ExitCode.OK, ExitCode.INVALID}
            except BaseException:
                (folder / "failing").write_bytes(content)
                raise


def test_no_damaged_file_raises_hangs_or_loses_a_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each line is counted, each row has its number, and the last one, which is good, is always found."""
    fuzz(1, FILES, tmp_path)
    assert "Traceback" not in (said := capsys.readouterr()).out + said.err


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_no_file_of_very_many_raises_hangs_or_loses_a_row(tmp_path: Path) -> None:
    """The same with a hundred thousand files."""
    fuzz(2, MANY_FILES, tmp_path)


def test_reading_files_leaves_nothing_in_memory() -> None:
    """What is remembered of values is bounded: the same files, read again, take no more."""
    dice = random.Random(3)
    files = [job_file(dice) for _ in range(100)]
    tracemalloc.start()
    try:
        for content, form in files:
            must_be_read(content, form)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        for content, form in files * 2:
            must_be_read(content, form)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < MEMORY_BYTES
