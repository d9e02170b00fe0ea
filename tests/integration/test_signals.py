"""INT and TERM as calls, and nothing of it left behind."""

import asyncio
import os
import signal
from itertools import pairwise

import pytest

from bulk.app.signals import heeding, raising_signals, shown_at_usr1, stop_signals
from bulk.cli.running import run
from bulk.errors import Interrupted


async def arrived(seen: list[signal.Signals], count: int) -> None:
    """Let the loop turn until so many calls have come."""
    while len(seen) < count:  # noqa: ASYNC110 - the calls come from outside the loop
        await asyncio.sleep(0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_first_signal_is_a_call_and_the_work_goes_on(number: signal.Signals) -> None:
    """It says which one; the block is not disturbed."""
    seen: list[signal.Signals] = []
    with stop_signals(seen.append):
        os.kill(os.getpid(), number)
        await arrived(seen, 1)
    assert seen == [number]


async def test_the_second_signal_cancels_the_work() -> None:
    """Whatever the first was; it is not called again."""
    seen: list[signal.Signals] = []

    async def work() -> None:
        with stop_signals(seen.append):
            os.kill(os.getpid(), signal.SIGTERM)
            await arrived(seen, 1)
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(work())
    assert seen == [signal.SIGTERM]


async def test_what_was_installed_before_is_in_force_again() -> None:
    """Also where the block ends in an error."""
    caught = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, handler) for number, handler in zip(caught, (_one, _two), strict=True)]
    try:
        with pytest.raises(KeyError), stop_signals(lambda _: None):
            raise KeyError
        assert [signal.getsignal(number) for number in caught] == [_one, _two]
    finally:
        for number, handler in zip(caught, before, strict=True):
            signal.signal(number, handler)


async def test_one_block_after_another_counts_anew() -> None:
    """The first signal of the second block is a first one."""
    blocks: list[list[signal.Signals]] = [[], []]
    for seen in blocks:
        with stop_signals(seen.append):
            os.kill(os.getpid(), signal.SIGINT)
            await arrived(seen, 1)
    assert all(one == other == [signal.SIGINT] for one, other in pairwise(blocks))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_signal_outside_a_session_ends_the_command(number: signal.Signals, code: int) -> None:
    """What the command holds is cleaned up first."""
    cleaned_up = asyncio.Event()

    async def command() -> None:
        try:
            os.kill(os.getpid(), number)
            await asyncio.Event().wait()
        finally:
            cleaned_up.set()

    with pytest.raises(Interrupted) as caught:
        await asyncio.create_task(heeding(command()))
    assert caught.value.exit_code == code
    assert cleaned_up.is_set()


async def test_within_a_command_a_session_is_asked_first() -> None:
    """After the session the next signal ends the command again."""
    seen: list[signal.Signals] = []

    async def command() -> None:
        with stop_signals(seen.append):
            os.kill(os.getpid(), signal.SIGINT)
            await arrived(seen, 1)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

    with pytest.raises(Interrupted, match="SIGTERM"):
        await asyncio.create_task(heeding(command()))
    assert seen == [signal.SIGINT]


async def test_a_cancelled_command_was_not_interrupted() -> None:
    """Only a signal is called one."""

    async def command() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(heeding(command()))


def test_a_cancelled_use_case_ends_as_an_interrupt_does() -> None:
    """The command line, which loads no event loop, knows KeyboardInterrupt and ends without a traceback."""

    async def use_case() -> None:
        raise asyncio.CancelledError

    with pytest.raises(KeyboardInterrupt):
        run(use_case())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_what_waits_outside_the_loop(number: signal.Signals) -> None:
    """As a question at a terminal does; afterwards the loop hears them again."""
    before = signal.getsignal(number)
    with (
        pytest.raises(Interrupted, match=r"^SIG[A-Z]+: nothing was sent$"),
        raising_signals("nothing was sent"),
    ):
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) == before


def _one(*_: object) -> None:
    """Stand for a handler."""


def _two(*_: object) -> None:
    """Stand for another."""


async def test_usr1_ends_nothing_and_is_a_call_within_a_block() -> None:
    """In all of a command; what was installed before is in force again behind it."""
    seen: list[int] = []

    async def work() -> str:
        os.kill(os.getpid(), signal.SIGUSR1)
        await asyncio.sleep(0.01)
        with shown_at_usr1(lambda: seen.append(1)):
            os.kill(os.getpid(), signal.SIGUSR1)
            while not seen:  # noqa: ASYNC110 - the call comes from outside the loop
                await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGUSR1)
        await asyncio.sleep(0.01)
        return "done"

    before = signal.getsignal(signal.SIGUSR1)
    assert await heeding(work()) == "done"
    assert seen == [1]
    assert signal.getsignal(signal.SIGUSR1) == before
    with shown_at_usr1(lambda: seen.append(2)):  # outside a command nothing is installed
        assert signal.getsignal(signal.SIGUSR1) == before
