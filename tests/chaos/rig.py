"""A run, its workers and NATS as real processes, with a network of its own for each, and the simulator."""

import asyncio
import os
import random
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from bulk.simulator import Simulator
from tests.scenarios.stage import Json, fleet_lines, wide
from tests.simulator_caller import PROJECT, service_id

WAIT_S = 60.0
LOOK_S = 0.02
_SETTINGS = re.compile("^(BULK|HC|HW|HUAWEICLOUD|OS)_|_PROXY$|^NO_COLOR$", re.IGNORECASE)
_ELSEWHERE = """
import socket, sys
from bulk.clock import SystemClock

host, version, *ahead = sys.argv[1:5]
for name, seconds in zip(("now", "boottime"), map(float, ahead)):
    def clock(self, read=getattr(SystemClock, name), seconds=seconds):
        return read(self) + seconds
    setattr(SystemClock, name, clock)
socket.gethostname = lambda: host
if version:
    import bulk.workers.serving
    bulk.workers.serving.__version__ = version
from bulk.cli.main import main
sys.exit(main(sys.argv[5:]))
"""
"""The command on a host with a name, a version and clocks of its own."""


class Network:
    """A TCP proxy to NATS with latency each way; while it is cut it holds what comes."""

    def __init__(self, rig: "Rig", latency_s: float, jitter_s: float = 0.0) -> None:
        self._rig = rig
        self.latency_s, self.jitter_s = latency_s, jitter_s
        self._whole = asyncio.Event()
        self._whole.set()
        self._writers = set[asyncio.StreamWriter]()
        self._tasks = set[asyncio.Task[None]]()
        self._dice = random.Random(0)

    async def open(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.url = f"nats://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def close(self) -> None:
        """End it with all its connections."""
        self._server.close()
        self.heal()
        self.reset()
        for task in self._tasks:
            task.cancel()

    def cut(self) -> None:
        """Let nothing through from now on; nobody is told."""
        self._whole.clear()

    def heal(self) -> None:
        """Let everything through, also what was written meanwhile, and by connections that were given up."""
        self._whole.set()

    def reset(self) -> None:
        """Break all connections."""
        for writer in self._writers:
            writer.transport.abort()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        await self._whole.wait()
        try:
            there = await asyncio.open_connection("127.0.0.1", self._rig.nats_port)
        except OSError:
            writer.transport.abort()
            return
        self._writers.add(there[1])
        self._spawn(self._carry(reader, there[1]))
        self._spawn(self._carry(there[0], writer))

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        self._spawn(self._deliver(way, writer))
        data, due_at = b"?", 0.0
        while data:
            try:
                data = await reader.read(65_536)
            except OSError:
                data = b""
            latency_s = self.latency_s + self._dice.random() * self.jitter_s
            due_at = max(due_at, time.monotonic() + latency_s)
            way.put_nowait((due_at, data))

    async def _deliver(self, way: "asyncio.Queue[tuple[float, bytes]]", writer: asyncio.StreamWriter) -> None:
        data = b"?"
        while data and not writer.is_closing():
            due_at, data = await way.get()
            await asyncio.sleep(max(due_at - time.monotonic(), 0.0))
            await self._whole.wait()
            with suppress(OSError):
                writer.write(data)
                await writer.drain()
        writer.close()
        self._writers.discard(writer)


@dataclass(kw_only=True, eq=False)
class Program:
    """A process of the rig."""

    process: asyncio.subprocess.Process
    log: Path
    network: Network
    ahead_s: float = 0.0
    """By how much its wall clock is fast."""
    signals: list[signal.Signals] = field(default_factory=list)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
            self.signals.append(number)

    @property
    def is_alive(self) -> bool:
        """Return whether it has not ended."""
        return self.process.returncode is None

    @property
    def said(self) -> str:
        """Return what it wrote."""
        return self.log.read_text()

    async def ended(self, wait_s: float = WAIT_S) -> int:
        """Return its exit code once it has ended."""
        async with asyncio.timeout(wait_s):
            return await self.process.wait()


@dataclass(kw_only=True)
class Rig:
    """The simulator, NATS, and what is started beside them."""

    folder: Path
    rows: int
    latency_s: float = 0.0
    jitter_s: float = 0.0
    simulator: Simulator
    nats: asyncio.subprocess.Process | None = None
    nats_port: int = 0
    workers: list[Program] = field(default_factory=list)
    sessions: list[Program] = field(default_factory=list)
    programs: list[Program] = field(default_factory=list)
    started: int = 0

    @property
    def _env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not _SETTINGS.search(name)}
        home = self.folder / "home"
        return kept | {"HOME": str(home), "XDG_STATE_HOME": str(home / "state"), "TZ": "UTC"}

    def job(self, rows: str = "", **settings: Any) -> None:
        """Write the job folder."""
        folder = self.folder / "job"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "services.csv").write_text(rows or wide(range(1, self.rows + 1)))
        facts = {"rows": "services.csv", "name": "job", "region": "cn-north-4", "project_id": PROJECT}
        facts |= {"rate": "20/s", "settle_s": 0.5, "total_timeout_s": 3, "read_timeout_s": 2} | settings
        lines = (f"{key} = {orjson.dumps(value).decode()}\n" for key, value in facts.items())
        (folder / "job.toml").write_text("".join(lines))

    async def start_nats(self) -> None:
        """Start a nats-server; all networks lead to it from now on."""
        ports = self.folder / f"ports-{time.monotonic_ns()}"
        ports.mkdir()
        config = ports / "nats.conf"
        config.write_text(f'listen: "127.0.0.1:-1"\nports_file_dir: "{ports}"\n')
        self.nats = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).parent / "nats-server"), "--config", str(config),
            stderr=asyncio.subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        await until(lambda: any(path.stat().st_size for path in ports.glob("*.ports")))
        (found,) = ports.glob("*.ports")
        self.nats_port = int(orjson.loads(found.read_bytes())["nats"][0].rpartition(":")[2])

    async def kill_nats(self) -> None:
        """Kill the nats-server."""
        if self.nats and self.nats.returncode is None:
            self.nats.kill()
            await self.nats.wait()

    async def network(self) -> Network:
        """Return a way to NATS of its own."""
        network = Network(self, self.latency_s, self.jitter_s)
        await network.open()
        return network

    async def worker(self, *, booted_s: float = 0.0, version: str = "", serves: bool = True) -> Program:
        """Start a worker on another host, which serves when this returns, unless it need not."""
        identity = self.simulator.identity
        keys = {"AK": identity.ak, "SK": identity.sk, "IAM_ENDPOINT": self.simulator.url}
        env = {f"HUAWEICLOUD_SDK_{name}": value for name, value in keys.items()}
        network = await self.network()
        argv = ("worker", "--connect", network.url, "--serve", "cn-north-4", "--endpoint", self.simulator.url)
        host = f"worker{len(self.workers) + 1}"
        program = await self._start(host, argv, network, env, booted_s=booted_s, version=version)
        self.workers.append(program)
        if serves:
            await until(lambda: " serves " in program.said or not program.is_alive)
        return program

    async def session(self, *more: str, back: bool = False, ahead_s: float = 0.0) -> Program:
        """Start a session of the run, or one that rolls it `back`, on a host whose clocks may be fast."""
        network = await self.network()
        verb = ("rollback", str(self.ledger), "--apply") if back else ("apply", str(self.folder / "job"))
        argv = (*verb, "--yes", "--via", network.url, *more)
        host = f"run{len(self.sessions) + 1}"
        program = await self._start(host, argv, network, {}, ahead_s=ahead_s, booted_s=ahead_s)
        self.sessions.append(program)
        return program

    async def command(self, *argv: str) -> tuple[int, str]:
        """Run a command that asks nobody; return its exit code and what it wrote."""
        program = await self._start("here", argv, await self.network(), {})
        return await program.ended(), program.said

    async def _start(
        self,
        host: str,
        argv: Sequence[str],
        network: Network,
        env: dict[str, str],
        *,
        ahead_s: float = 0.0,
        booted_s: float = 0.0,
        version: str = "",
    ) -> Program:
        self.started += 1
        log = self.folder / f"{self.started:02}-{host}.log"
        with log.open("w") as file:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", _ELSEWHERE, host, version, str(ahead_s), str(booted_s), *argv,
                stdin=asyncio.subprocess.DEVNULL, stdout=file, stderr=file,
                env=self._env | env, start_new_session=True,
            )  # fmt: skip
        program = Program(process=process, log=log, network=network, ahead_s=ahead_s)
        self.programs.append(program)
        return program

    async def calm(self) -> None:
        """Mend everything: networks, NATS, who is frozen; and see to it that a worker is there."""
        for program in self.programs:
            program.network.heal()
            program.send(signal.SIGCONT)
        if self.nats is None or self.nats.returncode is not None:
            await self.start_nats()
        else:
            self.nats.send_signal(signal.SIGCONT)
        if not any(worker.is_alive for worker in self.workers):
            await self.worker()

    async def retire(self) -> list[int]:
        """End all workers by TERM; return their exit codes."""
        living = [worker for worker in self.workers if worker.is_alive]
        for worker in living:
            if signal.SIGTERM not in worker.signals:  # the second would end it at once
                worker.send(signal.SIGTERM)
        return [await worker.ended() for worker in living]

    async def close(self) -> None:
        """Leave nothing behind."""
        for program in self.programs:
            program.send(signal.SIGCONT)
            if program.is_alive:
                program.process.kill()
            await program.process.wait()
            program.network.close()
        await self.kill_nats()

    @property
    def applied(self) -> Counter[str]:
        """Return how many PUTs took effect, by service."""
        return Counter(put.id for put in self.simulator.applied)

    @property
    def ledger(self) -> Path:
        """Return the latest ledger."""
        return max((self.folder / "job").glob("runs/*.ledger.jsonl"))

    def records(self, kind: str) -> list[Json]:
        """Return the whole records of a type in the latest ledger."""
        found = []
        for line in self.ledger.read_bytes().splitlines():
            with suppress(ValueError):  # the last line while it is written
                found.append(orjson.loads(line))
        return [record for record in found if record["type"] == kind]


@asynccontextmanager
async def rig(
    folder: Path, *, rows: int = 40, latency_s: float = 0.0, jitter_s: float = 0.0, **simulator: Any
) -> AsyncIterator[Rig]:
    """Open a rig: an API with `rows` services, a nats-server, and a job that changes each service."""
    facts = {"fleet": fleet_lines(rows), "projects": {"cn-north-4": PROJECT}} | simulator
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(Simulator(**facts))
        made = Rig(folder=folder, rows=rows, latency_s=latency_s, jitter_s=jitter_s, simulator=api)
        stack.push_async_callback(made.close)
        made.job()
        await made.start_nats()
        yield made


async def until(true: Any, wait_s: float = WAIT_S) -> None:
    """Return once something has become true; raise TimeoutError when it does not."""
    async with asyncio.timeout(wait_s):
        while not true():  # noqa: ASYNC110 - files and other processes set no event
            await asyncio.sleep(LOOK_S)


def services(rows: int) -> Counter[str]:
    """Return one PUT for each service."""
    return Counter(service_id(number) for number in range(1, rows + 1))
