"""Planted mistakes: each breaks one promise that the machine keeps, and the simulation must notice each.

A mutant replaces one function by one that is wrong in one line.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import inf
from typing import Any

from bulk.ledger import commands
from bulk.ledger.decisions import Decided
from bulk.ledger.records import AttemptResult, DecidedBy, Decision, DecisionKind, Purpose, Ruling
from bulk.ledger.row_life import OpenRow
from bulk.ledger.stops import BrakeReason
from bulk.model import Action, Doubt, Reject, Reply, ServiceState
from bulk.puts import ALWAYS_SHOWN
from bulk.run import board, first_look, gates, lane, last_look, machine, renewed_looks, row
from bulk.run.board import Board
from bulk.run.budget import Budget
from bulk.run.course import Course
from bulk.run.denials import Denial, Denials
from bulk.run.first_puts import FirstPuts
from bulk.run.gates import Gates
from bulk.run.lane import Dependencies, Lane
from bulk.run.last_look import LastLook
from bulk.run.looks import Looks
from bulk.run.machine import Machine
from bulk.run.renewal import Renewal
from bulk.run.renewed_looks import RenewedLooks
from bulk.run.row import Turn, Work
from bulk.run.stages import AskJudge, Place
from bulk.run.turns import Turns
from bulk.run.wave_course import WaveCourse
from bulk.run.wave_gate import BEFORE_ALL, WaveGate

Function = Callable[..., Any]


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One mistake: in `owner`, the function `name` is replaced by what `wrong` makes of it."""

    promise: str
    mistake: str
    owner: Any
    name: str
    wrong: Callable[[Function], Any]

    def __str__(self) -> str:
        """Return the name of the test."""
        return f"{self.promise}: {self.mistake}"

    @contextmanager
    def planted(self) -> Iterator[None]:
        """Make the mistake while the block runs."""
        right = self.owner.__dict__[self.name]
        setattr(self.owner, self.name, self.wrong(right))
        try:
            yield
        finally:
            setattr(self.owner, self.name, right)


def constantly(answer: Any) -> Callable[[Function], Any]:
    """Return a mistake that gives the same answer whatever it is asked."""
    return lambda _: lambda *_, **__: answer


def property_of(answer: Any) -> Callable[[Function], Any]:
    """Return a mistake that gives the same answer, as a property."""
    return lambda _: property(lambda _: answer)


def _sends_with_the_intent(right: Function) -> Function:
    def granted(self: Turns, key: Any, now: float) -> int:
        row = right(self, key, now)
        if row:
            self.durable(row, now)
        return row

    return granted


def _sends_all_noted(right: Function) -> Function:
    def durable(self: Turns, row: int, now: float) -> None:
        for noted in [row, *(other for other in self._board.works if other != row)]:
            if self._board.place(noted) is Place.NOTED:
                right(self, noted, now)

    return durable


def _resends_unread(right: Function) -> Function:
    def due(self: Machine, number: int) -> None:
        if self.place(number) is not Place.SETTLING:
            return right(self, number)
        self._board.move(number, Place.READING)
        work = self._board.works[number]
        attempt = row._attempt(work, AttemptResult.UNAPPLIED, Reply())
        return self._course.follow(number, Turn(Place.RESTING, (attempt,), wait_s=0.1))

    return due


def _waits(wait_s: float) -> Callable[[Function], Function]:
    def wrong(right: Function) -> Function:
        return lambda *arguments: right(*arguments)._replace(wait_s=wait_s)

    return wrong


def _takes_up_at_once(right: Function) -> Function:
    def take_up(self: Machine, number: int, *, is_in_doubt: bool) -> None:
        right(self, number, is_in_doubt=is_in_doubt)
        if is_in_doubt:
            self._board._effects[-1] = self._board._effects[-1]._replace(wait_s=0.0)

    return take_up


def _overwrites_a_third_state(right: Function) -> Function:
    def read_back(work: Work, *found: Any) -> Turn:
        turn = right(work, *found)
        if turn.to is Place.ENDED and any(getattr(r, "observed", None) for r in turn.records):
            return Turn(Place.READY, (row._attempt(work, AttemptResult.UNAPPLIED, Reply()),))
        return turn

    return read_back


def _costs_a_try(result: AttemptResult) -> Callable[[Function], Function]:
    def wrong(right: Function) -> Function:
        return lambda known, verb, _: right(known, AttemptResult.RETRY if verb is result else verb)

    return wrong


def _takes_a_wait_for_the_rows_fault(right: Function) -> Function:
    return lambda known, result, _: right(known, result)


def _forgets_the_wait(right: Function) -> Function:
    return lambda work, reply, limits, *_: right(work, reply, limits)


def _gives_up_early(right: Function) -> Function:
    def again(work: Work, attempt: Any, reply: Reply, limits: Any, dice: Any, **more: Any) -> Turn:
        if work.known.attempts >= limits.tries and not work.would_stay_parked:
            return Turn(Place.ENDED, (attempt, row._failed(work, reply)))
        return right(work, attempt, reply, limits, dice, **more)

    return again


def _asks_only_the_cut(_: Function) -> Function:
    return lambda _, lane, __: bool(lane.cut)


def _asks_only_the_stop(_: Function) -> Function:
    def bars(self: Gates, lane: Lane, row: int) -> bool:
        return self.stopped and not lane.dependencies.must_finish(row)

    return bars


def _sends_whatever_happened(right: Function) -> Function:
    def durable(self: Turns, row: int, now: float) -> None:
        bars, self._gates.bars = self._gates.bars, lambda *_: False  # type: ignore[method-assign]
        right(self, row, now)
        self._gates.bars = bars  # type: ignore[method-assign]

    return durable


def _asks_no_look_when_durable(right: Function) -> Function:
    return lambda self, row, _: right(self, row, float("-inf"))


def _dates_a_page_by_its_arrival(right: Function) -> Function:
    return lambda self, key, page, services, asked_at: right(self, key, page, services, asked_at + 10.0)


def _looks_away(_: Function) -> Function:
    return lambda *_: Turn(Place.READY)


def _cuts_one_lane_only(_: Function) -> Function:
    def cut(self: Course, key: Any, stop: Any) -> None:
        if not self.lanes[key].cut:
            self._cut(self.lanes[key], stop)

    return cut


def _cut_stops_all(right: Function) -> Function:
    def cut(self: Course, key: Any, stop: Any) -> None:
        right(self, key, stop)
        self.stop(stop)

    return cut


def _forgets_the_followers_of_the_left(right: Function) -> Function:
    def tell(self: Course, lane: Lane, row: int, to: Place, **more: Any) -> None:
        if to is not Place.LEFT:
            right(self, lane, row, to, **more)

    return tell


def _ignores_the_drift(right: Function) -> Function:
    return lambda row, action, attempts, _: right(row, action, attempts, None)


def _ignores_side_effects(right: Function) -> Function:
    return lambda *arguments: right(*arguments)._replace(stop=None)


def _believes_a_doubt(right: Function) -> Function:
    def answered(work: Work, verdict: Any, *more: Any, **named: Any) -> Turn:
        if isinstance(verdict, Doubt) and work.due is Purpose.CHANGE:
            return Turn(Place.DONE, (row._outcome(work, row.Outcome.APPLIED, verdict.reply),))
        return right(work, verdict, *more, **named)

    return answered


def _believes_an_echo(_: Function) -> Function:
    return lambda work, reply, *_: row._done(work, reply)


def _trusts_what_it_cannot_read(right: Function) -> Function:
    def checked(change: Any, ended: Any, found: Any, *more: Any) -> Turn:
        is_applied = isinstance(found, Reject) and ended["outcome"] == "applied"
        return Turn(Place.DONE) if is_applied else right(change, ended, found, *more)

    return checked


def _looks_only_at_the_applied(right: Function) -> Function:
    return lambda self, key: [row for row in right(self, key) if self._board.place(row) is Place.DONE]


def _believes_every_no(right: Function) -> Function:
    def answered(work: Work, verdict: Any, *more: Any, **named: Any) -> Turn:
        is_no = isinstance(verdict, Reject)
        return row._rejected(work, verdict.reply) if is_no else right(work, verdict, *more, **named)

    return answered


def _believes_the_first_403(right: Function) -> Function:
    return lambda *arguments, **named: right(*arguments, **named | {"is_key_accepted": True})


def _risks_no_parked_service(_: Function) -> Any:
    return property(lambda self: self._at_risk + len(self.left_in_doubt))


def _takes_what_is_hidden_for_unchanged(right: Function) -> Function:
    return lambda *arguments: right(*arguments[:-1], frozenset(ALWAYS_SHOWN))


def _does_not_look_at_the_page(right: Function) -> Function:
    return lambda work, _, limits: right(work, None, limits)


def _asks_only_the_target(right: Function) -> Function:
    return lambda self, target, *_: right(self, target, "", 0.0)


def _waits_for_proof_for_ever(_: Function) -> Any:
    return property(lambda self: bool(self._unproved))


def _checks_nothing(_: Function) -> Function:
    return lambda _, ended, *__: Turn(Place.DONE if ended["outcome"] == "applied" else Place.ENDED)


def _parks_for_ever(right: Function) -> Function:
    def next_due(plan: Any, number: int, known: OpenRow, tries: int, *, is_in_doubt: bool) -> Work:
        work = right(plan, number, known, tries, is_in_doubt=is_in_doubt)
        if work.due is Purpose.CHANGE and work.change.parking:
            work.due = Purpose.PARK
        return work

    return next_due


def _in_the_way_of_the_last_put_only(right: Function) -> Function:
    def in_the_way(self: Dependencies, work: Work) -> int | None:
        return None if work.change.after_parked else right(self, work)

    return in_the_way


def _waits_for_lanes_that_are_closed(_: Function) -> Any:
    return property(lambda self: all(lane.is_looked_at for lane in self._lanes.values()))


def _keeps_the_left_in_the_wave(right: Function) -> Function:
    def leave(self: WaveGate, rows: Any) -> Any:
        return right(self, [row for row in rows if self._board.place(row) is not Place.LEFT])

    return leave


def _lets_all_rows_pass(right: Function) -> Function:
    def ruling(self: WaveGate) -> Any:
        found = right(self)
        return found and Decision(by="limit", what="wave", wave=self.number, ruling="go", reason="")

    return ruling


def _soaks_for_a_moment(right: Function) -> Function:
    return lambda self, board, lanes, passed, soak_s, within_s: right(
        self, board, lanes, passed, min(soak_s, 1.0), within_s
    )


def _begins_before_its_record(right: Function) -> Function:
    def begin_next(self: WaveGate) -> None:
        right(self)
        self.number += 1

    return begin_next


def _begins_without_asking(right: Function) -> Function:
    def begin(self: WaveGate, wave_of: Any) -> None:
        right(self, wave_of)
        if self.number == BEFORE_ALL:
            self.begin_next()

    return begin


def _asks_no_judge(right: Function) -> Function:
    def next_step(self: WaveGate, rows: Any, as_asked: str) -> Any:
        found = right(self, rows, as_asked)
        return (
            found
            if self.number == BEFORE_ALL or not isinstance(found, AskJudge)
            else self.go(DecidedBy.LIMIT, as_asked)
        )

    return next_step


def _takes_it_for_a_yes(ruling: Ruling) -> Callable[[Function], Function]:
    def wrong(right: Function) -> Function:
        return lambda self, wave, said, *more: right(self, wave, Ruling.GO if said is ruling else said, *more)

    return wrong


def _takes_any_go(right: Function) -> Function:
    return lambda command, in_force, **more: right(command, in_force, **more | {"awaits_go": command.wave})


def _forgets_what_passed(right: Function) -> Function:
    return lambda records: replace(right(records), passed=frozenset())


def _sends_what_is_kept(right: Function) -> Function:
    return lambda row, action, attempts, found: right(
        row, Action.UPDATE if action is Action.KEEP else action, attempts, found
    )


def _asks_only_the_budget(_: Function) -> Any:
    return property(lambda self: self.budget.is_used_up)


def _holds_back_for_the_budget(_: Function) -> Function:
    return lambda self, lane, row: self.budget.is_exceeded_by(row) and not lane.dependencies.must_finish(row)


def _obeys_without_a_record(_: Function) -> Function:
    return lambda self, word: self.gates.heed(word)


def _forgets_the_pause(right: Function) -> Function:
    return lambda records: replace(right(records), pause=None)


def _halts_for_no_person(right: Function) -> Function:
    return lambda self, stop: None if stop.reason is BrakeReason.OPERATOR else right(self, stop)


def _heeds_no_rate(right: Function) -> Function:
    return lambda self, word: None if word.what == DecisionKind.RATE else right(self, word)


MUTANTS = [
    Mutant(promise=promise, mistake=mistake, owner=owner, name=name, wrong=wrong)
    for promise, mistake, owner, name, wrong in (
        ("P1", "a PUT leaves with its intent", Turns, "granted", _sends_with_the_intent),
        ("P1", "a commit lets later intents go", Turns, "durable", _sends_all_noted),
        ("P3", "a doubt is sent again unread", Machine, "due", _resends_unread),
        ("P3", "a doubt is read at once", row, "_doubt", _waits(0.05)),
        ("P3", "an earlier session's doubt is read at once", Machine, "_take_up", _takes_up_at_once),
        ("P3", "a third state is overwritten", machine, "read_back", _overwrites_a_third_state),
        ("look", "a look lasts for ever", Looks, "is_stale", constantly(answer=False)),
        ("look", "a sleep is not noticed", Looks, "gap", constantly(None)),
        ("look", "it is not asked again once durable", Turns, "durable", _asks_no_look_when_durable),
        ("look", "what it shows is not looked at", machine, "looked_again", _looks_away),
        ("look", "a page counts from when it came", RenewedLooks, "seen", _dates_a_page_by_its_arrival),
        ("look", "a page confirms what moved", renewed_looks, "against_plan", constantly((True, None))),
        ("P15", "a page that cannot be read is waited for", Renewal, "came", constantly(None)),
        ("P15", "what a page does not show is waited for", Looks, "missed", constantly(None)),
        ("P15", "after one page no other is read", Renewal, "rested", constantly(None)),
        ("P15", "a grant is not kept for a look", Turns, "is_looking", constantly(answer=False)),
        ("P13", "a lost answer counts as applied", machine, "answered", _believes_a_doubt),
        ("P13", "a success is not held against its reply", row, "_succeeded", _believes_an_echo),
        ("P13", "the last look finds nothing", last_look, "checked", _checks_nothing),
        ("drift", "a service that moved is sent", first_look, "looked_at", _ignores_the_drift),
        ("drift", "a row that needs nothing is sent", first_look, "looked_at", _sends_what_is_kept),
        ("tries", "throttling costs a try", board, "after_attempt", _costs_a_try(AttemptResult.THROTTLED)),
        ("tries", "a wait that is asked for costs a try", board, "after_attempt",
         _takes_a_wait_for_the_rows_fault),
        ("tries", "what did not leave costs a try", board, "after_attempt",
         _costs_a_try(AttemptResult.NOT_SENT)),
        ("in flight", "as many as this machine had no room for", Lane, "shrink", constantly(None)),
        ("push-back", "a doubt is read before its time", row, "_doubt", _forgets_the_wait),
        ("push-back", "a lane that is shut goes on", lane, "pushed_back", constantly(None)),
        ("P15", "a lane waits for ever", lane, "PUSH_BACK_MAX_S", lambda _: float("inf")),
        ("tries", "every attempt counts", row, "_again", _gives_up_early),
        ("order", "predecessors are ignored", Dependencies, "in_the_way", constantly(None)),
        ("order", "a port is taken before it is freed", Dependencies, "in_the_way",
         _in_the_way_of_the_last_put_only),
        ("parking", "nothing must be finished", Dependencies, "must_finish", constantly(answer=False)),
        ("parking", "a refused last PUT just fails", Work, "would_stay_parked", property_of(answer=False)),
        ("parking", "a parked service is parked again", board, "taken_up", _parks_for_ever),
        ("stop", "a stop stops nothing", Gates, "bars", _asks_only_the_cut),
        ("stop", "what is noted goes whatever happened", Turns, "durable", _sends_whatever_happened),
        ("P8", "failures are not counted", Budget, "count", constantly(None)),
        ("P8", "earlier sessions do not count", Budget, "begin", constantly(None)),
        ("P8", "what is in flight does not count", Board, "at_risk", property_of(answer=0)),
        ("P8", "a parked ring does not count", Board, "at_risk", _risks_no_parked_service),
        ("P15", "a budget that nothing can free is waited for", Budget, "exhausted", constantly(None)),
        ("403", "it fails its row at once", machine, "answered", _believes_the_first_403),
        ("403", "none shows that the key may change nothing", Denials, "deny", constantly(Denial.NOTHING)),
        ("403", "an accepted PUT explains none", Denials, "accept", constantly(answer=False)),
        ("P15", "denied rows wait for ever", Course, "end_denied_if_nothing_else_goes", constantly(None)),
        ("P8", "a stop is not put on record", Course, "_decide", constantly(None)),
        ("P8", "a stop that stands is forgotten", Course, "begin", constantly(None)),
        ("P10", "side effects stop nothing", row, "_noticing_side_effects", _ignores_side_effects),
        ("P10", "side effects of a doubt stop nothing", machine, "read_back", _ignores_side_effects),
        ("P10", "side effects in the last look stop nothing", last_look, "checked", _ignores_side_effects),
        ("P10", "what replies and reads hide counts as unchanged", machine, "read_back",
         _takes_what_is_hidden_for_unchanged),
        ("P10", "a page that shows it is not looked at", machine, "proved", _does_not_look_at_the_page),
        ("P10", "others go while it is not proved", Lane, "awaits_proof", property_of(answer=False)),
        ("P15", "a proof that will not come is waited for", Lane, "awaits_proof", _waits_for_proof_for_ever),
        ("P13", "a broken service counts as applied", ServiceState, "is_sound", property_of(answer=True)),
        ("P13", "what cannot be read again stays applied", last_look, "checked", _trusts_what_it_cannot_read),
        ("P13", "a no is never held against the last list", LastLook, "sent", _looks_only_at_the_applied),
        ("parking", "a refused PUT of a ring is not read", machine, "answered", _believes_every_no),
        ("P14", "a cut lane goes on", Gates, "bars", _asks_only_the_stop),
        ("P14", "a refused key is refused in one lane only", Course, "cut", _cuts_one_lane_only),
        ("P14", "a cut lane stops the run", Course, "cut", _cut_stops_all),
        ("P15", "followers of a row that was left wait", Course, "_tell_others",
         _forgets_the_followers_of_the_left),
        ("P15", "the first PUT that was withdrawn is waited for", FirstPuts, "withdraw", constantly(None)),
        ("P15", "all lanes wait for the look of a closed one", Gates, "has_seen_all",
         _waits_for_lanes_that_are_closed),
        ("P15", "a wave waits for a row that was left", WaveGate, "leave", _keeps_the_left_in_the_wave),
        ("strict", "drift stops nothing", Gates, "strict_objection", constantly(None)),
        ("strict", "the look is not waited for", Gates, "has_seen_all", property_of(answer=True)),
        ("strict", "the next wave is not looked at again", Course, "_look_again", constantly(None)),
        ("strict", "what moved before the next wave is sent", Gates, "next_rows", constantly(())),
        ("waves", "the others do not wait", WaveGate, "holds", constantly(answer=False)),
        ("waves", "a bad one stops nothing", WaveGate, "ruling", _lets_all_rows_pass),
        ("waves", "a wave does not soak", WaveGate, "__init__", _soaks_for_a_moment),
        ("waves", "the next one goes as well", WaveGate, "begin_next", _begins_before_its_record),
        ("judge", "it is not asked before the first PUT", WaveGate, "begin", _begins_without_asking),
        ("judge", "it is not asked about a wave", WaveGate, "_next_step", _asks_no_judge),
        ("judge", "an unsure ruling is a yes", WaveCourse, "ruled", _takes_it_for_a_yes(Ruling.UNSURE)),
        ("judge", "a stop is a yes", WaveCourse, "ruled", _takes_it_for_a_yes(Ruling.STOP)),
        ("judge", "what is said of another wave counts", WaveGate, "is_asked_about", constantly(answer=True)),
        ("judge", "a person's go for another wave counts", commands, "objection", _takes_any_go),
        ("judge", "the next session asks about what passed", gates, "decided", _forgets_what_passed),
        ("P15", "an unsure judge is not asked again", WaveGate, "due", constantly(None)),
        ("P15", "a person's go is waited for for ever", WaveCourse, "give_up", constantly(None)),
        ("first PUT", "it does not go alone", FirstPuts, "is_awaited", constantly(answer=False)),
        ("first PUT", "that of a key does not go alone", FirstPuts, "is_awaited", _asks_only_the_target),
        ("pause", "it holds nothing", Gates, "_is_for_must_finish", _asks_only_the_budget),
        ("pause", "what is noted goes all the same", Gates, "holds_back", _holds_back_for_the_budget),
        ("pause", "it is not put on record", Course, "obey", _obeys_without_a_record),
        ("pause", "the next session forgets it", gates, "decided", _forgets_the_pause),
        ("rate", "it is not kept", Gates, "heed", _heeds_no_rate),
        ("rate", "the next session forgets it", Decided, "rate_per_s", property_of(answer=inf)),
        ("stop", "that of a person stops nothing", Course, "_halt", _halts_for_no_person),
        ("in flight", "there is always room", Lane, "is_crowded", property_of(answer=False)),
    )
]  # fmt: skip
