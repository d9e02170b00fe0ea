"""`bulk watch`: a run as its ledger goes on, looked at once a second by one follower for all who watch."""

import asyncio
import shlex
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

from bulk.app.environment import Environment
from bulk.app.finding import rollback_of
from bulk.app.following import Follower
from bulk.app.jobs import endpoint_of_ledger
from bulk.app.ledgers import RunState, advice, reader_of, run_status_of, status_json
from bulk.app.signals import stop_signals
from bulk.errors import LedgerDamaged
from bulk.ledger.command_file import CommandReader
from bulk.ledger.commands import Command
from bulk.ledger.decisions import decided
from bulk.ledger.records import Json
from bulk.model import Outcome
from bulk.reports.report import row_of
from bulk.reports.run_status import RunStatus, State
from bulk.reports.watch_view import ROWS_SHOWN, SeenRow, View, view_of

EVERY_S = 1.0
_REST = 4.0
"""A run that is big is looked at less often: no more than a fifth of a core goes into it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A run as it was at a look."""

    n: int
    """The number of the last record."""
    standing: RunStatus
    status: Json
    """The same as JSON, as `bulk status --output json` has it."""
    view: View
    is_news: bool
    """Whether something but the time has changed since the last look."""

    @property
    def is_finished(self) -> bool:
        """Return whether the run has finished."""
        return self.standing.state is State.FINISHED


class Watch:
    """Looks at a run."""

    def __init__(self, path: Path, environment: Environment, *, run: str = "", ledger: str = "") -> None:
        """Take the ledger, and how commands name the run and its ledger, where not by the ledger's path."""
        self.path = path
        self._run, self._ledger = (shlex.quote(named or str(path)) for named in (run, ledger))
        self._environment = environment
        self._follower = Follower(path)
        self._rollback = rollback_of(path, self._follower.progress)
        self._standing: RunStatus | None = None
        self._last: tuple[object, ...] = ()
        self._rows: dict[tuple[int, int], SeenRow] = {}
        self._commands = CommandReader(path)
        self._asked: list[Command] = []

    def look(self) -> Seen:
        """Take in what was appended, and return how the run is now."""
        follower, now = self._follower, self._environment.local_time()
        follower.look(now.timestamp())
        progress = follower.progress
        known = decided(progress.decisions).rolled_back
        found = RunState(
            progress=progress,
            alive=follower.alive,
            by_summary=follower.by_summary,
            rolled_back_by=Path(known.ledger) if known else self._rollback,
        )
        standing = self._standing = self._status(found, now)
        view = view_of(
            standing,
            progress,
            follower.recent,
            tuple(self._seen_rows()),
            tuple(self._unanswered()),
            zone=self._environment.zone,
            run=self._run,
            ledger=self._ledger + endpoint_of_ledger(progress).flag,
            advice=advice,
            trouble="; ".join(filter(None, (follower.trouble, follower.notice))),
        )
        marks = (follower.n, standing.state, view.reason, view.trouble)
        is_news, self._last = marks != self._last, marks
        return Seen(
            n=follower.n,
            standing=standing,
            status=status_json(self.path, standing, by_summary=follower.by_summary),
            view=view,
            is_news=is_news,
        )

    async def looks(self) -> AsyncIterator[Seen]:
        """Yield the run once a second, until a signal asks to stop."""
        stopped, clock = asyncio.Event(), self._environment.clock
        with stop_signals(lambda _: stopped.set()):
            while not stopped.is_set():
                began = clock.monotonic()
                yield self.look()
                took_s = clock.monotonic() - began
                await clock.sleep(max(EVERY_S, _REST * took_s), wake=stopped)

    def _status(self, found: RunState, now: datetime) -> RunStatus:
        """Return where the run stands; where its ledger cannot be read now, where it stood."""
        try:
            return run_status_of(self.path, found, now)
        except (OSError, LedgerDamaged):
            if self._standing is None:
                raise
            return self._standing

    def _seen_rows(self) -> Iterator[SeenRow]:
        """Yield the rows that need a person, the newest first, and those in doubt; each line is read once."""
        follower = self._follower
        progress, recent = follower.progress, follower.recent
        in_flight = (row for row, _ in progress.open.items() if progress.outcome(row) is Outcome.IN_DOUBT)
        doubts = [*recent.doubts] if follower.alive else [*islice(in_flight, ROWS_SHOWN)]
        rows = [*islice(recent.wrong(), ROWS_SHOWN), *doubts[-ROWS_SHOWN:]]
        keys = [(row, progress.outcome_at[row - 1]) for row in rows]
        self._rows = {key: seen for key, seen in self._rows.items() if key in keys}
        if missing := [key for key in keys if key not in self._rows]:
            # The file may have been changed since it was looked at.
            with suppress(LedgerDamaged, OSError, KeyError), reader_of(self.path, progress) as reader:
                for row, at in missing:
                    ended = reader.outcome(row)
                    shown = row_of(reader.change(row), progress.outcome(row), ended)
                    since = ended["at"] if ended else recent.doubts.get(row, progress.last_at)
                    self._rows[row, at] = SeenRow(row=shown, at=since)
        return (self._rows[key] for key in keys if key in self._rows)

    def _unanswered(self) -> Iterator[str]:
        """Yield, in words, the commands in the file beside the ledger that the run has not answered yet."""
        self._asked += (each for each in self._commands.new() if isinstance(each, Command))
        answered = decided(self._follower.progress.decisions).ids
        self._asked = [each for each in self._asked if each.id not in answered]
        return (f"not answered yet: {each.what} by {each.user} on {each.host}" for each in self._asked)
