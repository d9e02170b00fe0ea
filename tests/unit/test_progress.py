"""What a ledger's records add up to: every legal step, every illegal one, the sums that always hold."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulk.errors import LedgerDamaged
from bulk.ledger.folding import DECISIONS_MAX, NOTES_MAX, OTHER_CODES, SESSIONS_MAX, take_in
from bulk.ledger.progress import Progress, hash_of
from bulk.ledger.records import (
    Attempt,
    AttemptResult,
    DecidedBy,
    Decision,
    Intent,
    Json,
    Note,
    OutcomeRecord,
    PaceRecord,
    Planned,
    Purpose,
    Record,
    record_json,
    record_type,
)
from bulk.ledger.row_life import Stage
from bulk.ledger.stops import BrakeReason
from bulk.model import ROWS_MAX, Action, LaneName, Outcome, Reply, RequestKind
from tests.values import PROJECT, change, end_record, run_record, session_record
from tests.values import planned as planned_record

INTENT = Intent(row=1, attempt=1)
ANSWERS = {verb: Attempt(row=1, attempt=1, verdict=verb, reply=Reply()) for verb in AttemptResult}
ENDS = {
    outcome: OutcomeRecord(row=1, outcome=outcome, reply=Reply(code="EndPoint.0001"))
    for outcome in Outcome
    if outcome not in {Outcome.IN_DOUBT, Outcome.NOT_ATTEMPTED}
}

PATHS: dict[str, tuple[Record, ...]] = {
    "waiting": (),
    "in_flight": (INTENT,),
    "answered": (INTENT, ANSWERS[AttemptResult.RETRY]),
    "parked": (Intent(row=1, attempt=1, purpose=Purpose.PARK), ANSWERS[AttemptResult.PARKED]),
    "applied": (INTENT, ENDS[Outcome.APPLIED]),
    "already": (ENDS[Outcome.ALREADY],),
    "failed": (INTENT, ENDS[Outcome.FAILED]),
    "refused": (ENDS[Outcome.REFUSED],),
    "drifted": (ENDS[Outcome.DRIFTED],),
    "conflict": (INTENT, ENDS[Outcome.CONFLICT]),
    "blocked": (ENDS[Outcome.BLOCKED],),
}
"""How a row gets to each stage."""

UNSENT = {"already", "refused", "drifted", "blocked", "failed"}
STEPS: dict[str, set[str]] = {
    "waiting": {"intent", *UNSENT},
    "in_flight": {*AttemptResult, "applied", "failed", "conflict"},
    "answered": {"intent", *UNSENT, "applied"},
    "parked": {"intent", *UNSENT, "applied", "conflict"},
    "applied": {"conflict"},
    "failed": {"applied", "conflict"},
}
"""The diagram at the top of `row_life.py`, written out."""

EVERY_STEP: dict[str, Record] = {
    "intent": INTENT,
    **{verb.value: answer for verb, answer in ANSWERS.items()},
    **{outcome.value: end for outcome, end in ENDS.items()},
}


@dataclass
class Story:
    """Tells records to a Progress, numbered and 100 bytes apart."""

    progress: Progress = field(default_factory=Progress)
    told: int = 0

    def tell(self, *records: Record, at: str = "2026-01-15T08:30:00.000Z") -> Progress:
        """Step through the records."""
        for record in records:
            self.step({"at": at, "type": record_type(record), **record_json(record)})
        return self.progress

    def step(self, json: Json) -> None:
        """Step through one line."""
        take_in(self.progress, {"n": self.told, **json}, self.told * 100)
        self.told += 1


def planned(rows: int = 1) -> Story:
    """Return a story whose plan of so many rows is complete, in a session."""
    story = Story()
    story.tell(run_record(), *(change(row + 1) for row in range(rows)))
    story.tell(Planned(rows=rows, counts={}, digest=""), session_record())
    return story


def test_the_targets_of_an_action_are_those_of_its_rows() -> None:
    """However few rows there are; an action that no row has is no target's."""
    others = [PROJECT._replace(project_id=letter * 32) for letter in "ab"]
    changes = [replace(change(row), target=target) for row, target in enumerate(others, 1)]
    changes[0] = replace(changes[0], action=Action.KEEP)
    progress = Story().tell(run_record(), *changes)
    assert [progress.targets_with(action) for action in (Action.UPDATE, Action.KEEP, Action.REFUSE)] == [
        {others[1]},
        {others[0]},
        set(),
    ]


@pytest.mark.parametrize("stage", PATHS)
def test_each_stage_is_reached_and_told_as_its_outcome(stage: str) -> None:
    """A row's outcome is its stage's, `in_doubt` while asked, `not_attempted` before."""
    progress = planned().tell(*PATHS[stage])
    assert progress.stage(1) is Stage[stage.upper()]
    open_outcomes = {
        "waiting": Outcome.NOT_ATTEMPTED,
        "answered": Outcome.NOT_ATTEMPTED,
        "parked": Outcome.NOT_ATTEMPTED,
        "in_flight": Outcome.IN_DOUBT,
    }
    outcome = open_outcomes.get(stage) or Outcome(stage)
    assert progress.outcome(1) is outcome
    assert progress.counts() == {**dict.fromkeys(Outcome, 0), outcome: 1}
    assert list(progress.unended()) == ([1] if stage in open_outcomes else [])
    assert progress.ended == (stage not in open_outcomes)


@pytest.mark.parametrize(("stage", "step"), [(stage, step) for stage in PATHS for step in EVERY_STEP])
def test_a_step_is_taken_if_the_diagram_has_it_and_else_refused_with_its_line(stage: str, step: str) -> None:
    """All pairs of a stage and a step: legal ones pass, illegal ones name the line and change nothing."""
    story = planned()
    story.tell(*PATHS[stage])
    if step in STEPS.get(stage, set()):
        counts = story.tell(EVERY_STEP[step]).counts()
        assert counts == {**dict.fromkeys(Outcome, 0), story.progress.outcome(1): 1}
        return
    with pytest.raises(LedgerDamaged, match=rf"^line {story.told + 1} "):
        story.tell(EVERY_STEP[step])
    assert story.progress.stage(1) is Stage[stage.upper()]


def test_a_second_put_while_the_first_is_in_doubt_is_refused_by_name() -> None:
    """The message says which promise would break."""
    story = planned(2)
    with pytest.raises(LedgerDamaged, match=r"^line 7 sends row 1 while an earlier PUT of it is in doubt"):
        story.tell(INTENT, INTENT)


@pytest.mark.parametrize("row", [0, -1, 3, 10**9])
def test_a_record_of_an_unplanned_row_is_refused(row: int) -> None:
    """Rows are 1 to the number planned."""
    for record in (Intent(row=row, attempt=1), OutcomeRecord(row=row, outcome=Outcome.ALREADY)):
        with pytest.raises(LedgerDamaged, match=rf"^line 6 names row {row}, which is not in the plan"):
            planned(2).tell(record)


def test_a_row_left_out_of_the_plan_takes_no_step() -> None:
    """Rows need not be without gaps; the missing ones are not counted and cannot be asked."""
    story = Story()
    story.tell(run_record(), change(3), change(1), Planned(rows=2, counts={}, digest=""), session_record())
    assert (story.progress.rows, list(story.progress.order)) == (2, [3, 1])
    assert sum(story.progress.counts().values()) == 2
    with pytest.raises(LedgerDamaged, match=r"^line 6 names row 2, which is not in the plan"):
        story.tell(Intent(row=2, attempt=1))


@pytest.mark.parametrize(
    "early",
    [
        session_record(),
        INTENT,
        ANSWERS[AttemptResult.RETRY],
        ENDS[Outcome.ALREADY],
        end_record(BrakeReason.WINDOW),
    ],
)
def test_nothing_is_done_before_the_plan_is_complete(early: Record) -> None:
    """Work before `planned` would be work on a plan nobody could approve."""
    story = Story()
    story.tell(run_record(), change(1))
    with pytest.raises(LedgerDamaged, match=r"^line 3 stands before the plan is complete"):
        story.tell(early)


def test_the_run_comes_first_and_once() -> None:
    """A ledger begins by saying what it is about."""
    with pytest.raises(LedgerDamaged, match=r"^line 1 stands before the `run`"):
        Story().tell(change(1))
    with pytest.raises(LedgerDamaged, match=r"^line 2 is a second `run`"):
        Story().tell(run_record(), run_record())


def test_a_newer_format_is_refused_by_its_number() -> None:
    """An old program must not misread a newer ledger."""
    with pytest.raises(LedgerDamaged, match=r"^line 1 states format 4; this .* reads formats 2 and 3"):
        Story().step({"at": "", "type": "run", "format": 4})
    with pytest.raises(LedgerDamaged) as caught:
        Story().step({"at": "", "type": "run", "format": 1})
    assert "--new-run" in caught.value.hint


def test_a_fixed_plan_takes_no_change_and_no_second_end() -> None:
    """`planned` closes the plan."""
    with pytest.raises(LedgerDamaged, match=r"^line 5 adds a change to a fixed plan"):
        planned().tell(change(2))
    with pytest.raises(LedgerDamaged, match=r"^line 5 is a second `planned`"):
        planned().tell(Planned(rows=1, counts={}, digest=""))


def test_a_plan_must_count_its_changes() -> None:
    """A lost change shows in the number of rows."""
    with pytest.raises(LedgerDamaged, match=r"^line 3 does not count the changes before it"):
        Story().tell(run_record(), change(1), Planned(rows=2, counts={}, digest=""))


@pytest.mark.parametrize("row", [0, -7, ROWS_MAX + 1, 2**40])
def test_a_row_that_no_plan_has_takes_no_memory(row: int) -> None:
    """The number of a row decides how much is set aside for it."""
    story = Story()
    story.tell(run_record())
    with pytest.raises(LedgerDamaged, match=r"^line 2 names a row that is not from 1 to 2,000,000"):
        story.tell(change(row))
    assert not story.progress.change_at


def test_a_plan_has_as_many_targets_as_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each stays in memory."""
    monkeypatch.setattr("bulk.ledger.folding.TARGETS_MAX", 2)
    story = Story()
    story.tell(run_record(), *(replace(change(n), target=PROJECT._replace(profile=str(n))) for n in (1, 2)))
    with pytest.raises(LedgerDamaged, match=r"^line 4 names no target, or one more than 2"):
        story.tell(replace(change(3), target=PROJECT._replace(profile="3")))


@pytest.mark.parametrize("target", [{}, {"region": "r", "project_id": 7, "profile": ""}])
def test_a_change_names_its_target(target: Json) -> None:
    """By three texts."""
    story = Story()
    story.tell(run_record())
    with pytest.raises(LedgerDamaged, match=r"^line 2 (names no target|is not a record of this format)"):
        story.step({"at": "", "type": "change", **record_json(change(1)), "target": target})


def test_rows_that_others_wait_for_are_in_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before them or behind them; else the run would wait for ever."""
    first, last = change(1, after=(2,)), change(2, after=(1,))
    assert Story().tell(run_record(), first, last, Planned(rows=2, counts={}, digest="")).rows == 2
    with pytest.raises(LedgerDamaged, match=r"^line 3 ends a plan in which a row waits for row 2"):
        Story().tell(run_record(), first, Planned(rows=1, counts={}, digest=""))
    monkeypatch.setattr("bulk.ledger.folding._AWAITED_MAX", 2)
    with pytest.raises(LedgerDamaged, match=r"^line 2 waits for more than 2 rows that are not planned yet"):
        Story().tell(run_record(), change(1, after=(2, 3, 4)))


def test_codes_beyond_a_number_are_counted_as_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that makes up a code for each reply must not fill the memory; the sums stay right."""
    monkeypatch.setattr("bulk.ledger.folding.CODES_MAX", 2)
    story = planned(4)
    for row in range(1, 5):
        story.tell(Intent(row=row, attempt=1), outcome_with(row, Outcome.FAILED, f"code {row}"))
    assert story.progress.codes == {"code 1": 1, "code 2": 1, OTHER_CODES: 2}
    story.tell(outcome_with(4, Outcome.CONFLICT, "code 4"), outcome_with(1, Outcome.APPLIED, "code 1"))
    assert story.progress.codes == {"code 1": 0, "code 2": 1, OTHER_CODES: 1}


def outcome_with(row: int, outcome: Outcome, code: str) -> OutcomeRecord:
    """Return how a row ended, with a code."""
    return OutcomeRecord(row=row, outcome=outcome, reply=Reply(code=code))


def test_only_the_last_sessions_and_ends_stay_in_memory() -> None:
    """All are counted; of the settings those in force stay."""
    story = planned()
    story.tell(*[replace(session_record(), settings={"rate": "1/s"}), end_record()] * (SESSIONS_MAX + 1))
    progress = story.progress
    assert (progress.begun, len(progress.sessions), len(progress.ends)) == (
        SESSIONS_MAX + 2,
        SESSIONS_MAX,
        SESSIONS_MAX,
    )
    assert [one["settings"] for one in progress.sessions[-2:]] == [{"ticket": ""}, {"rate": "1/s"}]


@pytest.mark.parametrize("via", ["tls://nats.example.com", "", None])
def test_which_way_a_session_went_stays_known(via: str | None) -> None:
    """A request of it may still lie with a worker, whatever way the later ones go; none says nothing."""
    way = {} if via is None else {"via": via}
    story = planned()
    story.tell(replace(session_record(), settings={"rate": "1/s"} | way), end_record(), session_record())
    assert story.progress.sessions[-2]["settings"] == {"ticket": ""} | (way if via else {})


@pytest.mark.parametrize("row", [0, 2, 10**9])
def test_it_is_known_which_rows_are_planned(row: int) -> None:
    """Also of numbers for which there is no place."""
    assert planned().progress.is_planned(1)
    assert not planned().progress.is_planned(row)


def test_a_row_is_planned_once() -> None:
    """Two changes of one row would be two PUTs."""
    with pytest.raises(LedgerDamaged, match=r"^line 3 takes row 1 from WAITING to WAITING"):
        Story().tell(run_record(), change(1), change(1))


@pytest.mark.parametrize(
    "json",
    [
        {},
        {"at": "", "type": "promise"},
        {"at": "", "type": ["note"]},
        {"type": "note"},
        {"at": "", "type": "intent"},
        {"at": "", "type": "intent", "row": "1", "attempt": 1},
        {"at": "", "type": "outcome", "row": 1, "outcome": "splendid"},
        {"at": "", "type": "outcome", "row": 1, "outcome": "in_doubt"},
    ],
)
def test_a_line_with_missing_or_strange_members_is_damage_not_a_crash(json: Json) -> None:
    """Whoever forges the sums still meets a message with the line."""
    with pytest.raises(LedgerDamaged, match=r"^line 5 is not a record of this format"):
        planned().step(json)


def test_members_that_a_later_version_adds_are_passed_over() -> None:
    """In every record, and in the target and the figures of a plan."""
    story = Story()
    records = (run_record(), change(1), planned_record(change(1)), session_record(), INTENT, end_record())
    for record in records:
        json = {"at": "", "type": record_type(record), **record_json(record), "later": 1}
        for name in {"target", "footprint"} & json.keys():
            json[name] = {**json[name], "later": 1}
        story.step(json)
    assert story.progress.targets == [change(1).target]
    assert story.progress.footprint.changes == 1


def test_every_decision_is_kept_and_of_notes_and_paces_the_last_ones() -> None:
    """A long run under a tight limit must not make a person's word unknown."""
    story, pause = planned(), Decision(by=DecidedBy.OPERATOR, what="pause", reason="bridge call")
    pace = PaceRecord(
        lane=LaneName(host="h", region="r", account="a"), kind=RequestKind.READS, rate_per_s=1.0
    )
    story.tell(pause, *[pace] * (NOTES_MAX + 1))
    assert [record["type"] for record in story.progress.decisions] == ["decision"]
    assert len(story.progress.notes) == NOTES_MAX
    story.tell(*[pause] * (DECISIONS_MAX - 1))
    assert len(story.progress.decisions) == DECISIONS_MAX
    with pytest.raises(LedgerDamaged, match="is one decision more than 2,000"):
        story.tell(pause)


# What is remembered of an open row


@pytest.mark.parametrize(
    ("verb", "tries"),
    [
        (AttemptResult.RETRY, 1),
        (AttemptResult.DOUBT, 1),
        (AttemptResult.UNAPPLIED, 0),
        (AttemptResult.THROTTLED, 0),
        (AttemptResult.RENEWED, 0),
        (AttemptResult.NOT_SENT, 0),
        (AttemptResult.ABORT, 0),
        (AttemptResult.PARKED, 0),
        (AttemptResult.REJECTED, 0),
    ],
)
def test_only_answers_that_blame_the_row_cost_it_a_try(verb: AttemptResult, tries: int) -> None:
    """Neither throttling, nor a renewed token, nor a kill before the answer (unapplied without a doubt)."""
    progress = planned().tell(INTENT, ANSWERS[verb])
    assert (progress.open[1].attempts, progress.open[1].tries) == (1, tries)


def test_a_doubt_costs_one_try_whether_or_not_it_is_settled() -> None:
    """Reading that the service is as before is no second failure."""
    story = planned()
    assert story.tell(INTENT, ANSWERS[AttemptResult.DOUBT]).stage(1) is Stage.IN_FLIGHT
    assert story.tell(ANSWERS[AttemptResult.UNAPPLIED]).open[1].tries == 1


def test_parking_begins_the_tries_anew_and_stays_known() -> None:
    """The last PUT of a parked row has its own tries, and a refusal of it leaves the row parked."""
    story = planned()
    story.tell(INTENT, ANSWERS[AttemptResult.RETRY], INTENT, ANSWERS[AttemptResult.PARKED])
    assert (story.progress.open[1].tries, story.progress.open[1].parked) == (0, True)
    assert story.tell(INTENT, ANSWERS[AttemptResult.THROTTLED]).stage(1) is Stage.PARKED


def test_each_purpose_has_its_own_tries() -> None:
    """Restoring begins anew, however often the change was tried; what was rejected stays known."""
    story = planned()
    story.tell(
        *PATHS["parked"], INTENT, ANSWERS[AttemptResult.RETRY], INTENT, ANSWERS[AttemptResult.REJECTED]
    )
    assert (story.progress.open[1].tries, story.progress.open[1].rejected) == (1, True)
    story.tell(Intent(row=1, attempt=4, purpose=Purpose.RESTORE))
    assert (story.progress.open[1].tries, story.progress.open[1].purpose) == (0, Purpose.RESTORE)


def test_only_a_restored_row_goes_from_in_flight_to_blocked() -> None:
    """Any other row that was asked may have been applied."""
    story = planned()
    story.tell(*PATHS["parked"], Intent(row=1, attempt=2, purpose=Purpose.RESTORE))
    assert story.tell(ENDS[Outcome.BLOCKED]).outcome(1) is Outcome.BLOCKED
    with pytest.raises(LedgerDamaged, match=r"^line 6 blocks row 1 while a PUT of it is in doubt"):
        planned().tell(INTENT, ENDS[Outcome.BLOCKED])


def test_an_ended_row_is_no_longer_open() -> None:
    """Memory is for rows under way."""
    assert planned().tell(*PATHS["failed"]).open == {}


def test_puts_refusals_and_failures_by_code_are_counted() -> None:
    """Each intent is a PUT, each throttled answer a refusal, each failure has its code."""
    story = planned(2)
    story.tell(INTENT, ANSWERS[AttemptResult.THROTTLED], INTENT, ENDS[Outcome.FAILED])
    story.tell(
        Intent(row=2, attempt=1), OutcomeRecord(row=2, outcome=Outcome.CONFLICT, reply=Reply(code="x"))
    )
    assert (story.progress.sent, story.progress.refusals) == (3, 1)
    assert dict(story.progress.codes) == {"EndPoint.0001": 1}


UNSENT_RESULTS = {
    AttemptResult.NOT_SENT,
    AttemptResult.UNREACHED,
    AttemptResult.RETRY,
    AttemptResult.ABORT,
}
"""What a PUT that got no reply means that did not even leave."""


@pytest.mark.parametrize("result", AttemptResult)
def test_only_what_may_have_left_counts_as_sent(result: AttemptResult) -> None:
    """An intent counts from the beginning; no longer once it is known that its PUT did not leave."""
    story = planned()
    assert story.tell(INTENT).sent == 1
    may_have_left = result in {*AttemptResult} - UNSENT_RESULTS
    assert story.tell(ANSWERS[result]).sent == may_have_left
    answered = planned().tell(INTENT, replace(ANSWERS[result], reply=Reply(http=503)))
    assert answered.sent == 1


def test_what_no_reply_shows_is_known_by_row_until_the_outcome_is_replaced() -> None:
    """A row that the last look found otherwise has other trouble."""
    story = planned(2)
    for row in (1, 2):
        story.tell(
            Intent(row=row, attempt=1),
            OutcomeRecord(row=row, outcome=Outcome.APPLIED, unconfirmed=("vip_port_id",)),
        )
    assert story.progress.unconfirmed == {1: ("vip_port_id",), 2: ("vip_port_id",)}
    story.tell(OutcomeRecord(row=2, outcome=Outcome.CONFLICT))
    assert story.progress.unconfirmed == {1: ("vip_port_id",)}


def test_the_places_of_changes_and_last_outcomes_are_known() -> None:
    """Offsets by row, 0 while a row has no outcome."""
    story = planned(2)
    assert list(story.progress.change_at[:2]) == [100, 200]
    assert list(story.progress.outcome_at[:2]) == [0, 0]
    story.tell(Intent(row=2, attempt=1), OutcomeRecord(row=2, outcome=Outcome.APPLIED))
    assert list(story.progress.outcome_at[:2]) == [0, 600]
    story.tell(OutcomeRecord(row=2, outcome=Outcome.CONFLICT))
    assert list(story.progress.outcome_at[:2]) == [0, 700]


def test_an_id_has_the_same_number_in_every_process() -> None:
    """So what one process has written down of it means the same to the next."""
    assert hash_of("4189d3c2-8882-4871-a3c2-000000000001") == 2_115_908_169_458_847_910
    assert planned().progress.names[0] == hash_of(change(1).service_id)


def test_of_more_lanes_than_a_plan_has_no_pace_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are known are still renewed."""
    monkeypatch.setattr("bulk.ledger.folding._PACES_MAX", 1)
    story, lane = planned(), LaneName(host="h", region="r", account="a")
    pace = PaceRecord(lane=lane, kind=RequestKind.READS, rate_per_s=1.0)
    story.tell(pace, replace(pace, lane=lane._replace(account="b")), replace(pace, rate_per_s=2.0))
    assert [record["rate_per_s"] for record in story.progress.paces.values()] == [2.0]


def test_only_the_last_notes_stay_in_memory() -> None:
    """A long run's notes do not pile up."""
    story = planned()
    for number in range(NOTES_MAX + 2):
        story.tell(Note(about="pace", message=str(number)))
    assert len(story.progress.notes) == NOTES_MAX
    assert story.progress.notes[-1]["message"] == str(NOTES_MAX + 1)


def test_a_run_is_finished_when_every_row_ended_and_the_last_session_said_so() -> None:
    """A row left, another reason, or no `end` yet: not finished."""
    story = planned()
    assert not story.progress.finished
    assert not story.tell(end_record()).finished
    assert not story.tell(*PATHS["applied"], end_record(BrakeReason.INTERRUPTED)).finished
    assert story.tell(end_record()).finished
    assert len(story.progress.ends) == 3


@given(st.data())
def test_any_walk_of_legal_steps_keeps_the_sums(data: st.DataObject) -> None:
    """Through any legal story the nine counts sum to the rows and agree with each row's own outcome."""
    rows = data.draw(st.integers(1, 4))
    story = planned(rows)
    stages = dict.fromkeys(range(1, rows + 1), "waiting")
    parked: set[int] = set()
    left: set[int] = set()
    for _ in range(data.draw(st.integers(0, 25))):
        row = data.draw(st.sampled_from(sorted(stages)))
        never_left = {"applied"} if stages[row] == "answered" and row not in left else set()
        steps = sorted(STEPS.get(stages[row], set()) - never_left)
        if not steps:
            continue
        step = data.draw(st.sampled_from(steps))
        record = EVERY_STEP[step]
        story.step({"at": "", "type": record_type(record), **record_json(record), "row": row})
        if step == "parked":
            parked.add(row)
        if step in set(AttemptResult) - {AttemptResult.NOT_SENT, AttemptResult.UNREACHED}:
            left.add(row)
        stages[row] = _next(stages[row], step, parked=row in parked)
        assert story.progress.stage(row) is Stage[stages[row].upper()]
        counts = story.progress.counts()
        assert sum(counts.values()) == rows
        assert counts == {o: sum(story.progress.outcome(r) is o for r in stages) for o in Outcome}
        ended = {r for r in stages if stages[r] not in {"waiting", "in_flight", "answered", "parked"}}
        assert story.progress.ended == len(ended)
        assert set(story.progress.unended()) == stages.keys() - ended
        assert set(story.progress.rows_left(Action.UPDATE)) == stages.keys() - ended
        assert story.progress.unsent == rows - len(ended)
        assert story.progress.rows_by_target(left=True) == (
            {PROJECT: rows - len(ended)} if len(ended) < rows else {}
        )
        assert story.progress.open.keys() <= stages.keys() - ended


def _next(stage: str, step: str, *, parked: bool) -> str:
    if step == "intent":
        return "in_flight"
    if step == AttemptResult.DOUBT:
        return stage
    if step in set(AttemptResult):
        return "parked" if parked else "answered"
    return step
