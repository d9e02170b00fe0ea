"""What must hold where requests go through workers: each case by itself, with real processes."""

import asyncio
import signal
from pathlib import Path

import pytest

from bulk.errors import ExitCode
from bulk.simulator import Switches
from tests.chaos.rig import Program, Rig, rig, services, until
from tests.simulator_caller import line, mapping, service_id

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SLOW = Switches(latency_s=0.1)
NEIGHBOURS = [line(n, port_id=service_id(9), ports=[mapping(80, 100 + n)]) for n in (1, 2)]
SWAP = f"service_id,ports\n{service_id(1)},80:102\n{service_id(2)},80:101\n"


async def frozen_at_work(made: Rig, puts: int = 10) -> tuple[Program, Program]:
    """Return a worker, frozen in the middle of a session with PUTs in its buffer; and the session."""
    worker = await made.worker()
    session = await made.session()
    await until(lambda: len(made.simulator.applied) >= puts)
    worker.send(signal.SIGSTOP)
    intents = len(made.records("intent"))
    await until(lambda: len(made.records("intent")) > intents + 5)
    return worker, session


async def must_have_ended(made: Rig, session: Program, code: int = ExitCode.OK) -> None:
    """Check that a session ended so, and that each service was sent one PUT and no other."""
    assert await session.ended() == code, session.said
    assert made.applied == services(made.rows)
    ended, said = await made.command("audit", str(made.ledger))
    assert ended == ExitCode.OK, said


def tally(worker: Program) -> tuple[int, int]:
    """Return how many requests a worker sent, and how many came too late."""
    words = worker.said.splitlines()[-1].split()
    return int(words[2]), int(words[5])


async def test_what_waits_in_a_frozen_worker_is_not_sent_when_it_thaws(tmp_path: Path) -> None:
    """Another worker takes over; the frozen one finds all that it holds too late."""
    async with rig(tmp_path, rows=40, switches=SLOW) as made:
        frozen, session = await frozen_at_work(made)
        await made.worker()
        await must_have_ended(made, session)
        frozen.send(signal.SIGCONT)
        await made.retire()
        assert tally(frozen)[1], "it held none"
        await must_have_ended(made, session)


async def test_a_killed_worker_costs_no_put_twice(tmp_path: Path) -> None:
    """What it had in its buffer is gone with it, what it had sent is found by reading."""
    async with rig(tmp_path, rows=40, switches=SLOW) as made:
        frozen, session = await frozen_at_work(made)
        frozen.send(signal.SIGKILL)
        await made.worker()
        await must_have_ended(made, session)
        assert not [end for end in made.records("outcome") if end["outcome"] != "applied"]


async def test_a_run_is_resumed_from_a_fast_host_while_a_frozen_worker_holds_puts(tmp_path: Path) -> None:
    """The time that a PUT may still be on its way is waited whole, whatever the clock of the host says."""
    async with rig(tmp_path, rows=40, switches=SLOW) as made:
        frozen, killed = await frozen_at_work(made)
        killed.send(signal.SIGKILL)
        await made.worker()
        session = await made.session(ahead_s=600.0)
        await asyncio.sleep(1.0)
        frozen.send(signal.SIGCONT)
        await must_have_ended(made, session)
        await made.retire()
        await must_have_ended(made, session)


async def nats_gone(made: Rig, seconds: float) -> Program:
    """Return a session in the middle of which NATS was killed, and began anew so much later."""
    await made.worker()
    session = await made.session()
    await until(lambda: len(made.simulator.applied) >= 10)
    await made.kill_nats()
    await asyncio.sleep(seconds)
    await made.start_nats()
    return session


async def test_a_short_loss_of_nats_is_waited_for(tmp_path: Path) -> None:
    """The answers to what was in flight are asked for again, and the run ends as if nothing had been."""
    async with rig(tmp_path, rows=40, switches=SLOW) as made:
        session = await nats_gone(made, 4.0)
        await must_have_ended(made, session)
        assert not [attempt for attempt in made.records("attempt") if attempt["verdict"] == "doubt"]


async def test_a_long_loss_of_nats_ends_the_session_and_the_next_ends_the_run(tmp_path: Path) -> None:
    """With 5, after half a minute; no row has failed for it."""
    async with rig(tmp_path, rows=40, switches=SLOW) as made:
        session = await nats_gone(made, 60.0)
        assert await session.ended(1.0) == ExitCode.STOPPED_EARLY, session.said
        held = [note["held"] for note in made.records("note") if note.get("held")]
        assert any(
            each["hold"] == "worker" and each["detail"].startswith("cn-north-4 (NATS: ") for each in held
        )
        await must_have_ended(made, await made.session())


async def test_a_nats_that_comes_and_goes_keeps_no_session(tmp_path: Path) -> None:
    """It is lost for good while the answers of a worker that has not come back are asked for again."""
    async with rig(tmp_path, rows=40, switches=SLOW) as made:
        worker = await made.worker()
        session = await made.session()
        await until(lambda: len(made.simulator.applied) >= 10)
        worker.network.cut()
        await made.kill_nats()
        await made.start_nats()
        await until(lambda: any("again" in note["message"] for note in made.records("note")))
        await asyncio.sleep(1.0)
        await made.kill_nats()
        assert await session.ended() in {ExitCode.STOPPED_EARLY, ExitCode.IN_DOUBT}, session.said
        await made.calm()
        await must_have_ended(made, await made.session())


@pytest.mark.parametrize("puts", [1, 2])
async def test_a_parking_that_was_rolled_back_is_not_touched_by_a_worker_that_thaws(
    puts: int, tmp_path: Path
) -> None:
    """Frozen between a parking PUT and its last, thawed after another worker ended it and took it back."""
    async with rig(tmp_path, fleet=NEIGHBOURS, switches=Switches(latency_s=0.4)) as made:
        made.job(SWAP, allow_parking=True)
        frozen = await made.worker()
        killed = await made.session()
        await until(lambda: len(made.simulator.applied) >= puts)
        frozen.send(signal.SIGSTOP)
        await asyncio.sleep(1.0)
        killed.send(signal.SIGKILL)
        await made.worker()
        for back in (False, True):
            session = await made.session(back=back)
            assert await session.ended() == ExitCode.OK, session.said
        sent = len(made.simulator.applied)
        frozen.send(signal.SIGCONT)
        await made.retire()
        assert len(made.simulator.applied) == sent, frozen.said


async def test_workers_of_another_version_are_asked_for_nothing(tmp_path: Path) -> None:
    """7 where there is no other; one of this version beside them is taken."""
    async with rig(tmp_path, rows=5) as made:
        other = await made.worker(version="0.0.1")
        session = await made.session()
        assert await session.ended() == ExitCode.REFUSED, session.said
        assert "is bulk 0.0.1, and this is" in session.said
        await made.worker()
        await must_have_ended(made, await made.session())
        await made.retire()
        assert tally(other) == (0, 0)


async def test_two_runs_of_one_job_are_kept_apart(tmp_path: Path) -> None:
    """The second ends with 8 while the first is at work."""
    async with rig(tmp_path, rows=10) as made:
        made.job(rate="1/s")
        await made.worker()
        session = await made.session()
        await until(lambda: made.simulator.applied)
        second = await made.session()
        assert await second.ended() == ExitCode.BUSY, second.said
        await must_have_ended(made, session)


async def test_a_worker_that_is_cut_off_is_replaced_and_what_comes_of_it_later_is_late(
    tmp_path: Path,
) -> None:
    """It lives, and its connection is not broken: what it is sent waits on the way until the way is whole."""
    async with rig(tmp_path, rows=40, latency_s=0.2, switches=SLOW) as made:
        cut = await made.worker()
        session = await made.session()
        await until(lambda: len(made.simulator.applied) >= 10)
        cut.network.cut()
        await made.worker()
        await must_have_ended(made, session)
        cut.network.heal()
        await made.retire()
        await must_have_ended(made, session)


async def test_a_worker_that_drains_leaves_no_doubt(tmp_path: Path) -> None:
    """What it was asked for is answered; what is asked from then on goes to another one."""
    async with rig(tmp_path, rows=60, latency_s=0.05, switches=Switches(latency_s=0.5)) as made:
        first = await made.worker()
        session = await made.session()
        await made.worker()
        await until(lambda: len(made.simulator.applied) >= 10)
        first.send(signal.SIGTERM)
        await must_have_ended(made, session)
        assert not [attempt for attempt in made.records("attempt") if attempt["verdict"] == "doubt"]


async def test_who_is_ended_while_nats_is_away_ends_as_ever(tmp_path: Path) -> None:
    """A worker with 0, a session with 143 and what to do next; neither with a traceback."""
    async with rig(tmp_path, rows=40, switches=Switches(latency_s=0.5)) as made:
        worker = await made.worker()
        session = await made.session()
        await until(lambda: len(made.simulator.applied) >= 10)
        await made.kill_nats()
        for program in (worker, session):
            program.send(signal.SIGTERM)
        codes = await worker.ended(), await session.ended()
        assert codes == (0, ExitCode.TERMINATED)
        await made.calm()
        await must_have_ended(made, await made.session())
