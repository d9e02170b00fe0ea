"""Whole runs of the machine in virtual time: one seed is one world, and always the same one.

A world is a plan over a few lanes, services that answer well or badly, somebody else who writes now and
then, and several sessions, some of them killed or stopped, the last two calm. After each event it asks
whether every promise holds, by what it has noted itself and not by what the machine says of itself.
"""

import heapq
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from math import inf

import orjson

from bulk.ledger.change_line import plain_put
from bulk.ledger.commands import Command, answer
from bulk.ledger.decisions import decided
from bulk.ledger.folding import take_in
from bulk.ledger.progress import Progress
from bulk.ledger.records import (
    Attempt,
    AttemptResult,
    DecidedBy,
    Decision,
    DecisionKind,
    Json,
    Note,
    OutcomeRecord,
    Purpose,
    Record,
    Ruling,
    body_of,
    record_json,
    record_type,
)
from bulk.ledger.row_life import Stage
from bulk.ledger.stops import BrakeReason
from bulk.model import (
    Abort,
    Action,
    AsAsked,
    Change,
    Denied,
    Done,
    Doubt,
    LaneName,
    Listed,
    Missing,
    ModifyBody,
    Outcome,
    PutVerdict,
    Reject,
    Reply,
    Retry,
    ServiceId,
    ServiceState,
    ShowVerdict,
    SideEffect,
    Target,
    Throttled,
    Verdict,
)
from bulk.plan.waves import WavePlan
from bulk.puts import Put
from bulk.run.drift import Drift, drift
from bulk.run.interfaces import Limits
from bulk.run.looks import ListPage
from bulk.run.machine import Machine
from bulk.run.stages import Append, AskJudge, Cap, Look, Place, Probe, Renew, Send, Show, Stop
from tests.values import change, planned, ports, ring, run_record, session_record

SETTLE_S = 2.0
PAUSE_S_MAX = 43_200.0
UNSURE_S_MAX = 1800.0
JUDGES = ("go", "go", "go", "stop", "unsure, then go", "unsure, then stop", "unsure", "hangs")
HANGS_S = 60.0
PAGE_SERVICES = 3
"""Services on a page of the list; the renewed pages of a target are those of the plan's order."""
EVENTS_MAX = 20_000
"""Events of a session; those that end have far fewer."""
OK = Reply(http=200, request_id="r", ms=5)
AT = "2026-01-15T08:30:00.000Z"
KINDS = (
    "throttled",
    "lost",
    "lost after",
    "late",
    "unreached",
    "busy",
    "renewed",
    "rejected",
    "denied",
    "echo",
    "broken",
)
DENIED = "EndPoint.0004"
OPENING = 10
WAITS = ("asks to wait", "is shut")
UNREADABLE = Doubt(reply=Reply(http=200, code="unreadable_reply"))
CROWDED = Retry(reply=Reply(code="local_limit"), is_local=True)
PUSH_BACK_MAX_S = 900.0
KEY_WAIT_S = 5.0
COMMANDS = (DecisionKind.PAUSE, DecisionKind.UNPAUSE, DecisionKind.STOP, DecisionKind.RATE)
UNDER_WAY = {Place.NOTED, Place.FLYING, Place.SETTLING, Place.READING, Place.PROVING, Place.LEFT}
HAS_ENDED = {Place.DONE, Place.ENDED, Place.SUSPECT, Place.CHECKING}


class Broken(AssertionError):
    """A promise that did not hold."""


def must(is_kept: object, promise: str) -> None:
    """Raise Broken with the promise unless it is kept."""
    if not is_kept:
        raise Broken(promise)


class Ledger:
    """Records in memory; those not committed yet are lost by a kill, but for any first part of them."""

    def __init__(self, changes: list[Change]) -> None:
        self.changes = {change.row: change for change in changes}
        self.durable: list[Json] = []
        self.pending: list[Json] = []
        self.said: dict[int, list[Json]] = defaultdict(list)
        """What was written of each row, committed or not."""
        for record in (run_record(), *changes, planned(*changes), session_record()):
            self.append(record)
        self.restart(len(self.pending))

    def append(self, record: Record) -> None:
        """Write a record, to be committed with the next commit."""
        n = len(self.durable) + len(self.pending)
        json = {"n": n, "at": AT, "type": record_type(record), **record_json(record)}
        self.pending.append(json)
        self.said[json.get("row", 0)].append(json)

    def commit(self, batch: int) -> None:
        """Make the first records of those that are pending durable."""
        for json in self.pending[:batch]:
            take_in(self.progress, json, 1)
        self.durable += self.pending[:batch]
        del self.pending[:batch]

    def restart(self, kept: int) -> None:
        """Fold anew, as a process does, what a kill has left: `kept` of the records that were pending."""
        self.durable += self.pending[:kept]
        self.pending, self.progress, self.said = [], Progress(), defaultdict(list)
        for json in self.durable:
            take_in(self.progress, json, 1)
            self.said[json.get("row", 0)].append(json)

    def change(self, row: int) -> Change:
        """Return the planned change of a row."""
        return self.changes[row]

    def plain_put(self, row: int) -> Put | None:
        """Return the PUT of a row that has nothing to do with any other."""
        return plain_put(orjson.dumps(record_json(self.changes[row])))

    def matches_snapshot(self, row: int, live: Listed) -> bool:
        """Return whether the plan saw a row's service so."""
        return self.changes[row].before == live.state

    def outcome(self, row: int) -> Json | None:
        """Return the last outcome of a row."""
        return next((json for json in reversed(self.said[row]) if json["type"] == "outcome"), None)

    @property
    def noticed(self) -> frozenset[SideEffect]:
        """Return what PUTs changed unasked, by all that was written, committed or not."""
        return decided([json for json in self.said[0] if json["type"] == "decision"]).noticed

    def is_as_asked(self, row: int) -> bool:
        """Return whether a row ended as asked, committed or not."""
        return (self.outcome(row) or {}).get("outcome") in {"applied", "already"}

    def is_parked(self, row: int) -> bool:
        """Return whether a row was parked and has not ended, committed or not."""
        parked = any(json.get("verdict") == "parked" for json in self.said[row])
        return parked and self.outcome(row) is None

    def last(self, row: int) -> Json:
        """Return the last durable record of a row that is no note."""
        told = (json for json in reversed(self.durable) if json.get("row") == row and json["type"] != "note")
        return next(told)


class World:
    """One world, from its first session to the end of its last."""

    def __init__(self, seed: int) -> None:
        self.dice = dice = random.Random(seed)
        self.changes = list(self._plan())
        self.ledger = Ledger(self.changes)
        self.live = {change.service_id: change.before for change in self.changes if change.before}
        self.row_of = {change.service_id: change.row for change in self.changes}
        self.limits = Limits(
            workers=dice.choice((1, 2, 3, 8)),
            elastic=dice.random() < 0.3,
            tries=dice.choice((1, 2, 5)),
            settle_s=SETTLE_S,
            failures_max=dice.choice((None, None, 0, 1, 3)),
            soak_s=random.Random(f"soaks {seed}").choice((0, 0, 30.0)),
            waves=self._waves(dice.choice((0, 0, 0, 1, 3))),
            strict=dice.random() < 0.15,
        )
        self.judging = judging = random.Random(f"judges {seed}")
        self.judges = {wave: judging.choice(JUDGES) for wave in range(10)} if judging.random() < 0.25 else {}
        """What the judge says of each wave, where there is one; most worlds have none."""
        if self.judges:
            waves = self.limits.waves or WavePlan()
            self.limits = replace(self.limits, judge_within_s=judging.choice((20.0, 300.0)), waves=waves)
        self.odds = {kind: dice.choice((0, 0, 0, 0.05, 0.2, 0.5)) for kind in KINDS}
        self.own_dice = own = random.Random(f"pauses {seed}")  # so that the other dice fall as before
        self.own_odds = {kind: own.choice((0, 0, 0, 0.02, 0.2, 0.5)) for kind in (*WAITS, "crowded")}
        self.own_odds["is shut"] /= 10
        self.hiding = hiding = random.Random(f"hides {seed}")
        self.hides = {what: hiding.random() < 0.2 for what in ("reply", "read")}
        """Whether replies to PUTs, and those to reads of one service, leave out what the list shows."""
        self.odds_unreadable = hiding.choice((0, 0, 0, 0.05, 0.3))
        self.odds["landed no"] = dice.choice((0, 0, 0, 0.05, 0.3))
        if dice.random() < 0.03:  # a job that is wrong from its first row on
            self.odds = dict.fromkeys(KINDS, 0.0) | {dice.choice(("rejected", "denied")): 1.0}
        self.odds["abort"] = dice.choice((0, 0, 0, 0, 0.02))
        self.odds["side effect"] = dice.choice((0, 0, 0, 0, 0.05))
        self.revoked_at = dice.choice((None, None, None, None, dice.uniform(0, 10)))
        """When the keys lose their permission to change anything, for as long as there is trouble."""
        self.has_writers, self.has_outage = dice.random() < 0.25, dice.random() < 0.1
        self.now, self.calm = 0.0, False
        self.alive: Counter[int] = Counter()
        """PUTs of a row that are on their way or may still land."""
        self.landed: dict[int, list[ModifyBody]] = defaultdict(list)
        self.bodies: dict[tuple[int, str], ModifyBody] = {}
        """What was sent last, by row and purpose; nothing for one whose intent alone is on disk."""
        self.touched: set[int] = set()
        """Rows whose service somebody else, or a side effect, wrote."""
        self.pairs: Counter[tuple[str, str]] = Counter()
        """How often each event met a row at each place."""
        self.events = 0
        self.session_number = 0
        self.sayings = random.Random(f"commands {seed}")
        self.commands: list[Command] = []
        """The lines of the file of commands; whatever is killed, they stay."""
        self._heap: list[tuple[float, int, Callable[[], None], bool]] = []
        self._sequence = count()

    def _plan(self) -> Iterator[Change]:
        """Yield the changes of a few lanes: rings, followers, kept, refused and plain rows."""
        dice, row = self.dice, 1
        self.lanes: dict[Target, LaneName] = {}
        rows_most = dice.choice((2, 4, 7, 15))
        for number in range(dice.choice((1, 2, 2, 3, 4))):
            key = LaneName("h", f"r{number}", f"a{number // 2}")
            targets = [Target(region=key.region, project_id=f"{p}") for p in range(dice.choice((1, 1, 2)))]
            self.lanes |= dict.fromkeys(targets, key)
            until = row + dice.randint(1, rows_most)
            while row < until:
                made = self._made(row, dice.random())
                row += len(made)
                target = dice.choice(targets)
                yield from (replace(one, target=target, before=_described(one.before)) for one in made)

    def _waves(self, rows: int) -> WavePlan | None:
        """Return waves of one size and a half as much, one for each region, or none."""
        own = random.Random(f"waves {len(self.changes)} {rows} {self.changes[0].service_id}")
        if rows:
            return WavePlan(sizes=(rows, *own.choice(((), (1,), (2, 1)))))
        if own.random() < 0.8 or len(self.lanes) < 2:
            return None
        regions = {target.region: number for number, target in enumerate(self.lanes, 1)}
        return WavePlan(of_target={target: regions[target.region] for target in self.lanes})

    def _made(self, row: int, roll: float) -> list[Change]:
        if roll < 0.2:
            return ring(self.dice.choice((2, 2, 3)), row)
        if roll < 0.35:
            return [change(row), change(row + 1, after=(row,))]
        actions = (*[Action.UPDATE] * 8, Action.KEEP, Action.REFUSE)
        return [change(row, action=self.dice.choice(actions))]

    # Sessions

    def live_out(self) -> None:
        """Live through some sessions with trouble and two without, and check what they came to."""
        dice = self.dice
        for _ in range(dice.randint(1, 4)):
            kill_at = dice.choice((None, dice.randint(1, 120)))
            was_killed = self.session(kill_at, dice.choice((None, None, dice.uniform(0, 6))))
            if not (was_killed and dice.random() < 0.6):  # else the next process starts at once
                self._let_land()
                self.now += dice.uniform(0, 100)
        self.calm = True
        self.limits = replace(self.limits, failures_max=10_000, waves=None, strict=False, tries=5)
        self.limits = replace(self.limits, judge_within_s=None)
        for _ in range(3):
            for stop in self._standing():
                self.ledger.append(Decision(by=DecidedBy.OPERATOR, what="despite", reason="calm", id=stop))
            self.ledger.commit(len(self.ledger.pending))
            for what in (DecisionKind.UNPAUSE, DecisionKind.RATE):
                self._command(what, session=self.session_number + 1)
            self.session(None, None)
            self._let_land()
        self._check_the_end()

    def session(self, kill_at: int | None, stop_at: float | None) -> bool:
        """Live through one session; return whether it was killed."""
        self.session_number += 1
        self.most_per_s, self.granted_at = inf, dict[LaneName, float]()
        self.machine = Machine(self.ledger, self.lanes, self.limits, self.dice)
        self._forget()
        self.began_at, self.first_events = self.now, self.events
        self.pace_s = self.dice.choice((0.1, 0.1, 0.1, 20.0, 100.0))
        self.sampled: dict[int, float] = {}
        self.shows_pages = self.dice.random() < 0.8
        """Whether pages that are asked for again show what they showed before; else nothing at all."""
        self.page_pause_s = self.dice.choice((0.0, 0.1, 5.0))
        self.moved_on_page: set[int] = set()
        """Rows that a page showed otherwise, and that no look since has shown as they were left."""
        self.slept_at = self.now
        self.granting: set[LaneName] = set()
        self.verified: set[LaneName] = set()
        self.is_committing, self.noted = False, list[int]()
        self.had_their_turn, self.stopped_at = list[int](), None
        self.in_flight: Counter[LaneName] = Counter()
        self.gone_lanes, self.refused_accounts, self.denials = set[LaneName](), set[str](), Counter[str]()
        self.looked_lanes = set[LaneName]()
        self.answered_at, self.asked_to_wait = dict[int, float](), dict[int, float]()
        self.begun: dict[int, LaneName] = {}
        """Rows whose PUT is about to leave, or under way."""
        self.in_flight_max: dict[LaneName, int] = defaultdict(lambda: self.limits.workers)
        self.notes: Counter[str] = Counter()
        self.paused_until: dict[LaneName, float] = defaultdict(float)
        self.pushed_since: dict[LaneName, float] = {}
        self.begun_before = {json["row"] for json in self.ledger.durable if json["type"] == "intent"}
        self.moved: set[int] = set()
        self.failed = {row for row in self.ledger.changes if _is_bad(self.ledger.outcome(row))}
        self._stop_if_too_many_failed()
        if self._standing() or self._is_stopped_by_a_side_effect():
            self._must_stop()
        self.were_as_asked = set[int]()
        self.ended_at: dict[int, float] = {}
        self.do("begin", 0, self.machine.begin)
        self._schedule(stop_at)
        while self._heap:
            at_s, _, happen, _ = heapq.heappop(self._heap)
            self.now = max(self.now, at_s)
            self.events += 1
            must(self.events - self.first_events < EVENTS_MAX, "P15: it never ends")
            happen()
            if kill_at is not None and self.events - self.first_events >= kill_at:
                self._heap = [entry for entry in self._heap if entry[3]]
                heapq.heapify(self._heap)
                self.ledger.restart(self.dice.randint(0, len(self.ledger.pending)))
                self.session_number += 1  # nobody hears of the answers that still come
                return True
        self._check_session()
        return False

    def _forget(self) -> None:
        """Forget what was noted of an earlier session."""
        self.is_drained = False
        self.passed_at: dict[int, float] = {}
        """When each wave passed."""
        self.asked, self.said_go, self.times_asked = set[int](), set[int](), Counter[int]()
        """Waves that the judge was asked about, and of which it said go."""
        self.is_answered: dict[Target | str, bool] = {}
        """Whether the first PUT of a target, and of an account, was answered."""
        self.key_begun_at: dict[str, float] = {}
        self.looked_again, self.strange = set[int](), set[int]()
        """`strange`: rows whose service a read of this session has shown as neither before nor asked."""
        self.hidden, self.proved = defaultdict[int, set[str]](set), defaultdict[LaneName, set[str]](set)
        """What the reply to a row's PUT left out, and what a lane has seen of that since."""
        self.seen_whole, self.held_against_a_page = set[int](), set[int]()
        """Rows that a read, or a page of the list, has shown whole; and rows that a page was to show."""

    def _schedule(self, stop_at: float | None) -> None:
        """Let the services be looked at, lane by lane, and let trouble come."""
        dice, machine = self.dice, self.machine
        for key in machine.lanes:
            if not self.calm and dice.random() < 0.05:
                cut = Stop(BrakeReason.UNREADABLE, "no list")
                self.at(dice.uniform(0, 2), lambda key=key, cut=cut: self._unreadable(key, cut))
                continue
            at_s = dice.uniform(0.01, 0.3)
            rows = machine.look.unseen(key)
            dice.shuffle(rows)
            for row in rows:
                at_s += dice.choice((0, 0, 0.3))
                self.at(at_s, lambda row=row: self._look(row))
            self.at(at_s + 0.01, lambda key=key: self._looked(key))
        if stop_at is not None and not self.calm:
            self.at(stop_at, self._stop)
        for _ in range(0 if self.calm else self.sayings.choice((0, 0, 0, 1, 3))):
            self.at(self.sayings.uniform(0, 6), self._command)
        self.at(self.sayings.uniform(0, 1), self._read_commands)
        if self._paused_by():
            self._end_the_pause_in_time()
        if not self.calm and dice.random() < 0.1:
            self.at(dice.uniform(0, 10), self._sleep)
        for _ in range(dice.randint(1, 3) if self.has_writers and not self.calm else 0):
            self.at(dice.uniform(0, 10), self._write)

    def at(self, wait_s: float, happen: Callable[[], None], *, outlives: bool = False) -> None:
        """Let something happen later; what `outlives` the process happens though it is killed."""
        heapq.heappush(self._heap, (self.now + wait_s, next(self._sequence), happen, outlives))

    def _let_land(self) -> None:
        """Let happen what was under way when the process ended; nobody hears of it."""
        while self._heap:
            at_s, _, happen, outlives = heapq.heappop(self._heap)
            self.now = max(self.now, at_s)
            if outlives:
                happen()

    # What the machine asks for

    def do(self, event: str, row: int, call: Callable[..., object], *arguments: object) -> None:
        """Let the machine have an event, do what it asks for, and ask whether every promise holds."""
        if event in {"stop", "cut", "drained"}:
            self.pairs.update((self.machine.place(row).name, event) for row in self.ledger.changes)
        elif row > 0:
            self.pairs[self.machine.place(row).name, event] += 1
        call(*arguments)
        self._carry_out()
        is_settled = False
        while not is_settled:  # what a lane asks for may let another go on
            for key in self.machine.lanes:
                self._feed(key)
            is_settled = not self._carry_out()

    def _carry_out(self) -> bool:
        """Do what the machine asks for; return whether that was anything."""
        was_asked = False
        while effects := self.machine.take():
            was_asked = True
            for effect in effects:
                match effect:
                    case Append(record=record, sends=row):
                        self._check_record(record)
                        self.ledger.append(record)
                        self._stop_if_too_many_failed()
                        self._note_begun(record, row)
                        self.noted += [row] if row else []
                    case Send(put=put):
                        self._put(self.ledger.change(put.row), body_of(orjson.loads(put.content)))
                    case Show(change=change, page=page):
                        self._check_show(change.row)
                        if self.machine.place(change.row) is Place.LOOKING:
                            self.looked_again.add(change.row)
                        asked_at = self.now
                        self.at(
                            self.dice.uniform(0.01, 0.2),
                            lambda change=change, page=page, asked_at=asked_at: (
                                self._show_listed(change, page, asked_at)
                                if page
                                else self._show(change, asked_at)
                            ),
                        )
                    case Probe(target=target):
                        self.at(0.1, lambda target=target: self._probed(target))
                    case Renew(lane=key, page=page):
                        self._renew(key, page)
                    case Look(lane=key):
                        self.looked_lanes.discard(key)
                        self._look_again(key)
                    case AskJudge(wave=wave, rows=rows):
                        self._ask_the_judge(wave, list(rows))
                    case Cap(most_per_s=most_per_s):
                        self.most_per_s = most_per_s
                    case _:
                        row, due = effect.row, self.machine.due
                        self.at(effect.wait_s, lambda row=row, due=due: self.do("due", row, due, row))
        if self.ledger.pending and not self.is_committing:
            self.is_committing = True
            noted, self.noted = self.noted, []
            batch = len(self.ledger.pending)
            wait_s = self.dice.choice((0.001, 0.001, 0.05, 3.0))
            self.at(wait_s, lambda: self._commit(batch, noted))
        return was_asked

    def _commit(self, batch: int, noted: list[int]) -> None:
        """End a commit of what was pending when it began; what came meanwhile goes with the next."""
        self.is_committing = False
        self.ledger.commit(batch)
        for row in noted:
            self.do("durable", row, self.machine.turns.durable, row, self.now)
        self._check_facts()
        self._carry_out()

    def _feed(self, key: LaneName) -> None:
        """Let a lane have what it waits for: a grant, or its last look."""
        if key in self.granting:
            return
        if self.machine.turns.wants(key, self.dice.choice((0.1, 100.0)), self.now):
            self.granting.add(key)
            self.at(self.pace_s, lambda: self._grant(key))
        elif self.machine.is_over(key) and not self.machine.has_closed(key) and key not in self.verified:
            self.verified.add(key)
            self.at(0.1, lambda: self._verify(key))

    def _grant(self, key: LaneName) -> None:
        free_at = self.granted_at.get(key, -inf) + 1 / self.most_per_s
        if self.now < free_at - 1e-9:
            self.at(free_at - self.now, lambda: self._grant(key))
        elif self.now < self.paused_until[key]:  # the pace is closed for so long
            self.at(self.paused_until[key] - self.now, lambda: self._grant(key))
        elif not self._begins(key) and self.machine.turns.is_looking(key, self.now):
            self.at(0.3, lambda: self._grant(key))  # the grant is kept for the row that is looked at
        else:
            self.granting.discard(key)
            self._feed(key)
            self._carry_out()

    def _begins(self, key: LaneName) -> bool:
        rows: list[int] = []
        self.do("granted", 0, lambda: rows.append(self.machine.turns.granted(key, self.now)))
        return bool(rows[0])

    def _verify(self, key: LaneName) -> None:
        if self.ledger.pending:
            self.at(0.1, lambda: self._verify(key))
            return
        for row in self.machine.last_look.sent(key):
            change = self.ledger.change(row)
            live = self.live.get(change.service_id)
            is_applied = (self.ledger.outcome(row) or {})["outcome"] == "applied"
            is_parked = (self.ledger.outcome(row) or {}).get("left") == "parked"
            left = change.body if is_applied else change.parking if is_parked else change.before
            if live is None or not self._is_well(live) or (left and set(left.ports or ()) != set(live.ports)):
                self.do("suspect", row, self.machine.last_look.suspect, row, live)

    # What happens outside

    def _look(self, row: int) -> None:
        change = self.ledger.change(row)
        opened = self.ledger.progress.open.get(row)
        live = self.live.get(change.service_id)
        is_parked = opened is not None and opened.parked
        noticed = self.ledger.noticed
        found = drift(change, live, is_parked=is_parked, noticed=noticed) if live else Drift(None)
        self.moved |= {row} if found else set()
        if not found:  # who wrote it has taken that back, and a kill kept the run from writing that down
            self.strange.discard(row)
        self.sampled[row] = self.now
        page = next(page for page, rows in self._pages() if row in rows)
        self.do("seen", row, self.machine.look.seen, row, found, self.now, page)

    def _pages(self) -> Iterator[tuple[ListPage, list[int]]]:
        """Yield the pages of every list."""
        for target in self.lanes:
            rows = [one.row for one in self.changes if one.target == target]
            for offset in range(0, len(rows), PAGE_SERVICES):
                yield ListPage(target, offset), rows[offset : offset + PAGE_SERVICES]

    def _renew(self, key: LaneName, page: ListPage) -> None:
        """Take a page as it is now, and let it come later, or not at all."""
        dice, asked_at = self.dice, self.now
        rows = dict(self._pages())[page]
        found = {row: live for row in rows if (live := self.live.get(self.ledger.change(row).service_id))}
        if not self.shows_pages or dice.random() < 0.1:
            found = {}
        latency_s = dice.choice((0.01, 0.2, 10.0))
        self.at(latency_s, lambda: self._renewed(key, page, found, asked_at))

    def _renewed(
        self, key: LaneName, page: ListPage, found: dict[int, ServiceState], asked_at: float
    ) -> None:
        noticed = self.ledger.noticed
        for row, live in found.items():
            if self.machine.place(row) is Place.READY and self.sampled[row] <= asked_at:
                is_parked = self.ledger.is_parked(row)
                if drift(self.ledger.change(row), live, is_parked=is_parked, noticed=noticed):
                    self.moved_on_page.add(row)
                else:
                    self.sampled[row] = asked_at
        self.do(
            "renewed",
            0,
            self.machine.renewed_looks.seen,
            key,
            page,
            tuple(map(Listed.of, found.values())),
            asked_at,
        )
        self.at(self.page_pause_s, lambda: self.do("rested", 0, self.machine.renewed_looks.rested, key))

    def _looked(self, key: LaneName) -> None:
        self.looked_lanes.add(key)
        self.do("looked", 0, self.machine.look.ended, key)

    def _look_again(self, key: LaneName) -> None:
        """Let the rows of a lane that may begin now be looked at once more."""
        for row in self.machine.look.unseen(key):
            self.at(self.sayings.uniform(0, 0.2), lambda row=row: self._look(row))
        self.at(0.3, lambda: self._looked(key))

    def _unreadable(self, key: LaneName, cut: Stop) -> None:
        self.gone_lanes.add(key)
        self.do("cut", 0, self.machine.cut, key, cut)

    def _stop(self) -> None:
        self.stopped_at = self.now
        self.at(self.dice.choice((0.5, 3.0, 20.0)), self._end_the_drain)
        self.do("stop", 0, self.machine.stop, Stop(BrakeReason.INTERRUPTED, "INT"))

    def _end_the_drain(self) -> None:
        self.is_drained = True
        self.do("drained", 0, self.machine.leave_all, "20 s after the signal")
        must(not any(self.machine._board.busy), "something is under way after the drain")

    def _command(self, what: DecisionKind | None = None, session: int = 0, wave: int = 0) -> None:
        """Let a person write a command, for the session at work or one that it comes too late for."""
        dice, number = self.sayings, len(self.commands)
        kind = what or dice.choice((*COMMANDS, DecisionKind.PAUSE, DecisionKind.UNPAUSE))
        self.commands.append(
            Command(
                id=f"command {number}",
                what=kind,
                session=session or max(1, self.session_number - dice.choice((0, 0, 0, 1))),
                user="ann",
                host="h",
                rate_per_s=dice.choice((0.2, 2.0, inf)) if kind is DecisionKind.RATE and not what else inf,
                wave=wave if kind is DecisionKind.WAVE else None,
            )
        )
        if not what:
            self.at(dice.choice((0.0, 0.5, 1.0)), self._read_commands)

    def _read_commands(self) -> None:
        """Let the run read all commands, and answer those that no record answers."""
        for command in self.commands:
            said = [json for json in self.ledger.said[0] if json["type"] == "decision"]
            in_force = decided(said)
            if command.id in in_force.ids:
                continue
            awaits_go = self.machine.waves.awaits_go
            word = answer(command, in_force, session=self.session_number, own_per_s=inf, awaits_go=awaits_go)
            was_paused = self._paused_by()
            if word.what == DecisionKind.STOP:
                self._must_stop()
            self.do("obey", 0, self.machine.obey, word)
            if self._paused_by() and not was_paused:
                self._end_the_pause_in_time()

    def _paused_by(self) -> str:
        """Return the id of the pause in force, by all that was written, committed or not; empty for none."""
        paused = ""
        for json in self.ledger.said[0]:
            if json["type"] == "decision" and json["what"] in {"pause", "unpause"}:
                paused = (paused or json["id"]) if json["what"] == "pause" else ""
        return paused

    def _most_per_s(self) -> float:
        """Return the most PUTs a second that a person allows, by all that was written."""
        rates = [
            json for json in self.ledger.said[0] if json["type"] == "decision" and json["what"] == "rate"
        ]
        return inf if not rates or rates[-1].get("rate_per_s") is None else rates[-1]["rate_per_s"]

    def _end_the_pause_in_time(self) -> None:
        pause, session = self._paused_by(), self.session_number

        def end() -> None:
            if (pause, session) == (self._paused_by(), self.session_number):
                self._must_stop()
                self.do("stop", 0, self.machine.stop, Stop(BrakeReason.PAUSED, "12 h"))

        self.at(PAUSE_S_MAX, end)

    # The judge

    def _ask_the_judge(self, wave: int, rows: list[int]) -> None:
        """Let the judge be asked about a wave; what it says comes later, or with the next session."""
        must(wave not in self._let_go(), f"JUDGE: it is asked about wave {wave}, which it let go")
        must(all(map(self.ledger.is_as_asked, rows)), f"JUDGE: rows {rows} of wave {wave} are not as asked")
        must(not self.stopped_at, f"JUDGE: it is asked about wave {wave} after the stop")
        self.asked.add(wave)
        asked_at, session, kind = self.now, self.session_number, self.judges[wave]
        self.times_asked[wave] += 1
        ruling = Ruling.UNSURE
        if kind in {"go", "stop"}:
            ruling = Ruling(kind)
        elif "then" in kind and self.times_asked[wave] > 2:
            ruling = Ruling(kind.rpartition(" ")[2])
        words = self.judging.choice(("", "no route", "no route"))

        def answer() -> None:
            if session == self.session_number:
                if ruling is Ruling.STOP and self._is_judged(wave):
                    self._must_stop()
                self.said_go |= {wave} if ruling is Ruling.GO else set()
                self.do("ruled", 0, self.machine.waves.ruled, wave, ruling, words, asked_at, self.now)
                self._let_a_person_say_go(wave)

        self.at(HANGS_S if kind == "hangs" else self.judging.choice((0.1, 3.0)), answer)
        late = self.judging.choice(list(self.judges)) if self.judging.random() < 0.1 else None
        if late is not None and late != wave:  # what was said of another wave, which nobody asks about
            stale = (late, Ruling.GO, "", asked_at, self.now)
            self.do("ruled", 0, self.machine.waves.ruled, *stale)

    def _is_judged(self, wave: int) -> bool:
        """Return whether the run still waits for what the judge says of a wave."""
        return wave in self.asked and wave not in self._let_go() and self.stopped_at is None

    def _let_a_person_say_go(self, wave: int) -> None:
        """Let a person say go where the judge is unsure, now and then of another wave; or nobody for long."""
        dice, session = self.judging, self.session_number
        if not self._is_judged(wave):
            return
        if dice.random() < 0.1:
            self.at(dice.uniform(0, 40), lambda: self._say_go(dice.choice((wave, wave, wave + 1)), session))
        if self.machine.waves.is_held:

            def give_up() -> None:
                if session == self.session_number and self.machine.waves.is_held:
                    self._must_stop()
                    self.do("stop", 0, self.machine.waves.give_up)

            self.at(UNSURE_S_MAX, give_up)

    def _say_go(self, wave: int, session: int) -> None:
        if session == self.session_number:
            self._command(DecisionKind.WAVE, session=session, wave=wave)
            self._read_commands()

    def _let_go(self, *, durable: bool = False) -> set[int]:
        """Return the waves that the judge, or a person, has let the next one follow."""
        said = self.ledger.durable if durable else self.ledger.said[0]
        return {
            json["wave"]
            for json in said
            if json["type"] == "decision" and json.get("ruling") == "go" and json["by"] != "limit"
        }

    def _check_judged(self, row: int) -> None:
        """Nothing begins before the judge has let wave 0 go, nor while it is asked and nobody said go."""
        if self.judges and self.limits.waves:
            missing = {0, *self.asked} - self._let_go(durable=True)
            must(not missing, f"JUDGE: row {row} is sent before anybody let the waves {missing} go")

    def _sleep(self) -> None:
        """Let the machine sleep: everything that was to happen meanwhile happens when it wakes."""
        self.now += self.dice.uniform(3, 90)
        self.slept_at = self.now
        self.do("gap", 0, self.machine.gap, self.now)

    def _write(self) -> None:
        """Let somebody else write a service."""
        if self.live:
            wanted = self.dice.choice(list(self.live))
            row = self.row_of[wanted]
            self.touched.add(row)
            self.live[wanted] = replace(self.live[wanted], ports=ports(self.dice.choice((1, 2, 7000 + row))))

    def _probed(self, target: Target) -> None:
        refused = "403" if self._is_revoked() else ""
        self.do("probed", 0, self.machine.probed, target, refused)
        if refused:
            self.refused_accounts.add(self.lanes[target].account)

    def _is_revoked(self) -> bool:
        return self.revoked_at is not None and self.now > self.revoked_at and not self.calm

    def _put(self, change: Change, body: ModifyBody) -> None:
        row, key = change.row, self.lanes[change.target]
        self._check_put(change, body)
        self.alive[row] += 1
        self.bodies[row, self.ledger.last(row).get("purpose", "change")] = body
        self.in_flight[key] += 1
        self.is_answered = {change.target: False, key.account: False} | self.is_answered
        self.had_their_turn.append(row)
        latency_s, session = self.dice.uniform(0.01, 0.5), self.session_number

        def answer(verdict: PutVerdict) -> None:
            if session == self.session_number:
                self._answer(change, verdict)

        self._reply(self._kind(), change, body, latency_s, answer)

    def _kind(self) -> str:
        if self.calm:
            self.odds["side effect"] = 0
            return "ok"
        if self.has_outage and self.now % 100 < 45:
            return "unreached"
        if self._is_revoked():
            return "denied"
        for kind, odds in self.own_odds.items():
            if odds and self.own_dice.random() < odds:
                return kind
        return next((kind for kind, odds in self.odds.items() if self.dice.random() < odds), "ok")

    def _answer(self, change: Change, verdict: PutVerdict) -> None:
        row, key = change.row, self.lanes[change.target]
        self.in_flight[key] -= 1
        self.is_answered |= {change.target: True, key.account: True}
        self.answered_at[row] = self.now
        name, was_cut = f"answered {type(verdict).__name__}", self.machine.lanes[key].cut is not None
        self._note_push_back(row, key, verdict)
        if is_as_sent(verdict, change, self.bodies[row, self.ledger.last(row).get("purpose", "change")]):
            self.hidden[row] = {"description"}
        elif verdict is UNREADABLE:
            self.hidden[row] = {"description", "all"}
        if verdict is CROWDED and (others := self._in_flight(key) - 1):
            self.in_flight_max[key] = min(self.in_flight_max[key], others)
        self.do(name, row, self.machine.answered, row, verdict, self.now)
        if isinstance(verdict, Denied):
            self.denials[key.account] += 1
            is_cut_for_it = self.machine.lanes[key].cut is not None and not was_cut
            must(not (is_cut_for_it and self._has_accepted(key.account)), f"{key} is cut though its key may")
        is_none_allowed = self.denials[key.account] >= 3 and not self._has_accepted(key.account)
        if isinstance(verdict, Abort) or is_none_allowed:
            self.refused_accounts.add(key.account)
        if isinstance(verdict, Throttled | Doubt) and verdict.shut_until:
            self.gone_lanes.add(key)
        if isinstance(verdict, Done) and self._has_side_effect(verdict.state):
            self._must_stop()

    def _stop_if_too_many_failed(self) -> None:
        most = self.limits.failures_max
        codes = {(self.ledger.outcome(row) or {}).get("code") for row in self.failed}
        is_wrong_job = len(self.failed) >= OPENING and len(codes) == 1 and most is None
        is_wrong_job = is_wrong_job and not any(map(self._is_accepted, self.ledger.changes))
        if (most is not None and len(self.failed) > most) or is_wrong_job:
            self._must_stop()

    def _is_stopped_by_a_side_effect(self) -> bool:
        """Return whether one is on record by a note, and nobody lifted any stop."""
        every = [json for said in self.ledger.said.values() for json in said]
        is_noticed = any(json.get("about") == "side_effect" for json in every)
        return is_noticed and not any(json.get("what") == "despite" for json in every)

    def _standing(self) -> list[str]:
        """Return the ids of the stops that no person has lifted."""
        said = [json for json in self.ledger.said[0] if json["type"] == "decision"]
        lifted = {json["id"] for json in said if json["what"] == "despite"}
        return [json["id"] for json in said if json["what"] == "stop" and json["id"] not in lifted]

    def _note_begun(self, record: Record, sends: int) -> None:
        if isinstance(record, Note):
            self.notes[record.message] += record.message.startswith("this machine")
            must(self.notes.total() <= 1, "it is said more than once that this machine has no room")
        elif row := getattr(record, "row", 0):
            self.begun.pop(row, None)
            self._note_proof(record, row)
            if sends:
                self._check_words(row)
                waits = [other for other in self.hidden if self._awaits_proof(other, row)]
                must(
                    not waits, f"P10: row {row} begins though it is not known what else changed with {waits}"
                )
                self.key_begun_at.setdefault(self.lanes[self.ledger.change(row).target].account, self.now)
                self.begun[row] = self.lanes[self.ledger.change(row).target]

    def _note_proof(self, record: Record, row: int) -> None:
        """Note that it is known what became of a row, and what its lane has learnt from that."""
        if isinstance(record, Attempt) and record.verdict is AttemptResult.DOUBT:
            return
        key, hidden = self.lanes[self.ledger.change(row).target], self.hidden.pop(row, set())
        is_whole = row in self.seen_whole or not self.hides["read"] or self._is_known_here(row, key)
        if isinstance(record, OutcomeRecord) and record.outcome is Outcome.APPLIED:
            is_asked = row in self.held_against_a_page or not self.machine._board.looks.page(row)
            must(is_whole or is_asked, f"P10: row {row} is applied though nothing showed what else changed")
        if row in self.seen_whole:
            self.proved[key] |= {"description", *hidden}

    def _is_known_here(self, row: int, key: LaneName) -> bool:
        """Return whether a row's reply showed everything, or what is left out was seen in its lane before."""
        said = [json for json in self.ledger.said[row] if json["type"] != "note"]
        return said[-1].get("verdict") != "doubt" or "description" in self.proved[key]

    def _awaits_proof(self, other: int, row: int) -> bool:
        """Return whether a row of the same lane is still in doubt over what its reply left out."""
        key = self.lanes[self.ledger.change(other).target]
        is_same = other != row and key == self.lanes[self.ledger.change(row).target]
        is_new = not self.hidden[other] <= self.proved[key]
        return is_same and is_new and self.machine.place(other) is not Place.LEFT

    def _in_flight(self, key: LaneName) -> int:
        return sum(lane == key for lane in self.begun.values())

    def _note_push_back(self, row: int, key: LaneName, verdict: Verdict) -> None:
        """Note how long the API asks to be left alone, and since when it has done nothing else."""
        wait_s = verdict.retry_after_s or 0.0 if isinstance(verdict, Throttled | Doubt) else 0.0
        self.asked_to_wait[row] = wait_s
        self.paused_until[key] = max(self.paused_until[key], self.now + wait_s)
        if wait_s or isinstance(verdict, Throttled):
            if self.now - self.pushed_since.setdefault(key, self.now) > PUSH_BACK_MAX_S:
                self.gone_lanes.add(key)
        elif verdict.reply.http is not None:
            self.pushed_since.pop(key, None)

    def _must_stop(self) -> None:
        self.stopped_at = self.now if self.stopped_at is None else self.stopped_at

    def _reply(
        self,
        kind: str,
        change: Change,
        body: ModifyBody,
        latency_s: float,
        answer: Callable[[PutVerdict], None],
    ) -> None:
        """Let one PUT land, or not, and be answered, or not."""
        answers: dict[str, Verdict] = {
            "throttled": Throttled(reply=Reply(http=429, code="APIGW.0308"), retry_after_s=1.0),
            "unreached": Retry(reply=Reply(code="connect_failed")),
            "busy": Retry(reply=Reply(http=409, code="busy")),
            "renewed": Retry(reply=Reply(http=401, code="expired"), counts=False),
            "rejected": Reject(reply=Reply(http=400, code="EndPoint.3043")),
            "denied": Denied(reply=Reply(http=403, code=DENIED), hint="ask for the permission"),
            "abort": Abort(reply=Reply(http=401, code="APIGW.0301"), hint="check the key"),
            "lost": Doubt(reply=Reply(code="timeout")),
            "crowded": CROWDED,
        }
        if kind in answers:
            self.at(latency_s, lambda: self._gone(change.row), outlives=True)
            self.at(latency_s, lambda: answer(answers[kind]))
            return
        before = self.live.get(change.service_id)
        lost: Verdict = Doubt(reply=Reply(code="timeout"))
        if kind in WAITS:
            lost = self._push_back(kind)
            if self.own_dice.random() < 0.5:
                self.at(latency_s, lambda: self._gone(change.row), outlives=True)
                self.at(latency_s, lambda: answer(lost))
                return
        if kind == "echo" and before:
            lost = Done(reply=OK, state=before)
        lands_s = self.dice.uniform(0.6, SETTLE_S - 0.01) if kind == "late" else latency_s
        is_told = kind in {"ok", "side effect", "broken", "landed no"}

        def land() -> None:
            self._gone(change.row)
            verdict: PutVerdict = self._land(
                change, body, is_noisy=self.dice.random() < self.odds["side effect"]
            )
            if kind == "broken" and isinstance(verdict, Done):
                status = self.own_dice.choice(("failed", "creating"))
                verdict = Done(reply=OK, state=replace(verdict.state, status=status))
                self.live[change.service_id] = verdict.state
                self.at(self.own_dice.uniform(0, 90), partial(self._settle, change.service_id), outlives=True)
            is_plain = kind == "ok" and isinstance(verdict, Done) and verdict.state.status == "available"
            if is_plain and self.live[change.service_id].description == "d" and not self.hides["reply"]:
                verdict = self.dice.choice((verdict, AsAsked(reply=OK)))
            if isinstance(verdict, Done):
                verdict = self._with_gaps(verdict)
            if is_told:
                answer(answers["rejected"] if kind == "landed no" else verdict)

        self.at(lands_s, land, outlives=True)
        if not is_told:
            self.at(0.1 if kind == "late" else latency_s, lambda: answer(lost))

    def _with_gaps(self, done: Done) -> PutVerdict:
        """Return a success as its reply shows it: perhaps not all of it, or nothing that can be read."""
        if not self.calm and self.hiding.random() < self.odds_unreadable:
            return UNREADABLE
        return replace(done, state=replace(done.state, description=None)) if self.hides["reply"] else done

    def _settle(self, service_id: ServiceId) -> None:
        """Let a service become available that is being made so."""
        if self.live[service_id].status == "creating":
            self.live[service_id] = replace(self.live[service_id], status="available")

    def _push_back(self, kind: str) -> Verdict:
        """Return an answer that asks for a wait, or for one that is too long; it may have taken effect."""
        unavailable = Doubt(
            reply=Reply(http=503), retry_after_s=self.own_dice.choice((1.0, 5.0, 60.0, 600.0))
        )
        if kind == "asks to wait":
            return unavailable
        return replace(unavailable, retry_after_s=None, shut_until="2057-01-15 08:30:00 UTC")

    def _gone(self, row: int) -> None:
        self.alive[row] -= 1

    def _land(self, change: Change, body: ModifyBody, *, is_noisy: bool) -> Verdict:
        live = self.live.get(change.service_id)
        if live is None:
            return Reject(reply=Reply(http=404, code="EndPoint.0005"))
        if self._clashes(change, body):
            return Reject(reply=Reply(http=400, code="EndPoint.3044"))
        named = {"ports": body.ports} if body.ports is not None else {}
        if is_noisy:
            self.touched.add(change.row)
            named["description"] = "changed unasked"
        self.live[change.service_id] = replace(live, **named)
        self.landed[change.row].append(body)
        return Done(reply=OK, state=self.live[change.service_id])

    def _clashes(self, change: Change, body: ModifyBody) -> bool:
        """Return whether another service of a ring holds a port that is asked for."""
        others = self._needs(change) - {change.row}
        held = (set(self.live[self.ledger.change(row).service_id].ports) for row in others)
        return any(set(body.ports or ()) & ports for ports in held) if others else False

    def _needs(self, change: Change) -> set[int]:
        found, waiting = set[int](), [change.row]
        while waiting:
            if (row := waiting.pop()) not in found:
                found.add(row)
                needed = self.ledger.change(row)
                waiting += (*needed.after, *needed.after_parked)
        return found

    def _show(self, change: Change, asked_at: float) -> None:
        self.sampled[change.row] = asked_at
        self.moved_on_page.discard(change.row)
        live, roll = self.live.get(change.service_id), self.dice.random()
        found: ShowVerdict = Done(reply=OK, state=live) if live else Missing(reply=Reply(http=404))
        if isinstance(found, Done) and self.hides["read"]:
            found = replace(found, state=replace(found.state, description=None))
        elif isinstance(found, Done):
            self.seen_whole.add(change.row)
        place = self.machine.place(change.row)
        if not self.calm and roll < (0.2 if place is Place.CHECKING else 0.04):
            found = Reject(reply=Reply(http=400, code="no"))
        elif not self.calm and roll < 0.045:
            found = Abort(reply=Reply(http=401, code="x"), hint="")
        elif not self.calm and roll < 0.05:
            found = Throttled(reply=Reply(http=429), shut_until="tomorrow")
        is_creating = isinstance(found, Done) and found.state.status == "creating"
        if isinstance(found, Done) and not is_creating and not self._is_of_the_plan(change, found.state):
            self.strange.add(change.row)
        if (
            isinstance(found, Done)
            and self._has_side_effect(found.state)
            and self._settles(change, found.state)
        ):
            self._must_stop()
        is_checked = place is Place.CHECKING
        if (
            is_checked
            and isinstance(found, Done)
            and live
            and not is_creating
            and self._has_side_effect(live)
        ):
            self._must_stop()
        self.do(f"shown {type(found).__name__}", change.row, self.machine.shown, change.row, found, asked_at)
        is_unknown = is_checked and isinstance(found, Reject | Throttled)
        must(not (is_unknown and self.ledger.is_as_asked(change.row)), f"P13: row {change.row} is unread")
        is_awaited = place not in {Place.LEFT, *HAS_ENDED - {Place.CHECKING}}
        if isinstance(found, Throttled) and is_awaited:
            self.gone_lanes.add(self.lanes[change.target])
        if isinstance(found, Abort) and is_awaited:
            self.refused_accounts.add(self.lanes[change.target].account)

    def _show_listed(self, change: Change, page: ListPage, asked_at: float) -> None:
        """Let a page of the list show a service, which may have moved to another one."""
        live = self.live.get(change.service_id)
        is_on_it = change.row in dict(self._pages())[page] and self.hiding.random() < 0.9
        self.held_against_a_page.add(change.row)
        found: ShowVerdict = Missing(reply=Reply())
        if live and is_on_it:
            found = Done(reply=Reply(), state=live)
            self.seen_whole.add(change.row)
            if self._has_side_effect(live) and self._settles(change, live):
                self._must_stop()
        self.do(f"shown {type(found).__name__}", change.row, self.machine.shown, change.row, found, asked_at)

    def _settles(self, change: Change, live: ServiceState) -> bool:
        """Return whether a read shows that what the row's last intent is for took effect."""
        is_in_doubt = self.machine.place(change.row) in {Place.READING, Place.PROVING}
        told = reversed(self.ledger.said[change.row])
        purpose = next((json.get("purpose", "change") for json in told if json["type"] == "intent"), "")
        sent = self.bodies.get((change.row, purpose))
        return is_in_doubt and sent is not None and set(live.ports) == set(sent.ports or ())

    def _is_of_the_plan(self, change: Change, live: ServiceState) -> bool:
        planned = (change.before, change.body, change.parking)
        is_planned = any(set(state.ports or ()) == set(live.ports) for state in planned if state)
        return is_planned and live.status == "available"

    # The promises

    def _check_put(self, change: Change, body: ModifyBody) -> None:
        row, key = change.row, self.lanes[change.target]
        last = self.ledger.last(row)
        must(last["type"] == "intent", f"P1: row {row} is sent without a durable intent, after {last}")
        must(not self.alive[row], f"two PUTs of row {row} are alive, or an earlier one may still land")
        is_as_left = self.landed[row] and self.landed[row][-1] == body and row not in self.touched
        must(not is_as_left or self.live[change.service_id].ports != body.ports, f"P3: row {row} again")
        must(key not in self.gone_lanes, f"row {row} is sent in a lane that is unreadable")
        must(key.account not in self.refused_accounts, f"row {row} is sent with a refused key")
        must(self.is_answered.get(change.target) is not False, f"row {row}: the first PUT goes alone")
        is_known = self.is_answered.get(key.account) is not False
        is_hanging = self.now - self.key_begun_at[key.account] > KEY_WAIT_S
        must(is_known or is_hanging, f"row {row}: the first PUT of a key goes alone")
        must(self.in_flight[key] < self.limits.workers, f"row {row}: too many in flight")
        must(self._in_flight(key) <= self.in_flight_max[key], f"row {row}: this machine has no room for it")
        looked_at = self.sampled.get(row, -1e9)
        is_fresh = looked_at >= max(self.now - self.limits.max_look_age_s - 0.2, self.slept_at)
        must(is_fresh, f"row {row} is sent {self.now - looked_at:.1f} s after its look")
        is_needed = self._is_needed(row, last)
        must(self.stopped_at is None or is_needed, f"row {row} begins after the stop")
        must(not self._paused_by() or is_needed, f"PAUSE: row {row} is sent in it")
        must(not self.is_drained, f"row {row} is sent after the drain")
        must(change.action is Action.UPDATE, f"row {row} needs no PUT")
        has_moved = row in self.moved or row in self.moved_on_page
        must(not has_moved, f"row {row} is sent though its service was seen to have moved")
        must(row not in self.strange, f"row {row} is sent though reading showed neither before nor as asked")
        if self.limits.strict and not is_needed:
            gone = {key for key in self.machine.lanes if key not in self.looked_lanes}
            must(not gone and not self.moved, f"row {row} is sent by a strict run that must not begin")
            passed_at = [at for wave, at in self.passed_at.items() if wave < self._wave_of().get(row, 1)]
            is_seen = looked_at >= max(passed_at, default=-inf)
            must(is_seen, f"row {row} is sent by a strict run that has not looked at it since the last wave")
        must(is_needed or self._has_budget(row), f"P8: row {row} begins though too many may fail")
        self._check_turn(change, Purpose(last.get("purpose", "change")))
        self._check_canary(row)
        self._check_wave(row)
        self._check_judged(row)

    def _check_words(self, row: int) -> None:
        """No intent is written in a pause, nor sooner than a person's rate allows."""
        is_needed = self._is_needed(row, self.ledger.said[row][-1])
        must(not self._paused_by() or is_needed, f"PAUSE: row {row} begins in it")
        key = self.lanes[self.ledger.change(row).target]
        least_s = 1 / self._most_per_s() - 1e-6
        waited_s = self.now - self.granted_at.get(key, -inf)
        must(waited_s >= least_s, f"row {row} begins {waited_s:.2f} s after another, not {least_s:.2f} s")
        self.granted_at[key] = self.now

    def _has_accepted(self, account: str) -> bool:
        """Return whether a PUT of a key was accepted in this run, as far as it is on record."""
        rows = (one.row for one in self.changes if self.lanes[one.target].account == account)
        return any(self._is_accepted(row) for row in rows)

    def _is_accepted(self, row: int) -> bool:
        said = self.ledger.said[row]
        return any(json.get("outcome") == "applied" or json.get("verdict") == "parked" for json in said)

    def _has_budget(self, row: int) -> bool:
        """Return whether one PUT more may leave: so many failed, and so many others may fail."""
        failed = [json for other in self.failed if (json := self.ledger.outcome(other))]
        at_risk = sum(1 for other in self.ledger.changes if other != row and self._may_fail(other))
        if self.limits.failures_max is not None:
            return len(failed) + at_risk <= self.limits.failures_max
        is_opened = any(map(self._is_accepted, self.ledger.changes))
        is_opened |= len({json["code"] for json in failed}) > 1 or any(map(_is_conflict, failed))
        left = sum(1 for other in self.ledger.changes if self.machine.place(other) is Place.LEFT)
        return is_opened or len(failed) + at_risk - left < OPENING

    def _may_fail(self, row: int) -> bool:
        """Return whether a row is in flight, in doubt, parked, or denied for a reason not known yet."""
        said = [json for json in self.ledger.said[row] if json["type"] in {"intent", "attempt", "outcome"}]
        if not said or said[-1]["type"] == "outcome":
            return False
        is_open = said[-1]["type"] == "intent" or said[-1]["verdict"] == "doubt"
        return is_open or self.ledger.is_parked(row) or self.machine.place(row) is Place.DENIED

    def _is_needed(self, row: int, last: Json) -> bool:
        """Return whether a parked service, or one that may be, waits for a row."""
        others = (one for one in self.changes if one.parking and self._maybe_parked(one.row))
        is_first_park = last.get("purpose") == "park" and not self.ledger.is_parked(row)
        return any(row in self._needs(one) and not (one.row == row and is_first_park) for one in others)

    def _maybe_parked(self, row: int) -> bool:
        told = [json for json in self.ledger.said[row] if json["type"] in {"intent", "attempt", "outcome"}]
        if not told or told[-1]["type"] == "outcome":
            return False
        is_in_doubt = told[-1]["type"] == "intent" or told[-1].get("verdict") == "doubt"
        return self.ledger.is_parked(row) or is_in_doubt

    def _check_turn(self, change: Change, purpose: Purpose) -> None:
        if purpose is Purpose.CHANGE and not self._has_no_way_back(change.row):
            for first in change.after:
                must(self.ledger.is_as_asked(first), f"row {change.row} goes before row {first}")
            for first in change.after_parked:
                is_out_of_the_way = self.ledger.is_parked(first) or self.ledger.is_as_asked(first)
                must(is_out_of_the_way, f"row {change.row} goes before row {first} is parked")

    def _has_no_way_back(self, row: int) -> bool:
        """Return whether the API said no to giving a parked service back what it had."""
        current = ""
        for json in self.ledger.said[row]:
            current = json.get("purpose", "change") if json["type"] == "intent" else current
            if current == "restore" and json.get("verdict") == "rejected":
                return True
        return False

    def _check_canary(self, row: int) -> None:
        """As long as a canary row has not ended as asked, no other row goes (asked of plain plans only)."""
        is_plain = all(not (one.after or one.parking or one.after_parked) for one in self.changes)
        sizes = self.limits.waves.sizes if self.limits.waves else ()
        if not (sizes and is_plain) or self.begun_before:
            return
        earlier = list(dict.fromkeys(self.had_their_turn))
        if row not in earlier and len(earlier) >= sizes[0]:
            first = earlier[: sizes[0]]
            must(self.were_as_asked.issuperset(first), f"row {row} goes before the canary {first} ended")

    def _check_wave(self, row: int) -> None:
        """As long as an earlier wave has not passed, by what is on record, no row of a later one goes."""
        wave_of = self._wave_of()
        earlier = {wave for wave in wave_of.values() if wave < wave_of[row]}
        missing = earlier and earlier - self._passed()
        must(not missing, f"row {row} goes before the waves {missing} have passed")

    def _passed(self) -> set[int]:
        said = [json for json in self.ledger.said[0] if json["type"] == "decision"]
        return {json["wave"] for json in said if json["what"] == "wave" and json["ruling"] == "go"} - {0}

    def _wave_of(self) -> dict[int, int]:
        """Return the wave of each row that is to be sent, where waves go by target."""
        of = self.limits.waves.of_target if self.limits.waves else {}
        sent = (one for one in self.changes if one.action is Action.UPDATE)
        return {
            one.row: of.get(one.target, 0)
            for one in sent
            if (self.ledger.outcome(one.row) or {}).get("outcome") not in {"drifted", "already"}
            or one.row in self.had_their_turn
        }

    def _check_ruling(self, wave: int) -> None:
        """Demand that a wave that passes has soaked, and that all of its rows ended as asked."""
        ended_at = [self.ended_at.get(row, 0.0) for row, of in self._wave_of().items() if of == wave]
        soaked_s = self.now - max([self.began_at, *ended_at])
        must(soaked_s > self.limits.soak_s - 0.001, f"wave {wave} passes {soaked_s:.1f} s after its last row")
        for row, of in self._wave_of().items():
            must(of != wave or self.ledger.is_as_asked(row), f"wave {wave} passes though row {row} has not")

    def _check_show(self, row: int) -> None:
        told = [json for json in self.ledger.said[row] if json["type"] != "note"]
        if told[-1]["type"] == "intent" or told[-1].get("verdict") == "doubt":
            waited_s = self.now - max(self.began_at, self.answered_at.get(row, 0.0))
            least_s = max(SETTLE_S, self.asked_to_wait.get(row, 0.0)) - 0.001
            must(waited_s > least_s, f"row {row} is read {waited_s:.1f} s after its PUT")

    def _check_record(self, record: Record) -> None:
        is_go = isinstance(record, Decision) and record.ruling is Ruling.GO
        if is_go and not (record.wave and self.limits.waves.sizes):
            self.passed_at[record.wave] = self.now
        if is_go and self.judges:
            is_said = record.by is DecidedBy.OPERATOR or record.wave in self.said_go
            must(is_said, f"JUDGE: wave {record.wave} passes by {record.by}, and the judge did not say go")
        if is_go and record.wave and self.limits.waves.of_target:
            self._check_ruling(record.wave)
        if isinstance(record, OutcomeRecord):
            self.ended_at[record.row] = self.now
        if isinstance(record, OutcomeRecord) and record.outcome is Outcome.FAILED:
            told = self.ledger.said[record.row]
            purpose = next(json for json in reversed(told) if json["type"] == "intent").get("purpose")
            is_no = record.reply.code in {
                "EndPoint.3043",
                "EndPoint.3044",
                "EndPoint.0005",
                DENIED,
                "restored",
            }
            if record.reply.code == DENIED and not self.ledger.changes[record.row].parking:
                key = self.lanes[self.ledger.changes[record.row].target]
                is_known = self._has_accepted(key.account) or not self.in_flight[key]
                must(is_known, f"row {record.row} failed though its 403 may be about the key")
            was_brought_back = any(json.get("purpose") == "restore" for json in told)
            must(
                was_brought_back or record.left is None, f"row {record.row} is left parked without a RESTORE"
            )
            must(
                is_no or self._counted(told, purpose) >= self.limits.tries,
                f"row {record.row} had not its tries",
            )
        if isinstance(record, OutcomeRecord) and record.outcome is Outcome.APPLIED:
            self.failed.discard(record.row)
            self.were_as_asked.add(record.row)
        elif isinstance(record, OutcomeRecord) and record.outcome in {Outcome.FAILED, Outcome.CONFLICT}:
            self.failed.add(record.row)
        elif (
            isinstance(record, OutcomeRecord)
            and record.outcome is Outcome.ALREADY
            and record.row in self.looked_again
        ):
            self.had_their_turn.append(record.row)  # somebody else did what it asks: a canary row may end so
            self.were_as_asked.add(record.row)

    def _counted(self, told: list[Json], purpose: str | None) -> int:
        """Return how many answers count against the PUT of this purpose, over all sessions."""
        counted, current = 0, None
        for json in told:
            if json["type"] == "intent":
                current = json.get("purpose")
            elif current == purpose and json.get("verdict") in {"doubt", "retry"} and not json["hold_s"]:
                counted += 1
        return counted

    def _check_facts(self) -> None:
        """Hold what the machine knows of each row against the ledger's fold, once all is durable."""
        if self.ledger.pending:
            return
        progress, machine = self.ledger.progress, self.machine
        for row, known in progress.open.items():
            must(
                machine._board.works[row].known == known, f"row {row}: {known} is not what the machine knows"
            )
        for row in progress.order:
            stage, place = progress.stage(row), machine.place(row)
            must((stage >= Stage.APPLIED) == (place in HAS_ENDED), f"row {row}: {stage.name}, {place.name}")
            must(stage is not Stage.IN_FLIGHT or place in UNDER_WAY, f"row {row}: {stage.name}, {place.name}")

    def _check_session(self) -> None:
        machine = self.machine
        denied = [row for row in self.ledger.changes if machine.place(row) is Place.DENIED]
        must(not denied, f"P15: the rows {denied} wait for ever to learn what their 403 is about")
        stuck = [key for key in machine.lanes if not machine.is_over(key)]
        must(not stuck, f"P15: {stuck} hold for ever, {[machine.place(r).name for r in self.ledger.changes]}")
        for one in self.changes:
            lane = machine.lanes[self.lanes[one.target]]
            if self.ledger.is_parked(one.row) and not lane.cut and not self.is_drained:
                places = {machine.place(row) for row in self._needs(one)}
                must(Place.LEFT in places, f"row {one.row} is left parked though nothing is in its way")
        self._check_lanes()

    def _check_lanes(self) -> None:
        """Trouble of one lane keeps no other from finishing, where nothing stopped the whole run."""
        limits = self.limits
        may_be_silent = self.odds["unreached"] or self.own_odds["crowded"] or self.has_outage
        may_stop = limits.strict or limits.waves or self.odds["side effect"] or may_be_silent
        if self.stopped_at is not None or may_stop or self.odds["denied"] or self.revoked_at is not None:
            return
        if any(stop.reason is BrakeReason.BUDGET for stop in self.machine.stops):
            may_have = [row for row in self.ledger.changes if self._may_fail(row)]
            must(len(self.failed) + len(may_have) > (limits.failures_max or 0), "the budget was not used up")
            return
        for one in self.changes:
            key = self.lanes[one.target]
            if key not in self.gone_lanes and key.account not in self.refused_accounts:
                place = self.machine.place(one.row)
                must(
                    place >= Place.LEFT,
                    f"P14: row {one.row} stands at {place.name} in a lane without trouble",
                )

    def _has_side_effect(self, live: ServiceState) -> bool:
        """Return whether a service was changed in something that nobody asked for and nobody allowed."""
        if live.description in {"d", None}:
            return False
        allowed = decided(self.ledger.progress.decisions).allowed
        return SideEffect("description", live.description) not in allowed

    def _is_well(self, live: ServiceState) -> bool:
        return live.status == "available" and not self._has_side_effect(live)

    def _check_the_end(self) -> None:
        progress = self.ledger.progress
        must(sum(progress.counts().values()) == progress.rows, "the outcomes do not sum up to the rows")
        said = (json for json in self.ledger.durable if json["type"] == "decision")
        answers = Counter(json.get("id") for json in said if json["what"] != "despite")
        once = [answers[command.id] == 1 for command in self.commands]
        must(all(once), f"commands were answered {answers}, and these were written: {self.commands}")
        must(progress.ended == progress.rows, f"rows have no outcome: {progress.counts()}")
        for one in self.changes:
            live, outcome = self.live.get(one.service_id), progress.outcome(one.row)
            if live is None:
                continue
            is_as_asked = outcome is not Outcome.APPLIED or (
                self._is_well(live) and not live.mismatches(one.body)
            )
            must(is_as_asked, f"P13: row {one.row} is applied, but its service is {live}")
            if one.row in self.touched:
                continue
            is_taken_back = outcome is not Outcome.ALREADY or not self.landed[one.row]
            must(is_taken_back, f"row {one.row} is {outcome}, but a PUT of it took effect")
            is_wrong = outcome.facts.as_asked and live.mismatches(one.body)
            must(not is_wrong, f"row {one.row} is {outcome}, but its service has {live.ports}")
            is_known = outcome is not Outcome.FAILED or live.mismatches(one.body)
            must(is_known, f"P13: row {one.row} is failed, but its service is as asked")
            is_parked = one.parking is not None and live.ports == one.parking.ports
            left = (self.ledger.outcome(one.row) or {}).get("left", "")
            must(
                not is_parked or left == "parked" or not self._is_well(live),
                f"row {one.row} stays parked and is {outcome}",
            )
            if outcome in {Outcome.DRIFTED, Outcome.REFUSED}:
                must(live == one.before, f"row {one.row} is {outcome}, but was changed")


def is_as_sent(verdict: PutVerdict, change: Change, body: ModifyBody) -> bool:
    """Return whether a reply shows what was asked, and not all that the list shows."""
    match verdict:
        case Done(state=state) if change.before and state.is_sound and not state.mismatches(body):
            return state.description is None
        case _:
            return False


def _is_bad(outcome: Json | None) -> bool:
    return outcome is not None and outcome["outcome"] in {"failed", "conflict"}


def _is_conflict(outcome: Json) -> bool:
    return bool(outcome["outcome"] == "conflict")


def _described(before: ServiceState | None) -> ServiceState | None:
    """Return a service with a description, so that a side effect shows."""
    return replace(before, description="d") if before else None
