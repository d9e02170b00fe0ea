"""Settings that are edited while a run is open: pace is taken and said, guards and where are refused."""

import os
import re
import shlex
import signal
from typing import Any

import orjson
import pytest

from bulk.cli import logs, options
from bulk.errors import ExitCode
from bulk.ledger.edits import WHERE
from bulk.settings import SETTINGS, WhileOpen, flag_of, variable_of
from tests.scenarios.stage import Ended, Stage, fleet_lines, wide
from tests.simulator_caller import PROJECT, line, mapping, service_id

OTHER_PROJECT = "1" * 32
REVOKED = {"kind": "code", "code": "APIGW.0301", "http": 401, "method": "PUT", "nth": 2}
SAID = "taken from here on"
LEFT_OPEN = {"concurrency": 1, "attempts": 4}


def left_open(stage: Stage, *words: str, rows: str = "", **settings: Any) -> str:
    """Leave a run open whose second PUT met a revoked key, and return its job."""
    job = stage.job(rows or wide(range(1, 6)), **LEFT_OPEN | settings)
    stage.order(faults={"rules": [REVOKED]})
    assert stage.apply(job, *words).code == ExitCode.CANNOT_RUN
    stage.order(faults={})
    return job


def edited(stage: Stage, rows: str = "", **settings: Any) -> str:
    """Write the job again with other settings."""
    return stage.job(rows or wide(range(1, 6)), **LEFT_OPEN | settings)


def follow(stage: Stage, refused: Ended, monkeypatch: pytest.MonkeyPatch) -> Ended:
    """Do what the hint of a refusal says first, word for word."""
    (advice,) = re.findall(r"(?:continue it as it began|finish that run) with `([^`]+)`", refused.err)
    words = shlex.split(advice)
    while words[0] in {"env", "-u"}:
        if words.pop(0) == "-u":
            monkeypatch.delenv(words.pop(0))
    assert words[0] == "bulk"
    return stage.bulk(*words[1:], "--yes")


def sessions(stage: Stage) -> list[dict[str, Any]]:
    """Return the settings of each session."""
    return [session["settings"] for session in stage.records("session")]


EXAMPLES: dict[str, Any] = {
    "region": "cn-south-1",
    "profile": "night",
    "project_id": OTHER_PROJECT,
    "endpoint": "https://vpcep.cn-north-1.myhuaweicloud.com",
    "via": "local",
    "max_failures": "50%",
    "max_removed": "50%",
    "window": "2999-01-01T00:00Z",
}
"""A value that is not the one in force, of settings whose example might be."""


def test_the_same_command_again_is_the_resume_whatever_its_flags(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of every setting at once, as flags and as variables: nothing is refused and nothing is said."""
    words = ["--max-failures", "20%", "--canary", "0", "--window", "2999-01-01T00:00Z", "--no-strict"]
    words += ["--max-changes", "9", "--max-removed", "90%", "--allow-parking", "--skip-invalid", "-j", "1"]
    monkeypatch.setenv("BULK_MAX_CONSUMERS", "7")
    job = left_open(stage, *words)
    ended = stage.apply(job, *words)
    assert ended.code == ExitCode.OK, ended.err
    assert SAID not in ended.err
    assert stage.records("note") == []
    assert len({str(each) for each in sessions(stage)}) == 1


@pytest.mark.parametrize("name", options.ALL)
def test_every_setting_is_taken_and_noted_or_refused_or_without_effect(
    name: str, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the table of settings says; what is refused is named with both values, and what is advised works."""
    job = left_open(stage)
    setting, value = SETTINGS[name], str(EXAMPLES.get(name, SETTINGS[name].example))
    monkeypatch.setenv(variable_of(flag_of(name)), value)
    ended = stage.apply(job)
    before = sessions(stage)[0]
    match setting.while_open:
        case WhileOpen.TAKEN:
            assert ended.code == ExitCode.OK, ended.err
            (said,) = re.findall(r"^taken from here on: (.*)$", ended.err, re.MULTILINE)
            assert re.fullmatch(rf"{name}: \S+, was (\S+|not set)", said)
            notes = [note["message"] for note in stage.records("note") if note["about"] != "worker"]
            assert notes == [said]
            assert sessions(stage)[1] == before | {name: setting.form.written(setting.form.read(value))}
        case WhileOpen.REFUSED:
            assert ended.code == ExitCode.REFUSED, ended.err
            assert re.search(rf"began with other settings \({name}: \S+, was [^;]+\); nothing was", ended.err)
            assert len(stage.applied) == 1
            assert "--new-run" in ended.err
            assert follow(stage, ended, monkeypatch).code == ExitCode.OK
            assert sessions(stage) == [before] * 2
        case WhileOpen.NO_EFFECT:
            assert ended.code == ExitCode.OK, ended.err
            assert SAID not in ended.err


def test_what_job_toml_no_longer_says_is_an_edit(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A guard whose line was deleted still guards the run; both ways out work."""
    left_open(stage, max_failures=1, canary=1, strict=True, rate="900/s")
    ended = stage.apply(edited(stage))
    assert ended.code == ExitCode.REFUSED
    for said in ("max_failures: not set, was 1", "canary: not set, was 1", "strict: false, was true"):
        assert said in ended.err
    assert len(stage.applied) == 1
    assert follow(stage, ended, monkeypatch).code == ExitCode.OK
    assert sessions(stage)[-1]["strict"] is True


def test_a_new_run_has_the_new_guards(stage: Stage) -> None:
    """The other way out."""
    left_open(stage, max_failures=1)
    job = edited(stage, max_failures=4)
    assert stage.apply(job).code == ExitCode.REFUSED
    assert stage.apply(job, "--new-run").code == ExitCode.OK
    assert len(stage.ledgers) == 2
    assert sessions(stage)[0]["max_failures"] == "4"


@pytest.mark.parametrize(
    ("began", "now"),
    [
        ({"max_failures": 1}, {"max_failures": "20%"}),
        ({"max_failures": "5%"}, {"max_failures": 1}),
        ({"max_failures": 3}, {"max_failures": "3"}),
        ({"canary": 0, "strict": False}, {}),
        ({}, {"attempts": 4, "strict": False, "allow_parking": False, "drain_s": 20, "rate": "2000/s"}),
        ({"max_changes": "100%", "max_removed": "50%"}, {"max_removed": 5, "max_changes": 5}),
        ({"window": "2999-01-01T00:00Z"}, {"window": "2999-01-01T02:00+02:00"}),
        ({"window": "00:00-23:59 UTC"}, {"window": " 00:00 - 23:59Z"}),
        ({"canary": 1, "settle_s": 0.05}, {"settle_s": "0.050", "canary": "1"}),
    ],
)
def test_another_spelling_is_no_edit(began: dict[str, Any], now: dict[str, Any], stage: Stage) -> None:
    """Nor is another way of saying one figure, a default that is spelled out, or another order of keys."""
    left_open(stage, **began)
    job = edited(stage, **dict(reversed(now.items())))
    content = (stage.folder / "job.toml").read_text().splitlines()
    stage.file("job.toml", "\n".join(["# written again", *reversed(content)]))
    ended = stage.apply(job)
    assert ended.code == ExitCode.OK, ended.err
    assert SAID not in ended.err
    assert len(stage.ledgers) == 1


def test_a_flag_holds_where_the_next_command_leaves_it_out(stage: Stage) -> None:
    """A guard most of all; another value is an edit, from wherever it comes."""
    job = left_open(stage, "--max-failures", "1", "--strict", "--total-timeout-s", "50")
    stage.order(faults={"rules": [REVOKED]})
    assert stage.apply(job).code == ExitCode.CANNOT_RUN
    assert stage.apply(edited(stage, max_failures=2)).code == ExitCode.REFUSED
    assert stage.apply(job, "--no-strict").code == ExitCode.REFUSED
    stage.order(faults={})
    assert stage.apply(edited(stage)).code == ExitCode.OK
    assert len({str(each) for each in sessions(stage)}) == 1


def test_a_longer_job_file_in_another_region_is_another_job_and_no_damage(stage: Stage) -> None:
    """Both were edited; the ledger is whole, and what is said of it is true."""
    job = left_open(stage)
    edited(stage, rows=wide(range(1, 7)))
    ended = stage.apply(job, "--region", "cn-east-3")
    assert ended.code == ExitCode.REFUSED, ended.err
    assert "is not the same as when" in ended.err


def test_what_is_taken_is_said_once_and_stays(stage: Stage) -> None:
    """Several settings in one line; whoever continues by the ledger has them as well."""
    job = left_open(stage)
    words = ("--attempts", "2", "--settle-s", "0.2", "-j", "3")
    stage.order(faults={"rules": [REVOKED]})
    ended = stage.apply(job, *words)
    assert (
        "taken from here on: concurrency: 3, was 1; attempts: 2, was 4; settle_s: 0.2, was 0.05\n"
        in ended.err
    )
    stage.order(faults={})
    again = stage.apply(str(stage.ledger))
    assert (again.code, SAID in again.err) == (ExitCode.OK, False)
    assert [note["about"] for note in stage.records("note")] == ["settings"]
    assert sessions(stage)[2]["attempts"] == 2
    assert (
        "settings: concurrency: 3, was 1" in stage.bulk("report", str(stage.ledger), "--output", "html").out
    )


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([], 0),
        (["--max-failures", "1", "--canary", "0"], 0),
        (["--max-failures", "2"], 7),
        (["--max-failures", "0"], 7),
        (["--strict"], 7),
        (["--endpoint", "https://vpcep.cn-north-1.myhuaweicloud.com"], 7),
        (["--region", "cn-north-4"], 0),
        (["--region", "cn-south-1"], 7),
        (["--new-run"], 2),
    ],
)
def test_a_ledger_goes_on_as_it_began(
    words: list[str], code: int, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever job.toml says by now; a flag that contradicts is refused, a stricter one too."""
    left_open(stage, max_failures=1)
    edited(stage, max_failures=4)
    ended = stage.apply(str(stage.ledger), *words)
    assert ended.code == code, ended.err
    if code == ExitCode.REFUSED:
        assert len(stage.applied) == 1
        assert follow(stage, ended, monkeypatch).code == ExitCode.OK


def test_a_plan_that_never_ran_takes_any_flag(stage: Stage) -> None:
    """Whoever approves it names its digest; once it has begun, these are its guards."""
    stage.bulk("plan", stage.job(wide(range(1, 6)), concurrency=1), "--out", "p")
    stage.order(faults={"rules": [REVOKED]})
    assert stage.apply("p", "--max-failures", "1", "--canary", "1").code == ExitCode.CANNOT_RUN
    stage.order(faults={})
    assert stage.apply("p", "--max-failures", "2").code == ExitCode.REFUSED
    assert stage.apply("p").code == ExitCode.OK


ELSEWHERE = {
    "fleet": [*fleet_lines(3), line(4, ports=[mapping(80, 8004)], project_id=OTHER_PROJECT)],
    "projects": {"cn-north-4": PROJECT, "cn-north-4_dev": OTHER_PROJECT},
}


@pytest.mark.parametrize("stage", [ELSEWHERE], indirect=True)
def test_where_counts_for_the_rows_that_name_none(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project that no row is left to is no edit, and neither is writing down the one that was looked up."""
    monkeypatch.delenv("BULK_PROJECT_ID")
    header, *lines = wide([1, 2]).splitlines()
    named = "\n".join([f"{header},project_id", *(f"{each},{PROJECT}" for each in lines)])
    left_open(stage, rows=named)
    assert stage.apply(edited(stage, rows=named, project_id=OTHER_PROJECT)).code == ExitCode.OK
    looked_up = wide([3, 2])
    left_open(stage, rows=looked_up.replace("8443", "9443"))
    moved = edited(stage, rows=looked_up.replace("8443", "9443"), project_id=OTHER_PROJECT)
    refused = stage.apply(moved)
    assert (refused.code, f"project_id: {OTHER_PROJECT}, was not set" in refused.err) == (7, True)
    same = edited(stage, rows=looked_up.replace("8443", "9443"), project_id=PROJECT)
    assert stage.apply(same).code == ExitCode.OK


def test_another_name_of_the_same_host_is_no_edit(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """In capitals, with a slash; another host is one, and the hint leaves its variable out."""
    url = stage.aside.simulator.url
    job = left_open(stage)
    elsewhere = url.replace("127.0.0.1", "localhost")
    monkeypatch.setenv("BULK_ENDPOINT", elsewhere)
    refused = stage.apply(job)
    assert refused.code == ExitCode.REFUSED
    assert f"endpoint: {elsewhere}, was {url}" in refused.err
    assert "`env -u BULK_ENDPOINT bulk apply" in refused.err
    monkeypatch.setenv("BULK_LIMIT", service_id(1))  # which a ledger is not combined with
    assert "`env -u BULK_ENDPOINT -u BULK_LIMIT bulk apply" in stage.apply(job).err
    monkeypatch.delenv("BULK_LIMIT")
    assert stage.apply(job, "--endpoint", f"{url}/").code == ExitCode.OK


def test_a_larger_limit_of_failures_is_taken_beside_a_word_and_the_digest_stays(stage: Stage) -> None:
    """Whoever holds the run to its approval goes on doing so."""
    job = stage.job(wide(range(1, 6)), concurrency=1, max_failures=0)
    digest = orjson.loads(stage.bulk("plan", job, "--output", "json").out)["digest"]
    failed = {"kind": "code", "code": "EndPoint.0002", "http": 400, "method": "PUT"}
    stage.order(faults={"rules": [failed | {"nth": 2}, REVOKED | {"nth": 4}]})
    assert stage.apply(job, "--expect-digest", digest).code == ExitCode.SAFETY_LIMIT
    word = ["--despite", f"{stage.status()['stops'][0]['id']}:known"]
    refused = stage.apply(job, *word, "--max-failures", "3", "--canary", "1", "--expect-digest", digest)
    assert (refused.code, "(canary: 1, was not set)" in refused.err) == (ExitCode.REFUSED, True)
    lifted = stage.apply(job, *word, "--max-failures", "3", "--expect-digest", digest)
    assert lifted.code == ExitCode.CANNOT_RUN
    assert stage.records("decision")[-1]["failures_max"] == 3
    stage.order(faults={})
    assert stage.bulk("plan", str(stage.ledger), "--expect-digest", digest).code == ExitCode.OK
    assert stage.apply(job, "--expect-digest", digest, "--max-failures", "9").code == ExitCode.REFUSED
    assert stage.apply(job, "--expect-digest", digest).code == ExitCode.SOME_FAILED
    assert [each["max_failures"] for each in sessions(stage)] == ["0", "3", "3"]


def test_a_rollback_again_is_held_to_its_beginning(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its own flags; the same command continues it, and what the hint says."""
    assert stage.apply(stage.job(wide(range(1, 6)), **LEFT_OPEN)).code == ExitCode.OK
    back = ("rollback", str(stage.ledger), "--apply", "--yes")
    stage.order(faults={"rules": [REVOKED]})
    assert stage.bulk(*back, "--max-failures", "1").code == ExitCode.CANNOT_RUN
    stage.order(faults={"rules": [REVOKED]})
    assert stage.bulk(*back, "--max-failures", "1").code == ExitCode.CANNOT_RUN
    stage.order(faults={})
    refused = stage.bulk(*back, "--max-failures", "2")
    assert (refused.code, "(max_failures: 2, was 1)" in refused.err) == (ExitCode.REFUSED, True)
    assert "--new-run" not in refused.err
    assert follow(stage, refused, monkeypatch).code == ExitCode.OK


def test_a_job_file_that_changed_is_finished_by_the_hint_whatever_the_variables(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which would contradict what the run began with."""
    job = left_open(stage)
    stage.file("services.csv", wide(range(1, 7)))
    monkeypatch.setenv("BULK_STRICT", "1")
    refused = stage.apply(job)
    assert (refused.code, "the job file is not the same" in refused.err) == (ExitCode.REFUSED, True)
    assert follow(stage, refused, monkeypatch).code == ExitCode.OK


def test_settings_that_say_where_are_those_of_the_table() -> None:
    """Each counts by where it leads, and is refused there; by which way is no matter."""
    assert {name for name, each in SETTINGS.items() if each.while_open is WhileOpen.REFUSED} >= WHERE - {
        "via"
    }


def test_the_service_of_the_rows_is_what_it_was(stage: Stage) -> None:
    """What continues sends what the plan said."""
    job = left_open(stage)
    assert stage.apply(job, "--attempts", "2").code == ExitCode.OK
    assert stage.ports(5) == [(80, 8005), (8443, 9005)]
    assert sorted(put.id for put in stage.applied) == [service_id(n) for n in range(1, 6)]


def test_another_fleet_of_the_bundled_simulator_is_another_place(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its settings count where it is the endpoint; a run that goes to it goes on with its own fleet."""
    configure = logs.configure

    def on_record(record: dict[str, Any], _: object) -> None:
        if record["type"] == "outcome":
            os.kill(os.getpid(), signal.SIGTERM)

    for name in ("fleet.jsonl", "other.jsonl"):
        stage.file(name, "".join(orjson.dumps(one).decode() + "\n" for one in fleet_lines(5)))
    toml = 'rows = "services.csv"\nname = "job"\nconcurrency = 1\n[simulator]\nfleet = "{}"\n'
    job = stage.job(wide(range(1, 6)))
    stage.file("job.toml", toml.format("fleet.jsonl"))
    monkeypatch.setenv("BULK_ENDPOINT", "simulator")
    monkeypatch.setattr("bulk.cli.logs.configure", lambda **_: on_record)
    assert stage.apply(job).code == ExitCode.TERMINATED
    monkeypatch.setattr("bulk.cli.logs.configure", configure)
    stage.file("job.toml", toml.format("other.jsonl"))
    refused = stage.apply(job)
    assert (refused.code, "(simulator: other.jsonl, was fleet.jsonl)" in refused.err) == (
        ExitCode.REFUSED,
        True,
    )
    stage.file("job.toml", toml.format("fleet.jsonl"))
    assert stage.apply(job).code == ExitCode.OK


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--profile", "nosuch"], "profile"),
        (["--region", "cn-east-3"], "region"),
        (["--project-id", "f" * 32], "project_id"),
    ],
)
def test_a_saved_plan_is_sent_where_it_was_planned_and_with_that_key(
    words: list[str], what: str, stage: Stage
) -> None:
    """What leads elsewhere is refused, not passed over; the same word once more is no other."""
    stage.bulk("plan", stage.job(wide([1])), "--out", "p")
    refused = stage.apply("p", *words)
    assert (refused.code, stage.applied) == (ExitCode.REFUSED, [])
    assert f"planned for another {what}" in refused.err
    assert f"leave out {words[0]}" in refused.err
    assert stage.apply("p", "--project-id", PROJECT).code == ExitCode.OK
