"""What the lanes of a run share: the stop, the look at the whole fleet, the wave, the budget, the keys."""

from collections.abc import Mapping
from math import inf

from bulk.ledger.decisions import decided, word_of
from bulk.ledger.records import Decision, DecisionKind
from bulk.ledger.stops import BrakeReason
from bulk.model import LaneName
from bulk.run.board import Board
from bulk.run.budget import Budget
from bulk.run.denials import Denials
from bulk.run.first_puts import FirstPuts
from bulk.run.interfaces import Limits
from bulk.run.lane import Lane
from bulk.run.stages import Place, Stop
from bulk.run.wave_gate import WaveGate
from bulk.text import counted, listed


class Gates:
    """Decides whether a row may begin, as far as its lane and its predecessors do not decide that."""

    def __init__(self, board: Board, lanes: Mapping[LaneName, Lane], limits: Limits) -> None:
        self.stops: list[Stop] = []
        """Why nothing begins any more but what a parked service waits for: every reason, once."""
        self.moved: set[int] = set()
        """In a strict run: rows whose service has moved, as far as the look has come."""
        decisions = decided(board.progress.decisions)
        self.standing = decisions.stops
        """Stops of earlier sessions that no person has lifted."""
        self.stop_ids = set(decisions.stop_ids)
        """The ids of all stops of this run."""
        self.noticed = decisions.noticed
        """Side effects of PUTs of this run, of earlier sessions too."""
        self.allowed = decisions.allowed
        """Side effects that a person allowed."""
        self.pause = decisions.pause
        """Who lets nothing begin but must-finish rows for now; None where nobody does."""
        self.most_per_s = decisions.rate_per_s
        """The most PUTs a second that a person allows in each lane."""
        self.awaits_all = limits.strict or limits.waves is not None
        """Whether nothing goes before every lane has been looked at."""
        self._awaits_lane = board.progress.footprint.parked > 0
        """Whether nothing goes before its own lane has been looked at: a cycle begun must be able to end."""
        self.is_drained = False
        """Whether nothing at all is waited for any more."""
        self._board = board
        self._lanes = lanes
        self._limits = limits
        self.budget = Budget(board, limits.failures_max)
        self.denials = Denials()
        self.first_puts = FirstPuts()
        self.waves = WaveGate(board, lanes, decisions.passed, limits.soak_s, limits.judge_within_s)

    def stop(self, stop: Stop) -> None:
        """Let nothing begin any more but what a parked service waits for; no wave counts from here on."""
        if not self.has_stopped_for(stop.reason):
            self.stops.append(stop)
        self.waves.end()

    def has_stopped_for(self, reason: BrakeReason) -> bool:
        """Return whether the run was stopped for a reason."""
        return reason in {each.reason for each in self.stops}

    @property
    def stopped(self) -> bool:
        """Return whether nothing begins any more but what a parked service waits for."""
        return bool(self.stops)

    # A row's turn

    def bars(self, lane: Lane, row: int) -> bool:
        """Return whether a row can never begin any more."""
        if lane.cut or self.is_drained:
            return True
        return self.stopped and not lane.dependencies.must_finish(row)

    def holds(self, lane: Lane, row: int, now: float = inf) -> bool:
        """Return whether a row, and all behind it, has to wait for something that is under way.

        `now`: the monotonic time; infinity where nothing is under way.
        """
        return (
            self.awaits_all
            or (self._awaits_lane and not lane.is_looked_at)
            or self.waves.holds(row)
            or self.first_puts.is_awaited(self._board.target(row), lane.key.account, now)
            or lane.awaits_proof
            or (lane.only_probes and not self._has_begun(row))
            or lane.key.account in self.denials.probing
            or (self._is_for_must_finish and not lane.dependencies.must_finish(row))
        )

    def holds_back(self, lane: Lane, row: int) -> bool:
        """Return whether a PUT whose intent is on disk must wait: for a person, or since others failed."""
        is_held = self.pause is not None or self.budget.is_exceeded_by(row)
        return is_held and not lane.dependencies.must_finish(row)

    @property
    def _is_for_must_finish(self) -> bool:
        """Return whether, for now, only rows may begin that a parked service waits for."""
        return self.pause is not None or self.budget.is_used_up

    def heed(self, word: Decision) -> None:
        """Let a person's word be in force: a pause, its end, or a rate."""
        match word.what:
            case DecisionKind.PAUSE:
                self.pause = self.pause or word_of(word)
            case DecisionKind.UNPAUSE:
                self.pause = None
            case DecisionKind.RATE:
                self.most_per_s = word_of(word).rate_per_s
            case _:
                pass

    def _has_begun(self, row: int) -> bool:
        work = self._board.works.get(row)
        return work is not None and work.known.attempts > 0

    def has_closed(self, lane: Lane) -> bool:
        """Return whether no row of a lane will ever begin any more."""
        return lane.cut is not None or self.is_drained or (self.stopped and not lane.dependencies)

    def is_given_up(self, lane: Lane) -> bool:
        """Return whether even the last look is left out; where only a window ends there is time for it."""
        is_ended_by_window = [stop.reason for stop in self.stops] == [BrakeReason.WINDOW]
        return self.has_closed(lane) and not (is_ended_by_window and lane.cut is None and not self.is_drained)

    # The look

    @property
    def has_seen_all(self) -> bool:
        """Return whether all that will be looked at has been."""
        return all(lane.is_looked_at or self.has_closed(lane) for lane in self._lanes.values())

    def next_rows(self, lane: Lane) -> list[int]:
        """Return the rows of a lane that have not begun, and that no wave under way holds."""
        place = self._board.place
        return [row for row in lane.rows if place(row) is Place.READY and not self.waves.holds(row)]

    def strict_objection(self, unsent: str) -> Stop | None:
        """Return why a strict run must not go on; `unsent` is what was not sent therefore."""
        if not self.moved:
            return None
        rows = listed("row", sorted(self.moved))
        message = f"{counted(len(self.moved), 'service')} moved since the plan ({rows}); {unsent}"
        return Stop(BrakeReason.STRICT, message)
