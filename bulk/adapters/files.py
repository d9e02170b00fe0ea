"""The files of a job: which ones a JOB argument means, their bytes, and where the ledgers go."""

import hashlib
import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, BinaryIO, cast

from bulk.core.errors import CannotRun, UsageError
from bulk.core.model import Format
from bulk.core.rows.lines import LINE_BYTES_MAX

STDIN = "-"
JOB_TOML = "job.toml"
RUNS = "runs"
LEDGER_SUFFIX = ".ledger.jsonl"
JOB_TOML_BYTES_MAX = 1_048_576

_FORMATS = {".csv": Format.CSV, ".jsonl": Format.JSONL, ".ndjson": Format.JSONL}
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_BUFFER_BYTES = 262_144
_SHOWN_FILES_MAX = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundJob:
    """What a JOB argument means."""

    name: str
    """Of the job, unless job.toml says another: the stem of the file or the name of the folder."""
    folder: Path
    """What the paths of the job are relative to, and where its `runs/` are."""
    toml_name: str = ""
    """`job.toml` as a message names it; empty where there is none."""
    toml: bytes = b""
    rows: str = ""
    """The job file where the argument is one, to be merged as a flag; empty where job.toml names it."""


def find_job(argument: str) -> FoundJob:
    """Find what JOB means: a job file, `-`, a `job.toml`, or a folder holding one.

    Raises UsageError where it means nothing, and CannotRun where the file cannot be read.
    """
    if argument == STDIN:
        return FoundJob(name="stdin", folder=Path(), rows=STDIN)
    path = Path(argument)
    if path.is_dir():
        return _in_folder(path)
    if not path.exists():
        raise _missing(path)
    if path.suffix == ".toml":
        return _with_toml(path, name=path.stem if path.name != JOB_TOML else path.resolve().parent.name)
    return FoundJob(name=_safe(path.stem), folder=path.parent, rows=path.name)


def _in_folder(folder: Path) -> FoundJob:
    path = folder / JOB_TOML
    if path.is_file():
        return _with_toml(path, name=folder.resolve().name)
    raise UsageError(f"{folder}: no {JOB_TOML} in this folder", hint=_which_file(folder))


def _with_toml(path: Path, *, name: str) -> FoundJob:
    with _foreign_errors(str(path)), path.open("rb") as file:
        toml = file.read(JOB_TOML_BYTES_MAX + 1)
    if len(toml) > JOB_TOML_BYTES_MAX:
        raise UsageError(f"{path}: longer than 1 MiB", hint="name the job file itself, not its job.toml")
    return FoundJob(name=_safe(name), folder=path.parent, toml_name=str(path), toml=toml)


def _safe(name: str) -> str:
    """Give a name that can be a part of a file's name and that job.toml would take."""
    return _UNSAFE.sub("-", name).strip("-._")[:64] or "job"


def _missing(path: Path) -> UsageError:
    if not path.parent.is_dir():
        return UsageError(f"{path}: there is no folder {path.parent}", hint="check the path")
    near = get_close_matches(path.name, _job_files(path.parent), n=1)
    hint = f"did you mean {path.parent / near[0]}?" if near else _which_file(path.parent)
    return UsageError(f"{path}: no such file", hint=hint)


def _which_file(folder: Path) -> str:
    names = _job_files(folder)
    if not names:
        return f"name a .csv or .jsonl file, or a folder with a {JOB_TOML}; {folder} has none"
    more = f" and {len(names) - _SHOWN_FILES_MAX} more" if len(names) > _SHOWN_FILES_MAX else ""
    return f"{folder} has {', '.join(names[:_SHOWN_FILES_MAX])}{more}"


def _job_files(folder: Path) -> list[str]:
    """Give the names of what could be a JOB in a folder; none where it cannot be read."""
    try:
        return sorted(entry.name for entry in folder.iterdir() if _could_be_a_job(entry))
    except OSError:
        return []


def _could_be_a_job(path: Path) -> bool:
    return path.suffix in {*_FORMATS, ".toml"} or (path / JOB_TOML).is_file()


def format_of(rows: str) -> Format:
    """Return the format of a job file by its name; raises UsageError where the name does not show it."""
    if rows == STDIN:
        raise UsageError(
            "standard input has no name that shows its format", hint="add --format csv or --format jsonl"
        )
    suffix = Path(rows).suffix.lower()
    if suffix in _FORMATS:
        return _FORMATS[suffix]
    raise UsageError(f"{rows}: neither .csv nor .jsonl", hint="add --format csv or --format jsonl")


class _Digesting(io.RawIOBase):
    """A file that digests what is read from it, and whose errors are ours."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        self.digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer)
        with _foreign_errors(self._name):
            chunk = self._file.read(len(view))
        view[: len(chunk)] = chunk
        self.digest.update(chunk)
        return len(chunk)


class RowsFile:
    """The bytes of a job file, to be read once: its lines, and the digest of all of it."""

    def __init__(self, file: BinaryIO, *, name: str) -> None:
        self.name = name
        """As it stands in places: the path, or `stdin`."""
        self._raw = _Digesting(file, name)
        self._file = io.BufferedReader(self._raw, buffer_size=_BUFFER_BYTES)

    def lines(self) -> Iterator[bytes]:
        """Give the lines with their ends; one over LINE_BYTES_MAX comes in pieces."""
        return iter(lambda: self._file.readline(LINE_BYTES_MAX + 1), b"")

    def sha256(self) -> str:
        """Give the hex digest of the whole file, reading what is left of it."""
        while self._file.read(_BUFFER_BYTES):
            pass
        return self._raw.digest.hexdigest()


@contextmanager
def open_rows(rows: str, *, folder: Path) -> Iterator[RowsFile]:
    """Open the job file `rows`, relative to `folder`, or standard input for `-`.

    Raises UsageError where there is no such file, and CannotRun where it cannot be read.
    """
    if rows == STDIN:
        yield RowsFile(sys.stdin.buffer, name="stdin")
        return
    path = folder / rows
    if path.is_dir():
        raise UsageError(f"{path}: a folder, not a job file", hint=_which_file(path))
    if not path.exists():
        raise _missing(path)
    with _foreign_errors(str(path)):
        file = path.open("rb", buffering=0)
    with file:
        yield RowsFile(cast("BinaryIO", file), name=str(path))


def ledger_path(folder: Path, job_name: str, started_at: datetime) -> Path:
    """Give where the ledger of a run goes: `runs/<job>-<UTC start>.ledger.jsonl` beside the job."""
    started = started_at.astimezone(UTC)
    milliseconds = started.microsecond // 1000
    return folder / RUNS / f"{job_name}-{started:%Y%m%dT%H%M%S}.{milliseconds:03}Z{LEDGER_SUFFIX}"


@contextmanager
def _foreign_errors(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotRun(f"{name}: {error.strerror or error}", hint="check the file and its rights") from error
