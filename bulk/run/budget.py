"""How many rows may still fail: a PUT begins only while those that failed, or may have, are few enough."""

from bulk.ledger.records import OutcomeRecord
from bulk.ledger.row_life import STAGE_OF
from bulk.ledger.stops import FAILURES, BrakeReason, failures
from bulk.model import Hold, Outcome, Wait
from bulk.run.board import Board
from bulk.run.stages import Place, Stop
from bulk.text import counted, listed

OPENING = 10
"""Number of first PUTs that stop a run without a limit of failures, if all fail with one code."""


class Budget:
    """The failures of a run, over all its sessions, against those that it may have.

    Where nobody set a limit it guards the opening: until one PUT was accepted, or two failed differently.
    """

    def __init__(self, board: Board, failures_max: int | None) -> None:
        self._board = board
        self._most = failures_max
        self._failed: set[int] = set()
        self._is_opening = failures_max is None
        self._code: str | None = None
        """The cause for which every row of the opening failed."""

    def begin(self) -> Stop | None:
        """Count what earlier sessions left; return why the run must stop, if too many failed in them."""
        progress = self._board.progress
        counts = progress.counts()
        if failures(counts):
            failed = {STAGE_OF[outcome] for outcome in FAILURES}
            self._failed = {row for row in progress.order if progress.stage(row) in failed}
        codes = [code for code, rows in progress.codes.items() if rows]
        is_decided = counts[Outcome.APPLIED] or counts[Outcome.CONFLICT] or self._board.parked
        self._is_opening = self._is_opening and not is_decided and len(codes) <= 1
        self._code = codes[0] if codes else None
        return self._objection()

    def count(self, row: int, record: OutcomeRecord) -> Stop | None:
        """Count how a row ended; return why the run must stop, if too many failed."""
        if record.outcome not in FAILURES:
            self._failed.discard(row)
            if record.outcome is Outcome.APPLIED:
                self._is_opening = False
            return None
        self._failed.add(row)
        self._code = record.reply.cause if self._code is None else self._code
        if record.outcome is Outcome.CONFLICT or record.reply.cause != self._code:
            self._is_opening = False
        return self._objection()

    def accepted(self) -> None:
        """Learn that a PUT was accepted: the run has opened well."""
        self._is_opening = False

    def _objection(self) -> Stop | None:
        failed = len(self._failed)
        if self._most is not None and failed > self._most:
            message = f"{counted(failed, 'service')} failed, {self._allows}"
        elif self._is_opening and failed >= OPENING:
            message = f"the first {failed} PUTs all failed: {self._code}"
        else:
            return None
        return Stop(BrakeReason.FAILURE_LIMIT, message)

    @property
    def _allows(self) -> str:
        return f"max_failures allows {self._most or 'none'}"

    @property
    def is_used_up(self) -> bool:
        """Return whether, for now, only PUTs may begin that a parked service waits for."""
        if self._most is None and not self._is_opening:
            return False
        risk = len(self._failed) + self._board.at_risk
        if self._most is not None:
            return risk > self._most
        return risk - len(self._board.left_in_doubt) >= OPENING

    def is_exceeded_by(self, row: int) -> bool:
        """Return whether a PUT whose intent is on disk would now be one too many."""
        if self._most is None or row in self._board.parked:
            return False
        return len(self._failed) + self._board.at_risk - 1 > self._most

    def exhausted(self, closed: frozenset[int]) -> Stop | None:
        """Return why the run must stop, if nothing that is under way can free the budget.

        What failed is not the reason: rows whose PUT is in doubt and cannot be read may have failed, and so
        may those whose service stays parked, in one of the `closed` lanes (by their numbers).
        """
        if self._most is None or not self.is_used_up:
            return None
        board = self._board
        unsettled = board.left_in_doubt | {
            row for row in board.parked if board.place(row) is Place.LEFT or board.lane_number(row) in closed
        }
        if len(self._failed) + len(unsettled) <= self._most:
            return None
        rows = f"{len(unsettled)} more may have ({listed('row', sorted(unsettled))})"
        message = f"{counted(len(self._failed), 'service')} failed, {rows}, {self._allows}"
        return Stop(BrakeReason.BUDGET, message)

    def hold(self) -> Wait:
        """Return what a row waits for while the budget is used up."""
        most, failed = OPENING - 1 if self._most is None else self._most, len(self._failed)
        if self._most is None:
            detail = f"at most {most + 1 - failed} in flight until one PUT is accepted"
        else:
            detail = f"at most {most + 1 - failed} in flight ({failed} failed, {self._allows})"
        return Wait(hold=Hold.BUDGET, detail=detail)
