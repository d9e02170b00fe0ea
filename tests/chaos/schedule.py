"""What happens to a run through workers, drawn from a seed, and what must hold whatever happened."""

import asyncio
import random
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from bulk.errors import ExitCode
from bulk.settings import SEND_WITHIN_S
from bulk.simulator import Switches
from tests.chaos.rig import LOOK_S, Program, Rig, rig, services, until

SESSIONS_MAX = 12
QUIET_S = 12.0
"""After so long without a PUT the next thing happens."""
SLACK_S = 1.0
"""How long after its intent a PUT may reach the API beyond its time: commit, loop and machine are busy."""
KILLED, TOO_EARLY = -signal.SIGKILL, -signal.SIGTERM
"""The exit codes of who is killed, and of who ends before signals are heeded."""
ENDED_BY = {KILLED: signal.SIGKILL, TOO_EARLY: signal.SIGTERM, ExitCode.TERMINATED: signal.SIGTERM}
NOBODY_THERE = ("no worker serves", "cannot be used", "is gone")
FAST_S = 600.0
TROUBLES = {"throttle_429": 0.03, "reset": 0.03, "reset_after": 0.03, "error_504_0013_after": 0.03}


@dataclass(kw_only=True)
class Chaos:
    """One seed on its rig."""

    seed: int
    rig: Rig
    dice: random.Random
    codes: list[int] = field(default_factory=list)
    durations: list[float] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def _draw(self) -> list[tuple[int, float, str]]:
        """Return what happens, each after how many PUTs took effect, and how long after that."""
        kinds = [name.removeprefix("_happens_") for name in dir(self) if name.startswith("_happens_")]
        count = self.dice.randint(2, 6)
        return sorted(
            (self.dice.randint(-5, self.rig.rows), self.dice.uniform(0.0, 1.0), self.dice.choice(kinds))
            for _ in range(count)
        )

    async def play(self) -> None:
        """Let it happen beside sessions that are begun until one ends with 0, and judge."""
        for _ in range(self.dice.randint(1, 3)):
            await self.rig.worker(booted_s=self.dice.uniform(-1e5, 1e6))
        happening = asyncio.create_task(self._happens(self._draw()))
        try:
            await self._sessions(happening)
        finally:
            happening.cancel()
        await self.rig.calm()
        await self._judge()

    async def _happens(self, drawn: list[tuple[int, float, str]]) -> None:
        simulator = self.rig.simulator
        async with asyncio.TaskGroup() as group:
            for puts, wait_s, kind in drawn:
                with suppress(TimeoutError):  # such as where no worker is left
                    await until(lambda puts=puts: len(simulator.applied) >= puts, QUIET_S)
                await asyncio.sleep(wait_s)
                self.events.append(f"{len(simulator.applied)} {kind}")
                group.create_task(getattr(self, f"_happens_{kind}")())

    async def _sessions(self, happening: "asyncio.Task[None]") -> None:
        for number in range(SESSIONS_MAX):
            if number == SESSIONS_MAX - 3:
                await happening
            if happening.done():
                await self.rig.calm()
            ahead_s = self.dice.choice((0.0, 0.0, FAST_S, -FAST_S / 20)) if number else 0.0
            session, began = await self.rig.session(ahead_s=ahead_s), time.monotonic()
            code = await session.ended(120.0)
            self.codes.append(code)
            self.durations.append(round(time.monotonic() - began, 1))
            self._judge_session(session, code)
            if code == ExitCode.OK:
                return
        self.problems.append(f"{SESSIONS_MAX} sessions did not end the run")

    # What happens

    def _worker(self) -> Program | None:
        workers = self.rig.workers  # a second TERM would end a worker at once
        living = [each for each in workers if each.is_alive and signal.SIGTERM not in each.signals]
        return self.dice.choice(living) if living else None

    @property
    def _session(self) -> Program | None:
        return self.rig.sessions[-1] if self.rig.sessions else None

    async def _happens_worker_killed(self) -> None:
        if worker := self._worker():
            worker.send(signal.SIGKILL)
        await asyncio.sleep(self.dice.uniform(0.0, 4.0))
        await self.rig.worker(booted_s=self.dice.uniform(-1e5, 1e6), serves=False)

    async def _happens_worker_ended(self) -> None:
        if worker := self._worker():
            worker.send(signal.SIGTERM)
        await self.rig.worker(booted_s=self.dice.uniform(-1e5, 1e6), serves=False)

    async def _happens_worker_frozen(self) -> None:
        await self._frozen(self._worker())

    async def _happens_worker_frozen_to_the_end(self) -> None:
        if worker := self._worker():
            worker.send(signal.SIGSTOP)
        await self.rig.worker(booted_s=self.dice.uniform(-1e5, 1e6), serves=False)

    async def _happens_worker_cut(self) -> None:
        await self._cut(self._worker())

    async def _happens_worker_reset(self) -> None:
        if worker := self._worker():
            worker.network.reset()

    async def _happens_run_killed(self) -> None:
        if self._session:
            self._session.send(signal.SIGKILL)

    async def _happens_run_ended(self) -> None:
        if self._session:
            self._session.send(signal.SIGTERM)

    async def _happens_run_frozen(self) -> None:
        await self._frozen(self._session)

    async def _happens_run_cut(self) -> None:
        await self._cut(self._session)

    async def _happens_run_reset(self) -> None:
        if self._session:
            self._session.network.reset()

    async def _happens_nats_killed(self) -> None:
        await self.rig.kill_nats()
        await asyncio.sleep(self.dice.choice((0.2, 1.0, 4.0, 8.0)))
        if self.rig.nats and self.rig.nats.returncode is not None:
            await self.rig.start_nats()

    async def _happens_nats_frozen(self) -> None:
        if (nats := self.rig.nats) and nats.returncode is None:
            nats.send_signal(signal.SIGSTOP)
            await asyncio.sleep(self.dice.choice((1.0, 4.0, 8.0, 20.0)))
            if nats.returncode is None:
                nats.send_signal(signal.SIGCONT)

    async def _frozen(self, program: Program | None) -> None:
        if program:
            program.send(signal.SIGSTOP)
            await asyncio.sleep(self.dice.choice((0.5, 2.0, 4.0, 8.0)))
            program.send(signal.SIGCONT)

    async def _cut(self, program: Program | None) -> None:
        if program:
            program.network.cut()
            await asyncio.sleep(self.dice.choice((0.5, 2.0, 5.0, 20.0)))
            program.network.heal()

    # What must hold

    def _judge_session(self, session: Program, code: int) -> None:
        match code:
            case ExitCode.OK | ExitCode.STOPPED_EARLY | ExitCode.IN_DOUBT:
                fits = True
            case ExitCode.CANNOT_RUN:
                fits = any(why in session.said for why in NOBODY_THERE)
            case _:
                fits = ENDED_BY.get(code) in session.signals
        if not fits:
            self.problems.append(f"a session ended with {code}: {session.said[-600:]}")

    async def _judge(self) -> None:
        await asyncio.sleep(LOOK_S)
        await self.rig.retire()
        for worker in self.rig.workers:
            code = worker.process.returncode
            fits = code == (KILLED if signal.SIGKILL in worker.signals else ExitCode.OK)
            if not fits and not (" serves " not in worker.said and ENDED_BY.get(code or 0) in worker.signals):
                self.problems.append(f"{worker.log.name} ended with {code}: {worker.said[-600:]}")
        if (applied := self.rig.applied) != services(self.rig.rows):
            self.problems.append(f"PUTs in effect: {applied - services(self.rig.rows)} too many")
        code, said = await self.rig.command("audit", str(self.rig.ledger))
        if code:
            self.problems.append(f"audit: {said}")
        if any(outcome["outcome"] != "applied" for outcome in self.rig.records("outcome")):
            self.problems.append("a row ended otherwise than applied")
        for program in self.rig.programs:
            if (
                "Traceback" in program.said
                or "bug in bulk" in program.said
                or "never retrieved" in program.said
            ):
                self.problems.append(f"{program.log.name}: {program.said[-1500:]}")
        self.problems += self._late()

    def _late(self) -> list[str]:
        """Return what is wrong with the moments at which PUTs took effect."""
        sessions = self.rig.records("session")
        ahead = {session["n"]: self._ahead_s(session["host"]) for session in sessions}
        asked: dict[str, list[float]] = {}
        row_ids = {change["row"]: change["service_id"] for change in self.rig.records("change")}
        for intent in self.rig.records("intent"):
            ahead_s = next(ahead[n] for n in sorted(ahead, reverse=True) if n < intent["n"])
            at_s = datetime.fromisoformat(intent["at"]).timestamp() - ahead_s
            asked.setdefault(row_ids[intent["row"]], []).append(at_s)
        late = []
        for put in self.rig.simulator.applied:
            waits = [put.at_ms / 1000 - at_s for at_s in asked.get(put.id, ())]
            if not any(-0.1 <= wait_s <= SEND_WITHIN_S + SLACK_S for wait_s in waits):
                late.append(f"{put.id} took effect {waits} s after its intents")
        return late

    def _ahead_s(self, host: str) -> float:
        number = int(host.removeprefix("run"))
        return self.rig.sessions[number - 1].ahead_s


async def played(seed: int, folder: Path, *, rows: int, latency_s: float) -> Chaos:
    """Play one seed to its end and return what came of it; with every other one the API has troubles."""
    dice = random.Random(seed)
    api: dict[str, Any] = {"switches": Switches(latency_s=0.05, jitter_s=0.2)}
    if seed % 2:
        api["faults"] = {"seed": seed, "rates": TROUBLES, "for": "writes"}
    async with rig(folder, rows=rows, latency_s=latency_s, **api) as made:
        chaos = Chaos(seed=seed, rig=made, dice=dice)
        await chaos.play()
        return chaos
