"""`bulk rehearse`: the whole command, its simulators and the process that it kills."""

import asyncio
import os
from pathlib import Path
from typing import Any

import orjson
import pytest

from bulk.app import crashing
from bulk.app.approving import ledger_must_be_approved
from bulk.app.auditing import audit_ledger
from bulk.app.environment import system
from bulk.app.fleets import open_fleets
from bulk.app.jobs import job_of_ledger
from bulk.app.ledgers import reading
from bulk.app.sandbox import staged
from bulk.cli.main import main
from bulk.ledger.digest import PREFIX
from bulk.ledger.file import fold
from bulk.rehearsal.victim import kill_when
from bulk.run.last_look import LastLook
from bulk.vpcep.client import ReadClient

PROJECT = "6e9dfd51d1124e8d8498dce894923a0d"
SETTINGS = f'region = "cn-north-4"\nproject_id = "{PROJECT}"\nendpoint = "simulator"\nsettle_s = 0.1\n'

PARKING = 'allow_parking = true\nwindow = "03:00-03:02"\n'
"""A window that is shut, unless somebody tests at night: then it is open for the rehearsal as well."""


def service_id(number: int) -> str:
    """Return the id of a service, or of what it stands on."""
    return f"4189d3c2-8882-4871-a3c2-{number:012x}"


def mapping(client_port: int, server_port: int) -> dict[str, Any]:
    """Return one TCP mapping."""
    return {"client_port": client_port, "server_port": server_port, "protocol": "TCP"}


def job(folder: Path, *, settings: str = "", swap: bool = True, rows: int = 6) -> Path:
    """Write a job that moves each service's server port; the first two share a port_id, and may swap."""
    fleet, wanted = [], []
    for number in range(1, rows + 1):
        backend = 101 if number <= 2 else 100 + number
        fleet.append(
            {
                "id": service_id(number),
                "project_id": PROJECT,
                "port_id": service_id(backend),
                "ports": [mapping(1000 + number, number)],
            }
        )
        asked = {1: 2, 2: 1}.get(number, 500 + number) if swap else 500 + number
        wanted.append({"service_id": service_id(number), "ports": [mapping(1000 + number, asked)]})
    folder.mkdir()
    (folder / "fleet.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in fleet))
    (folder / "services.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in wanted))
    (folder / "job.toml").write_text(f'rows = "services.jsonl"\n{SETTINGS}{settings}')
    return folder


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's own settings away, and set some that must not reach the process that is killed."""
    for name in [name for name in os.environ if name.startswith(("HUAWEICLOUD_SDK_", "HW_", "BULK_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BULK_NEW_RUN", "1")


def test_a_plan_with_a_swap_is_rehearsed_and_nothing_of_it_is_touched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Kill, resume and rollback hold under faults; ledger and fleet stay as they are, byte for byte."""
    folder, plan = job(tmp_path / "swap", settings=PARKING), tmp_path / "plan.ledger.jsonl"
    assert main(["plan", str(folder), "--out", str(plan), "--quiet"]) == 0
    ledger, fleet = plan.read_bytes(), (folder / "runs" / "fleet.jsonl").read_bytes()
    capsys.readouterr()
    faults = '{"rules": [{"kind": "reset", "after": true, "method": "PUT", "nth": 2}]}'
    assert main(["rehearse", str(plan), "--faults", faults, "--rate", "5/s", "--output", "json", "-q"]) == 0
    rehearsed = orjson.loads(capsys.readouterr().out)
    assert [(check["name"], check["held"]) for check in rehearsed["checks"]] == [
        ("run", True),
        ("kill and resume", True),
        ("rollback", True),
    ]
    assert rehearsed["checks"][1]["detail"].startswith("killed at PUT 4 of 7 with ")
    assert rehearsed["checks"][2]["detail"] == "6 services of 6 as in the snapshot, field by field"
    assert rehearsed["rows"]["applied"] == 6
    assert rehearsed["rehearsed"]["puts"] == 7
    assert rehearsed["rehearsed"]["faults"] == {"reset": 1}
    predicted = rehearsed["predicted"]
    assert 6 / 5 < predicted["at_least_s"] < predicted["expected_s"] < predicted["at_most_s"]
    assert [gap["out_of_service"] for gap in rehearsed["gaps"]] == [["1001:1/TCP"]]
    assert 0 < rehearsed["gaps"][0]["expected_s"] < rehearsed["gaps"][0]["at_most_s"]
    assert plan.read_bytes() == ledger
    assert (folder / "runs" / "fleet.jsonl").read_bytes() == fleet


def test_waves_are_played_and_their_soak_is_reckoned_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An hour of soak takes no time, is in the prediction, and does not fit a window of half an hour."""
    folder = job(tmp_path / "waves", settings=f'{PARKING}waves = "1"\nsoak = "1h"\n')
    assert main(["rehearse", str(folder), "--rate", "5/s", "--output", "json", "-q"]) == 0
    rehearsed = orjson.loads(capsys.readouterr().out)
    first, second = rehearsed["waves"]
    assert first["expected_end_s"] < 60
    assert second["expected_end_s"] > 3600
    assert (rehearsed["predicted"]["soaked_s"], rehearsed["window"]["fits"]) == (3600, False)


def test_the_plan_on_the_stage_is_one_that_would_be_approved(tmp_path: Path) -> None:
    """It is proved and held to an approval like any other; the window and the API are the stage's own."""
    folder, plan = job(tmp_path / "swap", settings=PARKING), tmp_path / "plan.ledger.jsonl"
    assert main(["plan", str(folder), "--out", str(plan), "--quiet"]) == 0
    asyncio.run(_stage_and_approve(plan, tmp_path / "stage"))


async def _stage_and_approve(plan: Path, folder: Path) -> None:
    planned = fold(plan)
    settings, _ = job_of_ledger(planned, {})
    async with staged(plan, folder, settings, system(), flags=()) as stage:
        assert audit_ledger(stage.ledger).breach is None
        with reading(stage.ledger) as reader:
            digest = reader.progress.digest
            there, endpoint = job_of_ledger(reader.progress, {})
            approved = digest.removeprefix(PREFIX)
            async with open_fleets(ReadClient, there, endpoint, stage.environment) as connections:
                await ledger_must_be_approved(reader, approved, there, connections)
            assert digest != planned.digest
            assert endpoint.url == stage.practice.url


def test_a_limit_is_rehearsed_in_real_time_and_a_failed_row_is_exit_4(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The refusals are counted, what could not be sent is told, and the exit is that of `apply`."""
    folder = job(tmp_path / "move", swap=False, rows=4, settings='rate = "20/s"\n')
    faults = tmp_path / "faults.json"
    rule = {"kind": "code", "code": "EndPoint.2028", "service_id": service_id(3), "times": None}
    faults.write_bytes(orjson.dumps({"rules": [rule | {"method": "PUT"}]}))
    limit = "fixed:2/1s,for=writes"
    assert main(["rehearse", str(folder), "--faults", str(faults), "--limiter", limit]) == 4
    told, said = capsys.readouterr()
    assert "against the limit" in told
    assert " 0 refusals" not in told
    assert "Rows: 3 applied, 1 failed" in told
    assert "+ kill and resume: held" in told
    assert "+ rollback: held" in told
    assert "rehearsing the rollback" in said


def test_a_promise_that_does_not_hold_is_exit_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An API that says no and does it all the same, and an engine that has forgotten its last look."""
    monkeypatch.setattr(LastLook, "sent", lambda *_: [])
    folder = job(tmp_path / "liar", swap=False, rows=1)
    rule = {"kind": "code", "code": "EndPoint.2028", "after": True, "method": "PUT", "times": 9}
    faults = orjson.dumps({"rules": [rule]}).decode()
    assert main(["rehearse", str(folder), "--faults", faults, "-q"]) == 1
    told = capsys.readouterr().out
    assert f"! run: DID NOT HOLD; 1 failed; 1 service not as the ledger states: {service_id(1)}" in told


def test_a_cap_of_the_run_does_not_stand_against_its_rollback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing may be removed by the run; what it added can be removed again all the same."""
    folder = job(tmp_path / "grow", swap=False, rows=1, settings="max_removed = 0\n")
    asked = {"service_id": service_id(1), "ports": [mapping(1001, 1), mapping(1002, 2)]}
    (folder / "services.jsonl").write_bytes(orjson.dumps(asked))

    async def too_late(*_: object, **__: object) -> int:
        return 0

    monkeypatch.setattr(crashing, "kill_when", too_late)
    monkeypatch.setattr(crashing, "_HELD_S", 0.0)
    assert main(["rehearse", str(folder), "-q"]) == 0
    told = capsys.readouterr().out
    assert "- kill and resume: not rehearsed; the run had ended before it could be killed" in told
    assert "+ rollback: held" in told


def test_a_plan_that_changes_nothing_has_nothing_to_kill(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All is as asked already: the run is rehearsed, the rest is not."""
    folder = job(tmp_path / "same", swap=False, rows=1)
    kept = {"service_id": service_id(1), "ports": [mapping(1001, 1)]}
    (folder / "services.jsonl").write_bytes(orjson.dumps(kept))
    assert main(["rehearse", str(folder), "-q"]) == 0
    told = capsys.readouterr().out
    assert "Rows: 1 already right" in told
    assert "- kill and resume: not rehearsed; nothing has to be sent" in told


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--faults", "no-such-file"], "--faults no-such-file: "),
        (["--faults", "/dev/zero"], "--faults /dev/zero: "),
        (["--faults", "{"], "--faults {: "),
        (["--limiter", "fast"], "'fast' is no limit"),
        (["--output", "csv"], '--output: "csv" is not one of table, json'),
    ],
)
def test_wrong_flags_are_exit_2(
    flags: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each says what is wrong with it."""
    folder = job(tmp_path / "job", swap=False, rows=1)
    assert main(["rehearse", str(folder), "-q", *flags]) == 2
    assert message in capsys.readouterr().err


async def test_a_process_that_ends_by_itself_was_not_killed() -> None:
    """Its own exit code is returned, that of wrong usage here."""

    async def never() -> bool:
        return False

    assert await kill_when(["apply"], env=os.environ, is_time=never) == 2


async def test_a_process_is_killed_even_when_its_watcher_is_cancelled() -> None:
    """Nobody is left behind."""
    asked = asyncio.Event()

    async def forever() -> bool:
        asked.set()
        await asyncio.Event().wait()
        return False

    watcher = asyncio.create_task(kill_when(["simulator"], env=os.environ, is_time=forever))
    await asked.wait()
    watcher.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watcher
