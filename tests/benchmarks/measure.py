"""Children started, measured and stopped: what each took of the clock, the processor and the memory."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any
from urllib.request import ProxyHandler, build_opener

import orjson

from tests.benchmarks.fleet import AK, REGION, SK

ROOT = Path(__file__).parents[2]
CHILD_S_MAX = 1800.0
"""No child runs longer; those of the default run take seconds."""
_STEERS = ("BULK_", "HW_", "HUAWEICLOUD_")
_OPENER = build_opener(ProxyHandler({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What one child took."""

    began_at: float
    """Monotonic seconds."""
    wall_s: float
    cpu_s: float
    """User and system time, of its own children too."""
    rss_bytes_max: int
    code: int
    said: str


class ChildFailed(Exception):
    """A child ended otherwise than it should; the message has its last words."""


def environment(home: Path) -> dict[str, str]:
    """Return the environment of every child: no settings, an empty home, keys that the server ignores."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_STEERS)}
    keys = {"HUAWEICLOUD_SDK_AK": AK, "HUAWEICLOUD_SDK_SK": SK, "BULK_REGION": REGION}
    return kept | keys | {"HOME": str(home), "XDG_STATE_HOME": str(home / "state"), "PYTHONPATH": str(ROOT)}


def starved_s(pid: int) -> float:
    """Return how long a process was ready to run and got no core; 0 where nobody counts that."""
    counts = Path(f"/proc/{pid}/schedstat")
    return int(counts.read_text().split()[1]) / 1e9 if counts.exists() else 0.0


def python(*argv: str) -> list[str]:
    """Return the command that runs a module with this interpreter."""
    return [sys.executable, "-m", *argv]


def spend(argv: Sequence[str], *, home: Path) -> Spent:
    """Run a child to its end and give what it took; raise ChildFailed unless it ends with 0."""
    with TemporaryFile() as said, start(argv, home=home, out=said) as child:
        spent = child.wait(said)
    if spent.code:
        raise ChildFailed(f"{' '.join(argv)} ended with {spent.code}: {spent.said[-2000:]}")
    return spent


class Child:
    """One child at work."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self.began_at = time.monotonic()

    def wait(self, said: IO[bytes]) -> Spent:
        """Return once it has ended, which it must within `CHILD_S_MAX`."""
        with _alarm(self.process):
            _, status, usage = os.wait4(self.process.pid, 0)
        wall_s = time.monotonic() - self.began_at
        self.process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        return Spent(
            began_at=self.began_at,
            wall_s=wall_s,
            cpu_s=usage.ru_utime + usage.ru_stime,
            rss_bytes_max=usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
            code=self.process.returncode,
            said=said.read().decode(errors="replace"),
        )


@contextmanager
def start(argv: Sequence[str], *, home: Path, out: IO[bytes]) -> Iterator[Child]:
    """Start a child, all words to `out`; it is killed if it still runs at the end of the block."""
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=subprocess.STDOUT,
        env=environment(home),
        cwd=home,
    )
    try:
        yield Child(process)
    finally:
        if process.returncode is None and process.poll() is None:
            process.kill()
            process.wait()


@contextmanager
def _alarm(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, lambda *_: process.kill())
    signal.setitimer(signal.ITIMER_REAL, CHILD_S_MAX)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server of the benchmarks, at work."""

    url: str
    pid: int

    def reset(self) -> None:
        """Take the fleet back to the start, and count from nothing."""
        self._ask("/reset")
        self.counts()

    def counts(self) -> dict[str, Any]:
        """Return what it did, and the CPU seconds it took, since it was last asked."""
        return self._ask("/counts")

    def _ask(self, path: str) -> dict[str, Any]:
        with _OPENER.open(self.url + path, timeout=60) as reply:
            counts: dict[str, Any] = orjson.loads(reply.read())
        return counts


@contextmanager
def serving(argv: Sequence[str], *, home: Path, env: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Start a server that prints its URL first and ends with its standard input."""
    everything = environment(home) | dict(env or {})
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=everything, cwd=home)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Server(url=process.stdout.readline().decode().strip(), pid=process.pid)
    finally:
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
