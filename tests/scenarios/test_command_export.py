"""`bulk export`: the live fleet as a job file."""

from pathlib import Path

import orjson
import pytest

from bulk.errors import ExitCode
from tests.scenarios.stage import Stage, fleet_lines
from tests.simulator_caller import PROJECT, line, mapping, service_id

HOSTILE = ["=cmd()", "'=1", "a,b;c", '"', "# x", "größe"]
HOSTILE_FLEET = [one | {"service_name": name} for one, name in zip(fleet_lines(6), HOSTILE, strict=True)]
MIXED = [
    *fleet_lines(3),
    line(11, status="creating", ports=[mapping(80, 8011)]),
    line(12, service_type="gateway", ports=[mapping(80, 8012)]),
    line(13, service_name="db-1", ports=[mapping(3306, 3306), mapping(53, 53, "UDP")]),
]


@pytest.mark.parametrize(("layout", "name"), [("long", "f.csv"), ("wide", "f.csv"), ("jsonl", "f.jsonl")])
@pytest.mark.parametrize("stage", [{"fleet": HOSTILE_FLEET}], indirect=True)
def test_an_export_is_a_job_that_changes_nothing(stage: Stage, layout: str, name: str) -> None:
    """It passes the check, and applying it sends not one PUT; names are what people see in the note."""
    exported = stage.bulk("export", "--format", layout)
    assert exported.code == ExitCode.OK
    assert exported.err == "6 services of project cn-north-4 exported\n"
    job = stage.file(name, exported.out)
    assert stage.bulk("check", job).out == "6 rows, no issues\n"
    assert stage.apply(job).code == ExitCode.OK
    assert stage.applied == []
    assert stage.outcomes() == {"already": 6}
    assert [record["note"] for record in stage.records("change")] == HOSTILE


@pytest.mark.parametrize("stage", [{"fleet": MIXED}], indirect=True)
def test_services_that_no_job_could_change_are_left_out_and_told(stage: Stage) -> None:
    """On stderr, by reason, so that standard output stays a job file."""
    exported = stage.bulk("export", "--format", "wide")
    assert [row.split(",")[1] for row in exported.out.splitlines()] == [
        "service_id",
        *map(service_id, (1, 2, 3, 13)),
    ]
    first, creating, gateway = exported.err.splitlines()
    assert first == "4 services of project cn-north-4 exported"
    assert creating.startswith(f"left out 1 service ({service_id(11)}): status is creating")
    assert gateway.startswith(f"left out 1 service ({service_id(12)}): type is gateway, only interface")


@pytest.mark.parametrize("stage", [{"fleet": MIXED}], indirect=True)
@pytest.mark.parametrize(
    ("flags", "numbers"),
    [
        (["--name", "db-*"], [13]),
        (["--port", "53"], [13]),
        (["--port", "8002"], [2]),
        (["--port", "80"], [1, 2, 3]),
        (["--name", "db-*", "--port", "80"], []),
    ],
)
def test_only_what_is_selected_is_exported(stage: Stage, flags: list[str], numbers: list[int]) -> None:
    """By name, by client port, by server port, by both."""
    exported = stage.bulk("export", "--format", "jsonl", *flags)
    rows = [orjson.loads(row) for row in exported.out.splitlines()]
    assert [row["service_id"] for row in rows] == [service_id(number) for number in numbers]
    assert all((row["region"], row["project_id"]) == ("cn-north-4", PROJECT) for row in rows)


@pytest.mark.parametrize("layout", ["long", "wide", "jsonl"])
def test_an_edited_export_applies_the_edit_and_nothing_else(stage: Stage, layout: str) -> None:
    """Services that the edit does not touch are left out; the others become what it makes of them."""
    flags = ["--map", "8001=18001", "--map", "8002=18002", "--remove-ports", "443:9002"]
    exported = stage.bulk("export", "--format", layout, *flags)
    assert exported.err.startswith("2 services of project cn-north-4 exported\nleft out 8 services (")
    assert exported.err.endswith(" and others): not changed by the edit\n")
    job = stage.file("edit.jsonl" if layout == "jsonl" else "edit.csv", exported.out)
    assert stage.apply(job).code == ExitCode.OK
    assert stage.ports(1) == [(80, 18001), (443, 9001)]
    assert stage.ports(2) == [(80, 18002)]
    assert stage.ports(3) == [(80, 8003), (443, 9003)]


def test_an_edit_may_add_to_what_is_selected(stage: Stage) -> None:
    """One service has the port, one service gets the mapping."""
    exported = stage.bulk("export", "--port", "8003", "--add-ports", "53:5353/UDP")
    assert exported.err == "1 service of project cn-north-4 exported\n"
    assert stage.apply(stage.file("edit.csv", exported.out)).code == ExitCode.OK
    assert stage.ports(3) == [(80, 8003), (443, 9003), (53, 5353)]
    assert len(stage.applied) == 1


def test_an_edit_holds_only_for_the_map_it_was_made_from(stage: Stage) -> None:
    """What somebody changed since the export is refused, not overwritten."""
    job = stage.file("edit.csv", stage.bulk("export", "--map", "8001=18001").out)
    stage.order(services=[{"id": service_id(1), "ports": [mapping(80, 8001)]}])
    assert stage.apply(job).code == ExitCode.SOME_FAILED
    assert stage.ports(1) == [(80, 8001)]


def test_an_export_goes_to_a_new_file_once_and_reads_the_list_once(stage: Stage) -> None:
    """The file is never overwritten; nothing is on standard output; `-q` says nothing."""
    exported = stage.bulk("export", "--out", "fleet.csv", "-q")
    assert (exported.code, exported.said) == (ExitCode.OK, "")
    written = Path("fleet.csv").read_text()
    assert len(written.splitlines()) == 21
    again = stage.bulk("export", "--out", "fleet.csv")
    assert again.code == ExitCode.USAGE
    assert "fleet.csv already exists" in again.err
    assert Path("fleet.csv").read_text() == written
    assert stage.applied == []


@pytest.mark.parametrize("stage", [{"fleet": []}], indirect=True)
def test_an_empty_project_gives_a_header_alone(stage: Stage) -> None:
    """And says that there was nothing."""
    exported = stage.bulk("export")
    assert (
        exported.out
        == "note,service_id,client_port,server_port,protocol,expect_ports,region,project_id,profile\n"
    )
    assert exported.err == "0 services of project cn-north-4 exported\n"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--port", "0"], "--port: '0' is not a port"),
        (["--port", "ssh"], "--port: 'ssh' is not a port"),
        (["--map", "22"], "--map: '' is not a port"),
        (["--map", "22=99999999"], "--map: '99999999' is not a port"),
        (["--map", "22=1", "--map", "22=2"], "--map gives port 22 two new numbers"),
        (["--add-ports", "80"], '--add-ports: "80" is not a mapping'),
        (["--add-ports", "1:1", "--remove-ports", "1:1"], "1:1/TCP is in --add-ports and in --remove-ports"),
        (["--format", "xml"], '--format: "xml" is not one of long, wide, jsonl'),
    ],
)
def test_flags_that_mean_nothing_are_wrong_usage(stage: Stage, flags: list[str], words: str) -> None:
    """Exit 2, with the flag and what is wrong; nothing on standard output."""
    ended = stage.bulk("export", *flags)
    assert ended.code == ExitCode.USAGE
    assert words in ended.err
    assert ended.out == ""


def test_a_region_is_needed_and_must_be_one(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 2 without one, and for one that cannot be."""
    assert stage.bulk("export", "--region", "Nowhere!").code == ExitCode.USAGE
    monkeypatch.delenv("BULK_REGION")
    ended = stage.bulk("export")
    assert ended.code == ExitCode.USAGE
    assert "add --region" in ended.err


CLASHES = [line(n, ports=[mapping(n, 1), mapping(80, 80)]) for n in range(1, 15)]
MANY_REASONS = [line(n, ports=[mapping(n, 1), mapping(n, 2)]) for n in range(1, 15)]


@pytest.mark.parametrize("stage", [{"fleet": CLASHES}], indirect=True)
def test_equal_reasons_are_one_line_with_a_count(stage: Stage) -> None:
    """Although each service clashes at a client port of its own."""
    ended = stage.bulk("export", "--add-ports", " ".join(f"{n}:2" for n in range(1, 15)))
    summary, clash = ended.err.splitlines()
    assert summary == "0 services of project cn-north-4 exported"
    assert clash.startswith("left out 14 services (")
    assert clash.endswith(": a client_port would be in several mappings")


@pytest.mark.parametrize("stage", [{"fleet": MANY_REASONS}], indirect=True)
def test_many_reasons_are_told_in_few_lines(stage: Stage) -> None:
    """Each service has two mappings of a client port of its own: the first ten are shown, all counted."""
    ended = stage.bulk("export")
    told = ended.err.splitlines()
    assert told[0] == "0 services of project cn-north-4 exported"
    assert len(told) == 12
    assert told[-1] == "left out 4 services for other reasons"


# More than one project


EAST, BLUE = "e" * 32, "b" * 32
PROJECTS = {"cn-north-4": PROJECT, "cn-north-4_blue": BLUE, "cn-east-3": EAST, "MOS": "0" * 32}
SPREAD = [
    line(number, project_id=project, ports=[mapping(80, 8000 + number)])
    for number, project in enumerate([PROJECT, PROJECT, BLUE, EAST], start=1)
]
WHOLE = {"fleet": SPREAD, "projects": PROJECTS}


def ids(exported: str) -> list[str]:
    """Return the ids of the services in an exported CSV."""
    return [row.split(",")[1] for row in exported.splitlines()[1:]]


@pytest.mark.parametrize("stage", [WHOLE], indirect=True)
@pytest.mark.parametrize(
    ("flags", "numbers", "counts"),
    [
        ([], [4, 1, 2, 3], "cn-east-3 1, cn-north-4 2, cn-north-4_blue 1"),
        (["--region", "cn-north-4"], [1, 2, 3], "cn-north-4 2, cn-north-4_blue 1"),
        (["--region", "cn-north-4, cn-east-3"], [4, 1, 2, 3], "cn-east-3 1, cn-north-4 2, cn-north-4_blue 1"),
    ],
)
def test_all_projects_are_one_job_that_changes_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, flags: list[str], numbers: list[int], counts: str
) -> None:
    """Of every region or of those named; what a variable says of one project does not count."""
    monkeypatch.delenv("BULK_REGION")
    exported = stage.bulk("export", "--all-projects", *flags)
    assert exported.code == ExitCode.OK
    assert ids(exported.out) == [service_id(number) for number in numbers]
    assert f" exported: {counts}\n" in exported.err
    assert "left out 1 project (MOS): of no region\n" in exported.err
    monkeypatch.delenv("BULK_PROJECT_ID")
    assert stage.apply(stage.file("all.csv", exported.out)).code == ExitCode.OK
    assert stage.outcomes() == {"already": len(numbers)}
    assert stage.applied == []


@pytest.mark.parametrize("stage", [WHOLE], indirect=True)
@pytest.mark.parametrize(
    "flags", [["--region", "cn-east-3,cn-north-4"], ["--region", "cn-east-3", "--region", "cn-north-4"]]
)
def test_several_regions_give_the_project_of_each_and_name_the_others(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, flags: list[str]
) -> None:
    """In the order in which they were named."""
    monkeypatch.delenv("BULK_PROJECT_ID")
    exported = stage.bulk("export", *flags)
    assert exported.code == ExitCode.OK
    assert ids(exported.out) == [service_id(number) for number in (4, 1, 2)]
    exported_line, others = exported.err.splitlines()
    assert exported_line == "3 services of 2 projects exported: cn-east-3 1, cn-north-4 2"
    assert others.startswith("left out 1 more project (cn-north-4_blue)")
    assert others.endswith(": --all-projects")


@pytest.mark.parametrize("stage", [WHOLE], indirect=True)
def test_a_project_that_cannot_be_listed_is_named_and_left_out(stage: Stage) -> None:
    """The others are exported; exit code 4 says that some are missing, also with `-q`."""
    stage.order(switches={"closed_projects": [BLUE]})
    exported = stage.bulk("export", "--all-projects", "-q")
    assert exported.code == ExitCode.SOME_FAILED
    assert ids(exported.out) == [service_id(1), service_id(2)]
    assert exported.err.startswith("bulk: left out project cn-north-4_blue: ")
    assert "EndPoint.0004" in exported.err


@pytest.mark.parametrize("stage", [WHOLE], indirect=True)
def test_an_export_of_which_nothing_can_be_listed_leaves_no_file(stage: Stage) -> None:
    """It ends as that of a single project does."""
    stage.order(switches={"closed_projects": [PROJECT, BLUE]})
    exported = stage.bulk("export", "--all-projects", "--out", "all.csv")
    assert exported.code == ExitCode.CANNOT_RUN
    assert "EndPoint.0004" in exported.err
    assert not Path("all.csv").exists()


@pytest.mark.parametrize("words", [(), ("--bom",), ("--all-projects",), ("--format", "wide")])
def test_an_export_that_fails_before_its_first_page_prints_nothing(
    stage: Stage, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A header alone is a fleet without services, to whoever reads the pipe."""
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", "wrong")
    exported = stage.bulk("export", *words)
    assert (exported.code, exported.out) == (ExitCode.CANNOT_RUN, "")


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["--all-projects", "--project-id", PROJECT], ExitCode.USAGE, "--project-id names one project"),
        (
            ["--region", "cn-north-4,cn-east-3"],
            ExitCode.USAGE,
            "BULK_PROJECT_ID names the project of one region",
        ),
        (["--region", "cn-north-4,Nowhere!"], ExitCode.USAGE, '--region: "Nowhere!" is not a region'),
        (["--region", ","], ExitCode.USAGE, "no region is named"),
        (["--all-projects", "--region", "cn-east-3"], ExitCode.CANNOT_RUN, "see no project in cn-east-3"),
    ],
)
def test_projects_that_cannot_be_meant_are_refused(
    stage: Stage, flags: list[str], code: ExitCode, words: str
) -> None:
    """With what was typed, or its variable."""
    ended = stage.bulk("export", *flags)
    assert (ended.code, ended.out) == (code, "")
    assert words in ended.err


@pytest.mark.parametrize(
    ("layout", "before"), [("long", "443,9001"), ("wide", "443:9001"), ("jsonl", "9001")]
)
def test_an_export_holds_for_the_ports_that_it_shows(stage: Stage, layout: str, before: str) -> None:
    """Whoever edits it by hand does not overwrite what somebody else changed since."""
    exported = stage.bulk("export", "--format", layout, "--port", "8001").out
    job = stage.file(
        "edit.jsonl" if layout == "jsonl" else "edit.csv", exported.replace(before, before[:-1] + "9", 1)
    )
    stage.order(services=[{"id": service_id(1), "ports": [mapping(80, 8001)]}])
    assert stage.apply(job).code == ExitCode.SOME_FAILED
    assert stage.applied == []
    assert "expect_ports" in stage.records("change")[-1]["reason"]
