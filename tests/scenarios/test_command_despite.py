"""A run that a limit stopped stays stopped, until a person says otherwise, on record."""

import re
import shlex

import orjson
import pytest

from bulk.errors import ExitCode
from tests.scenarios.stage import Stage, fleet_lines, wide
from tests.simulator_caller import service_id

REFUSED = {"kind": "code", "code": "EndPoint.0002", "http": 400, "method": "PUT"}


def stopped(stage: Stage, **settings: object) -> tuple[str, str]:
    """Leave a run stopped: the second of its five PUTs fails and none may; return job and stop."""
    job = stage.job(wide(range(1, 6)), **{"concurrency": 1, "max_failures": 0} | settings)
    stage.order(faults={"rules": [REFUSED | {"nth": 2}]})
    ended = stage.apply(job)
    assert ended.code == ExitCode.SAFETY_LIMIT
    stage.order(faults={})
    return job, stop_in(ended.err)


def stop_in(text: str) -> str:
    """Return the id of the stop that a message names."""
    (found,) = set(re.findall(r"--despite ([0-9a-f]{6}):REASON", text))
    return str(found)


def test_a_stopped_run_sends_nothing_more_whoever_tries_again(stage: Stage) -> None:
    """A scheduler, a larger limit, the ledger by name: exit 6 each time, with the way on."""
    job, stop = stopped(stage)
    for words in ((job,), (job, "--max-failures", "9"), (str(stage.ledger), "--max-failures", "9")):
        ended = stage.apply(*words)
        assert ended.code == ExitCode.SAFETY_LIMIT
        assert "1 service failed, max_failures allows none" in ended.err
        assert stop_in(ended.err) == stop
        assert f"bulk report {stage.ledger} --only failed\n" in ended.err
        assert "to continue" not in ended.err
    assert len(stage.applied) == 1
    assert len(stage.records("session")) == 1
    assert stop in stage.bulk("status", str(stage.ledger)).out
    status = orjson.loads(stage.bulk("status", str(stage.ledger), "--output", "json").out)
    assert [(one["id"], one["cause"]) for one in status["stops"]] == [(stop, "failure_limit")]


def test_a_person_lifts_the_stop_and_is_on_record(stage: Stage) -> None:
    """With the reason, a name, the larger limit; every report shows it."""
    job, stop = stopped(stage)
    ended = stage.apply(job, "--despite", f"{stop}:row 2 is known to be wrong", "--max-failures", "1")
    assert ended.code == ExitCode.SOME_FAILED
    assert stage.outcomes() == {"applied": 4, "failed": 1}
    lifted = stage.records("decision")[-1]
    assert (lifted["by"], lifted["what"], lifted["id"]) == ("operator", "despite", stop)
    assert (lifted["reason"], lifted["failures_max"]) == ("row 2 is known to be wrong", 1)
    assert lifted["user"]
    assert lifted["host"]
    assert "row 2 is known to be wrong" in " ".join(stage.bulk("report", str(stage.ledger)).out.split())
    assert stage.bulk("audit", str(stage.ledger)).code == ExitCode.OK


def test_a_hint_keeps_the_words_that_lift_the_stop(stage: Stage) -> None:
    """Beside a guard that was edited: followed word for word, the command goes on."""
    job, stop = stopped(stage)
    words = ["--despite", f"{stop}:it's known", "--max-failures", "2"]
    refused = stage.apply(job, *words, "--canary", "1")
    assert refused.code == ExitCode.REFUSED
    (advice,) = re.findall(r"continue it as it began with `bulk ([^`]+)`", refused.err)
    assert shlex.split(advice) == ["apply", str(stage.ledger), *words]
    assert stage.bulk(*shlex.split(advice), "--yes").code == ExitCode.SOME_FAILED


@pytest.mark.parametrize("verb", ["apply", "rollback"])
@pytest.mark.parametrize("stage", [{"fleet": fleet_lines(32)}], indirect=True)
def test_the_command_that_shows_each_row_sends_nothing_and_works(verb: str, stage: Stage) -> None:
    """It has no yes and no word that lifts a stop, and keeps what the rows depend on."""
    job, stop = stopped(stage)
    stage.job(wide(range(1, 33)), max_failures=5)
    some = "@" + stage.file("ids", "\n".join(service_id(n) for n in range(2, 33)))
    if verb == "rollback":
        assert stage.apply(job, "--new-run", "--despite", f"{stop}:other rows").code == ExitCode.OK
        ended = stage.bulk("rollback", job, "--apply", "-y", "--only", some)
    else:
        ended = stage.bulk(
            "apply", job, "-y", "--new-run", "--despite", f"{stop}:other rows", "--limit", some
        )
    assert ended.code == ExitCode.OK, ended.err
    sent = len(stage.applied)
    (advice,) = re.findall(r"Each row (bulk .*? --all)", " ".join(ended.out.split()))
    shown = stage.bulk(*shlex.split(advice)[1:])
    assert (shown.code, len(stage.applied)) == (ExitCode.OK, sent), shown.err
    assert sum(each[:2] in {"~ ", "= "} for each in shown.out.splitlines()) == 31


def test_each_stop_has_an_id_of_its_own_and_the_larger_limit_stays(stage: Stage) -> None:
    """The sessions that follow keep it, until one says another; what fails beyond it is a new stop."""
    job, stop = stopped(stage)
    stage.order(faults={"rules": [REFUSED | {"service_id": service_id(n)} for n in (3, 4)]})
    again = stage.apply(job, "--despite", f"{stop}:go on", "--max-failures", "1")
    assert again.code == ExitCode.SAFETY_LIMIT
    assert stop_in(again.err) != stop
    stage.order(faults={})
    last = stage.apply(job, "--despite", f"{stop_in(again.err)}:go on", "--max-failures", "7")
    assert last.code == ExitCode.SOME_FAILED
    assert stage.outcomes() == {"applied": 3, "failed": 2}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--despite", "{stop}:go on"], 7, "add --max-failures 1 or more"),
        (["--despite", "{stop}:go on", "--max-failures", "0"], 7, "add --max-failures 1 or more"),
        (["--despite", "abcdef:go on", "--max-failures", "5"], 7, "stops that stand: {stop}"),
        (["--despite", "{stop}", "--max-failures", "5"], 2, "is not ID:REASON"),
        (["--despite", "{stop}: ", "--max-failures", "5"], 2, "is not ID:REASON"),
        (["--despite", ":go on"], 2, "is not ID:REASON"),
        (["--despite", "{stop}:go on", "-n"], 2, "--dry-run sends nothing"),
    ],
)
def test_a_word_that_does_not_fit_is_refused_and_nothing_is_sent(
    words: list[str], code: int, said: str, stage: Stage
) -> None:
    """What is wrong, and what to write instead; the ledger has no decision of it."""
    job, stop = stopped(stage)
    ended = stage.apply(job, *(word.format(stop=stop) for word in words))
    assert ended.code == code
    assert said.format(stop=stop) in ended.err
    assert len(stage.records("decision")) == 1
    assert len(stage.applied) == 1


def test_where_nothing_was_stopped_there_is_nothing_to_lift(stage: Stage) -> None:
    """A unit file cannot carry the words beforehand."""
    job = stage.job(wide([1, 2]))
    ended = stage.apply(job, "--despite", "abcdef:always")
    assert ended.code == ExitCode.REFUSED
    assert "leave --despite out" in ended.err
    assert stage.applied == []


def test_a_new_run_does_not_go_around_a_stop_without_a_word(stage: Stage) -> None:
    """With it, the old run is left for good, which both ledgers and the screen say."""
    job, stop = stopped(stage)
    refused = stage.apply(job, "--new-run")
    assert refused.code == ExitCode.SAFETY_LIMIT
    assert stop_in(refused.err) == stop
    assert len(stage.applied) == 1
    ended = stage.apply(job, "--new-run", "--despite", f"{stop}:the file was wrong")
    assert ended.code == ExitCode.OK
    first, second = stage.ledgers
    assert f"leaving {first} for good: 1 applied, 1 failed, 3 not attempted" in ended.err
    for ledger in (first, second):
        left = stage.records("decision", ledger)[-1]
        assert (left["what"], left["id"], left["reason"]) == ("leave", stop, "the file was wrong")
    assert stage.outcomes(second) == {"applied": 4, "already": 1}


def test_all_stops_are_lifted_or_none(stage: Stage) -> None:
    """One word for two stops would be forgotten by the other one: both have to be named."""
    job = stage.job(wide(range(1, 5)), canary=1, max_failures=0)
    stage.order(faults={"rules": [REFUSED | {"nth": 1}]})
    stage.apply(job)
    first, second = (stop["id"] for stop in stage.status()["stops"])
    ended = stage.apply(job, "--despite", f"{first}:known", "--max-failures", "9")
    assert ended.code == ExitCode.REFUSED
    assert f"add --despite {second}:REASON" in ended.err
    assert [one["what"] for one in stage.records("decision")] == ["stop", "stop"]
    assert stage.apply(job, *stage.despite()).code == ExitCode.SOME_FAILED


def test_the_hint_of_a_new_run_names_every_stop(stage: Stage) -> None:
    """What it prints is enough: no second refusal asks for the stop that it left out."""
    job = stage.job(wide(range(1, 5)), canary=1, max_failures=0)
    stage.order(faults={"rules": [REFUSED | {"nth": 1}]})
    stage.apply(job)
    stops = [stop["id"] for stop in stage.status()["stops"]]
    assert len(stops) == 2
    refused = stage.apply(job, "--new-run")
    assert refused.code == ExitCode.SAFETY_LIMIT
    flags = " ".join(f"--despite {stop}:REASON" for stop in stops)
    assert f"to leave it for good, add {flags} to --new-run" in refused.err
    assert stage.apply(job, "--new-run", *flags.split()).code == ExitCode.OK


def test_a_run_that_was_left_is_left_for_good(stage: Stage) -> None:
    """Whoever names its ledger later is told who left it, and nothing is sent."""
    job, stop = stopped(stage)
    assert stage.apply(job, "--new-run", "--despite", f"{stop}:the file was wrong").code == ExitCode.OK
    sent = len(stage.applied)
    ended = stage.apply(str(stage.ledgers[0]), "--despite", f"{stop}:after all", "--max-failures", "9")
    assert ended.code == ExitCode.REFUSED
    assert "this run was left for good by" in ended.err
    assert "the file was wrong" in ended.err
    assert len(stage.applied) == sent


def test_another_ledger_is_no_way_around_a_stop(stage: Stage) -> None:
    """A unit that names a new file each night would send new rows each night."""
    job, stop = stopped(stage)
    ended = stage.apply(job, "--ledger", "tonight.jsonl")
    assert ended.code == ExitCode.SAFETY_LIMIT
    assert stop_in(ended.err) == stop
    assert len(stage.applied) == 1


def saved(stage: Stage, job: str, *names: str) -> None:
    """Save a plan of a job under each name."""
    for name in names:
        assert stage.bulk("plan", job, "--out", name).code == ExitCode.OK


@pytest.mark.parametrize(
    ("stopping", "environment"),
    [
        ([], ["x"]),
        (["x"], ["y"]),
        (["x"], []),
        (["x"], ["--ledger", "tonight.jsonl"]),
        (["--ledger", "tonight.jsonl"], []),
        (["--ledger", "tonight.jsonl"], ["x"]),
    ],
    ids=["plan", "other-plan", "job", "ledger", "job-after-ledger", "plan-after-ledger"],
)
def test_nothing_saved_is_a_way_around_a_stop(
    stopping: list[str], environment: list[str], stage: Stage
) -> None:
    """Whichever run was stopped and whatever is begun instead; what the hint adds leaves it for good."""
    job = stage.job(wide(range(1, 6)), concurrency=1, max_failures=0)
    saved(stage, job, "x", "y")
    stage.order(faults={"rules": [REFUSED | {"nth": 2}]})

    def words(given: list[str]) -> list[str]:
        return given if given and given[0] in {"x", "y"} else [job, *given]

    assert stage.apply(*words(stopping)).code == ExitCode.SAFETY_LIMIT
    stage.order(faults={})
    refused = stage.apply(*words(environment))
    assert refused.code == ExitCode.SAFETY_LIMIT
    assert len(stage.applied) == 1
    (hint,) = re.findall("to leave it for good, add (.*)", refused.err)
    ended = stage.apply(*words(environment), *hint.replace("REASON", "known").split())
    assert ended.code in {ExitCode.OK, ExitCode.SOME_FAILED}, ended.err
    assert "for good: 1 applied, 1 failed, 3 not attempted" in ended.err
    assert {put.id for put in stage.applied} == {service_id(n) for n in range(1, 6)}
    assert stage.apply(job, "--new-run").code == ExitCode.OK


@pytest.mark.parametrize("other", ["link", "copy", "the rows alone"])
def test_another_name_of_the_same_rows_is_no_way_around_a_stop(other: str, stage: Stage) -> None:
    """A scheduler that is pointed at a link or a copy would send what the limit kept back."""
    _, stop = stopped(stage)
    rows = next(stage.folder.glob("*.csv"))
    name = rows.with_name("other.csv")
    if other == "link":
        name.symlink_to(rows.name)
    elif other == "copy":
        name.write_bytes(rows.read_bytes())
    else:
        name = rows
    sent = len(stage.applied)
    ended = stage.apply(str(name), "--max-failures", "0", "-j", "1")
    assert ended.code == ExitCode.SAFETY_LIMIT, ended.err
    assert stop in ended.err
    assert len(stage.applied) == sent


def test_a_saved_plan_that_nothing_stands_against_needs_no_word(stage: Stage) -> None:
    """Another job of the same name in another folder has stops of its own; a word too many is refused."""
    stopped(stage)
    stage.file("b/services.csv", wide([9]))
    stage.file("b/job.toml", 'rows = "services.csv"\nname = "job"\n')
    saved(stage, str(stage.folder / "b"), "x", "y")
    refused = stage.apply("x", "--despite", "abcdef:known")
    assert (refused.code, "leave --despite out" in refused.err) == (ExitCode.REFUSED, True)
    assert stage.apply("x").code == ExitCode.OK
    stage.ledger.write_bytes(stage.ledger.read_bytes()[:-9] + b"damaged!\n")
    assert stage.apply("y").code == ExitCode.OK


@pytest.mark.parametrize("folder", ["/nowhere/runs", "/" + "x" * 300, "/x" * 2_000, "~", "/dev/null"])
def test_a_plan_whose_folder_of_runs_is_gone_is_applied(folder: str, stage: Stage) -> None:
    """As on another host; and where somebody wrote into it what no folder can be."""
    saved(stage, stage.job(wide([1])), "x")
    forged = stage.forged("x", lambda record: {"runs": folder} if record["type"] == "run" else {})
    assert stage.apply(forged).code == ExitCode.OK


@pytest.mark.parametrize("value", [5, None, ["runs"], "a\0b", "x" * 4_097])
@pytest.mark.parametrize("member", ["runs", "file"])
def test_a_plan_that_names_no_path_is_damaged(member: str, value: object, stage: Stage) -> None:
    """It is refused with the line and the member."""
    saved(stage, stage.job(wide([1])), "x")
    forged = stage.forged("x", lambda record: {member: value} if record["type"] == "run" else {})
    refused = stage.apply(forged)
    assert (refused.code, f"its {member} is not a path" in refused.err) == (ExitCode.CANNOT_RUN, True)


def test_a_canary_that_failed_is_not_followed_by_another_one(stage: Stage) -> None:
    """The second try used to take the next rows as its canary; now a person has to say so."""
    job = stage.job(wide(range(1, 9)), canary=2)
    stage.order(faults={"rules": [REFUSED | {"nth": 1}]})
    first = stage.apply(job)
    assert first.code == ExitCode.SAFETY_LIMIT
    stage.order(faults={})
    assert stage.apply(job).code == ExitCode.SAFETY_LIMIT
    assert len(stage.applied) == 1
    ended = stage.apply(job, "--despite", f"{stop_in(first.err)}:known")
    assert ended.code == ExitCode.SOME_FAILED
    assert stage.outcomes() == {"applied": 7, "failed": 1}


def test_a_canary_that_passed_is_on_record_and_not_asked_again(stage: Stage) -> None:
    """The rows that follow need no second one after a stop."""
    job = stage.job(wide(range(1, 9)), canary=2, concurrency=1, max_failures=0)
    stage.order(faults={"rules": [REFUSED | {"nth": 5}]})
    first = stage.apply(job)
    passed, stop = stage.records("decision")
    assert (passed["what"], passed["wave"], passed["ruling"]) == ("wave", 1, "go")
    assert (stop["cause"], stop_in(first.err)) == ("failure_limit", stop["id"])
    stage.order(faults={})
    words = ("--despite", f"{stop['id']}:known", "--max-failures", "1")
    assert stage.apply(job, *words).code == ExitCode.SOME_FAILED
    assert [one["what"] for one in stage.records("decision")] == ["wave", "stop", "despite"]


def test_a_side_effect_that_a_person_allowed_stops_nothing_more(stage: Stage) -> None:
    """For this field and value in this run; the last look passes over it as well."""
    job = stage.job(wide(range(1, 5)), concurrency=1)
    flips = [
        {
            "kind": "edit",
            "method": "PUT",
            "service_id": service_id(n),
            "services": [{"id": service_id(n), "approval_enabled": True}],
        }
        for n in range(1, 5)
    ]
    stage.order(faults={"rules": flips})
    first = stage.apply(job)
    assert first.code == ExitCode.SAFETY_LIMIT
    assert "approval_enabled, now 'true'; or somebody else did at the same moment" in first.err
    assert stage.outcomes() == {"applied": 1, "not_attempted": 3}
    assert stage.fleet[service_id(1)]["approval_enabled"]
    assert stage.apply(job).code == ExitCode.SAFETY_LIMIT
    ended = stage.apply(job, "--despite", f"{stop_in(first.err)}:agreed with the network team")
    assert ended.code == ExitCode.OK
    assert stage.outcomes() == {"applied": 4}
    assert stage.records("decision")[0]["effects"] == {"approval_enabled": True}


def test_what_only_the_last_look_shows_stops_the_run_until_a_person_allows_it(stage: Stage) -> None:
    """Each reply showed all as it was: an edit of somebody else is told apart by a person alone."""
    job = stage.job(wide([1, 2]), concurrency=1)
    edit = {"kind": "edit", "method": "PUT", "service_id": service_id(2), "nth": 1}
    stage.order(faults={"rules": [edit | {"services": [{"id": service_id(1), "approval_enabled": True}]}]})
    first = stage.apply(job)
    assert first.code == ExitCode.SAFETY_LIMIT
    assert "its PUT changed that, or somebody else did since" in first.err
    assert stage.outcomes() == {"applied": 2}
    assert stage.apply(job).code == ExitCode.SAFETY_LIMIT
    ended = stage.apply(job, "--despite", f"{stop_in(first.err)}:approval was switched on by hand")
    assert (ended.code, stage.outcomes()) == (ExitCode.OK, {"applied": 2})
    assert len(stage.applied) == 2


def test_a_rollback_takes_a_side_effect_back_too(stage: Stage) -> None:
    """The service is as it was, in the field that nobody had asked for as well."""
    before = stage.fleet[service_id(1)]
    flip = {"kind": "edit", "method": "PUT", "nth": 1}
    stage.order(faults={"rules": [flip | {"services": [{"id": service_id(1), "approval_enabled": True}]}]})
    assert stage.apply(stage.job(wide([1, 2]), concurrency=1)).code == ExitCode.SAFETY_LIMIT
    run = str(stage.ledger)
    shown = stage.bulk("rollback", run)
    assert "approval_enabled" in shown.out
    assert stage.bulk("rollback", run, "--apply", "--yes").code == ExitCode.OK
    after = stage.fleet[service_id(1)]
    assert {**after, "updated_at": ""} == {**before, "updated_at": ""}


def test_a_stopped_run_is_rolled_back_without_a_word(stage: Stage) -> None:
    """Taking back is what the stop asks for."""
    _, stop = stopped(stage)
    ended = stage.bulk("rollback", str(stage.ledger), "--apply", "--yes")
    assert ended.code == ExitCode.OK
    assert stop not in ended.err
    assert [put.id for put in stage.applied] == [service_id(1)] * 2


@pytest.mark.parametrize("stage", [{"fleet": fleet_lines(30)}], indirect=True)
@pytest.mark.parametrize("words", [["--yes"], ["--yes", "-q"]])
def test_ten_wrong_rows_stop_a_job_that_has_no_limit(words: list[str], stage: Stage) -> None:
    """A job that is wrong as a whole fails ten times, not three hundred times."""
    job = stage.job(wide(range(1, 31)))
    stage.order(faults={"rules": [REFUSED | {"times": None}]})
    ended = stage.bulk("apply", job, *words)
    assert ended.code == ExitCode.SAFETY_LIMIT
    assert stage.outcomes() == {"failed": 10, "not_attempted": 20}
    assert "the first 10 PUTs all failed: EndPoint.0002" in ended.err
