"""The practice server: a simulator that lives exactly as long as the command that needs it."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import orjson
import pytest

from bulk.errors import CannotRun
from bulk.rehearsal.simulator_process import run_simulator
from tests.simulator_caller import line, service_id

WAIT_S = 30


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    """Return a first fleet of one service."""
    path = tmp_path / "seed.jsonl"
    path.write_bytes(orjson.dumps(line(1)) + b"\n")
    return path


def services(url: str) -> list[str]:
    """Return the ids that a simulator knows."""
    with urlopen(f"{url}/_simulator/fleet", timeout=WAIT_S) as reply:  # noqa: S310 - loopback
        return [one["id"] for one in orjson.loads(reply.read())["services"]]


def server_of(folder: Path) -> int:
    """Return the process that serves a fleet below a folder."""
    [found] = [
        path.parent.name
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if str(folder).encode() in path.read_bytes()
    ]
    return int(found)


def is_gone(url: str) -> bool:
    """Return whether nobody listens there any more."""
    try:
        services(url)
    except OSError:
        return True
    return False


async def test_it_begins_with_the_seed_and_keeps_its_own_fleet(seed: Path, tmp_path: Path) -> None:
    """The seed stays as it is; a fleet that is there already is gone on with."""
    fleet = tmp_path / "runs" / "fleet.jsonl"
    async with run_simulator(seed, fleet) as practice:
        assert services(practice.url) == [service_id(1)]
    fleet.write_bytes(orjson.dumps(line(2)) + b"\n")
    async with run_simulator(seed, fleet) as practice:
        assert services(practice.url) == [service_id(2)]
    assert is_gone(practice.url)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
async def test_it_is_understood_whatever_encoding_the_command_shows_its_result_in(
    encoding: str, seed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is meant for who reads the command; the server says its address to the command alone."""
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    async with run_simulator(seed, tmp_path / "fleet.jsonl") as practice:
        assert services(practice.url) == [service_id(1)]


async def test_each_run_gets_a_key_of_its_own_that_is_not_shown(seed: Path, tmp_path: Path) -> None:
    """Nor does the environment hand it on to other children."""
    keys = set()
    for _ in range(2):
        async with run_simulator(seed, tmp_path / "fleet.jsonl") as practice:
            keys |= {practice.ak, practice.sk}
            assert practice.sk not in repr(practice)
            assert practice.sk not in os.environ.values()
    assert len(keys) == 4


async def test_without_a_seed_it_cannot_run(tmp_path: Path) -> None:
    """The message names the file, the hint the setting."""
    with pytest.raises(CannotRun, match=r"nowhere\.jsonl: No such file") as told:
        async with run_simulator(tmp_path / "nowhere.jsonl", tmp_path / "fleet.jsonl"):
            raise AssertionError("it must not start")
    assert "job.toml" in told.value.hint


@pytest.mark.parametrize("seed", ["/dev/zero", "pipe"])
async def test_a_seed_that_never_ends_is_not_copied(seed: str, tmp_path: Path) -> None:
    """It would fill the disk, or be waited for; no fleet is left behind."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CannotRun, match="not a file"):
        async with run_simulator(tmp_path / seed, tmp_path / "runs" / "fleet.jsonl"):
            pass
    assert list((tmp_path / "runs").iterdir()) == []


async def test_a_fleet_that_cannot_be_used_is_told_in_the_simulators_words(tmp_path: Path) -> None:
    """The number of the bad line among them."""
    seed = tmp_path / "seed.jsonl"
    seed.write_text('{"id": "x"}\n')
    with pytest.raises(CannotRun, match=r"the simulator did not start: .*line 1"):
        async with run_simulator(seed, tmp_path / "fleet.jsonl"):
            raise AssertionError("it must not start")


async def test_one_fleet_has_one_server(seed: Path, tmp_path: Path) -> None:
    """A second run of the same demo is told who has it."""
    fleet = tmp_path / "fleet.jsonl"
    async with run_simulator(seed, fleet):
        with pytest.raises(CannotRun, match="another simulator uses this file"):
            async with run_simulator(seed, fleet):
                raise AssertionError("it must not start")


async def test_a_server_that_does_not_stop_by_itself_is_stopped(
    seed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leaving never hangs."""
    monkeypatch.setattr("bulk.rehearsal.children.STOP_S", 0.1)
    async with run_simulator(seed, tmp_path / "fleet.jsonl"):
        server = server_of(tmp_path)
        os.kill(server, signal.SIGSTOP)
    with pytest.raises(ProcessLookupError):
        os.kill(server, 0)


async def test_a_server_that_says_nothing_is_not_waited_for_for_ever(
    seed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told that there was no answer."""
    monkeypatch.setattr("bulk.rehearsal.simulator_process._START_S", 0.1)
    monkeypatch.setattr("bulk.rehearsal.simulator_process.STOP_S", 0.1)
    monkeypatch.setattr("bulk.rehearsal.children.STOP_S", 0.1)
    monkeypatch.setattr("bulk.rehearsal.simulator_process.sys.executable", _mute(tmp_path))
    with pytest.raises(CannotRun, match="the simulator did not start: no answer"):
        async with run_simulator(seed, tmp_path / "fleet.jsonl"):
            raise AssertionError("it must not start")


def _mute(folder: Path) -> str:
    """Return a program that waits and says nothing."""
    path = folder / "mute"
    path.write_text("#!/bin/sh\nexec sleep 600\n")
    path.chmod(0o700)
    return str(path)


def test_it_does_not_outlive_a_parent_that_was_killed(seed: Path, tmp_path: Path) -> None:
    """Its standard input closes with the parent, and that is its sign."""
    code = """
import asyncio, sys
from pathlib import Path
from bulk.rehearsal.simulator_process import run_simulator

async def main():
    async with run_simulator(Path(sys.argv[1]), Path(sys.argv[2])) as practice:
        print(practice.url, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""
    fleet = str(tmp_path / "fleet.jsonl")
    command = [sys.executable, "-c", code, str(seed), fleet]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        url = parent.stdout.readline().strip()
        assert services(url) == [service_id(1)]
        parent.kill()
    second = subprocess.run(
        [sys.executable, "-m", "bulk.simulator", "--stop-with-stdin", "--fleet", fleet],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=WAIT_S, check=False,
    )  # fmt: skip
    assert second.returncode == 0, f"the fleet file is still held: {second.stderr}"
