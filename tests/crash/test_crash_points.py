"""Kill a run at every effect, and its resume at every effect again: the promises hold.

The kill is in-process: at the n-th point everything stops, for n = 1, 2, 3 … until a run passes whole. The
ledger keeps what was written: all of it (kill -9), what was synced (a power cut), or half of the rest.
"""

import os
from collections.abc import Callable
from itertools import count, cycle
from pathlib import Path

import pytest

from bulk.files.new_file import partial_of
from bulk.ledger.file import LedgerFile, fold
from tests.crash.plug import Plug, PluggedDisk, until_dead
from tests.crash.worlds import NEVER, SURVIVALS, Job, every_trouble, one_ring, two_rows
from tests.fakes import FakeClock, FastDisk, inline, write_plan
from tests.values import change


@pytest.mark.parametrize("survival", SURVIVALS)
@pytest.mark.parametrize("kind", [every_trouble, one_ring])
async def test_a_run_killed_at_any_effect_is_ended_by_the_next(
    tmp_path: Path, survival: str, kind: Callable[[Path], Job]
) -> None:
    """P1, P2, P3, P5: at every point of a run with every trouble, and of one that parks a service."""
    job = await kind(tmp_path).written()
    for point in count(1):
        world = job.world()
        whole = await world.session(Plug(point), SURVIVALS[survival])
        assert await world.session(Plug(NEVER))
        job.holds(world)
        if whole:
            break
    assert point > 60


@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", [two_rows, one_ring])
async def test_a_resume_killed_at_any_effect_is_ended_by_the_next(
    tmp_path: Path, stride: int, kind: Callable[[Path], Job]
) -> None:
    """Points of the run with points of its resume: every seventh pair along the diagonals, or all."""
    job = await kind(tmp_path).written()
    survivals, whole, pairs = cycle(SURVIVALS.values()), False, 0
    for first in count(1):
        for second in count(1 + first % stride, stride):
            world, survival, pairs = job.world(), next(survivals), pairs + 1
            whole = await world.session(Plug(first), survival)
            resumed = await world.session(Plug(second), survival)
            assert await world.session(Plug(NEVER))
            job.holds(world)
            if resumed:
                break
        if whole:
            break
    assert pairs * stride > 2000


@pytest.mark.parametrize("kind", [two_rows, one_ring])
async def test_a_process_killed_again_and_again_at_the_same_point_gets_on_at_last(
    tmp_path: Path, kind: Callable[[Path], Job]
) -> None:
    """Kills cost no row its tries: after ten at each point the next run still ends as asked."""
    job = await kind(tmp_path).written()
    for point in range(1, 60, 2):
        world = job.world()
        for _ in range(10):
            await world.session(Plug(point))
        assert await world.session(Plug(NEVER))
        job.holds(world)


async def test_a_plan_killed_at_any_effect_is_whole_or_not_there(tmp_path: Path) -> None:
    """A name is given to complete plans only; planning again succeeds, whatever was left."""
    path = tmp_path / "run.ledger.jsonl"
    partial = partial_of(path)
    for point in count(1):
        partial.touch()
        plug = Plug(point)
        ledger = LedgerFile.create(path, now=FakeClock().now, disk=PluggedDisk(partial, plug))
        whole = await until_dead(write_plan(inline(ledger), [change(1), change(2)]), plug)
        os.close(ledger._fd)
        assert path.exists() == whole
        if whole:
            break
        async with LedgerFile.create(path, now=FakeClock().now, disk=FastDisk()) as ledger:
            await write_plan(ledger, [change(1), change(2)])
        assert fold(path).rows == 2
        path.unlink()
    assert point > 4
