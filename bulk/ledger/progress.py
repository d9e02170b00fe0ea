"""What a ledger's records add up to: plain data, and what is looked up in it.

`folding.py` has the steps that change it.
"""

from array import array
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import compress, count

from bulk.ledger.chain import moment_s
from bulk.ledger.records import Json
from bulk.ledger.row_life import OUTCOME_OF, OpenRow, Stage
from bulk.ledger.stops import BrakeReason
from bulk.model import Action, LaneName, Outcome, Target
from bulk.plan.footprint import Footprint, footprint_of

_STAGES = tuple(Stage)
_ACTIONS = tuple(Action)
ACTION_NUMBERS = {action.value: number for number, action in enumerate(_ACTIONS)}
"""The number by which an action stands in `actions`."""
NO_ACTION = 255
_OUTCOMES = tuple(
    Outcome.IN_DOUBT if stage is Stage.IN_FLIGHT else OUTCOME_OF.get(stage, Outcome.NOT_ATTEMPTED)
    for stage in Stage
)
"""How a row ended, or why it has not ended."""
_APPLIED = int(Stage.APPLIED)
_IS_LEFT = bytes(number < _APPLIED for number in range(256))


def hash_of(service_id: str) -> int:
    """Return a number for an id, the same in every process: its bytes as a number, modulo a prime."""
    return hash(int.from_bytes(service_id.encode()))  # Python's own reduction of whole numbers


def pace_key(lane: Json, kind: str) -> str:
    """Return the key of a lane and a kind of request in `paces`."""
    return "\n".join((kind, *(lane[name] for name in LaneName._fields)))


@dataclass(slots=True)
class Progress:
    """What the records so far add up to; about 37 bytes a row."""

    run: Json = field(default_factory=dict)
    planned: Json | None = None
    begun: int = 0
    """Sessions so far."""
    sessions: list[Json] = field(default_factory=list)
    """The last of the sessions."""
    first_settings: Json = field(default_factory=dict)
    """The settings of the first session; empty before it."""
    ends: list[Json] = field(default_factory=list)
    """The last of the ends."""
    notes: list[Json] = field(default_factory=list)
    """The last of the notes and changes of pace."""
    paces: dict[str, Json] = field(default_factory=dict)
    """The last `pace` of this session for each lane and kind of request, by `pace_key`."""
    decisions: list[Json] = field(default_factory=list)
    last_at: str = ""
    worked_at: str = ""
    """When the last session began, a request of it was answered, its pace changed, or it ended."""
    earlier_s: float = 0.0
    """Seconds that the sessions before the last one were at work."""
    targets: list[Target] = field(default_factory=list)
    accepting: set[int] = field(default_factory=set)
    """Numbers of the targets of which the API took a PUT."""
    open: dict[int, OpenRow] = field(default_factory=dict)
    unconfirmed: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """Applied rows with fields that no reply shows."""
    codes: Counter[str] = field(default_factory=Counter)
    """Failed rows by cause: the error code, or the HTTP status of a reply without one; perhaps of none."""
    refusals: int = 0
    """Replies by which the API throttled a request."""
    sent: int = 0
    """PUTs that have left, or may have: of each an intent, and no word that it did not leave."""
    never_left: int = 0
    """Intents whose PUTs surely did not leave."""
    tally: list[int] = field(default_factory=lambda: [0] * len(Stage))
    """Planned rows by stage."""
    order: "array[int]" = field(default_factory=partial(array, "I"))
    """Rows in the order of the plan."""
    stages: bytearray = field(default_factory=bytearray)
    """Here and below by row - 1, with room for rows to come: the stage."""
    actions: bytearray = field(default_factory=bytearray)
    """What the plan decided on, as in `ACTION_NUMBERS`; of rows to come NO_ACTION."""
    target_of: "array[int]" = field(default_factory=partial(array, "I"))
    """Number of the target."""
    names: "array[int]" = field(default_factory=partial(array, "q"))
    """`hash_of` the service_id: to find the row of a service among those of a target."""
    change_at: "array[int]" = field(default_factory=partial(array, "Q"))
    """Offset of the `change` line."""
    outcome_at: "array[int]" = field(default_factory=partial(array, "Q"))
    """Offset of the last `outcome` line; 0 while there is none."""
    target_numbers: dict[tuple[str, ...], int] = field(default_factory=dict)
    """Number of each target by its members, while the plan is not complete."""
    awaited: set[int] = field(default_factory=set)
    """Rows that others wait for and that are not planned yet."""

    # The plan

    @property
    def rows(self) -> int:
        """Return the number of rows planned."""
        return len(self.order)

    def action(self, row: int) -> Action:
        """Return the action that the plan decided on for a row."""
        return _ACTIONS[self.actions[row - 1]]

    def target(self, row: int) -> Target:
        """Return the target of a row."""
        return self.targets[self.target_of[row - 1]]

    def actions_counted(self) -> Counter[Action]:
        """Return the number of rows by action."""
        return Counter({action: self.actions.count(number) for number, action in enumerate(_ACTIONS)})

    def targets_with(self, *actions: Action) -> set[Target]:
        """Return the targets that have a row for which the plan decided on one of these actions."""
        numbers = set(compress(self.target_of, self._are(actions, left=False)))
        return {self.targets[number] for number in numbers}

    def rows_by_target(
        self, actions: Collection[Action] = tuple(Action), *, left: bool = False
    ) -> dict[Target, int]:
        """Return the number of rows of each target, in the order of the plan.

        Only those count for which the plan decided on one of these actions and, with `left`, that have not
        ended.
        """
        chosen = self._are(actions, left=left)
        if len(self.targets) == 1:
            return {self.targets[0]: chosen.count(1)} if 1 in chosen else {}
        counts = Counter(compress(self.target_of, chosen))
        return {self.targets[number]: counts[number] for number in sorted(counts)}

    def rows_left(self, action: Action) -> Iterator[int]:
        """Return the rows that have not ended for which the plan decided on this action, by number."""
        return compress(count(1), self._are({action}, left=True))

    @property
    def unsent(self) -> int:
        """Return the number of rows without an outcome that need a PUT."""
        return self._are({Action.UPDATE}, left=True).count(1)

    def _are(self, actions: Collection[Action], *, left: bool) -> bytes | bytearray:
        """Return 1 for each row of one of these actions that is left, if that counts; a million rows in C."""
        numbers = {ACTION_NUMBERS[action] for action in actions}
        decided = self.actions.translate(bytes(number in numbers for number in range(256)))
        if not left:
            return decided
        # Bytes know no `&`; as two numbers of a million bytes they are combined at once.
        both = int.from_bytes(decided) & int.from_bytes(self.stages.translate(_IS_LEFT))
        return both.to_bytes(len(decided))

    @property
    def parked(self) -> list[int]:
        """Return the rows whose service lacks what their intermediate PUT took away, as far as is known."""
        return sorted(row for row, known in self.open.items() if known.parked)

    def is_planned(self, row: int) -> bool:
        """Return whether the plan has a row of this number."""
        return 1 <= row <= len(self.stages) and self.stages[row - 1] != Stage.UNPLANNED

    @property
    def digest(self) -> str:
        """Return the digest of the plan; nothing while the plan is not complete."""
        return str(self.planned["digest"]) if self.planned else ""

    @property
    def pages(self) -> int:
        """Return how many pages the lists of all targets have; those that are not known count one."""
        return sum((self.planned or {}).get("pages", ())) or len(self.run.get("targets", ()))

    @property
    def planned_at(self) -> str:
        """Return when the plan was complete."""
        return str(self.planned["at"]) if self.planned else ""

    @property
    def ticket(self) -> str:
        """Return the ticket of the last session, or of a plan that no session began on; empty for none."""
        settings = self.sessions[-1]["settings"] if self.sessions else self.run.get("options", {})
        return str(settings.get("ticket", ""))

    @property
    def footprint(self) -> Footprint:
        """Return what the plan reaches."""
        return footprint_of(self.planned["footprint"]) if self.planned else Footprint()

    # What became of it

    def stage(self, row: int) -> Stage:
        """Return the stage of a row."""
        return _STAGES[self.stages[row - 1]]

    def outcome(self, row: int) -> Outcome:
        """Return how a row ended, or why it has not ended."""
        return _OUTCOMES[self.stages[row - 1]]

    def counts(self) -> dict[Outcome, int]:
        """Return the number of rows by outcome, of every one; they sum to `rows`."""
        counts = dict.fromkeys(Outcome, 0)
        for stage, outcome in OUTCOME_OF.items():
            counts[outcome] = self.tally[stage]
        counts[Outcome.IN_DOUBT] = self.tally[Stage.IN_FLIGHT]
        counts[Outcome.NOT_ATTEMPTED] = self.rows - sum(counts.values())
        return counts

    @property
    def ended(self) -> int:
        """Return the number of rows that have an outcome."""
        return sum(self.tally[Stage.APPLIED :])

    @property
    def finished(self) -> bool:
        """Return whether every row has its outcome and the last session recorded its end so."""
        return bool(self.ends) and self.ends[-1]["reason"] == BrakeReason.FINISHED and self.ended == self.rows

    @property
    def work_s(self) -> float:
        """Return the seconds that sessions have been at work, without the pauses between them.

        Notes and decisions do not count: they are also written where nobody is at work. Nor does a clock that
        was set back.
        """
        if not self.sessions:
            return 0.0
        return self.earlier_s + max(0.0, moment_s(self.worked_at) - moment_s(self.sessions[-1]["at"]))

    @property
    def accepted(self) -> set[Target]:
        """Return the targets of which the API took a PUT."""
        return {self.targets[number] for number in self.accepting}

    def updates(self, *, applied: bool) -> Iterator[int]:
        """Return the rows that the plan changes and that were applied, or those that were not."""
        stages, actions, update = self.stages, self.actions, ACTION_NUMBERS[Action.UPDATE]
        return (
            row
            for row in self.order
            if actions[row - 1] == update and (stages[row - 1] == _APPLIED) is applied
        )

    def unended(self) -> Iterator[int]:
        """Return the rows without an outcome, in the order of the plan."""
        return (row for row in self.order if self.stages[row - 1] < _APPLIED)


def changes_ended(progress: Progress) -> int:
    """Return how many of the changes have ended; what is right already, or refused, is no change."""
    counts = progress.counts()
    left = counts[Outcome.NOT_ATTEMPTED] + counts[Outcome.IN_DOUBT]
    return max(0, progress.footprint.changes - left)
