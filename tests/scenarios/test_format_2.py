"""Runs that an earlier version wrote, in format 2: they are read, reported, audited and finished."""

from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from bulk.errors import ExitCode
from tests.scenarios.stage import Json, Stage

FOLDER = Path(__file__).parents[1] / "ledgers" / "format-2"


@dataclass(frozen=True, kw_only=True)
class Old:
    """One run as it was left, and what finishing it takes."""

    name: str
    state: str
    outcomes: dict[str, int]
    exit_code: ExitCode
    """How the run ends once it is finished."""
    finished: dict[str, int]
    sent: int
    """PUTs that are left."""


RUNS = (
    Old(
        name="finished",
        state="finished",
        outcomes={"applied": 3, "already": 1, "failed": 1, "refused": 1},
        exit_code=ExitCode.SOME_FAILED,
        finished={"applied": 3, "already": 1, "failed": 1, "refused": 1},
        sent=0,
    ),
    Old(
        name="killed",
        state="died",
        outcomes={"applied": 3, "in_doubt": 1, "not_attempted": 3},
        exit_code=ExitCode.OK,
        finished={"applied": 7},
        sent=3,
    ),
    Old(
        name="throttled",
        state="stopped",
        outcomes={"applied": 8, "not_attempted": 2},
        exit_code=ExitCode.OK,
        finished={"applied": 10},
        sent=2,
    ),
    Old(
        name="parked",
        state="died",
        outcomes={"in_doubt": 1, "not_attempted": 2},
        exit_code=ExitCode.OK,
        finished={"applied": 3},
        sent=3,
    ),
)


def fleet(name: str) -> list[Json]:
    """Return the services as the run left them."""
    return [orjson.loads(line) for line in (FOLDER / f"{name}.fleet.jsonl").read_bytes().splitlines()]


every_run = pytest.mark.parametrize(
    ("stage", "old"),
    [({"fleet": fleet(old.name)}, old) for old in RUNS],
    ids=[old.name for old in RUNS],
    indirect=["stage"],
)


def placed(stage: Stage, old: Old) -> str:
    """Return the ledger of a run, copied to where it may be written."""
    content = (FOLDER / f"{old.name}.ledger.jsonl").read_text()
    return stage.file(f"runs/{old.name}.ledger.jsonl", content)


@every_run
def test_a_run_of_format_2_is_read_reported_and_explained(stage: Stage, old: Old) -> None:
    """Its state, its counts, every form of its report, its proof, and the history of each service."""
    ledger = placed(stage, old)
    content = Path(ledger).read_bytes()
    assert (stage.status()["state"], stage.outcomes()) == (old.state, old.outcomes)
    rows = [one for one in stage.records("change") if one["action"] == "update"]
    for form in ("table", "json", "csv", "md", "html"):
        report = stage.bulk("report", ledger, "--output", form, *(["--all"] if form == "table" else []))
        assert report.code == ExitCode.OK, form
        assert all(row["service_id"] in report.out for row in rows), form
    assert stage.bulk("audit", ledger).code == ExitCode.OK
    for row in rows:
        assert "planned from services.csv:" in stage.bulk("why", ledger, row["service_id"]).out
    assert Path(ledger).read_bytes() == content


@every_run
def test_a_run_of_format_2_is_finished(stage: Stage, old: Old) -> None:
    """What had landed is not sent again; one that has finished gets no further session."""
    ledger = placed(stage, old)
    ended = stage.apply(ledger)
    assert ended.code == old.exit_code, ended.err
    assert stage.outcomes() == old.finished
    assert len(stage.applied) == old.sent
    assert stage.bulk("audit", ledger).code == ExitCode.OK
    last = stage.records("session")[-1]
    assert (stage.records("run")[0]["format"], last.get("format")) == (
        2,
        None if old.state == "finished" else 3,
    )


@pytest.mark.parametrize("stage", [{"fleet": fleet("throttled")}], indirect=True)
def test_an_approval_of_format_2_holds_for_its_changes(stage: Stage) -> None:
    """Its digest is made anew by its own rule, and a forged one is seen through."""
    ledger = placed(stage, RUNS[2])
    (planned,) = stage.records("planned")
    forged = stage.forged(ledger, lambda record: {"note": "x"} if record["type"] == "change" else {})
    assert stage.apply(forged, "--expect-digest", planned["digest"]).code == ExitCode.REFUSED
    assert stage.bulk("audit", forged).out.startswith("! plan is broken")
    assert stage.applied == []
    assert stage.apply(ledger, "--expect-digest", planned["digest"][:23]).code == ExitCode.OK


@pytest.mark.parametrize("stage", [{"fleet": fleet("throttled")}], indirect=True)
def test_the_pace_that_format_2_kept_in_notes_is_still_drawn_and_named(stage: Stage) -> None:
    """The rates and the limit of its notes stand in the timeline and in the history of a row."""
    ledger = placed(stage, RUNS[2])
    report = orjson.loads(stage.bulk("report", ledger, "--output", "json").out)
    paces = [(point["rate_per_s"], point["limit_per_s"]) for point in report["timeline"]["pace"]]
    assert paces == [(1.98, 2), (1.81, 2)]
    throttled = next(one for one in stage.records("attempt"))
    (change,) = (one for one in stage.records("change") if one["row"] == throttled["row"])
    history = stage.bulk("why", ledger, change["service_id"]).out
    assert "1.81/s" in history
    assert "4 per 2 s (user)" in history


@pytest.mark.parametrize("stage", [{"fleet": fleet("throttled")}], indirect=True)
def test_a_run_of_format_2_that_was_rolled_back_is_not_gone_on_with(stage: Stage) -> None:
    """It is put on record in it, and the ledger stays sound."""
    ledger = placed(stage, RUNS[2])
    assert stage.bulk("rollback", ledger, "--apply", "--yes").code == ExitCode.OK
    assert "was rolled back by" in stage.apply(ledger).err
    assert "rolled back by" in stage.bulk("audit", ledger).out
