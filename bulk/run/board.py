"""The rows of a run: where each stands, what is under way, what is to be done.

This is the only file that moves a row.
"""

from array import array
from collections.abc import Collection, Iterable, Sequence

from bulk.ledger.records import Attempt, AttemptResult, Record
from bulk.ledger.row_life import NOT_BEGUN, OUTCOME_OF, Stage, after_attempt
from bulk.model import Change, LaneName, Target
from bulk.run.interfaces import PlanReader
from bulk.run.looks import Looks
from bulk.run.row import Work, taken_up
from bulk.run.stages import AT_RISK, BUSY, IN_FLIGHT, MOVES, Append, Effect, Place

_PLACES = tuple(Place)
_MAY_GO = [[to in MOVES[place] for to in Place] for place in Place]
_IS_AT_RISK = [place in AT_RISK for place in Place]
_COUNTED = [(place in IN_FLIGHT, place in BUSY, place is Place.LOOKING) for place in Place]

_PLACE_OF_STAGE = bytes(
    Place.UNSEEN
    if stage not in OUTCOME_OF
    else Place.DONE
    if OUTCOME_OF[stage].facts.as_asked
    else Place.ENDED
    for stage in Stage
).ljust(256, b"\0")
"""Where a row stands as a session begins, by the stage of its records: a million are looked up at once."""


class Board:
    """A byte for the place of each row, counters for each lane, a `Work` for each row that has begun."""

    def __init__(self, plan: PlanReader, lanes: Collection[LaneName], max_look_age_s: float) -> None:
        self.plan = plan
        self.progress = plan.progress
        self.works: dict[int, Work] = {}
        self.in_flight = [0] * max(len(lanes), 1)
        """Requests on their way, by the number of the lane."""
        self.busy = [0] * max(len(lanes), 1)
        """Rows that are left by themselves, by the number of the lane."""
        self.looking = [0] * max(len(lanes), 1)
        """Rows that are looked at again, by the number of the lane."""
        self.denied: dict[int, None] = {}
        """Rows at DENIED, in the order of their answers."""
        self._at_risk = 0
        self.parked: set[int] = set()
        """Rows whose service is without what its intermediate PUT took away."""
        self.left_in_doubt: set[int] = set()
        """Rows that were left in this session without knowing what became of their PUT."""
        rows = max(self.progress.order, default=0)
        self.looks = Looks(rows, max_look_age_s)
        self._places = bytearray(rows + 1)
        self._lane_of = array("I", [0]) * (rows + 1)
        self._effects: list[Effect] = []

    def place(self, row: int) -> Place:
        """Return where a row stands."""
        return _PLACES[self._places[row]]

    def lane_number(self, row: int) -> int:
        """Return the number of a row's lane."""
        return self._lane_of[row]

    def target(self, row: int) -> Target:
        """Return the target of a row."""
        return self.progress.target(row)

    def enter(self, lane_of_target: Sequence[int]) -> None:
        """Let every row stand where its outcome left it, else at the first place; each in its lane.

        `lane_of_target` has the number of the lane by the number of the target.
        """
        rows = len(self._places) - 1
        self._lane_of[1:] = array("I", map(lane_of_target.__getitem__, self.progress.target_of[:rows]))
        self._places[1:] = self.progress.stages[:rows].translate(_PLACE_OF_STAGE)

    def unseen(self, rows: Iterable[int]) -> list[int]:
        """Return those of some rows that nothing has become known of in this session."""
        places = self._places
        return [row for row in rows if not places[row]]

    def move(self, row: int, to: Place) -> None:
        """Let a row stand somewhere else, and count it there."""
        place = self._places[row]
        if not _MAY_GO[place][to]:
            raise AssertionError(f"row {row} cannot go from {Place(place).name} to {to.name}")
        self._places[row] = to
        self._at_risk += _IS_AT_RISK[to] - _IS_AT_RISK[place]
        if to >= Place.DONE:
            self.parked.discard(row)
        if to is Place.DENIED:
            self.denied[row] = None
        elif place == Place.DENIED:
            del self.denied[row]
        (was_in_flight, was_busy, was_looking), (in_flight, busy, looking) = _COUNTED[place], _COUNTED[to]
        lane = self._lane_of[row]
        self.in_flight[lane] += in_flight - was_in_flight
        self.busy[lane] += busy - was_busy
        self.looking[lane] += looking - was_looking

    def change(self, row: int) -> Change:
        """Return the planned change of a row."""
        work = self.works.get(row)
        return work.change if work else self.plan.change(row)

    def begin(self, row: int, tries: int, *, is_in_doubt: bool = False) -> Work:
        """Return the work on a row, as its records so far left it where there is none yet."""
        if (work := self.works.get(row)) is None:
            known = self.progress.open.get(row, NOT_BEGUN)
            work = taken_up(self.plan, row, known, tries, is_in_doubt=is_in_doubt)
            self.works[row] = work
            if known.parked:
                self.parked.add(row)
        return work

    @property
    def at_risk(self) -> int:
        """Return how many rows may still fail, or be in conflict, without being sent once more."""
        also = (row for row in self.parked - self.left_in_doubt if not _IS_AT_RISK[self._places[row]])
        return self._at_risk + len(self.left_in_doubt) + sum(1 for _ in also)

    def append(self, record: Record, *, sends: int = 0) -> None:
        """Have a record written down; what it says of its row is known from here on."""
        if isinstance(record, Attempt):
            work = self.works[record.row]
            work.known = after_attempt(work.known, record.verdict, record.hold_s)
            if record.verdict is AttemptResult.PARKED:
                self.parked.add(record.row)
        self.ask(Append(record, sends))

    def ask(self, effect: Effect) -> None:
        """Have something done, after what was asked for before."""
        self._effects.append(effect)

    def take(self) -> list[Effect]:
        """Return what is to be done, in order, and forget it."""
        effects, self._effects = self._effects, []
        return effects
