"""`bulk rollback`, and the order around shared port_ids: the fleet is where it was, and never in between."""

import os
import re
import shlex
import sys
from pathlib import Path

import orjson
import pytest

from bulk.errors import ExitCode
from bulk.ledger.file import LedgerFile
from tests.fakes import FakeClock
from tests.forging import forge, records_of
from tests.scenarios.stage import WAIT_S, Stage, Typed, until, wide
from tests.simulator_caller import line, mapping, service_id

SHARED = "f9806b85-f754-48af-9cea-d7a289c7205a"


def without_times(stage: Stage) -> list[dict[str, object]]:
    """Return the fleet field by field, but for the time of its last change."""
    return [{k: v for k, v in one.items() if k != "updated_at"} for one in stage.fleet.values()]


def test_applied_and_taken_back_is_as_it_was(stage: Stage) -> None:
    """Field by field; the rollback has a ledger of its own, beside the run's."""
    before = without_times(stage)
    stage.apply(stage.job(wide(range(1, 6))))
    run = stage.ledger
    shown = stage.bulk("rollback", str(run))
    assert shown.code == ExitCode.OK
    assert "-8443:9001/TCP +443:9001/TCP" in shown.out
    assert len(stage.applied) == 5
    ended = stage.bulk("rollback", str(run), "--apply", "--yes")
    assert ended.code == ExitCode.OK, ended.err
    assert without_times(stage) == before
    assert [path.name.startswith("job-rollback-") for path in stage.ledgers] == [False, True]


def test_what_somebody_changed_since_is_left_alone(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plan and question say so before; it ends as drifted, exit 4; the others are taken back."""
    stage.apply(stage.job(wide([1, 2, 3, 4])))
    run = str(stage.ledger)
    stage.order(
        services=[{"id": service_id(1), "ports": [mapping(5, 5)]}, {"id": service_id(4), "deleted": True}]
    )
    shown = stage.bulk("rollback", run).out
    assert shown.startswith("2 of 4 services moved since the run; 2 are as planned.")
    assert 'found ports "5:5/TCP", expected "80:8001/TCP 8443:9001/TCP"' in " ".join(shown.split())
    assert [line.split()[2:4] for line in shown.splitlines() if line.startswith("~")] == [
        ["-8443:9003/TCP", "+443:9003/TCP"],
        ["-8443:9002/TCP", "+443:9002/TCP"],
    ]
    monkeypatch.setattr(sys, "stdin", Typed("yes\n"))
    ended = stage.bulk("rollback", run, "--apply")
    assert ended.code == ExitCode.SOME_FAILED
    assert "2 of 4 services moved since the run" in ended.out
    assert "Change 2 services in" in ended.said
    assert (stage.ports(1), stage.ports(2)) == ([(5, 5)], [(80, 8002), (443, 9002)])


def test_nobody_makes_the_changes_again_while_they_are_taken_back(stage: Stage) -> None:
    """By a new run of the job, a copy of its rows or a plan saved before; nor the other way round."""
    job = stage.job(wide([1, 2, 3]))
    stage.apply(job)
    run = str(stage.ledger)
    stage.order(services=[{"id": service_id(3), "ports": [mapping(5, 5)]}])
    stage.bulk("plan", job, "--out", "saved")
    copy = stage.file("copy.csv", (stage.folder / "services.csv").read_text())
    stage.order(switches={"latency_s": 0.2})
    begun = len(stage.applied)
    with stage.child("rollback", run, "--apply", "--yes", "-j", "1") as process:
        until(lambda: len(stage.ledgers) > 1, process)
        stage.order(switches={"latency_s": 1.5})
        for other in (job, copy, "saved"):
            ended = stage.apply(other)
            assert ended.code == ExitCode.BUSY
            assert re.search("works on .*job-rollback|another run of the same rows is at work", ended.err)
        stage.order(switches={"latency_s": 0.0})
        process.communicate(timeout=WAIT_S)
    assert len(stage.applied) - begun == 2
    back = str(stage.ledger)
    stage.order(switches={"latency_s": 0.2})
    with stage.child("apply", "saved", "--yes", "-j", "1") as process:
        until(lambda: len(stage.applied) - begun > 2, process)
        stage.order(switches={"latency_s": 1.5})
        for taken in (run, back):
            assert stage.bulk("rollback", taken, "--apply", "--yes").code == ExitCode.BUSY
        stage.order(switches={"latency_s": 0.0})
        process.communicate(timeout=WAIT_S)


@pytest.mark.parametrize("way", ["finish", "anew"])
def test_a_rollback_that_died_is_finished_before_the_job_is_applied_again(way: str, stage: Stage) -> None:
    """Unless a person wants the changes after all: a scheduler would leave the fleet half and half."""
    job = stage.job(wide([1, 2, 3, 4]))
    stage.apply(job)
    begun = len(stage.applied)
    stage.order(faults={"rules": [{"kind": "slow", "delay_s": 600.0, "method": "PUT", "nth": 3}]})
    with stage.child("rollback", str(stage.ledger), "--apply", "--yes", "-j", "1") as process:
        until(lambda: len(stage.applied) - begun == 2, process)
        process.kill()
        process.communicate(timeout=WAIT_S)
    stage.order(faults={"rules": []})
    refused = stage.apply(job)
    assert refused.code == ExitCode.REFUSED
    assert len(stage.applied) - begun == 2
    assert stage.bulk("plan", job).code == ExitCode.OK
    if way == "finish":
        (advised,) = re.findall("`bulk (.*?)`", refused.err)
        assert stage.bulk(*shlex.split(advised), "--yes").code == ExitCode.OK
        assert {stage.ports(n)[1][0] for n in range(1, 5)} == {443}
    assert stage.apply(job, *(["--new-run"] if way == "anew" else [])).code == ExitCode.OK
    assert {stage.ports(n)[1][0] for n in range(1, 5)} == {8443}
    assert stage.apply(job).code == ExitCode.OK


@pytest.mark.parametrize("case", ["moved", "waited for long"])
def test_a_rollback_that_has_not_finished_is_found(case: str, stage: Stage) -> None:
    """Where it was moved together with its run, and where its last records only say that it waited."""
    job = stage.job(wide([1, 2]))
    stage.apply(job)
    stage.order(faults={"rules": [{"kind": "code", "code": "EndPoint.0002", "http": 400, "method": "PUT"}]})
    run, words = str(stage.ledger), ("--apply", "--yes", "--max-failures", "0", "-j", "1")
    assert stage.bulk("rollback", run, *words).code == ExitCode.SAFETY_LIMIT
    back = stage.ledger
    if case == "moved":
        job = str(stage.folder.rename(stage.folder.with_name("elsewhere")))
        back = Path(job) / "runs" / back.name
    else:
        records = records_of(back.read_bytes())
        note = {"type": "note", "at": records[-1]["at"], "about": "hold", "message": "m" * 1_000, "row": None}
        forge(back, [*records, *[note] * 100])
    sent = len(stage.applied)
    refused = stage.apply(job)
    assert (refused.code, len(stage.applied)) == (ExitCode.REFUSED, sent), refused.err
    assert f"{back.name}, the rollback of " in refused.err
    (advised,) = re.findall("`bulk (.*?)`", refused.err)
    assert "--despite" in stage.bulk(*shlex.split(advised), "--yes").err


def test_some_services_can_be_taken_back_alone(stage: Stage) -> None:
    """By their ids; one that was never applied is wrong usage."""
    stage.apply(stage.job(wide([1, 2, 3])))
    run = str(stage.ledger)
    assert stage.bulk("rollback", run, "--only", service_id(9)).code == ExitCode.USAGE
    assert stage.bulk("rollback", run, "--only", service_id(2), "--apply", "--yes").code == ExitCode.OK
    assert [stage.ports(n)[1][0] for n in (1, 2, 3)] == [8443, 443, 8443]


GUARDS = {
    "max_changes": 2,
    "max_consumers": 0,
    "max_failures": 0,
    "canary": 1,
    "waves": "1,50%",
    "soak": "1s",
    "strict": True,
    "max_removed": 2,
}


def test_what_limited_a_run_does_not_stand_in_the_way_of_taking_it_back(stage: Stage) -> None:
    """Neither its guards nor its window; its pace stays, and the rollback's own flags count."""
    window = "2999-01-01T00:00Z"
    stage.apply(stage.job(wide([1, 2]), window=window, attempts=3, **GUARDS))
    run = str(stage.ledger)
    stage.order(services=[{"id": service_id(n), "connection_count": 5} for n in (1, 2)])
    ended = stage.bulk("rollback", run, "--apply", "--yes", "--max-failures", "7")
    assert ended.code == ExitCode.OK, ended.err
    (session,) = stage.records("session")
    assert session["settings"]["attempts"] == 3
    assert session["settings"]["max_failures"] == "7"
    assert not {*GUARDS, "window"} & {*session["settings"]} - {"strict", "max_failures"}
    assert session["settings"]["strict"] is False


def test_a_rollback_can_be_saved_and_applied_as_a_plan(stage: Stage) -> None:
    """Like any other plan; in JSON for machines."""
    stage.apply(stage.job(wide([1])))
    ended = stage.bulk("rollback", str(stage.ledger), "--out", "back.plan", "--output", "json")
    assert [row["service_id"] for row in orjson.loads(ended.out)["rows"]] == [service_id(1)]
    assert stage.apply("back.plan").code == ExitCode.OK
    assert stage.ports(1) == [(80, 8001), (443, 9001)]


def test_a_plan_is_either_saved_or_applied(stage: Stage) -> None:
    """`--out` with `--apply` is wrong usage, before anything is read; what the message advises works."""
    stage.apply(stage.job(wide([1])))
    run = str(stage.ledger)
    both = stage.bulk("rollback", run, "--apply", "--yes", "--out", "back.plan")
    assert both.code == ExitCode.USAGE
    assert "leave out --apply to save the plan" in both.err
    assert len(stage.applied) == 1
    assert len(stage.ledgers) == 1
    saved = stage.bulk("rollback", run, "--out", "back.plan")
    (advice,) = re.findall("bulk apply back.plan", both.err)
    assert advice in saved.err
    assert stage.bulk(*advice.split()[1:], "--yes").code == ExitCode.OK
    assert stage.ports(1) == [(80, 8001), (443, 9001)]


def test_a_rollback_that_stopped_goes_on_and_not_as_another(stage: Stage) -> None:
    """The same command continues; one of other services is refused until then."""
    stage.apply(stage.job(wide([1, 2, 3]), concurrency=1))
    run = str(stage.ledger)
    rule = {"kind": "code", "code": "EndPoint.0002", "http": 400, "method": "PUT"}
    stage.order(faults={"rules": [rule]})
    stopped = stage.bulk("rollback", run, "--apply", "--yes", "--max-failures", "0", "-j", "1")
    assert stopped.code == ExitCode.SAFETY_LIMIT
    other = stage.bulk("rollback", run, "--only", service_id(1), "--apply", "--yes")
    assert other.code == ExitCode.REFUSED
    assert "--limit is not the same as when" in other.err
    again = stage.bulk("rollback", run, "--apply", "--yes", "--max-failures", "9")
    assert again.code == ExitCode.SAFETY_LIMIT
    assert "continuing with" in again.err
    assert f"bulk apply {stage.ledger} --despite " in again.err
    assert stage.apply(str(stage.ledger), *stage.despite()).code == ExitCode.SOME_FAILED
    assert stage.outcomes() == {"applied": 2, "failed": 1}


def left_in_doubt(stage: Stage) -> tuple[str, Path]:
    """Apply a job of which row 2 stays in doubt; return the job and the ledger."""
    lost = {"kind": "reset", "after": True, "method": "PUT", "service_id": service_id(2)}
    unreadable = {"kind": "error_500", "method": "GET", "service_id": service_id(2), "times": None}
    job = stage.job(wide([1, 2, 3]), concurrency=1)
    stage.order(faults={"rules": [lost, unreadable]})
    assert stage.apply(job).code == ExitCode.IN_DOUBT
    stage.order(faults={})
    return job, stage.ledger


def is_refused_as_rolled_back(stage: Stage, job: str, run: Path) -> bool:
    """Return whether neither the job nor the ledger goes on, and nothing is sent; what is advised works."""
    applied = len(stage.applied)
    for again in (job, str(run)):
        ended = stage.apply(again)
        assert ended.code == ExitCode.REFUSED, ended.err
        assert "was rolled back by" in ended.err
        assert "--new-run" in ended.err
    assert len(stage.applied) == applied
    return stage.apply(job, "--new-run").code == ExitCode.OK


@pytest.mark.parametrize("plan", ["", "back.plan", "runs/back.plan", "elsewhere/other.plan"])
def test_a_run_that_was_rolled_back_is_not_gone_on_with(plan: str, stage: Stage) -> None:
    """What it left undone would be in force again; every verb says so, wherever the rollback's plan is."""
    before = without_times(stage)
    job, run = left_in_doubt(stage)
    (stage.folder / "elsewhere").mkdir()
    if plan:
        assert stage.bulk("rollback", str(run), "--out", plan).code == ExitCode.OK
        assert "to continue" in stage.bulk("status", str(run)).out
        assert stage.apply(plan).code == ExitCode.OK
    else:
        assert stage.bulk("rollback", str(run), "--apply", "--yes").code == ExitCode.OK
    rollback = (stage.folder / plan if plan else stage.ledger).resolve()
    assert without_times(stage) == before
    status = stage.bulk("status", str(run))
    assert f"rolled back (all of it): bulk status {rollback}" in status.out
    assert "to continue" not in status.out
    for verb, *more in (("report",), ("audit",), ("why", service_id(1)), ("report", "--output", "json")):
        ended = stage.bulk(verb, str(run), *more)
        assert (ended.code, str(rollback) in "".join(ended.out.split())) == (ExitCode.OK, True), verb
    assert is_refused_as_rolled_back(stage, job, run)


def test_a_run_that_was_rolled_back_in_part_is_not_gone_on_with_either(stage: Stage) -> None:
    """It would send what was taken back; the rest can still be rolled back."""
    before = without_times(stage)
    job, run = left_in_doubt(stage)
    assert stage.bulk("rollback", str(run), "--only", service_id(1), "--apply", "--yes").code == ExitCode.OK
    assert "rolled back (1 service of it)" in stage.bulk("status", str(run)).out
    assert "was rolled back by" in stage.apply(str(run)).err
    assert stage.bulk("rollback", str(run), "--apply", "--yes").code == ExitCode.OK
    assert without_times(stage) == before
    assert is_refused_as_rolled_back(stage, job, run)


def test_a_rollback_that_was_only_planned_stands_in_nobodys_way(stage: Stage) -> None:
    """The run goes on; the plan of its rollback then lacks what was sent since, and is not applied."""
    job = stage.job(wide([1, 2, 3]), concurrency=1)
    stage.order(
        faults={"rules": [{"kind": "code", "code": "APIGW.0301", "http": 401, "method": "PUT", "nth": 2}]}
    )
    assert stage.apply(job).code == ExitCode.CANNOT_RUN
    stage.order(faults={"rules": []})
    assert stage.bulk("rollback", job, "--out", "back.plan").code == ExitCode.OK
    assert stage.apply(job).code == ExitCode.OK
    sent = len(stage.applied)
    stale = stage.apply("back.plan")
    assert (stale.code, len(stage.applied)) == (ExitCode.REFUSED, sent)
    assert "went on after this rollback was planned, by 2 PUTs" in stale.err
    [anew] = re.findall(r"`bulk (rollback .*) --out FILE`", stale.err)
    assert stage.bulk(*anew.split(), "--out", "anew.plan").code == ExitCode.OK
    assert stage.apply("anew.plan").code == ExitCode.OK
    assert len(stage.applied) == sent + 3


def test_a_rollback_waits_for_nobody_who_works_on_its_run(stage: Stage) -> None:
    """8, before its first PUT and before its first session; afterwards the same command works."""
    _, run = left_in_doubt(stage)
    stage.bulk("rollback", str(run), "--out", "back.plan")
    ledger, sent = LedgerFile.open(run, now=FakeClock().now), len(stage.applied)
    try:
        busy = stage.apply("back.plan")
        assert (busy.code, len(stage.applied)) == (ExitCode.BUSY, sent)
        assert stage.status(stage.folder / "back.plan")["state"] == "planned"
    finally:
        os.close(ledger._fd)
    assert stage.apply("back.plan").code == ExitCode.OK


@pytest.mark.parametrize("case", ["missing", "damaged", "not ours to write", "another run's"])
def test_a_run_that_cannot_be_marked_is_rolled_back_all_the_same(case: str, stage: Stage) -> None:
    """Undoing is what matters; that nobody will know it is said, and on record in the rollback."""
    before = without_times(stage)
    job, run = left_in_doubt(stage)
    stage.bulk("rollback", str(run), "--out", "back.plan")
    content = run.read_bytes()
    run.unlink()
    match case:
        case "damaged":
            run.write_bytes(content.replace(b'"applied"', b'"failed "', 1))
        case "not ours to write":
            run.symlink_to(stage.file("elsewhere", content.decode()))
        case "another run's":
            assert stage.apply(job).code == ExitCode.OK
            stage.ledger.rename(run)
            before = without_times(stage)
    ended = stage.apply("back.plan", *(["--no-strict"] if case == "missing" else []))
    assert "not on record there that it is rolled back" in ended.err
    assert str(run) in ended.err
    (note,) = (
        each for each in stage.records("note", stage.folder / "back.plan") if each["about"] == "rollback"
    )
    assert "do not go on with it" in note["message"]
    assert case == "another run's" or (ended.code, without_times(stage)) == (ExitCode.OK, before)


def test_a_run_that_was_moved_together_with_its_rollback_is_marked(stage: Stage) -> None:
    """A folder may be mounted elsewhere, or copied to another host."""
    _, run = left_in_doubt(stage)
    stage.bulk("rollback", str(run), "--out", str(run.parent / "back.plan"))
    moved = run.parent.rename(stage.folder / "moved")
    assert stage.apply(str(moved / "back.plan")).code == ExitCode.OK
    assert "was rolled back by" in stage.apply(str(moved / run.name)).err
    assert len(stage.records("decision", moved / run.name)) == 1


def test_a_rollback_that_is_killed_before_its_first_put_is_known_to_its_run(stage: Stage) -> None:
    """The run is not gone on with; the same rollback is."""
    before = without_times(stage)
    job, run = left_in_doubt(stage)
    stage.order(faults={"rules": [{"kind": "slow", "delay_s": 600.0, "method": "PUT"}]})
    with stage.child("rollback", str(run), "--apply", "--yes") as rollback:
        until(lambda: len(stage.ledgers) == 2 and stage.status()["puts_sent"], rollback)
    assert "was rolled back by" in stage.apply(str(run)).err
    stage.order(faults={"rules": []})
    assert stage.bulk("rollback", str(run), "--apply", "--yes").code == ExitCode.OK
    assert without_times(stage) == before
    assert [each["what"] for each in stage.records("decision", run)] == ["rolled_back"]
    assert is_refused_as_rolled_back(stage, job, run)


def test_a_rollback_that_is_rolled_back_is_not_gone_on_with(stage: Stage) -> None:
    """Nor is the run that it took back: neither knows what is in force."""
    job, run = left_in_doubt(stage)
    assert stage.bulk("rollback", str(run), "--apply", "--yes").code == ExitCode.OK
    first, after = stage.ledger, stage.ports(1)
    assert stage.bulk("rollback", str(first), "--apply", "--yes").code == ExitCode.OK
    assert stage.ports(1) != after
    assert "rolled back (all of it)" in stage.bulk("status", str(first)).out
    assert is_refused_as_rolled_back(stage, job, run)


def test_the_rollback_of_an_earlier_version_is_found_beside_its_run(stage: Stage) -> None:
    """It did not name its run, and put nothing on record there."""
    job, run = left_in_doubt(stage)
    content = run.read_bytes()
    assert stage.bulk("rollback", str(run), "--apply", "--yes").code == ExitCode.OK
    run.write_bytes(content)
    first, *rest = records_of(stage.ledger.read_bytes())
    del first["takes_back"]
    forge(stage.ledger, [first, *rest])
    assert f"rolled back: bulk status {stage.ledger}" in stage.bulk("status", str(run)).out
    assert is_refused_as_rolled_back(stage, job, run)


def test_what_a_later_run_changed_is_not_taken_back_with_an_earlier_one(stage: Stage) -> None:
    """The row failed, and the last look of its run saw the service as it was."""
    no = {"kind": "code", "code": "EndPoint.0002", "http": 400, "method": "PUT", "service_id": service_id(2)}
    stage.order(faults={"rules": [no]})
    job = stage.job(wide([1, 2, 3]))
    assert stage.apply(job).code == ExitCode.SOME_FAILED
    run = str(stage.ledger)
    stage.order(faults={"rules": []})
    assert stage.apply(job).code == ExitCode.OK
    assert "2 services change" in stage.bulk("rollback", run).out
    assert stage.bulk("rollback", run, "--apply", "--yes").code == ExitCode.OK
    assert len(stage.applied) == 5


def test_a_failed_row_whose_put_took_effect_is_taken_back(stage: Stage) -> None:
    """A run that stopped had no last look: what a refused PUT did shows when the fleet is listed."""
    before = without_times(stage)
    landed = {"kind": "reset", "after": True, "method": "PUT", "service_id": service_id(1)}
    refused = {
        "kind": "code",
        "code": "EndPoint.0002",
        "http": 400,
        "method": "PUT",
        "service_id": service_id(2),
    }
    stage.order(faults={"rules": [landed, refused]})
    stage.apply(stage.job(wide([1, 2, 3]), concurrency=1), "--max-failures", "0")
    run = str(stage.ledger)
    stage.order(
        faults={}, services=[{"id": service_id(2), "ports": [mapping(80, 8002), mapping(8443, 9002)]}]
    )
    shown = stage.bulk("rollback", run)
    assert "2 services change" in shown.out
    stage.bulk("rollback", run, "--apply", "--yes")
    assert without_times(stage) == before


def test_a_rollback_asks_first(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """No terminal: 2. A no: 5, and what goes on is the same command, with all its words."""
    stage.apply(stage.job(wide([1, 2])))
    run = str(stage.ledger)
    assert stage.bulk("rollback", run, "--apply").code == ExitCode.USAGE
    monkeypatch.setattr(sys, "stdin", Typed("no\n"))
    refused = stage.bulk("rollback", run, "--only", service_id(1), "--apply")
    assert refused.code == ExitCode.STOPPED_EARLY
    assert "to continue: run the same command again" in refused.err
    assert len(stage.applied) == 2


NEIGHBOURS = [line(n, port_id=SHARED, ports=[mapping(80, 100 + n)]) for n in (1, 2, 3)]
SWAP = f"service_id,ports\n{service_id(1)},80:102\n{service_id(2)},80:101\n"
CHAIN = f"service_id,ports\n{service_id(1)},80:102\n{service_id(2)},80:999\n"
TAKEN = f"service_id,ports\n{service_id(1)},80:103\n"


@pytest.mark.parametrize("stage", [{"fleet": NEIGHBOURS}], indirect=True)
def test_who_frees_a_server_port_goes_before_who_takes_it(stage: Stage) -> None:
    """Both are applied, in the other order than in the file."""
    assert stage.apply(stage.job(CHAIN)).code == ExitCode.OK
    assert [put.id for put in stage.applied] == [service_id(2), service_id(1)]


@pytest.mark.parametrize("stage", [{"fleet": NEIGHBOURS}], indirect=True)
def test_a_server_port_that_somebody_keeps_is_refused_with_the_holder(stage: Stage) -> None:
    """By its id."""
    ended = stage.bulk("plan", stage.job(TAKEN), "--all")
    (refused,) = (text for text in ended.out.splitlines() if text.startswith("! 4"))
    assert service_id(3) in refused


@pytest.mark.parametrize("stage", [{"fleet": NEIGHBOURS}], indirect=True)
def test_what_cannot_be_taken_back_is_refused_also_where_somebody_changed_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no change to begin with, and is not taken off those of the question."""
    stage.apply(stage.job(f"service_id,ports\n{service_id(1)},80:991\n{service_id(2)},80:992\n"))
    changed = [{"id": service_id(n), "ports": [mapping(5, port)]} for n, port in ((1, 5), (3, 101))]
    stage.order(services=changed)
    monkeypatch.setattr(sys, "stdin", Typed("yes\n"))
    ended = stage.bulk("rollback", str(stage.ledger), "--apply")
    assert "Change 1 service in" in ended.said
    assert "moved since" not in ended.out
    assert stage.outcomes() == {"applied": 1, "refused": 1}


@pytest.mark.parametrize("stage", [{"fleet": NEIGHBOURS}], indirect=True)
def test_a_swap_is_refused_unless_one_may_be_parked(stage: Stage) -> None:
    """The cycle is shown; with --allow-parking an intermediate PUT breaks it, and rollback does the same."""
    job = stage.job(SWAP)
    before = without_times(stage)
    ended = stage.apply(job)
    assert ended.code == ExitCode.SOME_FAILED
    assert "break the cycle with --allow-parking" in " ".join(ended.out.split())
    assert " -> " in stage.bulk("plan", job, "--all").out
    assert stage.applied == []
    assert stage.apply(job, "--allow-parking").code == ExitCode.OK
    assert [stage.ports(n) for n in (1, 2)] == [[(80, 102)], [(80, 101)]]
    assert len(stage.applied) == 3
    back = stage.bulk("rollback", str(stage.ledger), "--apply", "--yes", "--allow-parking")
    assert back.code == ExitCode.OK, back.err
    assert without_times(stage) == before


@pytest.mark.parametrize("stage", [{"fleet": NEIGHBOURS}], indirect=True)
def test_a_service_that_a_run_left_parked_gets_back_what_it_had(stage: Stage) -> None:
    """Its last PUT and its restoring were refused: 4 with its name, and the rollback brings it back."""
    before = without_times(stage)
    refused = {"kind": "code", "code": "EndPoint.3043", "method": "PUT", "nth": 3, "times": 9}
    stage.order(faults={"rules": [refused]})
    ended = stage.apply(stage.job(SWAP), "--allow-parking")
    assert ended.code == ExitCode.SOME_FAILED
    assert "is left without" in ended.out
    stage.order(faults={"rules": []})
    back = stage.bulk("rollback", str(stage.ledger), "--apply", "--yes")
    assert back.code == ExitCode.OK, back.err
    assert without_times(stage) == before


def test_a_ledger_that_is_none_cannot_be_taken_back(stage: Stage) -> None:
    """Exit 2 for a file of something else, for none at all, and where nothing was applied."""
    assert stage.bulk("rollback", stage.file("x", "hello\n")).code == ExitCode.USAGE
    assert stage.bulk("rollback", "nowhere").code == ExitCode.USAGE
    assert stage.bulk("rollback", "nowhere", "--apply", "--yes").code == ExitCode.USAGE
    stage.bulk("plan", stage.job(wide([1])), "--out", "p")
    assert stage.bulk("rollback", str(Path("p"))).code == ExitCode.USAGE
