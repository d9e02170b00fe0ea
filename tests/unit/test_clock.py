"""The machine's clocks, timer and dice."""

import asyncio
import time

from bulk.clock import SystemClock, SystemDice


def test_the_clocks_are_the_machines() -> None:
    """Wall clock and monotonic clock lie between two looks at the machine's own."""
    clock = SystemClock()
    assert time.time() - 60 < clock.now() < time.time() + 60
    before = time.monotonic()
    assert before <= clock.monotonic() <= time.monotonic()


async def test_sleeping_for_no_time_returns() -> None:
    """A wait that is over ends."""
    await SystemClock().sleep(0)


async def test_a_sleeper_is_woken() -> None:
    """An event that is set ends a wait of an hour at once; one that is never set does not lengthen it."""
    wake = asyncio.Event()
    wake.set()
    await asyncio.wait_for(SystemClock().sleep(3600, wake=wake), 5)
    await SystemClock().sleep(0, wake=asyncio.Event())


async def test_a_timer_rings_unless_it_is_called_off() -> None:
    """The first rings, the second does not."""
    rung: asyncio.Queue[str] = asyncio.Queue()
    clock = SystemClock()
    clock.call_later(0, lambda: rung.put_nowait("off")).cancel()
    clock.call_later(0, lambda: rung.put_nowait("on"))
    assert await asyncio.wait_for(rung.get(), 5) == "on"
    assert rung.empty()


def test_dice_show_different_numbers_from_zero_to_one() -> None:
    """Jitter that were the same everywhere would be none."""
    dice = SystemDice()
    rolls = {dice.random() for _ in range(100)}
    assert len(rolls) > 90
    assert all(0 <= roll < 1 for roll in rolls)
