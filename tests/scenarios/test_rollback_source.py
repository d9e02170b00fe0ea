"""A run as the source of its rollback, at work or cut off: nothing that may have landed is left out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from bulk.app.applying import ApplyRequest, apply_ledger
from bulk.app.environment import Environment
from bulk.app.jobs import open_job
from bulk.app.ledgers import reading
from bulk.app.planning import plan_from
from bulk.app.rolling_back import run_to_roll_back
from bulk.clock import SystemClock
from bulk.errors import LedgerBusy, Refused
from bulk.ledger.file import LedgerFile
from bulk.simulator import Simulator
from tests.simulator_caller import PROJECT, line, mapping, service_id
from tests.use_cases import Yes, leading_to, passed_over

SETTLE_S = 40.0
SHARED = "f9806b85-f754-48af-9cea-d7a289c7205a"
JOB = f'rows = "rows.csv"\nregion = "cn-north-4"\nsettle_s = {SETTLE_S}\nallow_parking = true\n'


@dataclass(frozen=True, kw_only=True)
class JumpingClock(SystemClock):
    """A clock whose waits last no time; it notes each with the lists that the simulator had answered then."""

    simulator: Simulator
    waits: list[tuple[float, int]] = field(default_factory=list)

    async def sleep(self, wait_s: float, *, wake: asyncio.Event | None = None) -> None:  # noqa: ARG002
        """Return at once."""
        self.waits.append((wait_s, self.simulator.stats["requests"]["list"]))


@asynccontextmanager
async def applied(folder: Path, *ports: str) -> AsyncIterator[tuple[Path, Simulator, Environment]]:
    """Apply a job of services behind one port_id, and hold its ledger and the simulator; `ports` of each."""
    rows = "".join(f"{service_id(number)},{wanted}\n" for number, wanted in enumerate(ports, 1))
    (folder / "rows.csv").write_text("service_id,ports\n" + rows)
    (folder / "job.toml").write_text(JOB)
    fleet = [line(n, port_id=SHARED, ports=[mapping(80, n)]) for n in range(1, len(ports) + 1)]
    run = folder / "run"
    async with Simulator(fleet=fleet, projects={"cn-north-4": PROJECT}) as simulator:
        environment = leading_to(simulator, folder)
        await plan_from(
            open_job(str(folder), {}, environment.local_time),
            environment=environment,
            out=run,
            shown=passed_over,
        )
        await apply_ledger(run, {}, ApplyRequest(environment, Yes(), passed_over))
        yield run, simulator, environment


def cut(ledger: Path, behind: bytes) -> Path:
    """Copy a ledger as far as its last record that has these bytes in it."""
    lines = ledger.read_bytes().splitlines(keepends=True)
    last = max(number for number, record in enumerate(lines) if behind in record)
    copy = ledger.with_name("cut")
    copy.write_bytes(b"".join(lines[: last + 1]))
    return copy


async def test_a_put_in_doubt_settles_before_the_fleet_is_read_for_its_rollback(tmp_path: Path) -> None:
    """Only where there is one; then the service that it changed all the same is rolled back."""
    async with applied(tmp_path, "8443:1", "8443:2") as (run, simulator, environment):
        for ledger, settle_s in ((run, 0), (cut(run, b'"type":"intent"'), SETTLE_S)):
            clock = JumpingClock(simulator=simulator)
            listed, out = simulator.stats["requests"]["list"], ledger.with_suffix(".back")
            with run_to_roll_back(ledger, {}, only=frozenset(), at_rest=True) as source:
                await plan_from(
                    source, environment=replace(environment, clock=clock), out=out, shown=passed_over
                )
            assert [wait for wait in clock.waits if wait[0] >= SETTLE_S or not settle_s] == [
                (settle_s, listed)
            ]
            with reading(out) as plan:
                rows = map(plan.change, plan.progress.order)
                assert {change.service_id for change in rows} == {service_id(1), service_id(2)}


@pytest.mark.parametrize("last", [b'"purpose":"park"', b'"verdict":"parked"', b'"type":"intent"'])
async def test_a_run_with_a_parked_service_is_not_rolled_back(last: bytes, tmp_path: Path) -> None:
    """Whether it may be, is, or may be so no longer: its first state is in no row of a rollback."""
    async with applied(tmp_path, "80:2", "80:1") as (run, _, environment):
        ledger = cut(run, last)
        with (
            run_to_roll_back(ledger, {}, only=frozenset(), at_rest=True) as source,
            pytest.raises(Refused, match="parked between two PUTs") as refused,
        ):
            await plan_from(source, environment=environment, out=None, shown=passed_over)
        assert f"bulk apply {ledger}" in refused.value.hint


async def test_the_rollback_of_a_run_at_work_can_be_looked_at_but_not_applied(tmp_path: Path) -> None:
    """What would be rolled back now is known; what the run will still send is not."""
    async with applied(tmp_path, "8443:1") as (run, _, environment):
        async with LedgerFile.open(run, now=environment.clock.now):
            with pytest.raises(LedgerBusy, match=r" \(process \d+\) works on "):
                run_to_roll_back(run, {}, only=frozenset(), at_rest=True).__enter__()
            with run_to_roll_back(run, {}, only=frozenset(), at_rest=False) as source:
                ahead = await plan_from(source, environment=environment, out=None, shown=passed_over)
        assert ahead.changes == 1
