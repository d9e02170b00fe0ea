"""Damaged and forged ledgers, and every verb that reads one: an answer or a refusal, soon and in bounds."""

import asyncio
import os
import random
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bulk.app import auditing, ledgers
from bulk.app.applying import ApplyRequest, apply_ledger
from bulk.app.environment import Environment
from bulk.app.rolling_back import run_to_roll_back
from bulk.clock import SystemClock, SystemDice
from bulk.errors import BulkError, LedgerDamaged, Refused
from bulk.ledger.file import LedgerFile, fold, records
from bulk.ledger.records import (
    Attempt,
    AttemptResult,
    DecidedBy,
    Decision,
    Intent,
    Json,
    Left,
    Note,
    OutcomeRecord,
    PaceRecord,
    Purpose,
    record_json,
)
from bulk.ledger.stops import BrakeReason
from bulk.model import Action, Hold, LaneName, Limit, Outcome, Reply, RequestKind, SideEffect, Why
from bulk.reports import as_csv, as_html, as_json, as_markdown, as_table, status
from bulk.reports.report import Report
from bulk.reports.words import plain
from bulk.run.brake import Brake
from bulk.run.interfaces import LaneClient, Limits
from bulk.run.patience import Patience
from bulk.run.pump import Pump, RunContext
from bulk.text import harmless
from tests.fakes import FakeClock, FakeFleet, FakePace, FastDisk, FixedDice, inline
from tests.forging import LATER, forged, ledger, records_of, spoilt
from tests.fuzzing import fuzzing
from tests.use_cases import Yes, passed_over
from tests.values import (
    LiveList,
    change,
    end_record,
    planned,
    ports,
    ring,
    run_record,
    service_id,
    session_record,
    state,
)

OLD = sorted((Path(__file__).parents[1] / "ledgers" / "format-2").glob("*.ledger.jsonl"))
TARGETS = [record_json(change(1))["target"]]
RUN = replace(run_record("job"), targets=TARGETS, runs="/nowhere/runs", file="services.csv")
NO = Reply(http=400, code="EndPoint.3044", message="taken", request_id="r", ms=9)
PACE = PaceRecord(
    lane=LaneName(host="h", region="cn-north-4", account="a"),
    kind=RequestKind.WRITES,
    rate_per_s=1.5,
    limit=Limit(requests=60, window_s=60.0, policy="user"),
    why=Why.STATED,
    hold=Hold.PUSH_BACK,
    left_s=2.0,
)


def outcome(row: int, how: Outcome, reply: Reply = NO, **more: Any) -> OutcomeRecord:
    """Return how a row ended after one PUT."""
    return OutcomeRecord(row=row, outcome=how, reply=reply, attempts=1, **more)


STOP = Decision(
    by=DecidedBy.LIMIT,
    what="stop",
    reason="a PUT changed what no row asked for",
    id="s1",
    cause=BrakeReason.SIDE_EFFECT,
    effects=(SideEffect("ports", ports(7)), SideEffect("description", "d")),
    failures_max=3,
)
KEPT, REFUSED = change(4, action=Action.KEEP), change(5, action=Action.REFUSE)
PLAN = [change(1), change(2), change(3, after=(1,)), KEPT, REFUSED]
RING = ring(3, first=1)
BASES: list[list[Json]] = [
    ledger(RUN, *PLAN, planned(*PLAN)),
    ledger(
        RUN,
        *PLAN,
        planned(*PLAN),
        session_record(not_attempted=5),
        PACE,
        Note(about="look", message="m", row=1),
        OutcomeRecord(row=4, outcome=Outcome.ALREADY),
        OutcomeRecord(row=5, outcome=Outcome.REFUSED),
        Intent(row=1, attempt=1),
        Attempt(row=1, attempt=1, verdict=AttemptResult.DOUBT, reply=Reply(code="timeout")),
        outcome(1, Outcome.APPLIED, Reply(http=200, ms=5)),
        Intent(row=2, attempt=1),
        outcome(2, Outcome.FAILED),
        replace(outcome(2, Outcome.CONFLICT), observed=state(2, 7)),
        Decision(by=DecidedBy.OPERATOR, what="pause", reason="bridge call", user="ann"),
        STOP,
        Decision(by=DecidedBy.OPERATOR, what="despite", reason="seen", user="ann", id="s1"),
        replace(STOP, id="s2"),
        end_record(BrakeReason.WINDOW, BrakeReason.FAILURE_LIMIT, applied=1, conflict=1),
        session_record(pid=2, applied=1),
        Intent(row=3, attempt=1),
    ),
    ledger(
        RUN,
        *RING,
        planned(*RING),
        session_record(not_attempted=3),
        Intent(row=1, attempt=1, purpose=Purpose.PARK),
        Attempt(row=1, attempt=1, verdict=AttemptResult.PARKED, reply=Reply(http=200)),
        Intent(row=3, attempt=1),
        outcome(3, Outcome.FAILED, left=Left.PARKED),
        end_record(BrakeReason.INTERRUPTED, failed=1, not_attempted=2),
    ),
    *(records_of(old.read_bytes()) for old in OLD),
]


def forgery(dice: random.Random) -> list[Json]:
    """Return the records of a ledger, some of them other than they were written."""
    story = list(dice.choice(BASES))
    for _ in range(dice.choice((0, 1, 1, 1, 2))):
        at = dice.randrange(len(story))
        one = story[at]
        match dice.randrange(10):
            case 0:
                del story[at]
            case 1:
                story.insert(at, dice.choice(dice.choice(BASES)))
            case 2:
                story.append(story[at])
            case 3 | 4:  # a value that another record of this type has
                same = [other for base in BASES for other in base if other["type"] == one.get("type")]
                name = dice.choice(["at", *one])
                story[at] = {**one, name: dice.choice(same or [{}]).get(name, 1)}
            case 5 | 6:  # another row, attempt or count
                numbers = [name for name, value in one.items() if type(value) is int and name != "n"]
                if numbers:
                    story[at] = {**one, dice.choice(numbers): dice.choice((0, 1, 2, 3, 4, 5, 6, 2**14))}
            case 7:
                at_another = LATER.format(dice.randrange(60))
                story[at] = {**one, "later": spoilt(dice, {"x": [1]}), "at": at_another}
            case 8:  # rows that wait for each other
                waits = {name: [dice.randrange(1, 6)] for name in ("after", "after_parked")}
                story[at] = {**one, **waits}
            case _:
                other = spoilt(dice, one)
                story[at] = other if type(other) is dict else {"type": other}
    return story


class Reader(Yes):
    """An operator who wants to see the plan, and no more."""

    def show_plan(self, report: Report) -> None:
        """Read it, and go."""
        read(as_table.lines(report))
        raise Refused("seen")


def read(lines: Any) -> None:
    """Read lines that a terminal shows; nothing in them may steer it."""
    for line in lines:
        text = plain(line)
        assert harmless(text) == text
        assert "\n" not in text


def shown(path: Path) -> None:
    """Ask for the status."""
    found = ledgers.status(path)
    read(status.lines(found.progress, alive=found.alive, ledger="L"))
    ledgers.run_status_of(path, found, datetime(2026, 1, 15, 9, tzinfo=UTC)).json()


def reported(form: str) -> Callable[[Path], None]:
    """Return what asks for the report in one form."""

    def report(path: Path) -> None:
        with ledgers.reading(path) as reader:
            whole = ledgers.report(path, reader, with_timeline=form in {"json", "html", "md"})
            match form:
                case "table":
                    read(as_table.lines(whole))
                case "html":
                    text = "".join(as_html.render(whole))
                    assert harmless(text) == text
                case "md":
                    text = "".join(as_markdown.render(whole))
                    assert harmless(text) == text
                case "csv":
                    "".join(as_csv.render(whole))
                case _:
                    "".join(as_json.render(whole))

    return report


def audited(path: Path) -> None:
    """Ask for the proof."""
    auditing.audit_ledger(path)


def explained(path: Path) -> None:
    """Ask for the history of a service, in words and as records."""
    read(auditing.story_of(path, auditing.find_service(path, service_id(1)), UTC))
    auditing.records_of(path, service_id(2))


def rolled_back(path: Path) -> None:
    """Plan the rollback, up to its order."""
    with run_to_roll_back(path, {}, only=frozenset(), at_rest=True) as source:
        for target, rows in source.usable_rows().items():
            list(source.changes(target, rows, LiveList(filter(None, (row.before for row in rows)))))


def asked(path: Path) -> None:
    """Apply it, up to the question."""
    env = {"HUAWEICLOUD_SDK_AK": "AK", "HUAWEICLOUD_SDK_SK": "SK"}
    environment = Environment(env=env, home=path.parent, clock=SystemClock(), dice=SystemDice())
    asyncio.run(apply_ledger(path, {}, ApplyRequest(environment, Reader(), passed_over)))


def applied(path: Path) -> None:
    """Apply it on a fleet that is as the plan saw it."""
    asyncio.run(run(path))


async def run(path: Path) -> None:
    """Run it to its end, in no time."""
    clock = FakeClock()
    file = inline(LedgerFile.open(path, now=clock.now, disk=FastDisk()))
    async with file, asyncio.timeout(20):
        seen = [file.change(row).before for row in file.progress.order]
        fleet = FakeFleet(services={one.id: one for one in seen if one})
        lane = LaneName("h", "cn-north-4", "a")
        clients = {
            target: LaneClient(lane=lane, fleet=fleet, reads=FakePace(), writes=FakePace())
            for target in file.progress.targets
        }
        await file.commit(session_record(os.getpid()))
        # The rest of a ledger may have been cut off between a pause and its end: nobody else would end that.
        await file.commit(Decision(by=DecidedBy.OPERATOR, what="unpause", reason="", user="ann"))
        context = RunContext(
            ledger=file,
            clients=clients,
            brake=Brake(),
            patience=Patience(clock=clock, dice=FixedDice()),
            limits=Limits(workers=3),
        )
        await Pump(context)()


FORMS = ("table", "csv", "json", "md", "html")
VERBS: dict[str, Callable[[Path], None]] = {
    "status": shown,
    **{f"report {form}": reported(form) for form in FORMS},
    "audit": audited,
    "why": explained,
    "rollback": rolled_back,
    "apply": asked,
    "run": applied,
}


def warm_up(path: Path) -> None:
    """Let each verb read a sound ledger, so that all is imported before the memory is measured."""
    path.write_bytes(forged(BASES[1]))
    for verb in VERBS:
        answered(path, verb, "the base")


def answered(path: Path, verb: str, what: str) -> bool:
    """Return whether a verb has an answer for a ledger; fail where it does neither that nor refuse."""
    try:
        VERBS[verb](path)
    except BulkError as error:
        is_refused = isinstance(error, LedgerDamaged)
        if len(error.message) > 2_000:
            raise AssertionError(f"{what}: {verb} repeats what it read") from error
        return not is_refused
    except BaseException as error:
        raise AssertionError(f"{what}: {verb}") from error
    return True


def is_well_formed(path: Path) -> bool:
    """Return whether each line is a record, whatever the records add up to."""
    try:
        deque(records(path), maxlen=0)
    except LedgerDamaged:
        return False
    return True


SOME = [
    pytest.param(1_500, marks=pytest.mark.timeout(600)),
    pytest.param(100_000, marks=[pytest.mark.slow, pytest.mark.timeout(14_400)]),
]


@pytest.mark.parametrize("ledgers_forged", SOME)
def test_every_verb_answers_or_refuses_a_forged_ledger(tmp_path: Path, ledgers_forged: int) -> None:
    """Whoever recomputes the sums meets a refusal with the line, never a bug, a hang or a full memory."""
    dice, path, ran = random.Random(11), tmp_path / "job-20260115T083000.000Z.ledger.jsonl", 0
    warm_up(path)
    with fuzzing("forged ledgers", ledgers_forged) as tally:
        for number in range(ledgers_forged):
            path.write_bytes(forged(forgery(dice), digest=dice.random() < 0.98))
            what = f"forgery {number}"
            with tally.bounded(what):
                tally.passed += is_well_formed(path)
                for verb in dice.sample([*VERBS], 3):
                    ran += answered(path, verb, what)
    assert ran > ledgers_forged / 2


@pytest.mark.parametrize("damages", SOME)
def test_every_verb_answers_or_refuses_a_damaged_ledger(tmp_path: Path, damages: int) -> None:
    """Bytes lost, changed or put in between: only a torn last line is passed over."""
    dice, path = random.Random(12), tmp_path / "damaged"
    whole = [forged(base) for base in BASES]
    warm_up(path)
    with fuzzing("damaged ledgers", damages) as tally:
        for number in range(damages):
            content = dice.choice(whole)
            at = dice.randrange(len(content))
            gone, come = dice.choice(((0, 1), (1, 1), (1, 0), (7, 0), (len(content), 0), (0, 5)))
            damaged = content[:at] + dice.randbytes(come) + content[at + gone :]
            path.write_bytes(damaged)
            what = f"damage {number}"
            is_torn = content.startswith(damaged) or damaged.rpartition(b"\n")[0] in content[:at]
            tally.passed += b"\n" in content[:at]
            with tally.bounded(what):
                is_read = answered(path, "status", what)
                assert not is_read or is_torn, what
                answered(path, dice.choice([*VERBS]), what)


def test_the_forged_ones_were_sound_before_they_were_forged(tmp_path: Path) -> None:
    """Each base is read by every verb."""
    for number, base in enumerate(BASES):
        for verb in VERBS:
            path = tmp_path / "base"
            path.write_bytes(forged(base))
            assert answered(path, verb, f"base {number}"), (number, verb)
        assert fold(path).planned
