"""Where a run stands as one value: its state, its exit code, what it waits for, how long it takes."""

from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from bulk.errors import ExitCode
from bulk.ledger.progress import Progress
from bulk.ledger.records import (
    DecidedBy,
    Decision,
    DecisionKind,
    Held,
    Intent,
    Note,
    OutcomeRecord,
    Ruling,
    Session,
    record_json,
)
from bulk.ledger.stops import BrakeReason
from bulk.model import Change, Hold, LaneName, Limit, Outcome, Reply, RequestKind, Target, Why
from bulk.plan.waves import WaveStanding
from bulk.reports.run_status import SILENT_S, RunStatus, State, lanes_of, run_status, within
from bulk.settings import Job, read_settings

if TYPE_CHECKING:
    from tests.unit.reports.conftest import Written

MakeChange = Callable[..., Change]
WEST = Target(region="cn-north-4", project_id="6e9dfd51d1124e8d8498dce894923a0d")
EAST = Target(region="cn-east-3", project_id="b" * 32)
STOP = Decision(
    by=DecidedBy.LIMIT,
    what=DecisionKind.STOP,
    cause=BrakeReason.FAILURE_LIMIT,
    reason="1 row failed, 0 may",
    id="s1",
    failures_max=0,
)
PERSON: dict[str, Any] = {"by": DecidedBy.OPERATOR, "reason": "call", "user": "ann", "host": "b1"}
PAUSE = Decision(**PERSON, what=DecisionKind.PAUSE, id="p1")
LEAVE = Decision(**PERSON, what=DecisionKind.LEAVE, id="l1")


def job_with(**settings: Any) -> Job:
    """Return a job with these settings."""
    job = read_settings(Job, {"rows": "x.csv", **settings}, flags={})
    assert isinstance(job, Job), job
    return job


def standing(
    written: "Written",
    *,
    alive: bool = False,
    job: Job | None = None,
    after_s: float = 1.0,
    **more: Any,
) -> RunStatus:
    """Return where a run stands so long after its last record."""
    now = written.now + timedelta(seconds=after_s)
    return run_status(written.progress, job, now=now, alive=alive, **more)


@pytest.fixture
def begun(written: "Written", change: MakeChange) -> "Written":
    """Return a run of three rows whose first session has begun."""
    return written.planned(*(change(row, "80:80/TCP", "81:81/TCP") for row in (1, 2, 3))).session()


def held(hold: Hold, since: datetime, *, until: datetime | None = None, **more: Any) -> Note:
    """Return the note of a hold of rows."""
    at = {name: _at(when) for name, when in (("since", since), ("until", until)) if when}
    return Note(about="hold", message="m", held=Held(hold=hold, who="rows", **at, **more))


def _at(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"


# The state, and the exit code that it means


def test_an_empty_ledger_can_never_be_applied() -> None:
    """It is no error to ask; the plan has to be made anew."""
    status = run_status(Progress(), None, now=datetime.now(UTC), alive=False)
    assert (status.state, status.exit_code) == (State.INCOMPLETE, ExitCode.CANNOT_RUN)
    assert status.reason == "the plan was never finished"
    assert orjson.loads(orjson.dumps(status.json()))["state"] == "incomplete"


def test_a_run_of_another_night_is_none_of_this_one(written: "Written", change: MakeChange) -> None:
    """One at work is, however long ago it wrote; so is one that was at work in the time asked of."""
    plan = written.planned(change(1, "80:80/TCP", "81:81/TCP"))
    dead = standing(plan.session(), after_s=7_200.0)
    assert within(dead, 7_300.0) is dead
    assert within(dead, 3_600.0).reason == f"no run was at work in the last 1 h; before, {dead.reason}"
    alive = standing(written, alive=True, after_s=7_200.0)
    assert within(alive, 3_600.0) is alive
    empty = run_status(Progress(), None, now=datetime.now(UTC), alive=False)
    assert within(empty, 3_600.0).exit_code == ExitCode.STOPPED_EARLY


def test_a_plan_that_was_never_applied_is_begun_by_the_same_command(
    written: "Written", change: MakeChange
) -> None:
    """Nothing was sent, and a scheduler may try."""
    status = standing(written.planned(change(1, "80:80/TCP", "81:81/TCP")))
    assert (status.state, status.exit_code) == (State.PLANNED, ExitCode.STOPPED_EARLY)
    assert (status.reason, status.began_at, status.silent_s) == ("no session has begun", None, None)
    assert (status.rows, status.changes, status.left) == (1, 1, 1)


def test_a_run_at_work_is_busy_whatever_has_become_of_its_rows(begun: "Written") -> None:
    """Also while a process asks before it begins a session."""
    status = standing(begun, alive=True)
    assert (status.state, status.exit_code, status.reason) == (State.RUNNING, ExitCode.BUSY, "sending")
    begun.end(BrakeReason.INTERRUPTED)
    status = standing(begun, alive=True)
    assert (status.state, status.exit_code) == (State.RUNNING, ExitCode.BUSY)
    assert "its session has not begun" in status.reason
    assert status.ends_at is None


def test_a_session_that_died_is_continued_by_the_same_command(begun: "Written") -> None:
    """A kill -9 leaves no end; what is in doubt is read by the next session."""
    status = standing(begun.put(Intent(row=1, attempt=1)))
    assert (status.state, status.exit_code) == (State.DIED, ExitCode.STOPPED_EARLY)
    assert status.reason == "process 123 of ops on bastion died"
    assert status.outcomes["in_doubt"] == 1


@pytest.mark.parametrize(
    ("reasons", "code"),
    [
        ([BrakeReason.INTERRUPTED], 130),
        ([BrakeReason.TERMINATED], 143),
        ([BrakeReason.WINDOW], 10),
        ([BrakeReason.PAUSED], 10),
        ([BrakeReason.UNREACHED], 5),
        ([BrakeReason.ABORTED], 1),
        ([BrakeReason.STRICT], 7),
        ([BrakeReason.WINDOW, BrakeReason.UNREACHED], 10),
        ([BrakeReason.BUDGET], 11),
        ([], 5),
    ],
)
def test_a_session_that_stopped_means_what_it_ended_with(
    reasons: list[BrakeReason], code: int, begun: "Written"
) -> None:
    """Of several reasons the first counts, as it did then."""
    status = standing(begun.applied(1).end(*reasons))
    assert (status.state, status.exit_code) == (State.STOPPED, code)
    assert status.reasons == tuple(reasons or [BrakeReason.FINISHED])
    assert status.reason
    assert status.ended_at == begun.progress.last_at


def test_doubts_that_no_session_could_read_remain_in_doubt(begun: "Written") -> None:
    """The end says that it finished, the rows say 11."""
    status = standing(begun.applied(1).applied(2).put(Intent(row=3, attempt=1)).end())
    assert (status.state, status.exit_code) == (State.STOPPED, ExitCode.IN_DOUBT)


def test_a_finished_run_means_what_its_rows_came_to(begun: "Written") -> None:
    """0 where all are as asked, else 4."""
    begun.applied(1).applied(2)
    well = deepcopy(begun).applied(3).end()
    status = standing(well)
    assert (status.state, status.exit_code) == (State.FINISHED, ExitCode.OK)
    assert (status.reason, status.left_s) == ("it finished; every row is as asked", 0.0)
    status = standing(begun.failed(3, "E.1").end())
    assert (status.state, status.exit_code) == (State.FINISHED, ExitCode.SOME_FAILED)
    assert (status.reason, status.codes) == ("it finished; 1 failed", {"E.1": 1})


def test_a_stop_that_stands_means_6_however_the_session_ended(begun: "Written") -> None:
    """Killed or finished with its doubts: a scheduler must not try again before a person has said why."""
    begun.failed(1, "E.1").put(STOP)
    status = standing(begun)
    assert (status.state, status.exit_code) == (State.DIED, ExitCode.SAFETY_LIMIT)
    assert status.reason == "1 row failed, 0 may (stop s1)"
    assert [stop["id"] for stop in status.stops] == ["s1"]
    assert [each["what"] for each in status.decisions] == ["stop"]
    begun.put(Decision(**PERSON, what=DecisionKind.DESPITE, id="s1"))
    status = standing(begun)
    assert (status.exit_code, status.stops) == (ExitCode.STOPPED_EARLY, ())
    assert [each["what"] for each in status.decisions] == ["despite"]


def test_a_run_that_was_left_or_taken_back_needs_a_person(begun: "Written") -> None:
    """Its rows are not as they were asked any more, or another run goes on."""
    begun.applied(1).applied(2).applied(3).end()
    status = standing(begun, rolled_back_by="R")
    assert (status.exit_code, status.reason) == (ExitCode.REFUSED, "it was rolled back by R")
    assert status.rolled_back_by == "R"
    begun.put(Decision(**PERSON, what=DecisionKind.LEAVE))
    status = standing(begun)
    assert (status.exit_code, status.reason) == (ExitCode.REFUSED, "it was left for good by ann on b1 (call)")


# What is waited for


def test_a_hold_that_was_noted_is_shown_until_it_is_over(begun: "Written") -> None:
    """With since when and until when, of which the session has kept a record."""
    since = begun.now
    begun.put(
        held(Hold.WAVE, since), held(Hold.SOAK, since, until=since + timedelta(seconds=60), detail="wave 1")
    )
    status = standing(begun, alive=True)
    assert status.hold is not None
    assert (status.hold.hold, status.hold.held_s, status.hold.left_s) == (Hold.SOAK, 3.0, 57.0)
    assert (
        status.reason == status.hold.text == "rows wait for the time between a wave and the next one: wave 1"
    )
    assert [hold.hold for hold in status.holds] == [Hold.WAVE, Hold.SOAK]
    begun.put(held(Hold.SOAK, since, is_over=True))
    status = standing(begun, alive=True)
    assert [(hold.hold, hold.until, hold.left_s) for hold in status.holds] == [(Hold.WAVE, None, None)]
    begun.put(held(Hold.WAVE, since, is_over=True), Note(about="look", message="m"))
    assert standing(begun, alive=True).holds == ()


def test_a_hold_whose_end_has_come_is_none(begun: "Written") -> None:
    """The note that it is over may come a moment later, or never, as at the opening of a window."""
    begun.put(held(Hold.WINDOW, begun.now, until=begun.now + timedelta(seconds=9)))
    assert standing(begun, alive=True, after_s=1.0).reason == "rows wait for the opening of the window"
    assert standing(begun, alive=True, after_s=8.5).reason == "sending"


def test_what_an_earlier_session_waited_for_is_forgotten(begun: "Written") -> None:
    """And of a session that is not at work any more."""
    begun.put(held(Hold.KEY, begun.now))
    assert standing(begun).holds == ()
    begun.end(BrakeReason.INTERRUPTED).session()
    assert standing(begun, alive=True).holds == ()


@pytest.mark.parametrize("has_ended", [True, False], ids=["ended", "killed"])
@pytest.mark.parametrize("after_s", [3600.0, -3600.0], ids=["an hour later", "clock set back by an hour"])
def test_the_pauses_between_sessions_are_no_work(
    begun: "Written", after_s: float, *, has_ended: bool
) -> None:
    """What is written between two sessions makes none longer, also where the first one was killed."""
    begun.applied(1)
    if has_ended:
        begun.end(BrakeReason.INTERRUPTED)
    worked_s = begun.progress.work_s
    begun.put(Note(about="settings", message="m"), LEAVE, after_s=after_s)
    assert begun.progress.work_s == worked_s > 0.0
    begun.session()
    assert begun.progress.work_s == worked_s
    begun.applied(2)
    assert begun.progress.work_s > worked_s


def test_a_clock_that_is_set_back_makes_no_run_shorter(begun: "Written") -> None:
    """The sessions before the one in whose midst it happens keep their length."""
    begun.end(BrakeReason.INTERRUPTED)
    worked_s = begun.progress.work_s
    begun.session()
    begun.now -= timedelta(hours=1)
    begun.applied(1)
    assert begun.progress.work_s == worked_s


def test_a_pause_is_a_hold_from_its_first_moment(begun: "Written") -> None:
    """Also before its note; it is named once, and no end of the run is foreseen."""
    begun.put(PAUSE)
    status = standing(begun, alive=True, job=job_with(rate="10/s"))
    assert status.reason == "rows wait for a person's word: paused by ann on b1 (call)"
    assert (status.ends_at, status.left_s) == (None, 0.3)
    assert status.pause == {"by": "ann on b1", "at": begun.progress.last_at, "reason": "call"}
    begun.put(held(Hold.OPERATOR, begun.now))
    assert [hold.hold for hold in standing(begun, alive=True).holds] == [Hold.OPERATOR]
    begun.put(Decision(**PERSON, what=DecisionKind.UNPAUSE), held(Hold.OPERATOR, begun.now, is_over=True))
    status = standing(begun, alive=True)
    assert (status.holds, status.pause, status.decisions) == ((), None, ())


@pytest.mark.parametrize("hold", Hold)
def test_what_the_whole_run_waits_for_is_named_before_what_a_row_does(hold: Hold, begun: "Written") -> None:
    """And nobody can say when a person, or a judge, will speak."""
    begun.put(held(Hold.SETTLE, begun.now), held(hold, begun.now))
    status = standing(begun, alive=True, job=job_with(rate="1/s"))
    of_a_row = {Hold.RATE, Hold.PREDECESSOR, Hold.PARKING, Hold.SETTLE, Hold.BACKOFF, Hold.WAVE}
    assert status.hold is not None
    assert status.hold.hold is (Hold.SETTLE if hold in of_a_row else hold)
    assert (status.ends_at is None) is (hold in {Hold.OPERATOR, Hold.JUDGE})


def test_a_silent_run_foresees_nothing(begun: "Written") -> None:
    """What it said last may not be true any more."""
    status = standing(begun, alive=True, job=job_with(rate="1/s"), after_s=SILENT_S)
    assert (status.silent_s, status.ends_at is None) == (SILENT_S, False)
    status = standing(begun, alive=True, job=job_with(rate="1/s"), after_s=SILENT_S + 1)
    assert (status.reason, status.ends_at) == ("no word for 46 s", None)
    assert standing(begun, alive=True, after_s=-9.0).silent_s == 0.0  # another machine's clock


# How fast, and how long


def test_each_lane_has_its_pace_and_the_time_that_its_rows_take(
    written: "Written", change: MakeChange
) -> None:
    """Lanes go side by side, so that the slowest one counts; a person's rate goes before the API's."""
    changes = [change(row, "80:80/TCP", "81:81/TCP", target=EAST if row > 2 else WEST) for row in range(1, 6)]
    written.planned(*changes, targets=(WEST, EAST))
    lanes = [{"host": "simulator", "region": each.region, "account": "ops"} for each in (WEST, EAST)]
    session = Session(host="b", pid=1, user="u", settings={}, digest="", counts={}, lanes=lanes)
    written.put(session).applied(1).paced(2.0, Limit(requests=60, window_s=60.0), why=Why.STATED, noise=0.25)
    written.paced(9.0, kind=RequestKind.READS)
    status = standing(written, alive=True, job=job_with(rate="20/s"))
    west, east = status.lanes
    assert (west.region, west.rows, west.left, west.rate_per_s, west.left_s) == ("cn-north-4", 2, 1, 2.0, 0.5)
    assert (west.limit, west.limit_per_s, west.why, west.noise) == ("60 per minute", 1.0, "stated", 0.25)
    assert (east.region, east.left, east.rate_per_s, east.left_s) == ("cn-east-3", 3, 20.0, 0.15)
    assert (east.limit, east.limit_per_s, east.why, east.noise) == (None, None, None, 0.0)
    assert status.left_s == 0.5
    assert status.ends_at == _at(written.now + timedelta(seconds=1.5))
    written.put(Decision(**PERSON, what=DecisionKind.RATE, rate_per_s=1.0))
    status = standing(written, alive=True)
    assert [lane.rate_per_s for lane in status.lanes] == [1.0, 1.0]
    assert status.rate == {
        "by": "ann on b1",
        "at": written.progress.last_at,
        "reason": "call",
        "rate_per_s": 1.0,
    }
    written.put(Decision(**PERSON, what=DecisionKind.RATE, rate_per_s=2.0))
    assert [each["rate_per_s"] for each in standing(written).decisions] == [2.0]
    written.put(Decision(**PERSON, what=DecisionKind.RATE), session)  # whose limiters begin anew
    assert [lane.rate_per_s for lane in standing(written, job=job_with()).lanes] == [10.0, 10.0]


def test_before_a_session_the_lanes_are_those_of_the_plan(written: "Written", change: MakeChange) -> None:
    """By account or key, where the plan shows it, else by profile."""
    written.planned(change(1, "80:80/TCP", "81:81/TCP"), targets=(WEST, EAST._replace(profile="prod")))
    assert list(lanes_of(written.progress).values()) == [
        LaneName(host="", region="cn-north-4", account=""),
        LaneName(host="", region="cn-east-3", account="prod"),
    ]
    assert written.progress.planned is not None
    written.progress.planned["owners"] = [{"account": "a"}, {"key": "0001"}]
    assert [lane.account for lane in lanes_of(written.progress).values()] == ["a", "0001"]
    [lane] = standing(written).lanes
    assert (lane.account, lane.rate_per_s, lane.left) == ("a", 10.0, 1)


def test_a_rate_at_which_nobody_sees_the_end_gives_no_time(begun: "Written") -> None:
    """Nor does one that is none."""
    for rate_per_s in (1e-12, 0.0):
        status = standing(begun.paced(rate_per_s, lane=LaneName("", "cn-north-4", "")), alive=True)
        assert (status.lanes[0].left_s, status.left_s, status.ends_at) == (None, None, None)


def test_the_rows_of_a_target_that_the_plan_does_not_name_are_a_lane(begun: "Written") -> None:
    """A forged ledger may have such rows; looking at it must not fail."""
    begun.progress.run["targets"] = []
    assert [lane.region for lane in standing(begun).lanes] == ["cn-north-4"]


# What the run keeps to


@pytest.mark.parametrize(
    ("clock", "expected"),
    [
        ("2026-01-15T00:30", (False, "17:00", "18:58", "19:00", 1800.0)),
        ("2026-01-15T01:00", (True, "17:00", "18:58", "19:00", 7200.0)),
        ("2026-01-15T02:59", (True, "17:00", "18:58", "19:00", 60.0)),
    ],
)
def test_the_window_says_when_it_opens_and_closes(
    clock: str, expected: tuple[bool, str, str, str, float], begun: "Written"
) -> None:
    """In UTC, whatever zone it is written in; nothing new begins in its last part."""
    now = datetime.fromisoformat(clock).replace(tzinfo=ZoneInfo("Asia/Shanghai"))
    job = job_with(window="01:00-03:00", spare="2m")
    window = run_status(begun.progress, job, now=now, alive=False).window
    assert window is not None
    times = [(at or "")[11:16] for at in (window.opens_at, window.stops_at, window.closes_at)]
    assert (window.is_open, *times, window.left_s) == expected
    assert (window.window, window.fits) == ("01:00-03:00", None)


def test_the_run_fits_its_window_or_not(begun: "Written") -> None:
    """If it is expected to end before nothing new may begin."""
    for window, fits in (("08:00-23:00 UTC", True), ("08:00-09:00 UTC", False)):
        status = standing(begun, alive=True, job=job_with(window=window, rate="3/h"))
        assert status.left_s == 3600.0
        assert status.window is not None
        assert status.window.fits is fits


def test_a_window_that_is_over_has_no_times(begun: "Written") -> None:
    """One that has always been open has no opening, and one without an end no end."""
    window = standing(begun, job=job_with(window="2020-01-01T00:00Z")).window
    assert window is not None
    assert (window.is_open, window.opens_at, window.left_s) == (False, None, None)
    window = standing(begun, job=job_with(window="2030-01-01T00:00Z")).window
    assert window is not None
    assert (window.is_open, window.opens_at, window.closes_at) == (True, None, "2030-01-01T00:00:00.000Z")
    window = standing(begun, job=job_with(blackout="2020-01-01")).window
    assert window is not None
    assert (window.is_open, window.closes_at, window.left_s) == (True, None, None)


def test_the_budget_counts_what_failed(begun: "Written") -> None:
    """Of the run; a percentage is of its changes."""
    conflict = OutcomeRecord(row=2, outcome=Outcome.CONFLICT, reply=Reply(), attempts=1)
    begun.failed(1, "E.1").put(Intent(row=2, attempt=1), conflict)
    budget = standing(begun, job=job_with(max_failures="50%")).budget
    assert budget is not None
    assert (budget.limit, budget.written, budget.used, budget.left) == (1, "50%", 2, 0)
    assert standing(begun, job=job_with()).budget is None
    assert standing(begun).budget is None


def test_the_wave_under_way_is_the_first_that_has_not_passed(begun: "Written") -> None:
    """Or the last one, which nobody judges; soaks that are to come count for the time left."""
    waves = [WaveStanding(1, "", 1, 0), WaveStanding(2, "50%", 1, 1), WaveStanding(3, "", 1, 1)]
    job = job_with(canary=1, soak="1m", rate="10/s")
    until = begun.now + timedelta(seconds=30)
    begun.applied(1).put(held(Hold.SOAK, begun.now, until=until))
    status = standing(begun, alive=True, job=job, waves=waves)
    assert status.wave is not None
    assert (status.wave.number, status.wave.of, status.wave.left) == (1, 3, 0)
    assert status.wave.soak_ends_at == _at(until)
    assert (status.left_s, status.ends_at) == (120.2, _at(until + timedelta(seconds=120.2)))
    passed = {"by": DecidedBy.LIMIT, "what": DecisionKind.WAVE, "ruling": Ruling.GO, "reason": "r"}
    begun.put(Decision(**passed, wave=1))
    status = standing(begun, alive=True, job=job, waves=waves)
    assert status.wave is not None
    assert (status.wave.number, status.wave.name) == (2, "50%")
    assert [each["wave"] for each in status.decisions] == [1]
    begun.put(Decision(**passed, wave=2), Decision(**passed, wave=3))
    status = standing(begun, alive=True, job=job, waves=waves)
    assert status.wave is not None
    assert status.wave.number == 3


def test_a_wave_soaks_from_its_last_outcome_on_before_that_is_noted(begun: "Written") -> None:
    """Not the last wave, nor one with rows left, nor after a stop, nor by an earlier outcome."""
    waves = [WaveStanding(1, "", 1, 0), WaveStanding(2, "", 2, 2)]
    at = {"alive": True, "job": job_with(canary=1, soak="1m"), "waves": waves}
    begun.applied(1)
    since, until = begun.progress.last_at, _at(begun.now + timedelta(seconds=60))
    at["outcome_at"] = since
    status = standing(begun, **at)
    assert status.reason == "rows wait for the time between a wave and the next one: wave 1"
    assert status.hold is not None
    assert (status.hold.hold, status.hold.since, status.hold.until) == (Hold.SOAK, since, until)
    assert status.wave is not None
    assert status.wave.soak_ends_at == until
    others: tuple[dict[str, Any], ...] = (
        {"after_s": 60.0},
        {"job": job_with(canary=1)},
        {"job": None},
        {"alive": False},
        {"outcome_at": ""},
        {"waves": []},
        {"waves": waves[:1]},
        {"waves": [waves[0]._replace(left=1), waves[1]]},
    )
    for other in others:
        assert standing(begun, **at | other).holds == (), other
    noted = held(Hold.SOAK, begun.now, until=begun.now + timedelta(seconds=59))
    assert len(standing(begun.put(noted), **at).holds) == 1
    stopped = deepcopy(begun).put(held(Hold.SOAK, begun.now, is_over=True), STOP)
    assert standing(stopped, **at).holds == ()
    assert standing(begun.end(BrakeReason.INTERRUPTED).session(), **at).holds == ()


def test_the_status_is_json(begun: "Written") -> None:
    """The outcomes are all there and sum to the rows; what is not known is null."""
    begun.put(PAUSE)
    json = orjson.loads(orjson.dumps(standing(begun.applied(1), alive=True, job=job_with()).json()))
    assert sum(json["outcomes"].values()) == json["rows"] == 3
    assert (json["state"], json["exit_code"], json["ended"], json["left"]) == ("running", 8, 1, 2)
    assert json["hold"]["hold"] == "operator"
    assert json["sessions"][0]["user"] == "ops"
    assert json["decisions"][0] == {"at": json["pause"]["at"], **record_json(PAUSE)}
    assert (json["window"], json["wave"], json["budget"], json["ends_at"]) == (None, None, None, None)
