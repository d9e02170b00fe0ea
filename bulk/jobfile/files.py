"""The files of a job: which ones a JOB argument means, their bytes, and where the ledgers go."""

import hashlib
import os
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from io import UnsupportedOperation
from pathlib import Path
from typing import BinaryIO
from unicodedata import normalize

from bulk.errors import CannotRun, UsageError
from bulk.jobfile.text_lines import LINE_BYTES_MAX
from bulk.model import Format

STDIN = "-"
JOB_TOML = "job.toml"
RUNS = "runs"
LEDGER_SUFFIX = ".ledger.jsonl"
JOB_TOML_BYTES_MAX = 1_048_576

_FORMATS = {".csv": Format.CSV, ".jsonl": Format.JSONL, ".ndjson": Format.JSONL}
_AS_CSV = 'save the sheet as "CSV UTF-8" and name that file'
_UNPACK = "unpack it, and name the result"
_NOT_TAKEN = {
    **dict.fromkeys(
        (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".fods", ".numbers"), ("a workbook", _AS_CSV)
    ),
    **dict.fromkeys((".gz", ".zip", ".zst", ".bz2", ".xz", ".7z"), ("compressed", _UNPACK)),
}
"""Endings of files that are no text: what they are, and what to do."""
_NO_PLACE_FOR_RUNS = frozenset({"dev", "proc"})
"""Where pipes have names, such as `/dev/stdin` and `<(command)`: their runs go to the current folder."""
_UNSAFE = re.compile(r"[^\w.-]+")
_NAME_BYTES_MAX = 190
"""A file's name has 255, and that of a ledger its start and endings besides."""
_BUFFER_BYTES = 262_144
_JOB_BYTES_MAX = 2**36
"""More than all rows of the largest job, of 200 mappings each."""
_SHOWN_FILES_MAX = 5
_SAY_FORMAT = "add --format csv or --format jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundJob:
    """What a JOB argument means."""

    name: str
    """Name of the job, unless job.toml says another: the stem of the file or the name of the folder."""
    folder: Path
    """What the paths of the job are relative to, and where its `runs/` are."""
    toml_name: str = ""
    """`job.toml` as a message names it; empty where there is none."""
    toml: bytes = b""
    rows: str = ""
    """The job file where the argument is one, to be merged as a flag; empty where job.toml names it."""

    @property
    def file(self) -> str:
        """Return the name of the file that the argument means; `-` for any pipe."""
        if self.toml_name:
            return Path(self.toml_name).name
        return STDIN if Path(self.rows).is_absolute() else self.rows


def find_job(argument: str) -> FoundJob:
    """Return what JOB means: a job file, `-`, a `job.toml`, or a folder holding one.

    Raises UsageError where it means nothing, and CannotRun where the file cannot be read.
    """
    if argument == STDIN:
        return FoundJob(name="stdin", folder=Path(), rows=STDIN)
    path = Path(argument)
    if path.is_dir():
        if not (path / JOB_TOML).is_file():
            raise UsageError(f"{path}: no {JOB_TOML} in this folder", hint=_which_file(path))
        return _with_toml(path / JOB_TOML, name=path.resolve().name)
    if not path.exists():
        raise _missing(path)
    if path.suffix == ".toml":
        return _with_toml(path, name=path.stem if path.name != JOB_TOML else path.resolve().parent.name)
    if path.is_absolute() and path.parts[1] in _NO_PLACE_FOR_RUNS:
        return FoundJob(name=_safe(path.stem), folder=Path(), rows=str(path))
    return FoundJob(name=_safe(path.stem), folder=path.parent, rows=path.name)


def _with_toml(path: Path, *, name: str) -> FoundJob:
    with _foreign_errors(str(path)), path.open("rb") as file:
        toml = file.read(JOB_TOML_BYTES_MAX + 1)
    if len(toml) > JOB_TOML_BYTES_MAX:
        raise UsageError(f"{path}: longer than 1 MiB", hint="name the job file itself, not its job.toml")
    return FoundJob(name=_safe(name), folder=path.parent, toml_name=str(path), toml=toml)


def _safe(name: str) -> str:
    """Return a name that can be a part of a file's name and that job.toml would take; letters stay."""
    safe = _UNSAFE.sub("-", normalize("NFC", name)).strip("-._")[:64]
    return safe.encode()[:_NAME_BYTES_MAX].decode(errors="ignore").rstrip("-._") or "job"


def is_job_file(path: Path) -> bool:
    """Return whether a file is a job file or a `job.toml`, by its name."""
    return path.suffix.lower() in {*_FORMATS, ".toml"}


def _missing(path: Path) -> UsageError:
    if not path.parent.is_dir():
        return UsageError(f"{path}: no such folder: {path.parent}", hint="check the path")
    near = get_close_matches(path.name, _job_files(path.parent), n=1)
    hint = f"did you mean {path.parent / near[0]}?" if near else _which_file(path.parent)
    return UsageError(f"{path}: no such file", hint=hint)


def _which_file(folder: Path) -> str:
    names = _job_files(folder)
    if not names:
        return f"name a .csv or .jsonl file, or a folder with a {JOB_TOML}; {folder} has neither"
    more = f" and {len(names) - _SHOWN_FILES_MAX} more" if len(names) > _SHOWN_FILES_MAX else ""
    return f"{folder} has {', '.join(names[:_SHOWN_FILES_MAX])}{more}"


def _job_files(folder: Path) -> list[str]:
    """Return the names of what could be a JOB in a folder; none where it cannot be read."""
    suffixes = {*_FORMATS, ".toml"}
    try:
        jobs = (e for e in folder.iterdir() if e.suffix in suffixes or (e / JOB_TOML).is_file())
        return sorted(entry.name for entry in jobs)
    except OSError:
        return []


def format_of(rows: str) -> Format:
    """Return the format of a job file by its name; raise UsageError where the name does not show it."""
    if rows == STDIN:
        raise UsageError("standard input has no file name that shows the format", hint=_SAY_FORMAT)
    suffix = Path(rows).suffix.lower()
    if suffix in _FORMATS:
        return _FORMATS[suffix]
    if suffix in _NOT_TAKEN:
        what, hint = _NOT_TAKEN[suffix]
        raise UsageError(f"{rows} is {what}", hint=hint)
    raise UsageError(f"{rows}: neither .csv nor .jsonl", hint=_SAY_FORMAT)


class RowsFile:
    """The bytes of a job file, to be read once: its lines, and the digest of all of it."""

    def __init__(self, file: BinaryIO, *, name: str) -> None:
        self.name = name
        """Name of the file in places: the path, or `stdin`."""
        self._file = file
        self._version = _version(file)
        self._digest = hashlib.sha256()

    def lines(self) -> Iterator[bytes]:
        """Yield the lines with their ends; one over LINE_BYTES_MAX comes in pieces.

        Raises CannotRun where the file cannot be read, or was changed while it was.
        """
        with _foreign_errors(self.name):
            while line := self._file.readline(LINE_BYTES_MAX + 1):
                self._digest.update(line)
                yield line
            self._must_be_as_it_was()

    @property
    def is_regular(self) -> bool:
        """Return whether this is a regular file (POSIX), which has an end; a pipe or device may have none."""
        return self._version is not None

    def sha256(self) -> str:
        """Return the hex digest of the whole file, reading what is left of it.

        Raises as `lines` does, and UsageError for more than any job can have.
        """
        left_bytes = _JOB_BYTES_MAX
        with _foreign_errors(self.name):
            while content := self._file.read(_BUFFER_BYTES):
                self._digest.update(content)
                left_bytes -= len(content)
                if left_bytes < 0:
                    raise UsageError(
                        f"{self.name}: does not end within {_JOB_BYTES_MAX // 2**30} GiB",
                        hint="check what writes it",
                    )
            self._must_be_as_it_was()
        return self._digest.hexdigest()

    def _must_be_as_it_was(self) -> None:
        if _version(self._file) != self._version:
            raise CannotRun(
                f"{self.name}: was changed while it was read; nothing was sent",
                hint="repeat the command when nothing writes to it any more",
            )


@contextmanager
def open_rows(rows: str, *, folder: Path) -> Iterator[RowsFile]:
    """Open the job file `rows`, relative to `folder`, or standard input for `-`.

    Raises UsageError where there is no such file, and CannotRun where it cannot be read.
    """
    if rows == STDIN:
        _wait_for_bytes(sys.stdin.buffer)
        yield RowsFile(sys.stdin.buffer, name="stdin")
        return
    path = folder / rows
    if path.is_dir():
        raise UsageError(f"{path}: a folder, not a job file", hint=_which_file(path))
    if not path.exists():
        raise _missing(path)
    with _foreign_errors(str(path)):
        file = path.open("rb", buffering=_BUFFER_BYTES)
    with file:
        yield RowsFile(file, name=str(path))


def _version(file: BinaryIO) -> tuple[int, int] | None:
    """Return what changes with a file's content; None for a pipe, which ends when its writers do."""
    try:
        found = os.fstat(file.fileno())
    except UnsupportedOperation:
        return None
    return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


def _wait_for_bytes(file: BinaryIO) -> None:
    """Let reads wait: a pipe that another program left non-blocking would look as if it had ended."""
    with suppress(UnsupportedOperation):
        os.set_blocking(file.fileno(), True)


def ledger_path(runs: Path, name: str, started_at: datetime) -> Path:
    """Return the path of the ledger of a run: `<name>-<UTC start>.ledger.jsonl` in the folder `runs`."""
    started = started_at.astimezone(UTC)
    milliseconds = started.microsecond // 1000
    return runs / f"{name}-{started:%Y%m%dT%H%M%S}.{milliseconds:03}Z{LEDGER_SUFFIX}"


@contextmanager
def _foreign_errors(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotRun(
            f"{name}: {error.strerror or error}", hint="check the file and its permissions"
        ) from error
