"""Following a run from its ledger alone: what was appended is taken in, and nothing is read twice.

The ledger is only read. Whether somebody works on it is asked by its lock, and only while nothing new comes:
what `apply` waits for is then held for an instant, as by `status`.
"""

import os
import socket
from pathlib import Path

from bulk.errors import BulkError, LedgerDamaged
from bulk.ledger.chain import Chain, moment_s
from bulk.ledger.file import by_summary, is_live, steps
from bulk.ledger.progress import Progress
from bulk.reports.recent import Recent
from bulk.reports.run_status import SILENT_S
from bulk.text import counted


class Follower:
    """The state of a run as its ledger goes on: one fold, however many look at it."""

    def __init__(self, path: Path, *, host: str = "") -> None:
        """Read a ledger for the first time; raises UsageError, and LedgerDamaged where it has no plan."""
        self.path = path
        self.progress = Progress()
        self.recent = Recent()
        self.alive = False
        """Whether somebody works on the run, as far as can be seen from here."""
        self.by_summary = False
        """Whether the summary beside the ledger was believed for the lines that it adds up."""
        self.trouble = ""
        """Why the ledger cannot be read now; what is known of the run is older then."""
        self.notice = ""
        """What happened to the file that a ledger's file never does; empty again once a cut one is whole."""
        self._before_cut: tuple[int, str] | None = None
        """Number and sum of the chain as it was before the file was cut."""
        self._host = host or socket.gethostname()
        self._chain = Chain()
        self._seen: tuple[int, int, int, int] | None = None
        """Device, inode, size and time of the file as it was looked at last."""
        self._read_anew()
        if not self.progress.planned:
            raise LedgerDamaged(
                f"{path}: holds no complete plan",
                hint="it is not a ledger, or its planning was interrupted; plan anew",
            )

    @property
    def n(self) -> int:
        """Return the number of the last record."""
        return self._chain.n - 1

    def look(self, now: float) -> bool:
        """Take in what was appended, and return whether anything was; `now` is in seconds since 1970.

        An unfinished last line waits for its end. A file that was cut, damaged or replaced by another ledger
        is read from its beginning, which `notice` says; while it cannot be read, `trouble` says why.
        """
        chain, before = self._chain, self.n
        try:
            self._take_in(self.path.stat())
        except BulkError as error:
            self.trouble = error.message
        except OSError as error:
            self.trouble, self._seen = f"{self.path}: {error.strerror}", None
        is_appended = self._chain is chain and self.n > before
        self.alive = (is_appended and not self._has_ended) or self._is_held() or self._grows_elsewhere(now)
        return self.n != before

    def _take_in(self, found: os.stat_result) -> None:
        seen = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        if seen == self._seen:
            return
        self._seen, self.trouble = seen, ""
        if found.st_size < self._chain.size_bytes:
            size = counted(self._chain.size_bytes, "byte")
            self._before_cut = self._before_cut or (self._chain.n, self._chain.sum)
            self.notice = f"the ledger was cut to {counted(found.st_size, 'byte')}, of which {size} were read"
            self._read_anew()
            return
        try:
            self._read_on()
        except LedgerDamaged:
            self._read_anew()  # raises where the file is damaged, and succeeds where it is another one
            self._before_cut = None
            self.notice = "the ledger was replaced by another file, which was read from its beginning"

    def _read_on(self) -> None:
        self._notice_that_it_is_whole()
        for record in steps(self.path, self.progress, self._chain):
            self.recent.take(self.progress, record)
            self._notice_that_it_is_whole()

    def _notice_that_it_is_whole(self) -> None:
        """Take back that the file was cut once it has every line that it had before."""
        if self._before_cut == (self._chain.n, self._chain.sum):
            self._before_cut, self.notice = None, ""

    def _read_anew(self) -> None:
        """Read all of the file; of a big one its summary is believed, as `status` does."""
        known = (self.progress, self.recent, self._chain)
        try:
            self.progress, self.recent, self._chain = Progress(), Recent(), Chain()
            found = by_summary(self.path, every_byte=False)
            self.by_summary = found is not None
            if found:
                self.progress, self._chain, _ = found
                self.recent.begin(self.progress)
            self._read_on()
        except BulkError:
            if known[0].planned:
                self.progress, self.recent, self._chain = known
            raise

    def _is_held(self) -> bool:
        try:
            return is_live(self.path)
        except OSError:
            return False

    def _grows_elsewhere(self, now: float) -> bool:
        """Return whether another host, whose lock may not be seen here, has written not long ago."""
        if self._has_ended or self.progress.sessions[-1]["host"] == self._host:
            return False
        return now - moment_s(self.progress.last_at) < SILENT_S

    @property
    def _has_ended(self) -> bool:
        """Return whether every session that began has its end on record."""
        sessions, ends = self.progress.sessions, self.progress.ends
        return not sessions or bool(ends and ends[-1]["n"] > sessions[-1]["n"])
