"""Where a run stands, told from its ledger alone."""

from dataclasses import replace
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from bulk.errors import ExitCode
from bulk.ledger.records import (
    Attempt,
    AttemptResult,
    DecidedBy,
    Decision,
    DecisionKind,
    Held,
    Intent,
    Note,
    Purpose,
)
from bulk.ledger.stops import BrakeReason
from bulk.model import Hold, Limit, Reply, Why
from bulk.reports.run_status import (
    BudgetStatus,
    HoldStatus,
    RunStatus,
    State,
    WaveStatus,
    WindowStatus,
    state_of_run,
)
from bulk.reports.status import lines
from bulk.reports.stopped import ways_on
from bulk.reports.words import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulk.model import Change
    from tests.unit.reports.conftest import Written


def told(written: "Written", *, alive: bool = False) -> list[str]:
    """Return the status as plain lines."""
    return [plain(line) for line in lines(written.progress, alive=alive, ledger="L")]


def test_a_saved_plan_says_how_to_apply_it(written: "Written", change: "Callable[..., Change]") -> None:
    """Nothing has been sent; the command that applies exactly this plan is given."""
    written.planned(change(1, "80:80/TCP", "81:81/TCP"))
    assert told(written) == [
        "services.csv: planned at 2026-01-15 08:30:03 UTC, not begun",
        "  ~ 1 to update",
        "to apply: bulk apply L",
    ]
    written.progress.run |= {"user": "ann", "host": "bastion-1"}
    written.progress.run["targets"][0]["host"] = "simulator"
    assert told(written)[0].endswith(" UTC by ann on bastion-1, not begun")
    assert told(written)[2] == "  at the bundled simulator"
    local, *_ = lines(written.progress, alive=False, ledger="L", zone=ZoneInfo("Asia/Shanghai"))
    assert " planned at 2026-01-15 16:30:03 CST (08:30:03 UTC) by ann" in plain(local)


def test_a_live_run_shows_who_works_on_it_and_what_it_waits_for(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """A second terminal sees progress, refusals and the latest note without touching the run."""
    written.planned(*(change(row, "80:80/TCP", "81:81/TCP") for row in (1, 2))).session()
    written.applied(1).throttled(2).paced(
        0.99,
        Limit(requests=60, window_s=60.0),
        why=Why.STATED,
        hold=Hold.PUSH_BACK,
        left_s=12.0,
    )
    assert told(written, alive=True) == [
        (
            "services.csv: running, process 123 of ops on bastion since 2026-01-15 08:30:05 UTC, "
            "last written 2026-01-15 08:30:10 UTC"
        ),
        "  1 of 2 rows done (50 %); 2 PUTs sent, throttled once",
        "  + 1 applied  - 1 not attempted",
        (
            "  2026-01-15 08:30:10 UTC: pace of writes (cn-north-4 at simulator, account ops): 0.99/s; "
            "limit 60 per minute, stated; the server's push-back: 12 s left"
        ),
    ]


def test_a_note_of_a_hold_is_not_the_last_word_of_a_run(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """What it waits for now is shown by itself, and once it has stopped it waits for nothing."""
    written.planned(change(1, "80:80/TCP", "81:81/TCP")).session()
    held = Held(
        hold=Hold.JUDGE, who="rows", since="2026-01-15T08:30:00.000Z", until="", detail="", is_over=False
    )
    written.put(Note(about="fleet", message="seen"), Note(about="hold", message="rows wait", held=held))
    for alive in (True, False):
        assert [line for line in told(written, alive=alive) if "seen" in line]
        assert [line for line in told(written, alive=alive) if "rows wait" in line] == []
    written.put(Note(about="window", message="opens Sat", held=held))
    assert any("opens Sat" in line for line in told(written, alive=True)), "the opening says more than a hold"


def test_a_live_run_shows_how_far_it_is_and_when_it_is_expected_to_end(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """What it waits for, wave, budget, and whether it fits the window; of a dead one nothing of it."""
    written.planned(change(1, "80:80/TCP", "81:81/TCP")).session()
    hold = HoldStatus(
        hold=Hold.SOAK,
        who="rows",
        text="rows wait for the soak",
        row=None,
        since="",
        held_s=1.0,
        until="2026-01-15T08:31:00.000Z",
        left_s=1.0,
    )
    status = RunStatus(
        at="",
        state=State.RUNNING,
        exit_code=ExitCode.BUSY,
        reason=hold.text,
        hold=hold,
        wave=WaveStatus(number=1, of=3, name="", rows=2, left=1, soak_ends_at=None),
        budget=BudgetStatus(limit=5, written="5", used=1, left=4),
        window=WindowStatus(window="w", is_open=True, fits=False),
        ends_at="2026-01-15T09:00:00.000Z",
    )
    shown = [plain(line) for line in lines(written.progress, alive=True, ledger="L", standing=status)]
    assert shown[-4:] == [
        "  rows wait for the soak, until 2026-01-15 08:31:00 UTC",
        "  wave 1 of 3: 1 of 2 rows left",
        "  4 of 5 failures left",
        "  expected to end at 2026-01-15 09:00:00 UTC; it does not fit the window",
    ]
    free = replace(status, hold=None, reason="sending", wave=None, budget=None, window=None)
    shown = [plain(line) for line in lines(written.progress, alive=True, ledger="L", standing=free)]
    assert shown[-2:] == ["  sending", "  expected to end at 2026-01-15 09:00:00 UTC"]
    shown = [
        plain(line)
        for line in lines(written.progress, alive=True, ledger="L", standing=replace(free, ends_at=None))
    ]
    assert shown[-1] == "  sending"
    dead = [plain(line) for line in lines(written.progress, alive=False, ledger="L", standing=status)]
    assert "  4 of 5 failures left" not in dead


def test_a_dead_run_shows_its_rows_in_doubt_and_how_to_go_on(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """After kill -9 the ledger has no end: the state is died, the open intent in doubt."""
    written.planned(change(1, "80:80/TCP", "81:81/TCP")).session().put(Intent(row=1, attempt=1))
    lines_told = told(written)
    assert lines_told[0].startswith("services.csv: died, process 123")
    assert "  ? 1 in doubt" in lines_told
    assert lines_told[-1] == "to continue: bulk apply L"


def test_a_stopped_run_says_why_and_which_codes_failed(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """The brake's reason and the failures by code are on the screen, with the way on."""
    written.planned(*(change(row, "80:80/TCP", "81:81/TCP") for row in (1, 2))).session()
    written.failed(1, "EndPoint.3044").end(BrakeReason.FAILURE_LIMIT)
    lines_told = told(written)
    assert lines_told[0].endswith(": too many rows failed")
    assert "! EndPoint.3044: 1 row" in lines_told
    assert lines_told[-1] == "to continue: bulk apply L"


def test_a_finished_run_offers_nothing_more_to_do(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """All rows ended and the session said so: no command, no stale note."""
    written.planned(change(1, "80:80/TCP", "81:81/TCP")).session().paced(1).applied(1).end()
    assert told(written) == [
        "services.csv: finished at 2026-01-15 08:30:08 UTC; 1 service as asked",
        "  1 of 1 row done (100 %); 1 PUT sent, never throttled",
        "  + 1 applied",
    ]
    wrong = type(written)().planned(*(change(row, "80:80/TCP", "81:81/TCP") for row in (1, 2, 3))).session()
    assert told(wrong.failed(1, "E.1").applied(2).applied(3).end())[0].endswith(
        "; 1 of 3 services is not as asked"
    )
    both = type(written)().planned(*(change(row, "80:80/TCP", "81:81/TCP") for row in (1, 2))).session()
    assert told(both.failed(1, "E.1").failed(2, "E.1").end())[0].endswith(
        "; 2 of 2 services are not as asked"
    )


def test_a_plan_that_was_never_completed_cannot_be_applied(written: "Written") -> None:
    """Killed while planning, or not even begun: the way out is a new plan."""
    assert told(written) == [
        "unknown job: incomplete",
        "the plan is incomplete and cannot be applied; plan anew",
    ]


def test_a_plan_without_rows_has_no_share_done(written: "Written") -> None:
    """Zero of zero is no percentage."""
    assert told(written.planned().session())[1] == "  0 of 0 rows done; 0 PUTs sent, never throttled"


def test_a_second_session_that_died_hides_the_first_ones_end(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """Only the last session's end counts."""
    written.planned(change(1, "80:80/TCP", "81:81/TCP")).session().end(BrakeReason.INTERRUPTED)
    assert state_of_run(written.progress, alive=False) is State.STOPPED
    written.session()
    assert state_of_run(written.progress, alive=False) is State.DIED


def test_a_service_that_is_parked_right_now_is_named(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """After a crash somebody must learn that a port of a consumer is down."""
    written.planned(*(change(row, "80:80/TCP", "81:81/TCP") for row in (1, 2))).session()
    parked = Attempt(row=2, attempt=1, verdict=AttemptResult.PARKED, reply=Reply(http=200))
    written.put(Intent(row=2, attempt=1, purpose=Purpose.PARK), parked)
    assert any(line.startswith("! row 2: a service is parked") for line in told(written))


def test_a_command_names_the_api_where_a_person_has_to(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """One that goes on, and those that lift a stop or take back what was applied."""
    flag = " --endpoint https://vpcep.example"
    written.planned(change(1, "80:80/TCP", "81:81/TCP"))
    assert (
        plain([*lines(written.progress, alive=False, ledger="L", flag=flag)][-1])
        == f"to apply: bulk apply L{flag}"
    )
    stop = Decision(
        by=DecidedBy.LIMIT,
        what=DecisionKind.STOP,
        cause=BrakeReason.FAILURE_LIMIT,
        reason="r",
        id="s1",
        failures_max=1,
    )
    written.session().put(stop)
    assert list(ways_on(written.progress, "L", flag)) == [
        f"to go on despite it: bulk apply L{flag} --despite s1:REASON --max-failures 2"
    ]
    written.applied(1)
    *_, last = ways_on(written.progress, "L", flag)
    assert last == f"to take back what was applied: bulk rollback L{flag}"
