"""`bulk plan`: what it shows, what it saves, and that it changes nothing."""

import csv
import io
import re
import sys
from itertools import product
from pathlib import Path

import orjson
import pytest

from bulk.errors import ExitCode
from tests.scenarios.stage import Stage, fleet_lines, wide
from tests.simulator_caller import PROJECT, line, mapping, service_id

MISSING = 99


def test_a_plan_shows_each_change_and_sends_nothing(stage: Stage) -> None:
    """Sigils, mappings, totals and the digest; not one PUT, and nothing left on the disk."""
    before = stage.fleet
    job = stage.job(wide([1]) + wide([2], client_port=443).partition("\n")[2])
    ended = stage.bulk("plan", job)
    assert ended.code == ExitCode.OK
    lines = ended.out.splitlines()
    assert lines[0] == "Plan of job: 1 of 2 services change. Nothing has been sent."
    assert lines[1].startswith("  Where      127.0.0.1:")
    assert any(f"{service_id(1)[:8]}  -443:9001/TCP +8443:9001/TCP" in line for line in lines)
    assert "  Unchanged  1 service already right; nothing is sent to them" in lines
    assert lines[-1].startswith("  Digest     ")
    rows = stage.bulk("plan", job, "--all").out.splitlines()
    [change] = [line for line in rows if line.startswith(f"~ {service_id(1)}")]
    assert "-443:9001/TCP +8443:9001/TCP =1 kept" in change
    assert any(line.startswith(f"= {service_id(2)}") for line in rows)
    assert (stage.fleet, stage.applied) == (before, [])
    assert sorted(path.name for path in stage.folder.iterdir()) == ["job.toml", "services.csv"]


def test_a_plan_reads_each_project_once(stage: Stage) -> None:
    """Ten services or one: one list request, and no read of a single service."""
    stage.bulk("plan", stage.job(wide(range(1, 11))))
    requests = stage.aside.do(lambda simulator: simulator.stats["requests"])
    assert [
        count for what, count in requests.items() if "vpc-endpoint-services" in what or what == "list"
    ] == [1]


def test_a_plan_comes_in_the_forms_that_people_and_machines_read(stage: Stage) -> None:
    """JSON with a row each, CSV that is a job file again, Markdown, and HTML in one file."""
    job = stage.job(wide(range(1, 4)))
    assert len(orjson.loads(stage.bulk("plan", job, "--output", "json").out)["rows"]) == 3
    rows = list(csv.DictReader(stage.bulk("plan", job, "--output", "csv").out.splitlines()))
    assert [row["outcome"] for row in rows] == ["update"] * 3
    again = stage.file("again.csv", stage.bulk("plan", job, "--output", "csv").out)
    assert stage.bulk("check", again).out == "3 rows, no issues\n"
    assert service_id(2) in stage.bulk("plan", job, "--output", "md").out
    html = stage.bulk("plan", job, "--output", "html").out
    assert html.lstrip().lower().startswith("<!doctype html>")
    assert service_id(2) in html


def test_detailed_exitcode_tells_changes_from_none(stage: Stage) -> None:
    """2 where there is something to do, 0 where all is right."""
    assert stage.bulk("plan", stage.job(wide([1])), "--detailed-exitcode").code == 2
    assert stage.bulk("plan", stage.job(wide([1], client_port=443)), "--detailed-exitcode").code == 0


def test_a_saved_plan_is_applied_exactly_and_alone(stage: Stage) -> None:
    """Neither the job file nor job.toml is needed any more; its mode keeps others out."""
    job = stage.job(wide([1, 2]))
    ended = stage.bulk("plan", job, "--out", "night.plan")
    assert "bulk apply night.plan" in ended.err
    plan = stage.folder / "night.plan"
    assert plan.stat().st_mode & 0o777 == 0o600
    assert stage.status(plan)["state"] == "planned"
    for name in ("services.csv", "job.toml"):
        (stage.folder / name).unlink()
    assert stage.apply("night.plan").code == ExitCode.OK
    assert [put.id for put in stage.applied] == [service_id(1), service_id(2)]
    assert stage.outcomes(plan) == {"applied": 2}


def test_a_plan_never_overwrites_a_file(stage: Stage) -> None:
    """Whatever it is."""
    job = stage.job(wide([1]))
    stage.file("night.plan", "mine")
    ended = stage.bulk("plan", job, "--out", "night.plan")
    assert ended.code == ExitCode.USAGE
    assert "night.plan already exists" in ended.err
    assert Path("night.plan").read_text() == "mine"


def test_only_the_plan_with_the_approved_digest_is_applied(stage: Stage) -> None:
    """Another digest: 7, nothing sent. The right one, with or without its prefix: 0."""
    job = stage.job(wide([1]))
    stage.bulk("plan", job, "--out", "p")
    digest = stage.status(Path("p"))["digest"]
    refused = stage.apply("p", "--expect-digest", "sha256:" + "0" * 64)
    assert refused.code == ExitCode.REFUSED
    assert digest in refused.err
    assert stage.applied == []
    assert stage.bulk("plan", job, "--expect-digest", digest).code == ExitCode.OK
    assert stage.apply("p", "--expect-digest", digest.removeprefix("sha256:")).code == ExitCode.OK


def test_every_verb_that_takes_a_digest_holds_the_plan_to_it_alike(stage: Stage) -> None:
    """Of a job and of a saved plan: 7, both digests named, nothing sent, nothing saved; its own is fine."""
    job = stage.job(wide([1]))
    stage.bulk("plan", job, "--out", "p")
    digest = stage.status(Path("p"))["digest"]
    kept = sorted(stage.folder.rglob("*"))
    commands = (["plan"], ["apply", "-n"], ["apply", "--yes"])
    for command in ([*words, name] for name in (job, "p") for words in commands):
        refused = stage.bulk(*command, "--expect-digest", "0" * 64)
        assert refused.code == ExitCode.REFUSED, command
        assert f"this plan ({digest}) is not the approved one ({'0' * 64})" in refused.err
    assert stage.bulk("plan", job, "--out", "q", "--expect-digest", "0" * 64).code == ExitCode.REFUSED
    assert [path for path in sorted(stage.folder.rglob("*")) if "runs" not in path.parts] == kept
    for command in ([*words, name] for name in (job, "p") for words in commands[:2]):
        assert stage.bulk(*command, "--expect-digest", digest.removeprefix("sha256:")).code == ExitCode.OK
    assert stage.applied == []


def test_the_saved_plan_shows_the_estimate_until_it_is_begun(stage: Stage) -> None:
    """The same as when it was made; a run that has begun has no plan to be estimated any more."""
    made = stage.bulk("plan", stage.job(wide([1, 2])), "--out", "p").out
    (estimate,) = (line for line in made.splitlines() if "about 1 s: 4 requests" in line)
    assert estimate in stage.bulk("plan", "p").out
    stage.apply("p")
    assert "Takes" not in stage.bulk("plan", "p").out


def test_a_plan_with_one_byte_changed_is_refused(stage: Stage) -> None:
    """With the number of the line; nothing is sent."""
    stage.bulk("plan", stage.job(wide([1])), "--out", "p")
    content = Path("p").read_bytes()
    Path("p").write_bytes(content.replace(b'"client_port":8443', b'"client_port":8444'))
    ended = stage.apply("p")
    assert ended.code == ExitCode.CANNOT_RUN
    assert "line 2" in ended.err
    assert stage.applied == []


def test_a_plan_of_a_plan_shows_what_moved_since(stage: Stage) -> None:
    """Unmoved services stand as planned; one that somebody edited or removed stands as drifted."""
    stage.bulk("plan", stage.job(wide([1, 2, 3])), "--out", "p")
    assert stage.bulk("plan", "p").out.count("drifted") == 0
    stage.order(
        services=[{"id": service_id(2), "ports": [mapping(1, 1)]}, {"id": service_id(3), "deleted": True}]
    )
    moved = stage.bulk("plan", "p").out
    assert "2 of 3 services moved since the plan; 1 is as planned." in moved
    assert len(re.findall("^~ ", moved, re.MULTILINE)) == 1
    out = stage.bulk("plan", "p", "--all").out
    assert [line[:2] + line[2:38] for line in out.splitlines() if line.startswith("! 4")] == [
        f"! {service_id(2)}",
        f"! {service_id(3)}",
    ]


def test_a_refused_row_is_told_and_strict_makes_it_the_end(stage: Stage) -> None:
    """Unknown and unavailable services are refused; with --strict the exit code is 7."""
    stage.order(services=[{"id": service_id(2), "status": "deleting"}])
    job = stage.job(wide([1, 2, MISSING]))
    ended = stage.bulk("plan", job, "--all")
    assert ended.code == ExitCode.OK
    assert stage.bulk("plan", job, "--detailed-exitcode").code == ExitCode.SOME_FAILED
    refused = [line for line in ended.out.splitlines() if line.startswith("! 4")]
    assert [words in line for line, words in zip(refused, ("deleting", "no such service"), strict=True)] == [
        True
    ] * 2
    assert stage.bulk("plan", job, "--strict").code == ExitCode.REFUSED


@pytest.mark.parametrize("form", ["ids", "file"])
def test_a_limit_picks_services(form: str, stage: Stage) -> None:
    """Given as ids in any case, or in a file; other rows are no part of the plan."""
    ids = [service_id(2).upper(), service_id(3)]
    stage.file("ids.txt", "\n".join(ids) + "\n\n")
    limit = ",".join(ids) if form == "ids" else "@ids.txt"
    ended = stage.bulk("plan", stage.job(wide(range(1, 6))), "--limit", limit, "--output", "json")
    assert [row["service_id"] for row in orjson.loads(ended.out)["rows"]] == [service_id(2), service_id(3)]


def test_a_limit_that_names_no_row_is_an_issue(stage: Stage) -> None:
    """A typing error must not pass for an empty job."""
    ended = stage.bulk("plan", stage.job(wide([1])), "--limit", service_id(MISSING))
    assert ended.code == ExitCode.INVALID
    assert f"--limit: {service_id(MISSING)} is in no row" in ended.err


def test_invalid_rows_stop_the_plan_unless_they_are_to_be_skipped(stage: Stage) -> None:
    """Then they stand in it as refused, each with its reason."""
    job = stage.job(wide([1]) + "4189d3c2,1:1\n")
    ended = stage.bulk("plan", job)
    assert ended.code == ExitCode.INVALID
    assert "services.csv:3:1: service_id" in ended.err
    ended = stage.bulk("plan", job, "--skip-invalid")
    assert ended.code == ExitCode.OK
    assert "Plan of job: 1 of 2 services change." in ended.out


@pytest.mark.parametrize(
    ("flag", "low", "enough"),
    [
        ("--max-changes", "2", "3"),
        ("--max-changes", "50%", "100%"),
        ("--max-removed", "2", "3"),
        ("--max-removed", "49%", "50%"),
        ("--max-consumers", "14", "15"),
        ("--max-consumers", "0", "15"),
    ],
)
def test_a_limit_of_the_plan_ends_with_7_and_names_the_flag(
    flag: str, low: str, enough: str, stage: Stage
) -> None:
    """For plan and for apply alike, and nothing is sent; the message has the figure that would do."""
    stage.order(services=[{"id": service_id(n), "connection_count": 5} for n in (1, 2, 3)])
    job = stage.job(wide([1, 2, 3]))
    for verb in ("plan", "apply"):
        ended = stage.bulk(verb, job, flag, low, *(["--yes"] if verb == "apply" else []))
        assert ended.code == ExitCode.REFUSED
        assert f"to allow it: {flag} " in ended.err
    assert stage.applied == []
    assert stage.apply(job, flag, enough).code == ExitCode.OK


def test_a_saved_plan_is_applied_with_the_settings_that_it_was_made_with(stage: Stage) -> None:
    """All of them, without the job; a flag of the apply counts instead."""
    job = stage.job(wide([1]), attempts=3, max_failures="5%")
    saved = stage.bulk("plan", job, "--out", "p", "--canary", "2")
    assert (saved.code, "to run exactly this plan: bulk apply p" in saved.err) == (ExitCode.OK, True)
    assert stage.apply("p", "--canary", "1").code == ExitCode.OK
    records = [orjson.loads(line) for line in Path("p").read_bytes().splitlines()]
    options, settings = records[0]["options"], next(r for r in records if r["type"] == "session")["settings"]
    assert options["canary"] == 2
    for name in settings.keys() - {"endpoint", "canary"}:
        assert settings[name] == options[name]
    assert (settings["canary"], settings["attempts"], settings["max_failures"]) == (1, 3, "5%")


@pytest.mark.parametrize("flag", ["--max-changes", "--max-removed", "--max-consumers"])
def test_a_limit_of_nothing_still_holds_for_the_saved_plan(flag: str, stage: Stage) -> None:
    """Zero is a limit, not the absence of one; no command is advised that would be refused."""
    stage.order(services=[{"id": service_id(1), "connection_count": 5}])
    saved = stage.bulk("plan", stage.job(wide([1])), "--out", "p", flag, "0")
    assert (saved.code, "to run exactly this plan" in saved.err) == (ExitCode.REFUSED, False)
    assert stage.apply("p").code == ExitCode.REFUSED
    assert stage.applied == []


def test_the_plan_says_how_long_it_takes_and_whether_that_fits(stage: Stage) -> None:
    """At the job's rate, against the window that is open now."""
    out = stage.bulk(
        "plan", stage.job(wide(range(1, 11))), "--rate", "2/s", "--window", "2999-01-01T00:00Z"
    ).out
    assert "at 2/s" in out
    window = "2999-01-01T00:00:00+00:00; open until Tue 1 Jan 2999 00:00 UTC; the run fits its "
    assert window in " ".join(out.split())


def test_dry_run_is_the_plan(stage: Stage) -> None:
    """`apply -n` needs no yes and sends nothing."""
    job = stage.job(wide([1, 2]))
    dry, plan = stage.bulk("apply", job, "-n"), stage.bulk("plan", job)
    assert (dry.code, dry.out) == (plan.code, plan.out)
    assert stage.applied == []


def test_a_plan_saved_without_its_invalid_rows_is_shown_against_the_fleet(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that cannot be used needs no project: none is looked up for it."""
    monkeypatch.delenv("BULK_REGION")
    monkeypatch.delenv("BULK_PROJECT_ID", raising=False)
    head = "service_id,ports,region,project_id\n"
    good = f"{service_id(1)},80:8001,cn-north-4,{PROJECT}\n"
    job = stage.file("rows.csv", f"{head}{good}nonsense,1:1,,\n")
    assert stage.bulk("plan", job, "--skip-invalid", "--out", "p").code == ExitCode.OK
    assert stage.bulk("plan", "p").code == ExitCode.OK


SOUTH = "b" * 32
TWO_REGIONS = {
    "fleet": [line(1), line(2, project_id=SOUTH)],
    "projects": {"cn-north-4": PROJECT, "cn-south-1": SOUTH},
}


@pytest.mark.parametrize("stage", [TWO_REGIONS], indirect=True)
@pytest.mark.parametrize("project", ["", PROJECT, SOUTH])
@pytest.mark.parametrize(
    ("home", "regions"),
    [
        ("", ("cn-north-4", "cn-south-1")),
        ("cn-north-4", ("cn-north-4", "cn-south-1")),
        ("cn-north-4", ("", "cn-south-1")),
        ("cn-south-1", ("cn-north-4", "")),
    ],
)
def test_a_project_from_a_variable_is_used_in_its_own_region_only(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, project: str, home: str, regions: tuple[str, str]
) -> None:
    """Whatever the order of the rows, and whoever names the region of those without one."""
    monkeypatch.delenv("BULK_PROJECT_ID")
    monkeypatch.setenv("HUAWEICLOUD_SDK_PROJECT_ID", project)
    for variable, rows in product(("BULK_REGION", "HW_REGION_NAME"), ((1, 2), (2, 1))):
        monkeypatch.delenv("BULK_REGION", raising=False)
        if home:
            monkeypatch.setenv(variable, home)
        lines = [f"{service_id(n)},{regions[n - 1]},1:{n}\n" for n in rows]
        ended = stage.bulk("plan", stage.file("two.csv", "service_id,region,ports\n" + "".join(lines)))
        assert "Plan of two: 2 services change." in ended.out, ended.said


@pytest.mark.parametrize("stage", [TWO_REGIONS], indirect=True)
@pytest.mark.parametrize("setting", ["BULK_PROJECT_ID", "HW_PROJECT_ID", "HW_REGION_NAME"])
def test_a_project_of_the_jobs_region_is_not_used_where_all_rows_are_of_another(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    """Neither the job's own nor one from a variable, though both are set in many a shell."""
    monkeypatch.delenv("BULK_PROJECT_ID")
    monkeypatch.setenv("HW_PROJECT_ID", PROJECT)
    if setting == "HW_REGION_NAME":
        monkeypatch.setenv(setting, "cn-north-4")
        monkeypatch.delenv("BULK_REGION")
    else:
        monkeypatch.setenv(setting, PROJECT)
    rows = f"service_id,region,ports\n{service_id(2)},cn-south-1,1:2\n"
    assert "Plan of one: 1 service changes." in stage.bulk("plan", stage.file("one.csv", rows)).out


def test_a_saved_plan_is_logged_as_one_that_is_made(stage: Stage) -> None:
    """With -v each of its records, in order; without it none."""
    job = stage.job(wide([1, 2]))

    def logged(*words: str) -> list[str]:
        ended = stage.bulk("plan", *words, "--log-format", "json", "-v")
        return [event for line in ended.err.splitlines() if (event := orjson.loads(line)["event"]) in KINDS]

    made = logged(job, "--out", "p")
    assert made == ["run", "change", "change", "planned"]
    assert logged("p") == made
    assert "change" not in stage.bulk("plan", "p").err


KINDS = {"run", "change", "planned", "session"}


@pytest.mark.parametrize("stage", [{"fleet": fleet_lines(61)}], indirect=True)
@pytest.mark.parametrize("verb", [["plan"], ["apply", "-n"], ["apply", "--yes"]])
def test_a_long_plan_of_a_pipe_names_what_can_be_done(
    verb: list[str], stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pipe is read: no command that names it would show its rows again."""
    rows = wide(range(1, 62))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(rows.encode())))
    ended = stage.bulk(*verb, "-", "--format", "csv")
    assert ended.code == ExitCode.OK, ended.err
    said = " ".join(ended.out.split())
    shown = "FILE --format csv -n --all" if "--yes" in verb else "FILE --format csv --all"
    words = " ".join(word for word in verb if word != "--yes")
    assert f"Each row bulk {words} {shown}, with the rows in a file" in said


@pytest.mark.parametrize("stage", [{"fleet": fleet_lines(70)}], indirect=True)
def test_the_rows_of_a_plan_that_was_saved_are_in_its_report(stage: Stage) -> None:
    """A plan is saved once: the command that shows each row does not save it again."""
    planned = stage.bulk("plan", stage.job(wide(range(1, 71))), "--out", "move.plan")
    assert "bulk report move.plan --all" in " ".join(planned.out.split())
    shown = stage.bulk("report", "move.plan", "--all")
    assert (shown.code, shown.out.count("\n~ ")) == (ExitCode.OK, 70)
