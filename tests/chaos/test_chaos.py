"""Runs through workers whose hosts, networks and NATS die, freeze and come back, drawn from seeds."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.chaos.schedule import played

AT_A_TIME = 8


async def must_hold(seeds: Iterable[int], folder: Path, *, rows: int, latency_s: float) -> None:
    """Play some seeds, side by side as most of their time is waiting; nothing may be wrong with any."""
    room = asyncio.Semaphore(AT_A_TIME)

    async def one(seed: int) -> str:
        async with room:
            chaos = await played(seed, folder / str(seed), rows=rows, latency_s=latency_s)
        return "".join(f"\nseed {seed}, {chaos.events}: {problem}" for problem in chaos.problems)

    wrong = "".join(await asyncio.gather(*map(one, seeds)))
    assert not wrong, wrong


async def test_every_service_is_sent_one_put_whatever_dies_or_freezes(tmp_path: Path) -> None:
    """A few seeds: one PUT takes effect for each service, in its time, and the run ends with 0."""
    await must_hold((8, 9, 12), tmp_path, rows=20, latency_s=0.02)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("first", range(100, 200, 20))
async def test_every_service_is_sent_one_put_in_many_worlds(first: int, tmp_path: Path) -> None:
    """A hundred seeds, with 200 ms each way between everybody and NATS."""
    await must_hold(range(first, first + 20), tmp_path, rows=50, latency_s=0.2)
