"""Locks that keep two processes from one file, and that are only trusted where they do.

`flock` is refused by some file systems and does nothing, or counts for this machine alone, on others: two
runs would then send the same PUTs. So what was locked is asked for once more by another descriptor, and the
mount is looked up.
"""

import fcntl
import os
from pathlib import Path

from bulk.errors import CannotRun

_LOCAL = frozenset({"nolock", "local_lock=all", "local_lock=flock"})
"""Options of NFS mounts by which a lock counts for this machine alone (nfs(5))."""
_MOUNTS = Path("/proc/self/mountinfo")
_WAY_OUT = "keep this run on a local disk: `bulk apply JOB --ledger FILE`"


def lock(fd: int, path: Path, *, shared: bool = False) -> None:
    """Take the lock of an open file, at once; raise BlockingIOError where another process has it.

    Raises CannotRun where the file system does not give locks that can be trusted.
    """
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        raise _untrusted(path, f"the file system refuses locks ({error.strerror})") from error


def must_keep_others_away(fd: int, path: Path) -> None:
    """Raise CannotRun where the lock that `fd` holds would keep no other process from the file."""
    if is_local_only(_mounts(), os.stat(fd).st_dev):
        raise _untrusted(path, "locks of this mount count for this machine alone")
    try:
        other = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    finally:
        os.close(other)
    raise _untrusted(path, "locks of the file system keep nobody away")


def is_local_only(mountinfo: str, device: int) -> bool:
    """Return whether a device is mounted so that its locks count for one machine alone (proc(5))."""
    name = f"{os.major(device)}:{os.minor(device)}"
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        kind, *more = rest.split(" ")
        if fields.split(" ")[2:3] == [name] and kind.startswith("nfs"):
            return not _LOCAL.isdisjoint(",".join(more[1:]).split(","))
    return False


def _mounts() -> str:
    try:
        return _MOUNTS.read_text(errors="replace")
    except OSError:  # only Linux has it
        return ""


def _untrusted(path: Path, why: str) -> CannotRun:
    return CannotRun(
        f"{path}: {why}, so another run could send the same changes; nothing was sent", hint=_WAY_OUT
    )
