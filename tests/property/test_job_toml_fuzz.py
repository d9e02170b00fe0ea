"""A job.toml as it gets damaged, or written by guesswork: a job, or issues with their places."""

import random
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import orjson
import pytest

from bulk.cli.main import main
from bulk.errors import ExitCode
from bulk.model import Issue
from bulk.settings import SETTINGS, Job, read_job, read_settings, settings_json
from tests.fuzzing import fuzzing

MANY_FILES = 100_000
BY_COMMAND = 50
"""Every so many files, one goes through the real command."""
ANSWERS = {ExitCode.OK, ExitCode.INVALID, ExitCode.USAGE, ExitCode.CANNOT_RUN}
"""The last is that of a file whose name no system takes."""
ID = "4189d3c2-8882-4871-a3c2-000000000001"
NAMES = [*SETTINGS, "rat", "Rate", "max-failures", "fleet", "a.b", "", "é", "\x1b[2J"]
TEXTS = (
    *(
        "",
        " ",
        "0",
        "-1",
        "1e9",
        "x",
        "20/s",
        "0/s",
        "1/0",
        "9" * 5_000,
        "101%",
        "-1%",
        "1%%",
        "NaN",
        "22:00-04:00",
    ),
    *(
        "22:00-04:00 Mars/Olympus",
        "24:00-25:61",
        "2026-13-45T99:99Z",
        "0001-01-01T00:00+23:59",
        "auto",
        "none",
    ),
    *(
        "http://a:b@c",
        "https://[::1",
        "https://x\x00y",
        "simulator",
        "../../etc/passwd",
        "\x1b[2J",
        "\u202e",
        "é" * 300,
    ),
)
VALUES: tuple[Any, ...] = (
    *(True, False, 0, 1, -1, 2**31, 2**63 - 1, -(2**63), 0.5, -0.0, 1e308, float("inf"), float("nan")),
    *(
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59),  # noqa: DTZ001 - TOML has such times
        date(2026, 1, 15),
        time(23, 59, 59, 999_999),
    ),
    *([], [1, "x"], {}, {"fleet": 1}, {"fleet": "f", "x": {"y": []}}, {"x": {"x": {"x": {}}}}),
)
TOKENS = (
    *(
        b"=",
        b"\n",
        b"\r",
        b'"',
        b'"""',
        b"'",
        b"'''",
        b"[",
        b"]",
        b"[[",
        b"{",
        b"}",
        b",",
        b".",
        b"#",
        b"\\",
        b"\\u0000",
    ),
    *(
        b"\\uD800",
        b"\0",
        b"\xff",
        b"\xef\xbb\xbf",
        b"[simulator]\n",
        b"[a.b]\n",
        b"[[rate]]\n",
        b"rate.x = 1\n",
    ),
    *(
        b"1" * 5_000,
        b"[" * 3_000,
        b"{a=" * 300,
        b"1e999",
        b"0x",
        b"1979-05-27T07:32:00Z",
        b"inf",
        b"nan",
        b"true",
    ),
)


def value(dice: random.Random) -> Any:
    """Return a value of any kind."""
    examples = [setting.example for setting in SETTINGS.values()]
    return dice.choice((dice.choice(VALUES), dice.choice(TEXTS), dice.choice(examples)))


def toml(written: Any) -> str:
    """Return a value as TOML has it."""
    match written:
        case bool():
            return str(written).lower()
        case str():
            return (
                '"'
                + "".join(f"\\u{ord(char):04x}" if char in '"\\' or char < " " else char for char in written)
                + '"'
            )
        case datetime() | date() | time():
            return written.isoformat()
        case list():
            return f"[{', '.join(map(toml, written))}]"
        case dict():
            return "{" + ", ".join(f"{toml(name)} = {toml(each)}" for name, each in written.items()) + "}"
        case _:
            return str(written)


def job_toml(dice: random.Random) -> bytes:
    """Return a job.toml with some settings of the right kind, and some damage."""
    stored = {name: setting.example for name, setting in SETTINGS.items() if dice.random() < 0.4}
    stored = {"rows": "services.csv", **stored}
    for _ in range(dice.choice((0, 1, 1, 2))):
        stored[dice.choice(NAMES)] = value(dice)
    lines = [
        f"{name if name.isidentifier() and name.isascii() else toml(name)} = {toml(each)}"
        for name, each in stored.items()
    ]
    dice.shuffle(lines)
    content = bytearray(
        "".join(line + dice.choice(("\n", "\n", "\r\n", " # é\n")) for line in lines).encode()
    )
    for _ in range(dice.choice((0, 0, 0, 1, 2))):
        at = dice.randrange(len(content) + 1)
        content[at : at + dice.choice((0, 1, 9))] = dice.choice((b"", dice.randbytes(1), dice.choice(TOKENS)))
    return bytes(content)


def must_be_read(raw: bytes, flags: dict[str, Any]) -> bool:
    """Read a job.toml; fail where it is neither a job nor issues. Return whether it was TOML."""
    job = read_job(raw, name="job.toml", flags=flags)
    if isinstance(job, Job):
        kept = orjson.loads(orjson.dumps(settings_json(job)))
        assert read_settings(Job, kept, flags={}) == job
        return True
    assert job
    for issue in job:
        assert isinstance(issue, Issue)
        file, _, place = issue.place.partition(":")
        assert file.startswith("--") or (
            file == "job.toml" and all(int(part) > 0 for part in place.split(":"))
        )
        assert issue.message
        assert issue.hint
        assert len(str(issue)) < 2_000
        assert str(issue).isprintable()
    return any(issue.field for issue in job) or "job.toml is TOML" not in job[0].hint


@pytest.mark.parametrize(
    "files", [2_000, pytest.param(MANY_FILES, marks=[pytest.mark.slow, pytest.mark.timeout(3_600)])]
)
def test_no_damaged_job_toml_raises_or_hangs(
    files: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever stands in it, also beside flags; a job that is read is kept in a ledger as it is."""
    dice, path = random.Random(21), tmp_path / "job.toml"
    (tmp_path / "services.csv").write_text(f"service_id,ports\n{ID},1:2\n")
    path.write_text('rows = "services.csv"\n')
    assert main(["check", str(path)]) == ExitCode.OK
    with fuzzing("job.toml", files) as tally:
        for number in range(files):
            raw = job_toml(dice)
            flags = {dice.choice([*SETTINGS]): dice.choice(TEXTS)} if dice.random() < 0.1 else {}
            with tally.bounded(f"file {number}"):
                try:
                    tally.passed += must_be_read(raw, flags)
                    if number % BY_COMMAND == 0:
                        path.write_bytes(raw)
                        assert main(["check", str(path)]) in ANSWERS
                except Exception as error:
                    raise AssertionError(f"file {number}: {raw!r} {flags}"[:2_000]) from error
    said = "".join(capsys.readouterr())
    assert "Traceback" not in said
    assert "a bug in bulk" not in said
