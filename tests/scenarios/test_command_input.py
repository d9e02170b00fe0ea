"""The job file as it comes: by a pipe of any kind, and as a report that is a job again."""

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import orjson
import pytest

from bulk.errors import ExitCode
from tests.scenarios.stage import WAIT_S, Stage, wide
from tests.simulator_caller import mapping, service_id

ROWS = 9
PIPES = {
    "-": "cat rows.jsonl | {} -",
    "/dev/stdin": "cat rows.jsonl | {} /dev/stdin",
    "process substitution": "{} <(cat rows.jsonl)",
    "named pipe": "mkfifo pipe.jsonl; cat rows.jsonl > pipe.jsonl & {} pipe.jsonl",
    "file as standard input": "{} - < rows.jsonl",
    "/dev/stdin of a file": "{} /dev/stdin < rows.jsonl",
    "line by line": "while IFS= read -r line; do printf '%s\\n' \"$line\"; done < rows.jsonl | {} -",
}


def piped(stage: Stage, verb: str, way: str) -> subprocess.CompletedProcess[str]:
    """Run a verb on nine rows and a bad one that come in some way, and skip the bad one."""
    rows = [{"service_id": service_id(n), "add_ports": [mapping(7000, 7000 + n)]} for n in range(1, ROWS + 1)]
    stage.file(
        "rows.jsonl", "".join(f"{orjson.dumps(row).decode()}\n" for row in [*rows, {"service_id": "x"}])
    )
    command = f"'{sys.executable}' -m bulk {verb} --skip-invalid --format jsonl"
    return subprocess.run(
        ["bash", "-c", PIPES[way].format(command)],  # noqa: S607
        cwd=stage.folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_S,
    )


@pytest.mark.skipif(not shutil.which("bash"), reason="the shell has the pipes")
@pytest.mark.parametrize("way", PIPES)
def test_no_row_of_a_pipe_is_lost(way: str, stage: Stage) -> None:
    """Whatever the pipe, it is opened and read once: each row is in the plan, and in the run."""
    planned = piped(stage, "plan", way)
    assert "9 of 10 services change." in planned.stdout, planned
    assert "read 10 lines: 10 rows" in planned.stderr
    (stage.folder / "pipe.jsonl").unlink(missing_ok=True)
    applied = piped(stage, "apply --yes", way)
    assert "1 of 10 services is not as asked" in applied.stdout, applied
    assert len(stage.applied) == ROWS
    assert len(stage.ledgers) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"y\n", 'stdin:1:1: unknown column "y"'),
        (b"x" * 65_536, "stdin:1:1: the line is longer than 1 MiB"),
        (b"\0" * 65_536, "stdin:1:1: the file begins with NUL bytes"),
    ],
)
def test_input_that_never_ends_is_refused(content: bytes, message: str, stage: Stage) -> None:
    """As of a program that ends no line, or of a device: whoever writes it sees that nobody reads on."""
    with stage.child("plan", "-", "--format", "csv", stdin=subprocess.PIPE) as planning:
        assert planning.stdin
        with suppress(BrokenPipeError):
            while True:
                os.write(planning.stdin.fileno(), content)
        assert planning.stderr
        assert message in planning.stderr.read()
        assert planning.wait(WAIT_S) == ExitCode.INVALID


def test_a_pipe_is_rehearsed_whole(stage: Stage) -> None:
    """The rehearsal plans as the run does."""
    ended = piped(stage, "rehearse", "process substitution")
    assert "9 applied, 1 refused" in ended.stdout, ended


def test_a_row_with_very_many_issues_is_refused_in_few_words(stage: Stage) -> None:
    """The report names the first ones; the check has all."""
    job = stage.file(
        "services.csv", f"{wide([1])}{service_id(2)},{' '.join(f'{n}:x' for n in range(1, 31))}\n"
    )
    (row,) = orjson.loads(stage.bulk("plan", job, "--skip-invalid", "--output", "json").out)["rows"][1:]
    assert row["reason"].count("is not a port") == 10
    assert row["reason"].endswith("; and 20 more issues")


def test_what_was_read_is_said_in_the_plan_and_the_run(stage: Stage) -> None:
    """With what --limit takes of it; `--quiet` says nothing."""
    job = stage.file("services.csv", f"# all\n{wide(range(1, 5))}\n,\n")
    said = "read 8 lines: 1 header line, 4 rows, 1 comment, 2 blank\n"
    assert said in stage.bulk("plan", job).err
    assert f"{said}--limit takes 1 of them\n" in stage.bulk("plan", job, "--limit", service_id(2)).err
    assert said not in stage.bulk("plan", job, "--quiet").err
    assert said in stage.apply(job).err
    assert stage.bulk("check", job).err == said


IDS = {
    "as Notepad saves it": f"\ufeff{service_id(2)}\r\n{service_id(3)}\r\n",
    "with comments, blanks, quotes": f'# two\n\n"{service_id(2)}"\n \u00a0{service_id(3).upper()} \t\n#\n',
    "as a spreadsheet saves it": f"sep=;\r\n{service_id(2)};;\r\n;;\r\n{service_id(3)}\r\n",
    "in one line": f"{service_id(2)},{service_id(3)},",
    "as a job file": f'note;service_id;ports\n"a;\n b";{service_id(2)};1:2\n;{service_id(3)}\nx\n',
    "a header and ids": f"service_id\n{service_id(2)}\n{service_id(3)}",
}


@pytest.mark.parametrize("ids", IDS)
def test_a_file_of_ids_is_read_as_a_job_file_is(ids: str, stage: Stage) -> None:
    """Byte order mark, line ends, comments, blanks, quotes, empty cells, a header: two rows are planned."""
    job = stage.job(wide(range(1, 6)))
    stage.file("ids.txt", IDS[ids])
    ended = stage.bulk("plan", job, "--limit", "@ids.txt", "--output", "json")
    assert ended.code == ExitCode.OK, ended
    assert [row["service_id"] for row in orjson.loads(ended.out)["rows"]] == [service_id(2), service_id(3)]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (f"{service_id(1)}\n".encode("utf-16"), "ids.txt:1:1: the file is encoded as UTF-16"),
        (b"PK\x03\x04", "ids.txt:1:1: the file is a ZIP archive or an XLSX workbook"),
        (f"{service_id(1)}\n#N/A\n".encode(), 'ids.txt:2:1: "#N/A" is a spreadsheet\'s error value'),
        (f"service_id|note\n{service_id(1)}|x\n".encode(), 'ids.txt:1:1: the columns are separated by "|"'),
        (f"{service_id(1)}\nweb-a\n".encode(), 'ids.txt:2:1: "web-a" is not a UUID'),
        (f"{service_id(1)} {service_id(2)}\n".encode(), "ids.txt:1:1: "),
        (f'{service_id(1)}\n"{service_id(2)}\n'.encode(), "ids.txt:2:1: not CSV from here on"),
        (b"\xff" + service_id(1).encode(), "ids.txt:1:1: the byte 0xFF is not UTF-8"),
    ],
)
def test_a_file_of_anything_else_is_refused_with_the_place(content: bytes, words: str, stage: Stage) -> None:
    """Nothing is planned: an id that is passed over might be the one that was meant."""
    job = stage.job(wide(range(1, 6)))
    (stage.folder / "ids.txt").write_bytes(content)
    ended = stage.bulk("plan", job, "--limit", "@ids.txt")
    assert (ended.code, ended.out) == (ExitCode.INVALID, "")
    assert words in ended.err


def test_a_file_of_ids_may_be_a_pipe(stage: Stage) -> None:
    """As a job file may."""
    job = stage.job(wide(range(1, 6)))
    reader, writer = os.pipe()
    with open(writer, "w") as feed:  # noqa: PTH123 - a descriptor
        feed.write(f"{service_id(4)}\n")
    assert ": 1 service changes." in stage.bulk("plan", job, "--limit", f"@/dev/fd/{reader}").out
    os.close(reader)


def test_many_ids_that_no_row_names_are_one_issue(stage: Stage) -> None:
    """With the first of them and the number of the others."""
    stage.file("ids.txt", "\n".join(service_id(n) for n in range(100, 400)))
    ended = stage.bulk("plan", stage.job(wide([1])), "--limit", "@ids.txt")
    assert ended.code == ExitCode.INVALID
    assert f"{service_id(104)} and 295 more ids are in no row; check the ids" in ended.err
    assert "1 issue; " in ended.err


def test_the_csv_report_of_a_run_is_a_job_that_keeps_what_was_applied(stage: Stage) -> None:
    """Rows that add and remove stay such; what somebody changed since is refused, not overwritten."""
    rows = [
        {"service_id": service_id(1), "add_ports": [mapping(7000, 7001)], "description": ""},
        {"service_id": service_id(2), "remove_ports": [mapping(80, 8002)], "note": "=1+1"},
        {"service_id": service_id(3), "ports": [mapping(81, 8003)], "expect_ports": [mapping(1, 1)]},
        {"service_id": service_id(4), "ports": [mapping(81, 8004)], "note": "#7"},
    ]
    job = stage.file("job.jsonl", "".join(f"{orjson.dumps(row).decode()}\n" for row in rows))
    planned = stage.file("planned.csv", stage.bulk("plan", job, "--output", "csv").out)
    assert stage.bulk("check", planned).code == ExitCode.OK
    assert "3 of 4 services change." in stage.bulk("plan", planned).out
    assert stage.apply(job).code == ExitCode.SOME_FAILED
    again = stage.file("again.csv", stage.bulk("report", str(stage.ledger), "--output", "csv").out)
    assert stage.bulk("check", again).code == ExitCode.OK
    assert "Nothing can be sent: 1 row refused, 3 services already right." in stage.bulk("plan", again).out
    columns = [line.split(",")[1:5] for line in Path(again).read_text().splitlines()]
    assert columns == [
        ["ports", "add_ports", "remove_ports", "expect_ports"],
        ["", "7000:7001/TCP", "", "80:8001/TCP 443:9001/TCP 7000:7001/TCP"],
        ["", "", "80:8002/TCP", "443:9002/TCP"],
        ["81:8003/TCP", "", "", "1:1/TCP"],
        ["81:8004/TCP", "", "", "81:8004/TCP"],
    ]
    stage.order(services=[{"id": service_id(n), "ports": [mapping(9, 9)]} for n in (1, 2, 4)])
    assert "Nothing can be sent: 3 rows refused, 1 service already right." in stage.bulk("plan", again).out
