"""The view of `bulk watch`: why it waits first, the figures of `status`, what a person may do next."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis.strategies import from_regex, integers, lists

from bulk.app.session import Watched
from bulk.cli.display import Display
from bulk.ledger.chain import moment_s
from bulk.ledger.records import (
    Attempt,
    AttemptResult,
    DecidedBy,
    Decision,
    DecisionKind,
    Intent,
    OutcomeRecord,
    Ruling,
)
from bulk.ledger.stops import BrakeReason
from bulk.model import Action, Change, Hold, LaneName, Limit, Outcome, Reply, RequestKind, Target, Why
from bulk.reports.recent import ROWS_KEPT, SECONDS, Recent
from bulk.reports.report import row_of
from bulk.reports.run_status import (
    BudgetStatus,
    HoldStatus,
    RunStatus,
    State,
    WaveStatus,
    WindowStatus,
    run_status,
)
from bulk.reports.status import lines
from bulk.reports.watch_lines import LANES_SHOWN, plain_line, screen
from bulk.reports.watch_view import SeenRow, View, view_of
from bulk.reports.words import command_lines, plain
from bulk.run.brake import Brake

if TYPE_CHECKING:
    from tests.unit.reports.conftest import Written

Changes = Callable[..., Change]
BEIJING = ZoneInfo("Asia/Shanghai")
AT = "2026-01-15T08:31:00.000Z"
LANE = {"host": "simulator", "region": "cn-north-4", "account": "ops"}

STOPPED = Decision(
    by=DecidedBy.LIMIT,
    what=DecisionKind.STOP,
    reason="1 row failed, 0 may",
    id="a1b2c3",
    cause=BrakeReason.FAILURE_LIMIT,
    failures_max=0,
)


def recent_of(written: "Written") -> Recent:
    """Return what the last minute of a ledger was like."""
    recent = Recent()
    for record in written.records:
        recent.take(written.progress, record)
    return recent


def status_of(written: "Written", *, alive: bool = True, **others: Any) -> RunStatus:
    """Return where a run stands a second after its last record, with what is said of it besides."""
    now = written.now.replace(microsecond=0)
    return replace(run_status(written.progress, None, now=now, alive=alive), **others)


def seen(
    written: "Written", status: RunStatus | None = None, *, rows: tuple[int, ...] = (), **others: Any
) -> View:
    """Return the view of a run."""
    shown = [
        SeenRow(
            row=row_of(written.changes[row], written.progress.outcome(row), written.ended.get(row)),
            at=written.ended[row]["at"] if row in written.ended else AT,
        )
        for row in rows
    ]
    given = {
        "zone": UTC,
        "run": "job",
        "ledger": "L",
        "trouble": "",
        "advice": lambda code: f"about {code}",
    }
    return view_of(
        status or status_of(written), written.progress, recent_of(written), shown, **given | others
    )


def hold(kind: Hold, **others: Any) -> HoldStatus:
    """Return something that is waited for."""
    known = {"who": "rows", "text": "rows wait", "row": None, "since": AT, "held_s": 9.0}
    return HoldStatus(hold=kind, **known | {"until": None, "left_s": None} | others)


@pytest.fixture
def run(written: "Written", change: Changes) -> "Written":
    """Return a run of three rows at work, of which one is applied."""
    written.planned(*(change(row, "80:80/TCP", "81:81/TCP") for row in (1, 2, 3)))
    written.progress.run["targets"][0]["host"] = "simulator"
    written.session()
    written.progress.sessions[-1]["lanes"] = [LANE]
    return written.applied(1)


def waiting(run: "Written", held: HoldStatus, **others: Any) -> View:
    """Return a run that has sent nothing lately and waits."""
    later = replace(status_of(run), at="2026-01-15T08:32:00.000Z", silent_s=3.0, hold=held, holds=(held,))
    return seen(run, replace(later, **others))


# Why it waits


def test_a_run_that_waits_for_nothing_is_sending_and_then_checks(run: "Written") -> None:
    """In words for somebody who does not know the tool."""
    view = seen(run)
    assert (view.state, view.tone, view.reason, view.explained) == ("sending", "good", "Sending", "")
    view = seen(run.applied(2).applied(3))
    assert view.reason == "Checking what was sent"


@pytest.mark.parametrize("kind", [Hold.WINDOW, Hold.SOAK, Hold.PUSH_BACK, Hold.BUDGET, Hold.RATE])
def test_the_reason_for_waiting_is_the_headline_with_its_end_where_it_has_one(
    run: "Written", kind: Hold
) -> None:
    """The headline itself does not change with the time, which a screen reader would speak."""
    held = hold(kind, until="2026-01-15T11:50:00.000Z", left_s=11_940.0)
    view = waiting(run, held)
    assert view.state == "waiting"
    assert view.tone == "change"
    assert view.reason.startswith("Waiting for ")
    assert view.reason_more == ": 11:50 UTC, in 3 h 19 min"
    assert view.explained == "rows wait"
    assert waiting(run, hold(kind)).reason_more == ""
    over = waiting(run, hold(kind, until=AT, left_s=-1.0))
    assert over.reason_more == ": 08:31 UTC, now"
    far = waiting(run, hold(kind, until="2026-01-17T11:50:00.000Z", left_s=99_999.0))
    assert far.reason_more.startswith(": 2026-01-17 11:50 UTC, in ")


def test_a_pause_names_who_and_why(run: "Written") -> None:
    """Also where the ledger says no more than that there is one."""
    said = {"reason": "bridge call", "user": "ann", "host": "bastion1"}
    run.put(Decision(by=DecidedBy.OPERATOR, what=DecisionKind.PAUSE, **said))
    view = waiting(run, hold(Hold.OPERATOR))
    assert (view.state, view.reason, view.explained) == ("paused", "Paused by ann on bastion1", "bridge call")
    assert view.commands[0] == ("unpause", "bulk tell job unpause")
    view = waiting(run, hold(Hold.OPERATOR), pause=None)
    assert (view.reason, view.explained) == ("Paused by a person", "rows wait")
    assert view.reason_more == ", for 9 s"


def test_whoever_looks_sees_that_a_person_is_waited_for_and_the_command_that_lets_the_run_go_on(
    run: "Written",
) -> None:
    """The status, its JSON, the screen and the terminal of the run, from the first moment on."""
    pause = Decision(by=DecidedBy.OPERATOR, what=DecisionKind.PAUSE, reason="call", user="ann", host="h")
    for decision, what, word in (
        (wave(1, Ruling.UNSURE), "unsure about wave 1 (probe 1)", "go 1"),
        (wave(2, Ruling.UNSURE), "unsure about wave 2 (probe 2)", "go 2"),
        (pause, "paused by ann on h (call)", "unpause"),
    ):
        run.put(decision)
        status = status_of(run)
        assert what in status.reason
        command = f"bulk tell L {word}"
        screen_commands = [command for _, command in seen(run, status, run="L").commands]
        shown = [plain(line) for line in lines(run.progress, alive=True, ledger="L", standing=status)]
        watched = Watched(
            progress=run.progress,
            brake=Brake(),
            now=lambda: 0.0,
            paces={},
            row_holds=lambda: iter(()),
            run="L",
        )
        assert command in screen_commands
        assert f"to let it go on: {command}" in shown
        assert command in Display(watched).commands()
    run.put(wave(2, Ruling.GO), replace(pause, what=DecisionKind.UNPAUSE))
    assert status_of(run).reason == "sending"
    assert not any("let it go on" in plain(line) for line in lines(run.progress, alive=True, ledger="L"))


def test_a_go_before_all_waves_is_one_before_the_first_put(run: "Written") -> None:
    """The judge is asked before anything is sent, too."""
    run.put(replace(wave(0, Ruling.UNSURE), reason=""))
    assert status_of(run).reason == "rows wait for the judge: unsure about wave 0"
    assert seen(run).rows_title == "Needs a person: a go before the first PUT"


def test_what_some_rows_wait_for_is_no_headline_while_others_are_sent(run: "Written") -> None:
    """But for the window, a pause and a soak, which hold all of them."""
    view = seen(run, status_of(run, hold=hold(Hold.WAVE)))
    assert (view.reason, view.explained) == ("Sending", "rows wait; other services are being changed.")
    assert seen(run, status_of(run, hold=hold(Hold.WINDOW))).state == "waiting"


def test_a_run_whose_puts_do_not_leave_is_not_sending(run: "Written") -> None:
    """It writes intents, and waits for who would send them."""
    for number in range(1, 6):
        verdict = AttemptResult.NOT_SENT if number % 2 else AttemptResult.UNREACHED
        gone = Attempt(row=2, attempt=number, verdict=verdict, reply=Reply(code="no_worker"))
        run.put(Intent(row=2, attempt=number), gone)
    held = hold(Hold.WORKER, text="rows wait for a worker: cn-north-4")
    view = seen(run, status_of(run, hold=held))
    assert sum(view.lanes[0].sent) == 1
    assert view.reason == "Waiting for a worker, which signs and sends from another host"
    assert view.explained == "rows wait for a worker: cn-north-4"


def test_at_the_limit_of_the_api_it_is_no_error(run: "Written") -> None:
    """The limit stands in the headline where it was not the person who gave it."""
    run.paced(1.98, Limit(requests=60, window_s=60.0, policy="user"), why=Why.STATED)
    view = seen(run)
    assert view.reason == "Sending at the API's limit: 60 per minute (user)"
    run.paced(1.98, Limit(requests=60, window_s=60.0), why=Why.GIVEN)
    assert seen(run).reason == "Sending"


def test_silence_of_45_s_is_the_headline_and_estimates_vanish(run: "Written") -> None:
    """Figures stay, as old as they are."""
    known = {"left_s": 90.0, "ends_at": "2026-01-15T08:35:00.000Z"}
    view = seen(run, status_of(run, silent_s=44.9, **known))
    assert (view.left, view.ends) == ("about 1 min 30 s left", "ends about 08:35:00 UTC")
    assert "left" in view.lanes[0].more
    assert seen(run, status_of(run, left_s=90.0, ends_at=None)).left == "needs about 1 min 30 s"
    view = seen(run, status_of(run, silent_s=45.0, **known))
    assert (view.state, view.tone) == ("no word", "bad")
    assert (view.reason, view.reason_more) == ("No word from the run", " for 45 s")
    assert "look at process 123 of ops on bastion" in view.explained
    assert (view.left, view.ends, view.window_more) == ("", "", "")
    assert "left" not in view.lanes[0].more
    assert (view.done, view.percent) == (1, "33 %")
    nameless = seen(run, replace(status_of(run, silent_s=46.0), sessions=()))
    assert "look at its process" in nameless.explained


def test_every_state_has_its_headline(written: "Written", change: Changes) -> None:
    """Before the run and after it."""
    written.planned(change(1, "80:80/TCP", "81:81/TCP"), change(2, "80:80/TCP", "81:81/TCP"))
    view = seen(written, status_of(written, alive=False))
    assert (view.state, view.reason) == ("planned", "Planned, not begun")
    assert view.who[0] == "planned 2026-01-15 08:30:04 UTC"
    assert seen(written).reason == "Not begun yet"
    written.session().applied(1)
    assert seen(written, status_of(written, alive=False)).reason == "The run died"
    assert seen(written, status_of(written, alive=False)).explained.startswith(
        "process 123 of ops on bastion died; "
    )
    written.end(BrakeReason.WINDOW)
    assert seen(written, status_of(written, alive=False)).reason == "Stopped: the window ended"
    assert seen(written).reason == "Not begun yet"  # somebody has opened it again
    written.session().failed(2, "EndPoint.3044").end()
    view = seen(written, status_of(written, alive=False))
    assert (view.tone, view.reason) == ("bad", "Finished: 1 service not as asked")
    incomplete = status_of(written, alive=False, state=State.INCOMPLETE, reason="the plan was never finished")
    assert seen(written, incomplete).reason == "Stopped: the plan was never finished"


def test_a_run_that_is_as_asked_says_so(written: "Written", change: Changes) -> None:
    """In green."""
    written.planned(change(1, "80:80/TCP", "81:81/TCP")).session().applied(1).end()
    view = seen(written, status_of(written, alive=False))
    assert (view.tone, view.reason) == ("good", "Finished: everything is as asked")
    assert view.left == ""


# Figures


def test_the_head_names_who_works_where_and_on_what(run: "Written") -> None:
    """Local time first; what is not known is left out."""
    view = seen(run, status_of(run, ticket="CHG1"), zone=BEIJING)
    assert view.who == (
        "began 2026-01-15 16:30:06 CST (08:30:06 UTC)",
        "ops on bastion, process 123",
        "CHG1",
        "the bundled simulator",
        "digest cdcdcdcdcdcdcdcd",
    )
    bare = seen(run, status_of(run, sessions=(), planned_at=None, digest=None, ticket=None))
    assert bare.who == ("the bundled simulator",)


def test_counts_tell_what_is_in_flight_from_what_is_in_doubt(run: "Written") -> None:
    """Of a run at work; once nobody works on it, all that was in flight is in doubt."""
    run.put(Intent(row=2, attempt=1), Intent(row=3, attempt=1))
    run.put(Attempt(row=2, attempt=1, verdict=AttemptResult.DOUBT, reply=Reply()))
    assert seen(run).counts == (
        ("good", "+ 1 applied"),
        ("change", "? 1 in doubt"),
        ("faint", "1 PUT in flight"),
    )
    assert seen(run, status_of(run, alive=False)).rows_title == "Needs a person: 2 in doubt"
    assert seen(run, status_of(run, alive=False)).counts == (
        ("good", "+ 1 applied"),
        ("change", "? 2 in doubt"),
    )
    run.put(Attempt(row=2, attempt=1, verdict=AttemptResult.UNAPPLIED, reply=Reply())).throttled(2)
    assert ("faint", "throttled 1") in seen(run).counts


def test_the_bar_has_what_is_as_asked_and_what_needs_a_person(run: "Written", change: Changes) -> None:
    """As shares of the changes."""
    run.failed(2, "EndPoint.3044")
    assert seen(run).bar == (("good", 1 / 3), ("bad", 1 / 3))
    nothing = type(run)().planned(change(1, "81:81/TCP", "81:81/TCP", action=Action.KEEP))
    assert (seen(nothing).bar, seen(nothing).percent, seen(nothing).lanes) == ((), "", ())


def test_a_lane_shows_its_last_minute_second_by_second(run: "Written") -> None:
    """PUTs, throttled requests, the rate in force and the limit, from when each held."""
    run.throttled(2)
    run.paced(5.0)
    run.paced(2.0, Limit(requests=2, window_s=1.0), why=Why.FOUND, noise=0.06)
    run.paced(9.0, kind=RequestKind.READS)
    (lane,) = seen(run).lanes
    assert (lane.name, lane.done, lane.of, lane.throttled) == ("cn-north-4", 1, 3, 1)
    assert lane.more == "may send 2/s, 6 % throttled whatever the rate, about 1 s left"
    assert (len(lane.sent), sum(lane.sent), sum(lane.throttled_each)) == (SECONDS, 2, 1)
    assert [rate for _, rate in lane.rates] == [5.0, 2.0]
    assert [limit for _, limit in lane.limits] == [2.0]
    assert lane.now_per_s == pytest.approx(0.2)
    assert lane.limit == "2 per second, found"
    word = {"by": "ann on bastion1", "at": AT, "reason": "", "rate_per_s": 9.0}
    slower = seen(run, status_of(run, rate=word)).lanes[0]
    assert slower.more.startswith("may send 2/s (at most 9/s by ann on bastion1), ")
    run.applied(2).applied(3)
    assert seen(run).lanes[0].more == "done"


def test_lanes_of_one_region_are_told_apart_by_their_account(written: "Written", change: Changes) -> None:
    """Each has its own rows and its own limit."""
    other = Target(region="cn-north-4", project_id="7e9dfd51d1124e8d8498dce894923a0d", profile="b")
    targets = (change(1, "80:80/TCP", "81:81/TCP").target, other)
    written.planned(
        change(1, "80:80/TCP", "81:81/TCP"),
        change(2, "80:80/TCP", "81:81/TCP", target=other),
        targets=targets,
    ).session().applied(2)
    assert [(lane.name, lane.done) for lane in seen(written).lanes] == [
        ("@cn-north-4", 0),
        ("b@cn-north-4", 1),
    ]


def test_counts_and_paces_older_than_a_minute_are_forgotten(run: "Written") -> None:
    """But for the pace that still holds."""
    run.paced(5.0).paced(6.0)
    run.put(Intent(row=2, attempt=1), after_s=100.0)
    run.put(Intent(row=3, attempt=1), after_s=0.0)
    run.paced(7.0)
    recent = recent_of(run)
    now = moment_s(run.progress.last_at)
    lane = LaneName(host="simulator", region="cn-north-4", account="ops")
    assert [(second, pace.rate_per_s) for second, pace in recent.paces(lane, now)] == [(0, 6.0), (59, 7.0)]
    assert sum(recent.counts([0], now).sent) == 2
    assert len(recent._seconds) == 1
    assert recent.paces(LaneName("x", "y", "z"), now) == ()


# What needs a person


def test_the_newest_rows_that_need_a_person_come_first_with_advice(run: "Written") -> None:
    """By name, place and code; a row in doubt says that it is read."""
    run.failed(2, "EndPoint.3044", "The ports clash")
    run.put(Intent(row=3, attempt=1), Attempt(row=3, attempt=1, verdict=AttemptResult.DOUBT, reply=Reply()))
    view = seen(run, rows=(2, 3))
    assert view.rows_title == "Needs a person: 1 failed, 1 in doubt"
    failed, doubt = view.rows
    assert "2 in doubt" not in view.rows_title
    assert (failed.tone, failed.sigil, failed.name) == ("bad", "!", "web-2")
    assert (failed.place, failed.why) == (
        "cn-north-4, services.csv:3",
        "EndPoint.3044 The ports clash",
    )
    assert failed.at == "08:30:10"
    assert (doubt.tone, doubt.sigil) == ("change", "?")
    assert "is read" in doubt.why
    assert view.advice == ("EndPoint.3044, 1 row: about EndPoint.3044",)


def test_a_row_that_is_well_after_all_needs_nobody_and_only_the_last_are_kept(
    written: "Written", change: Changes
) -> None:
    """A PUT may have taken effect despite its answer."""
    rows = range(1, ROWS_KEPT + 4)
    written.planned(*(change(row, "80:80/TCP", "81:81/TCP") for row in rows)).session()
    for row in rows:
        written.failed(row, "x")
    recent = recent_of(written)
    assert [*recent.wrong()] == [*reversed(rows)][:ROWS_KEPT]
    late = Recent()
    late.begin(written.progress)
    assert [*late.wrong()] == [*recent.wrong()]
    last = rows[-1]
    written.put(OutcomeRecord(row=last, outcome=Outcome.APPLIED))
    recent.take(written.progress, written.records[-1])
    assert last not in recent.wrong()


def test_a_late_look_knows_the_pace_from_the_notes(run: "Written") -> None:
    """Which the fold keeps; a note that is no pace is passed over."""
    run.paced(5.0).noted("x", "words")
    recent = Recent()
    recent.begin(run.progress)
    assert [*recent.lanes()] == [LaneName(host="simulator", region="cn-north-4", account="ops")]


# What it keeps to


def wave(number: int, ruling: Ruling) -> Decision:
    """Return the ruling on a wave."""
    return Decision(
        by=DecidedBy.JUDGE, what=DecisionKind.WAVE, reason=f"probe {number}", wave=number, ruling=ruling
    )


def test_waves_show_what_was_ruled_and_how_far_the_one_under_way_has_come(run: "Written") -> None:
    """With the end of its soak."""
    pause = Decision(by=DecidedBy.OPERATOR, what=DecisionKind.PAUSE, reason="", user="ann", host="h")
    run.put(wave(1, Ruling.GO), pause, after_s=1.5)
    under_way = WaveStatus(number=2, of=3, name="10%", rows=20, left=5, soak_ends_at=None)
    waves = seen(run, status_of(run, wave=under_way)).waves
    assert [(each.sigil, each.name, each.more) for each in waves] == [
        ("+", "1", "passed 08:30:09: probe 1"),
        ("~", "2 of 3, 10%", "15 of 20 services"),
    ]
    soaks = replace(under_way, name="", soak_ends_at=AT)
    assert seen(run, status_of(run, wave=soaks)).waves[-1].more == "15 of 20 services, soaks until 08:31:00"
    run.put(wave(2, Ruling.STOP))
    assert seen(run, status_of(run, wave=under_way)).waves[1].tone == "bad"
    run.put(wave(2, Ruling.UNSURE), wave(2, Ruling.GO), wave(0, Ruling.GO))
    judged = seen(run, status_of(run, wave=under_way)).waves
    assert [(each.sigil, each.name) for each in judged] == [
        ("+", "0, before the first PUT"),
        ("+", "1"),
        ("+", "2"),
    ]
    run.put(wave(3, Ruling.GO))
    last = WaveStatus(number=3, of=3, name="", rows=20, left=0, soak_ends_at=None)
    assert [each.name for each in seen(run, status_of(run, wave=last)).waves][-1] == "3"


def test_a_wave_that_a_person_let_pass_names_the_person(run: "Written") -> None:
    """With the reason, where one was given."""
    go = replace(wave(1, Ruling.GO), by=DecidedBy.OPERATOR, user="ann", host="b1", reason="")
    run.put(go).put(replace(go, wave=2, reason="seen by hand"))
    last = WaveStatus(number=3, of=3, name="", rows=2, left=2, soak_ends_at=None)
    first, second, _ = seen(run, status_of(run, wave=last)).waves
    assert re.fullmatch(r"passed [0-9:]{8} by ann on b1", first.more)
    assert re.fullmatch(r"passed [0-9:]{8} by ann on b1: seen by hand", second.more)


def test_the_last_wave_is_done_once_the_run_has_finished(run: "Written") -> None:
    """Nobody rules on it; while its PUTs are checked it is under way, and so it stays where the run died."""
    run.put(wave(1, Ruling.GO)).applied(2).applied(3)
    last = WaveStatus(number=2, of=2, name="", rows=2, left=0, soak_ends_at=None)
    for alive in (True, False):
        shown = seen(run, status_of(run, alive=alive, wave=last)).waves[-1]
        assert (shown.tone, shown.sigil, shown.more) == ("change", "~", "2 of 2 services")
    run.end()
    shown = seen(run, status_of(run, alive=False, wave=last)).waves[-1]
    assert (shown.tone, shown.sigil, shown.name, shown.more) == ("good", "+", "2 of 2", "2 of 2 services")


@pytest.mark.parametrize(
    ("budget", "words", "bar"),
    [
        (BudgetStatus(limit=17, written="2%", used=7, left=10), "7 failed, 17 may (2%)", ("change", 7 / 17)),
        (BudgetStatus(limit=3, written="3", used=4, left=0), "4 failed, 3 may", ("bad", 1.0)),
        (BudgetStatus(limit=0, written="0", used=0, left=0), "0 failed, 0 may", ("change", 0.0)),
    ],
)
def test_the_failure_budget_is_shown_in_figures(
    run: "Written", budget: BudgetStatus, words: str, bar: tuple[str, float]
) -> None:
    """And how much of it is used."""
    view = seen(run, status_of(run, budget=budget))
    assert (view.budget, view.budget_bar) == (words, (bar,))
    assert seen(run).budget == ""


def test_the_window_says_when_and_whether_the_rest_fits(run: "Written") -> None:
    """Open, closed, over, or without an end."""
    times = {"opens_at": "2026-01-15T08:00:00.000Z", "closes_at": "2026-01-15T10:00:00.000Z"}
    is_open = WindowStatus(window="Sat", is_open=True, left_s=5340.0, fits=True, **times)
    view = seen(run, status_of(run, window=is_open))
    assert view.window == "Sat: open until 2026-01-15 10:00 UTC"
    assert view.window_more == "the window closes in 1 h 29 min: the rest fits"
    closed = seen(run, status_of(run, window=replace(is_open, is_open=False, fits=False)))
    assert closed.window == "Sat: opens 2026-01-15 08:00 UTC"
    assert closed.window_more == "the window opens in 1 h 29 min: the rest does not fit"
    over = seen(run, status_of(run, window=WindowStatus(window="Sat", is_open=False)))
    assert (over.window, over.window_more) == ("Sat: no opening is left", "")
    endless = WindowStatus(window="-", is_open=True, left_s=9.0)
    view = seen(run, status_of(run, window=endless))
    assert (view.window, view.window_more) == ("-: open", "the window closes in 9 s")


# What a person may do


def test_decisions_are_shown_the_newest_first(run: "Written") -> None:
    """The last ones."""
    run.put(*(wave(number, Ruling.GO) for number in range(1, 9)))
    decisions = seen(run).decisions
    assert len(decisions) == 6
    assert decisions[0] == ("08:30:16", "judge: wave 8, go (probe 8)")


def test_what_the_run_has_not_heard_yet_stands_before_the_decisions(run: "Written") -> None:
    """A command is one line in a file until the run answers it."""
    shown = [SeenRow(row=row_of(run.changes[2], Outcome.IN_DOUBT, None), at=AT)]
    view = view_of(
        status_of(run),
        run.progress,
        recent_of(run),
        shown,
        ("not answered yet: pause by ann on h",),
        zone=UTC,
        run="job",
        ledger="L",
        advice=str,
        trouble="",
    )
    assert view.decisions == (("", "not answered yet: pause by ann on h"),)
    assert view.rows[0].why.startswith("in doubt")


def test_the_commands_are_those_that_the_state_has(run: "Written") -> None:
    """To pause and stop while it works, to go on and take back once it does not."""
    assert seen(run).commands == (("pause", "bulk tell job pause"), ("stop", "bulk tell job stop"))
    died = seen(run, status_of(run, alive=False), ledger="L --endpoint http://x")
    assert died.commands == (
        ("go on", "bulk apply L --endpoint http://x"),
        ("take back", "bulk rollback L --endpoint http://x"),
    )
    gone = seen(run, status_of(run, alive=False, rolled_back_by="other"))
    assert gone.commands == ()
    incomplete = seen(run, status_of(run, alive=False, state=State.INCOMPLETE))
    assert incomplete.commands == (("take back", "bulk rollback L"),)
    run.applied(2).applied(3).end()
    assert seen(run, status_of(run, alive=False)).commands == (("take back", "bulk rollback L"),)


def test_a_person_may_let_a_wave_go_of_which_the_judge_is_unsure(run: "Written") -> None:
    """By the command that is shown first, and only then."""
    held = hold(Hold.JUDGE, text="rows wait for the ruling of the judge: unsure about wave 1")
    assert waiting(run, held).commands[0][0] == "pause"
    run.put(Decision(by=DecidedBy.OPERATOR, what=DecisionKind.PAUSE, reason="", user="ann", host="h"))
    run.put(wave(1, Ruling.UNSURE))
    view = waiting(run, held)
    assert (view.reason, view.tone) == ("Waiting for a go after wave 1: the judge is unsure", "bad")
    assert view.rows_title == "Needs a person: a go after wave 1"
    assert view.commands[0] == ("go", "bulk tell job go 1")
    assert seen(run).commands[0][0] == "go", "as soon as it is unsure, although the hold is not noted yet"
    run.put(wave(1, Ruling.GO))
    assert waiting(run, held).commands[0][0] == "unpause"
    run.put(wave(2, Ruling.UNSURE)).put(STOPPED)
    assert waiting(run, held).commands[0][0] == "unpause"
    run.put(wave(2, Ruling.UNSURE)).session()
    assert waiting(run, held).commands[0][0] == "unpause", "it is asked anew"


def test_the_command_of_a_saved_plan_applies_it(written: "Written", change: Changes) -> None:
    """There is nothing to take back."""
    written.planned(change(1, "80:80/TCP", "81:81/TCP"))
    assert seen(written, status_of(written, alive=False)).commands == (("apply", "bulk apply L"),)


def test_of_a_run_that_was_stopped_the_commands_that_lift_the_stop_are_shown(run: "Written") -> None:
    """As `status` shows them."""
    run.failed(2, "x").put(STOPPED).end(BrakeReason.FAILURE_LIMIT)
    commands = dict(seen(run, status_of(run, alive=False)).commands)
    assert commands["to go on despite it"] == ("bulk apply L --despite a1b2c3:REASON --max-failures 1")
    assert commands["to take back what was applied"] == "bulk rollback L"


def test_a_wave_that_was_stopped_is_bad_and_stays_on_view_once_its_stop_is_lifted(run: "Written") -> None:
    """No wave is missing between two others."""
    stop = replace(STOPPED, cause=BrakeReason.WAVE, failures_max=None, wave=2)
    run.put(wave(1, Ruling.GO)).put(stop)
    second = WaveStatus(number=2, of=3, name="", rows=20, left=0, soak_ends_at=None)
    assert [each.sigil for each in seen(run, status_of(run, wave=second)).waves] == ["+", "!"]
    lifted = replace(STOPPED, by=DecidedBy.OPERATOR, what=DecisionKind.DESPITE, cause=None, failures_max=None)
    run.put(lifted)
    waves = seen(run, status_of(run, wave=replace(second, number=3))).waves
    assert [(each.sigil, each.name) for each in waves] == [("+", "1"), ("!", "2"), ("~", "3 of 3")]
    assert waves[1].more == "passed, since a person lifted its stop"


def test_a_wave_whose_judge_did_not_let_it_pass_shows_its_ruling_once_a_person_did(run: "Written") -> None:
    """The judge's word is not that of the person who lifted the stop; no wave 0 is without its name."""
    for number in (0, 1):
        stop = replace(STOPPED, cause=BrakeReason.JUDGE, failures_max=None, wave=number, id=f"{number}")
        lifted = replace(stop, by=DecidedBy.OPERATOR, what=DecisionKind.DESPITE, cause=None)
        run.put(*([wave(1, Ruling.UNSURE)] if number else []), stop, lifted)
    under_way = WaveStatus(number=2, of=3, name="", rows=20, left=0, soak_ends_at=None)
    first, second, _ = seen(run, status_of(run, wave=under_way)).waves
    assert (first.sigil, first.name) == ("!", "0, before the first PUT")
    assert second.sigil == "!"
    assert re.fullmatch(r"unsure [0-9:]{8}: probe 1; passed, since a person lifted its stop", second.more)


# On a terminal


def drawn(view: View, width: int = 80, height: int = 24) -> list[str]:
    """Return the lines of a terminal."""
    return [plain(line) for line in screen(view, width, height)]


def full(run: "Written") -> View:
    """Return a view in which there is something everywhere."""
    run.throttled(2).failed(2, "EndPoint.3044", "The ports clash with another endpoint service").put(
        wave(1, Ruling.GO)
    )
    status = status_of(
        run,
        ticket="CHG1",
        left_s=90.0,
        ends_at=AT,
        hold=hold(Hold.WINDOW, until=AT, left_s=30.0),
        budget=BudgetStatus(limit=17, written="2%", used=7, left=10),
        window=WindowStatus(window="Sat", is_open=True, closes_at=AT, left_s=40.0, fits=True),
        wave=WaveStatus(number=2, of=3, name="10%", rows=20, left=5, soak_ends_at=None),
    )
    return seen(run, status, rows=(2,), trouble="the ledger was cut")


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (40, 10), (200, 60), (80, 12)])
def test_a_view_fits_the_terminal_whatever_its_size(run: "Written", width: int, height: int) -> None:
    """No line is wider, there are no more lines than fit, and why it waits is among the first."""
    lines = drawn(full(run), width, height)
    assert len(lines) <= height
    assert all(len(line) <= width for line in lines)
    assert any("Waiting for the window" in line for line in lines[:4])


def test_24_lines_of_80_columns_hold_all_that_matters(run: "Written") -> None:
    """In the order: state, why it waits, progress, lanes, waves, budget, window, rows, commands."""
    text = "\n".join(drawn(full(run)))
    wanted = (
        "services.csv  waiting  began ",
        "ops on bastion, process 123  CHG1",
        "Waiting for the window to open: 08:31 UTC, in 30 s",
        "! the ledger was cut",
        "2 of 3",
        "about 1 min 30 s left",
        "! 1 failed",
        "ends about 08:31:00 UTC, the window closes in 40 s: the rest fits",
        "cn-north-4  2 of 3",
        "~ wave 2 of 3, 10%",
        "budget   7 failed, 17 may (2%)",
        "Needs a person: 1 failed",
        "pause: bulk tell job pause    stop: bulk tell job stop",
        "Ctrl-C leaves; the run goes on",
    )
    places = [text.find(words) for words in wanted]
    assert -1 not in places, (text, wanted[places.index(-1)])
    assert places == sorted(places)


def test_only_of_a_run_at_work_a_terminal_says_that_it_goes_on(run: "Written") -> None:
    """A finished run ends the view, so that there is nothing to leave; no line is blank in its place."""
    assert drawn(seen(run))[-1].endswith("Ctrl-C leaves; the run goes on")
    died = drawn(seen(run, status_of(run, alive=False)))
    assert died[-1].endswith("Ctrl-C leaves")
    run.applied(2).applied(3).end()
    finished = seen(run, status_of(run, alive=False))
    assert drawn(finished)[-1] == "take back: bulk rollback L"
    bare = drawn(replace(finished, commands=()))
    assert "Ctrl-C" not in "\n".join(bare)
    assert bare[-1].strip()


@given(words=lists(from_regex(r"[!-&(-\[\]-~]{1,30}", fullmatch=True), min_size=1), width=integers(40, 120))
def test_a_command_is_typed_as_it_is_shown_however_narrow_the_terminal(words: list[str], width: int) -> None:
    """A line of it is no wider, and ends with a backslash where the command goes on."""
    shown = [*command_lines(" ".join(words), width)]
    assert all(len(line) <= width for line in shown)
    assert all(line.endswith(" \\") for line in shown[:-1])
    assert " ".join(line.removesuffix("\\").strip() for line in shown).split() == words


def test_a_command_with_quotes_is_one_line() -> None:
    """A blank within them is no place for the end of a line."""
    command = f"bulk tell '{'a ' * 50}' pause"
    assert [*command_lines(command, 40)] == [command]


def test_nothing_that_a_person_needs_is_cut_on_80_columns(run: "Written") -> None:
    """Commands, whether the rest fits, and the times of the window."""
    ledger = "runs/tls-move-20261127T001053.408Z.ledger.jsonl"
    run.failed(2, "x").put(STOPPED).end(BrakeReason.FAILURE_LIMIT)
    view = seen(run, status_of(run, alive=False), run=ledger, ledger=ledger)
    typed = " ".join("\n".join(drawn(view)).replace("\\\n", "").split())
    assert f" bulk apply {ledger} --despite a1b2c3:REASON --max-failures 1 " in typed
    assert f" bulk rollback {ledger} " in typed
    ends, fits = "ends about 08:13:03 CST (00:13:03 UTC)", "the window closes in 2 h 17 min: the rest fits"
    window = "07:00-10:30 Asia/Shanghai: open until 2026-11-27 10:30 CST (02:30 UTC)"
    words = " ".join(
        " ".join(drawn(replace(view, ends=ends, window_more=fits, window=window), 80, 40)).split()
    )
    assert f"{ends}, {fits}" in words
    assert window in words


def test_why_it_waits_is_never_cut(run: "Written") -> None:
    """However long it is: it goes on in the next line."""
    view = replace(full(run), reason="Waiting " * 20 + "end", reason_more="", explained="word " * 30 + "last")
    text = " ".join("\n".join(drawn(view)).split())
    assert view.reason in text
    assert view.explained in text


def test_a_wide_terminal_has_places_decisions_and_advice(run: "Written") -> None:
    """What there is no room for on a small one."""
    text = "\n".join(drawn(full(run), 130, 40))
    for words in (
        "+ wave 1",
        "window   Sat: open until",
        "cn-north-4, services.csv:3",
        "EndPoint.3044, 1 row: about",
        "judge: wave 1, go (probe 1)",
    ):
        assert words in text


def test_a_bare_view_leaves_out_what_is_not_there(written: "Written", change: Changes) -> None:
    """No lanes, no waves, no budget, no window; more lanes than fit are counted."""
    written.planned(change(1, "80:80/TCP", "81:81/TCP"))
    view = seen(written, status_of(written, alive=False, digest=None))
    bare = drawn(replace(view, who=(), lanes=(), commands=(), explained=""))
    assert not any("wave" in line or "budget" in line or "lane" in line for line in bare)
    many = drawn(replace(view, lanes=view.lanes * (LANES_SHOWN + 2)))
    assert "  and 2 more lanes" in many
    long = replace(view, commands=(("go on", "x" * 60), ("back", "y" * 60)))
    assert [line for line in drawn(long) if line.startswith(("go on", "back"))] == [
        f"go on: {'x' * 60}",
        f"back: {'y' * 60}",
    ]
    narrow = drawn(replace(view, window="w", ends=""), 41)
    assert all(len(line) <= 41 for line in narrow)


def test_where_there_is_no_terminal_a_view_is_one_line(run: "Written") -> None:
    """State, count, why it waits, what is wrong; nothing in it steers a terminal."""
    view = full(run)
    line = plain_line(replace(view, job="a\x1b[2Jb\nc"))
    assert line.startswith(
        "a[2Jb c: waiting | 2 of 3 (66 %) | Waiting for the window to open: 08:31 UTC, in 30 s | "
    )
    assert "! 1 failed" in line
    assert line.endswith("about 1 min 30 s left | the ledger was cut")
    assert "2 of 3 | " in plain_line(replace(view, percent=""))


def test_foreign_text_steers_no_terminal(run: "Written") -> None:
    """Wherever it comes from."""
    view = full(run)
    evil = "\x1b]0;x\x07\u202e"
    rows = tuple(replace(row, name=evil, why=evil, place=evil) for row in view.rows)
    lanes = tuple(replace(lane, name=evil) for lane in view.lanes)
    changed = replace(
        view, job=evil, who=(evil, evil), reason=evil, explained=evil, trouble=evil, window=evil
    )
    changed = replace(changed, rows=rows, lanes=lanes, decisions=(("08:31:00", evil),), advice=(evil,))
    for line in drawn(changed, 130, 40):
        assert not set("\x1b\x07\u202e") & set(line)
