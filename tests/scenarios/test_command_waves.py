"""A run in waves: each goes only if the one before ended as asked, over kills and sessions, on record."""

import re
import signal
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from bulk.errors import ExitCode
from tests.scenarios.stage import WAIT_S, Stage, until, wide
from tests.scenarios.test_command_despite import REFUSED, stop_in
from tests.simulator_caller import line, mapping, service_id

REGIONS = {"cn-north-4": "1" * 32, "cn-south-1": "2" * 32, "cn-east-3": "3" * 32}
THREE_REGIONS = pytest.mark.parametrize(
    "stage",
    [
        {
            "fleet": [
                line(10 * region + number, project_id=project, ports=[mapping(80, 8000 + number)])
                for region, project in enumerate(REGIONS.values())
                for number in (1, 2, 3)
            ],
            "projects": REGIONS,
        }
    ],
    indirect=True,
)


def in_regions() -> str:
    """Return a job of three rows in each region, the regions mixed."""
    rows = (
        f"{service_id(10 * number + row)},{region},{project},81:{8000 + row}"
        for row in (1, 2, 3)
        for number, (region, project) in enumerate(REGIONS.items())
    )
    return "\n".join(("service_id,region,project_id,ports", *rows, ""))


def regions_of(stage: Stage) -> list[str]:
    """Return the region of each service that was changed, in the order of the PUTs."""
    names = {service_id(10 * n + row): region for n, region in enumerate(REGIONS) for row in (1, 2, 3)}
    return [names[one.id] for one in stage.applied]


def test_waves_go_one_after_the_other_and_each_is_on_record(stage: Stage) -> None:
    """The plan lists them; report, why and audit show what was decided."""
    job = stage.job(wide(range(1, 11)), waves=[1, "30%"])
    plan = stage.bulk("plan", job)
    end = ", over after about 1 s"
    listed = f"Wave 1 1 service{end} Wave 2 3 services (30%){end} Wave 3 the other 6 services{end}"
    assert listed in " ".join(plan.out.split())
    shown = orjson.loads(stage.bulk("plan", job, "--output", "json").out)
    assert [(wave["number"], wave["rows"]) for wave in shown["waves"]] == [(1, 1), (2, 3), (3, 6)]
    assert stage.apply(job).code == ExitCode.OK
    order = [one.id for one in stage.applied]
    assert order[0] == service_id(1)
    assert set(order[1:4]) == {service_id(number) for number in (2, 3, 4)}
    passed = stage.records("decision")
    assert [(one["what"], one["wave"], one["ruling"]) for one in passed] == [
        ("wave", 1, "go"),
        ("wave", 2, "go"),
    ]
    report = orjson.loads(stage.bulk("report", str(stage.ledger), "--output", "json").out)
    assert [one["wave"] for one in report["decisions"]] == [1, 2]
    first, second = (stage.bulk("why", str(stage.ledger), service_id(row)).out for row in (1, 2))
    assert ("limit: wave 1, go" in first, "wave 2" in first) == (True, False), "the ruling on its own wave"
    assert "limit: wave 1, go" in second
    assert second.index("+ applied") < second.index("limit: wave 2, go")
    assert stage.bulk("audit", str(stage.ledger)).code == ExitCode.OK


@THREE_REGIONS
def test_waves_by_region_go_region_by_region(stage: Stage) -> None:
    """In the order of the plan, although each region is a lane of its own."""
    job = stage.job(in_regions(), waves="region")
    plan = " ".join(stage.bulk("plan", job).out.split())
    assert re.search(
        r"Wave 1 3 services \(cn-north-4\).* Wave 2 .*\(cn-south-1\).* Wave 3 the other 3 .*\(cn-east-3\)",
        plan,
    )
    assert stage.apply(job).code == ExitCode.OK
    assert regions_of(stage) == [region for region in REGIONS for _ in range(3)]


def test_waves_by_column_are_those_of_the_file_and_come_back_in_its_report(stage: Stage) -> None:
    """Which wave each row is in is approved with the plan; the report is such a job file again."""
    rows = [f"{service_id(row)},81:{8000 + row},{wave}" for row, wave in ((1, 2), (2, 1), (3, 2), (4, 3))]
    job = stage.job("\n".join(("service_id,ports,wave", *rows, "")), waves="column")
    shown = orjson.loads(stage.bulk("plan", job, "--output", "json").out)
    assert [(wave["number"], wave["rows"]) for wave in shown["waves"]] == [(1, 1), (2, 2), (3, 1)]
    moved = stage.file("moved.csv", "\n".join(("service_id,ports,wave", rows[0][:-1] + "3", *rows[1:], "")))
    other = orjson.loads(stage.bulk("plan", moved, "--waves", "column", "--output", "json").out)
    assert other["digest"] != shown["digest"]
    assert stage.apply(job).code == ExitCode.OK
    assert [change.id for change in stage.applied] == [service_id(row) for row in (2, 1, 3, 4)]
    report = stage.file("again.csv", stage.bulk("report", str(stage.ledger), "--output", "csv").out)
    assert stage.bulk("check", report).code == ExitCode.INVALID
    assert stage.bulk("check", report, "--waves", "column").code == ExitCode.OK


def test_the_plan_says_when_each_wave_is_over_and_whether_all_fit_the_window(stage: Stage) -> None:
    """With the soak counted, from the opening on; `must_fit` refuses what does not."""
    opens = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    window = f"{opens.isoformat()}..{(opens + timedelta(minutes=10)).isoformat()}"
    settings = {"waves": "1,2", "soak": "2m", "rate": "1/s", "window": window, "spare": "1m"}
    job = stage.job(wide(range(1, 11)), **settings)
    shown = stage.bulk("plan", job, "--out", "p")
    said = " ".join(shown.out.split())
    assert re.search(
        r"Wave 1 1 service, over after about \d s Wave 2 2 services, over after about 2 min", said
    )
    assert "the run fits its 10 min" in said
    assert "Waves " in stage.bulk("report", "p").out
    told = orjson.loads(stage.bulk("plan", job, "--output", "json").out)["estimate"]
    first, second, last = map(datetime.fromisoformat, told["wave_ends_at"])
    assert opens < first < second - timedelta(minutes=2) < last - timedelta(minutes=4)
    assert told["soak_s"] == 240
    longer = stage.job(wide(range(1, 11)), **settings | {"soak": "5m", "must_fit": True})
    refused = stage.apply(longer, "--wait")
    assert refused.code == ExitCode.REFUSED
    assert "must fit" in refused.err


def test_a_bad_wave_stops_the_run_until_a_person_lets_the_next_one_go(stage: Stage) -> None:
    """Sticky, with 6; lifting it lets the next wave go, which is judged again."""
    job = stage.job(wide(range(1, 11)), waves="2,2", concurrency=1)
    stage.order(faults={"rules": [REFUSED | {"nth": 3}]})
    first = stage.apply(job)
    assert first.code == ExitCode.SAFETY_LIMIT
    assert "1 of the 2 services of wave 2 did not end as asked" in first.err
    assert len(stage.applied) == 3
    assert stage.apply(job).code == ExitCode.SAFETY_LIMIT
    stage.order(faults={})
    ended = stage.apply(job, "--despite", f"{stop_in(first.err)}:known")
    assert ended.code == ExitCode.SOME_FAILED
    assert stage.outcomes() == {"applied": 9, "failed": 1}
    assert [(one["what"], one.get("wave")) for one in stage.records("decision")] == [
        ("wave", 1),
        ("stop", 2),
        ("despite", None),
    ]


def test_a_window_that_ends_while_a_wave_soaks_ends_the_run_with_10(stage: Stage) -> None:
    """At once; the wave has not passed, and it says what it waited for."""
    closes = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    job = stage.job(wide(range(1, 4)), waves="1", soak="1h", window=closes, spare="0s")
    assert "1h after its last outcome" in " ".join(stage.bulk("plan", job).out.split())
    assert stage.apply(job).code == ExitCode.WINDOW_ENDED
    assert stage.outcomes() == {"applied": 1, "not_attempted": 2}
    assert stage.records("decision") == []


def test_the_soak_of_a_wave_is_shown_from_its_first_moment(stage: Stage) -> None:
    """By the ledger alone, seconds before the run notes that it waits."""
    job = stage.job(wide(range(1, 4)), waves="1", soak="1h")
    with stage.child("apply", job, "--yes") as run:
        until(lambda: stage.applied and stage.status()["ended"], run)
        status = stage.status()
        assert (status["hold"]["hold"], status["wave"]["left"]) == ("soak", 0)
        [ended] = stage.records("outcome")
        assert status["hold"]["since"] == ended["at"]
        assert status["wave"]["soak_ends_at"] == status["hold"]["until"] > ended["at"]
        run.send_signal(signal.SIGINT)
        assert run.wait(WAIT_S) == ExitCode.INTERRUPTED


def test_a_run_without_waves_decides_nothing(stage: Stage) -> None:
    """Nothing of waves is in its ledger, and its digest is that of before."""
    job = stage.job(wide(range(1, 4)))
    plain = orjson.loads(stage.bulk("plan", job, "--output", "json").out)
    assert plain["waves"] == []
    in_waves = orjson.loads(stage.bulk("plan", job, "--waves", "1", "--output", "json").out)
    half = orjson.loads(stage.bulk("plan", job, "--waves", "34%", "--output", "json").out)
    assert in_waves["digest"] == half["digest"] != plain["digest"]
    assert stage.apply(job).code == ExitCode.OK
    assert stage.records("decision") == []
