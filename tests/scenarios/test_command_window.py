"""Windows at the command line: before the opening, waiting for it, and what cannot be a window."""

import re
import signal
import time
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from bulk.errors import ExitCode
from tests.scenarios.stage import WAIT_S, Stage, until, wide

AT_ONCE_S = 4.0
"""After the opening the first intent is there within this time."""


def in_(seconds: float, length_s: float = 3600.0) -> tuple[str, datetime]:
    """Return a window that opens so many seconds from now, and the moment of its opening."""
    opens = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)
    return f"{opens.isoformat()}..{(opens + timedelta(seconds=length_s)).isoformat()}", opens


def counted(stage: Stage) -> int:
    """Return how many requests the API has answered."""
    return stage.aside.do(lambda simulator: sum(simulator.stats["requests"].values()))


def test_a_closed_window_ends_before_anything_is_read(stage: Stage) -> None:
    """With 10, and the next opening in local time and UTC, in JSON as members; no ledger is left."""
    job, (window, opens) = stage.job(wide([1])), in_(7200)
    ended = stage.apply(job, "--window", window, "--log-format", "json")
    assert ended.code == ExitCode.WINDOW_ENDED
    told = orjson.loads(ended.err.splitlines()[-1])
    assert datetime.fromisoformat(told["opens_at"]) == opens
    assert datetime.fromisoformat(told["closes_at"]) == opens + timedelta(hours=1)
    assert re.search(r"is closed; it opens .* UTC, in (2 h|1 h 59 min)\. Nothing was sent", told["message"])
    assert counted(stage) == 0
    assert stage.ledgers == []


def test_the_zone_of_the_window_is_that_of_its_times(stage: Stage) -> None:
    """Whoever wrote 01:00 in Shanghai reads 01:00, with UTC beside it."""
    window = "Mon#1 01:00-05:00 Asia/Shanghai"
    ended = stage.apply(stage.job(wide([1]), window=window))
    assert ended.code == ExitCode.WINDOW_ENDED
    assert re.search(r"it opens Mon \d [A-Z][a-z]{2} (?:\d{4} )?01:00 CST \(Sun 17:00 UTC\), in ", ended.err)


def test_a_run_that_waits_sends_nothing_before_the_opening_and_begins_at_once(stage: Stage) -> None:
    """It has planned and asked; from then on no request leaves until the window opens."""
    job, (window, opens) = stage.job(wide([1, 2])), in_(8)
    with stage.child("apply", job, "--yes", "--wait", "--window", window) as process:
        until(lambda: stage.ledgers and b'"about":"window"' in stage.ledger.read_bytes(), process)
        before = counted(stage)
        assert before > 0, "the fleet was listed for the plan"
        latest = stage.bulk("status", str(stage.ledger)).out
        while (left_s := (opens - datetime.now(UTC)).total_seconds()) > 0.2:
            assert counted(stage) == before
            time.sleep(min(left_s / 2, 0.2))
        _, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == ExitCode.OK, err
    assert re.search(
        r"window: opens [A-Z][a-z]{2} \d+ [A-Z][a-z]{2} [:0-9]{5} UTC, in [0-9.]+ s; nothing is sent", err
    )
    assert "opens " in latest
    first = datetime.fromisoformat(stage.records("intent")[0]["at"])
    assert timedelta() <= first - opens < timedelta(seconds=AT_ONCE_S)
    assert len(stage.applied) == 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_waiting_with_nothing_sent(number: signal.Signals, code: int, stage: Stage) -> None:
    """The ledger is an open run that the same command goes on with."""
    job, (window, _) = stage.job(wide([1])), in_(3600)
    with stage.child("apply", job, "--yes", "--wait", "--window", window) as process:
        until(lambda: stage.ledgers and b'"about":"window"' in stage.ledger.read_bytes(), process)
        before = counted(stage)
        process.send_signal(number)
        _, err = process.communicate(timeout=WAIT_S)
    assert (process.returncode, counted(stage)) == (code, before)
    assert "to continue" in err
    assert stage.records("end")[-1]["reason"] in {"interrupted", "terminated"}
    assert stage.outcomes() == {"not_attempted": 1}


def waits(stage: Stage) -> bool:
    """Return whether the latest run has written down that it waits for its opening."""
    return bool(stage.ledgers) and b'"about":"window"' in stage.ledger.read_bytes()


def test_a_stop_that_comes_while_a_run_waits_ends_it_with_6(stage: Stage) -> None:
    """As one at work: nothing is sent, it stays so in the next session, and a person lifts it."""
    job, (window, _) = stage.job(wide([1])), in_(3600)
    with stage.child("apply", job, "--yes", "--wait", "--window", window) as process:
        until(lambda: waits(stage), process)
        before = counted(stage)
        told = stage.bulk("tell", str(stage.ledger), "stop", "--because", "no go")
        assert (told.code, told.out) == (ExitCode.OK, "in force: stop\n")
        _, err = process.communicate(timeout=WAIT_S)
    assert (process.returncode, counted(stage)) == (ExitCode.SAFETY_LIMIT, before)
    assert re.search(r"stopped: by \S+ on \S+ \(no go\)", err)
    assert re.search(r"stopped by \S+ on \S+ \(no go\)", stage.bulk("status", str(stage.ledger)).out)
    assert stage.apply(job, "--wait", "--window", window).code == ExitCode.SAFETY_LIMIT
    assert stage.bulk("audit", str(stage.ledger)).code == ExitCode.OK


def test_a_pause_that_comes_while_a_run_waits_lasts_into_the_opening(stage: Stage) -> None:
    """A rate as well; both are shown meanwhile, and SIGUSR1 shows the line and ends nothing."""
    job, (window, opens) = stage.job(wide([1, 2]), rate="5/s"), in_(12)
    with stage.child("apply", job, "--yes", "--wait", "--window", window) as process:
        until(lambda: waits(stage), process)
        for words in (("pause", "--because", "bridge call"), ("rate", "1/s")):
            assert stage.bulk("tell", str(stage.ledger), *words).code == ExitCode.OK
        process.send_signal(signal.SIGUSR1)
        assert "paused by" in stage.bulk("status", str(stage.ledger)).out
        until(lambda: datetime.now(UTC) > opens + timedelta(seconds=1), process)
        process.send_signal(signal.SIGUSR1)
        assert stage.records("intent") == []
        assert stage.bulk("tell", str(stage.ledger), "unpause").code == ExitCode.OK
        _, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == ExitCode.OK, err
    assert err.count("waits for") + err.count("wait for") >= 2, err
    first, second = (datetime.fromisoformat(one["at"]) for one in stage.records("intent"))
    assert second - first > timedelta(seconds=0.9)
    assert [one["what"] for one in stage.records("decision")] == ["pause", "rate", "unpause"]
    assert stage.bulk("audit", str(stage.ledger)).code == ExitCode.OK


def test_a_run_that_goes_on_in_the_next_opening_asks_its_key_before_it_waits(stage: Stage) -> None:
    """A key that was revoked shows when the person is there; nothing is written down for it."""
    job, (window, _) = stage.job(wide([1])), in_(3600)
    with stage.child("apply", job, "--yes", "--wait", "--window", window) as process:
        until(lambda: stage.ledgers and b'"about":"window"' in stage.ledger.read_bytes(), process)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=WAIT_S)
    refusal = {"kind": "code", "code": "APIGW.0301", "http": 401, "method": "GET", "times": None}
    stage.order(faults={"rules": [refusal]})
    sessions = len(stage.records("session"))
    ended = stage.apply(str(stage.ledger), "--wait")
    assert ended.code == ExitCode.CANNOT_RUN, ended.err
    assert len(stage.records("session")) == sessions


def test_waiting_for_no_window_is_refused(stage: Stage) -> None:
    """Whoever thinks that there is one would change services at once."""
    ended = stage.apply(stage.job(wide([1])), "--wait")
    assert ended.code == ExitCode.USAGE
    assert "--wait waits for a window, and this job has none" in ended.err
    assert counted(stage) == 0


def test_an_issue_of_settings_that_were_given_as_flags_names_the_flag(stage: Stage) -> None:
    """As its place; that of a default which another setting contradicts is no line of any file."""
    job = stage.job(wide([1]), waves="column")
    for ended in (stage.bulk("plan", job, "--canary", "3"), stage.apply(job, "--canary", "3")):
        assert ended.said.startswith("--canary: it would renumber the waves")
    job = stage.job(wide([1]))
    short = ("--window", "03:00-03:01")
    for ended in (
        stage.bulk("check", job, *short),
        stage.bulk("plan", job, *short),
        stage.apply(job, *short),
    ):
        assert "settings: spare: the last " in ended.said
        assert " and the window is open for 1 min at most" in ended.said


def test_a_run_that_has_to_fit_and_does_not_is_refused(stage: Stage) -> None:
    """The plan says so, with 7, and nothing is sent; without the word it is said and no more."""
    window, _ = in_(-10, length_s=100.0)
    settings = {"window": window, "spare": "80s"}
    job = stage.job(wide(range(1, 11)), must_fit=True, **settings)
    for ended in (stage.bulk("plan", job, "--rate", "1/s"), stage.apply(job, "--rate", "1/s")):
        assert ended.code == ExitCode.REFUSED
        assert re.search(r"the run takes about .*, its window lets it send for .*must_fit", ended.err)
        assert "; name fewer services with --limit, or a longer window" in ended.err
    job = stage.job(wide(range(1, 11)), must_fit=True, **settings, waves=[1], soak="1m")
    assert "with --limit, a shorter soak, or a longer window" in stage.bulk("plan", job).err
    assert stage.applied == []
    planned = stage.bulk("plan", stage.job(wide(range(1, 11)), **settings), "--rate", "1/s")
    assert planned.code == ExitCode.OK
    assert "the run does not fit its " in " ".join(planned.out.split())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"window": "Sat 01:00-05:00", "spare": "4h"}, "job.toml:5:1: spare: the last 4 h are for finishing"),
        (
            {"window": "2999-01-02T01:00Z..2999-01-02T05:00Z", "blackout": "2999-01-02"},
            "job.toml:5:1: blackout: it leaves nothing of the window",
        ),
        ({"must_fit": True}, "job.toml:4:1: must_fit: it does nothing without a window"),
        ({"soak": "2m"}, "job.toml:4:1: soak: it does nothing without waves"),
        (
            {"canary": 3, "waves": "column"},
            "job.toml:4:1: canary: it would renumber the waves that the rows name",
        ),
        ({"window": "01:00-05:00 Asia/Shanghi"}, "did you mean Asia/Shanghai?"),
        ({"window": "Satrday 01:00-05:00"}, "did you mean Sat?"),
    ],
)
def test_a_window_that_cannot_be_used_is_refused(
    settings: dict[str, object], said: str, stage: Stage
) -> None:
    """With 3 and its place, before anything is read; `check` finds it offline."""
    job = stage.job(wide([1]), **settings)
    verbs = (stage.bulk(verb, job) for verb in ("check", "plan", "rehearse"))
    for ended in (*verbs, stage.apply(job)):
        assert ended.code == ExitCode.INVALID
        assert said in ended.said
    assert counted(stage) == 0
    assert stage.ledgers == []


def test_what_a_verb_without_rows_finds_wrong_with_a_job_has_its_place(stage: Stage) -> None:
    """Such as the status of a job that has no run yet."""
    ended = stage.bulk("status", stage.job(wide([1]), must_fit=True))
    assert (ended.code, "job.toml:4:1: must_fit: it does nothing" in ended.err) == (ExitCode.INVALID, True)


def test_a_spare_longer_than_its_window_is_found_offline(stage: Stage) -> None:
    """Whether it is written or comes from the time limits; at any time of day."""
    for settings, said in (
        (
            {"window": "Sat,Sun 01:00-05:00; 2026-12-01T01:00Z..2026-12-01T02:00Z", "spare": "4h"},
            "job.toml:5:1: spare: the last 4 h are for finishing",
        ),
        ({"window": "03:00-03:01"}, "the window is open for 1 min at most"),
    ):
        ended = stage.bulk("check", stage.job(wide([1]), **settings))
        assert ended.code == ExitCode.INVALID
        assert said in ended.said
    for open_for_long in ("03:00-03:02", "00:00-24:00", "2999-01-01T00:00Z"):
        assert stage.bulk("check", stage.job(wide([1]), window=open_for_long)).code == ExitCode.OK


def test_a_process_that_is_stopped_over_the_end_begins_nothing_after_it(stage: Stage) -> None:
    """No intent is written in the spare or after the end, though everything is late by then."""
    window, opens = in_(-60, length_s=72.0)
    job = stage.job(wide(range(1, 31)), window=window, spare="1s", concurrency=1)
    with stage.child("apply", job, "--yes", "--rate", "2/s") as process:
        until(lambda: stage.ledgers and b'"type":"intent"' in stage.ledger.read_bytes(), process)
        process.send_signal(signal.SIGSTOP)
        until(lambda: datetime.now(UTC) > opens + timedelta(seconds=72))
        process.send_signal(signal.SIGCONT)
        _, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == ExitCode.WINDOW_ENDED, err
    stops = opens + timedelta(seconds=71)
    assert all(datetime.fromisoformat(each["at"]) < stops for each in stage.records("intent"))
    assert len(stage.applied) < 30
    assert "stopped: the window ended at " in err


def test_a_blackout_shuts_a_window_that_is_open_else(stage: Stage) -> None:
    """Today, in the zone of the window."""
    today = datetime.now(UTC).date()
    job = stage.job(
        wide([1]), window="00:00-24:00 UTC", blackout=f"{today}..{today + timedelta(days=1)}", spare="1s"
    )
    ended = stage.apply(job)
    assert ended.code == ExitCode.WINDOW_ENDED
    opens = today + timedelta(days=2)
    assert re.search(rf"it opens {opens:%a} {opens.day} {opens:%b} (?:\d{{4}} )?00:00 UTC, in ", ended.err)


def test_a_rollback_is_free_of_the_window_and_the_blackout_of_its_run(stage: Stage) -> None:
    """A change is taken back at any time; a window of the rollback's own counts, and can be waited for."""
    today = datetime.now(UTC).date()
    job = stage.job(wide([1]), blackout=str(today + timedelta(days=3)))
    assert stage.apply(job).code == ExitCode.OK
    run = str(stage.ledger)
    closed = stage.bulk("rollback", run, "--apply", "--yes", "--window", in_(3600)[0])
    assert closed.code == ExitCode.WINDOW_ENDED
    ended = stage.bulk("rollback", run, "--apply", "--yes", "--wait", "--window", in_(6)[0])
    assert ended.code == ExitCode.OK
    assert "window: opens " in ended.err
    assert [each["message"] for each in stage.records("note") if each["about"] == "window"]
    assert len(stage.applied) == 2
