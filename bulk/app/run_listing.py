"""The runs of a job, or in a folder, and how each ended; no ledger is read as a whole."""

import os
import pwd
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from bulk.app.finding import ledgers_of
from bulk.errors import BulkError
from bulk.ledger.ends import TAIL_BYTES, ends_of, head_of
from bulk.ledger.file import by_summary, fold, is_live
from bulk.ledger.progress import Progress
from bulk.reports.run_list import UNCOUNTED, ListedRun, by_ends, by_progress, is_counted


def runs_listed(argument: str, now: float) -> list[ListedRun]:
    """Return the runs that a JOB or a FOLDER has, the latest first; raises UsageError for what is neither.

    Of a ledger its ends are read; where a session did not come to its end its summary, or all of a ledger
    that is no longer than what is read of an end. Whatever cannot be read has its line as well.
    """
    return [_with_its_place(path, _listed(path)) for path in ledgers_of(argument, now)]


def _listed(path: Path) -> ListedRun:
    try:
        if not path.is_file():
            return ListedRun(ledger=str(path), remark=_no_file(path))
        alive, ends = is_live(path), ends_of(path)
        run = by_ends(str(path), ends, alive=alive) if ends else None
        if run and is_counted(run):
            return run
        if progress := _read(path):
            return by_progress(str(path), progress, alive=alive)
        return replace(run, remark=UNCOUNTED) if run else _broken(path)
    except (OSError, BulkError) as error:
        return replace(_broken(path), remark=_words(path, error))


def _read(path: Path) -> Progress | None:
    """Return what a ledger adds up to by its summary, or by its lines where these are few; else None."""
    if found := by_summary(path, every_byte=False):
        return found[0]
    return fold(path) if path.stat().st_size <= TAIL_BYTES else None


def _with_its_place(path: Path, run: ListedRun) -> ListedRun:
    """Return a run with what is odd about the place of its ledger: a link, another owner."""
    remarks = [run.remark]
    with suppress(OSError):
        if path.is_symlink():
            remarks.append(f"a link to {path.readlink()}")
        if (owner := path.stat().st_uid) != os.geteuid():
            remarks.append(f"belongs to {_user(owner)}")
    return replace(run, remark="; ".join(filter(None, remarks)))


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _broken(path: Path) -> ListedRun:
    """Return what the first line of a damaged ledger shows."""
    head = head_of(path)
    if head.get("type") != "run":
        return ListedRun(ledger=str(path), remark="its first line is not that of a ledger")
    return ListedRun(
        ledger=str(path),
        began_at=head["at"],
        job=head["job"],
        by=head.get("user") or None,
        remark="its end does not show where it stands; `bulk audit` reads all of it",
    )


def _no_file(path: Path) -> str:
    return "nothing is there" if path.is_symlink() and not path.exists() else "not a file"


def _words(path: Path, error: OSError | BulkError) -> str:
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror}"
    return error.message.removeprefix(f"{path}: ")
