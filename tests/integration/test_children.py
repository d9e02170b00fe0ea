"""What is kept from children of ours, and from whoever looks into our memory."""

import asyncio
import ctypes
import os
import resource
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from bulk.cli import running
from bulk.rehearsal.children import bare
from bulk.rehearsal.simulator_process import run_simulator
from tests.simulator_caller import line

SECRETS = {
    "HUAWEICLOUD_SDK_SK": "hidden",
    "HW_USER_PASSWORD": "hidden",
    "HTTPS_PROXY": "http://user:hidden@proxy",
    "AWS_SECRET_ACCESS_KEY": "hidden",
    "OS_PASSWORD": "hidden",
    "BULK_ENDPOINT": "https://hidden.example",
    "ANYTHING": "hidden",
}


def environment_of(pid: int) -> bytes:
    """Return the environment with which a process began."""
    return Path(f"/proc/{pid}/environ").read_bytes()


def environments_of_children() -> list[bytes]:
    """Return those of all processes that this one has started."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [environment_of(int(pid)) for pid in children]


@pytest.fixture
def _with_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


def test_a_child_gets_what_any_program_needs_and_nothing_else() -> None:
    """Names that are not known to be harmless are left out."""
    harmless = {"PATH": "/bin", "HOME": "/root", "LANG": "C", "LC_ALL": "C", "TZ": "UTC", "PYTHONPATH": "."}
    assert bare({**harmless, **SECRETS}) == harmless


@pytest.mark.usefixtures("_with_secrets")
async def test_the_simulator_of_a_command_has_its_own_key_and_no_other(tmp_path: Path) -> None:
    """Neither keys nor a proxy's password are in the environment of its process."""
    seed = tmp_path / "seed.jsonl"
    seed.write_bytes(orjson.dumps(line(1)) + b"\n")
    async with run_simulator(seed, tmp_path / "fleet.jsonl") as practice:
        environments = environments_of_children()
    assert any(practice.sk.encode() in environment for environment in environments)
    assert not any(b"hidden" in environment for environment in environments)


@pytest.mark.usefixtures("_with_secrets")
def test_the_simulator_as_a_verb_keeps_the_key_that_is_meant_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It needs none of the others."""
    monkeypatch.setenv("BULK_SIMULATOR_AK", "MINE")
    with subprocess.Popen(
        [sys.executable, "-m", "bulk", "simulator"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline().startswith(b"http://")
            environment = environment_of(process.pid)
        finally:
            process.terminate()
    assert b"BULK_SIMULATOR_AK=MINE" in environment
    assert b"hidden" not in environment


def test_a_use_case_leaves_no_core_file_and_lets_nobody_look_into_its_memory() -> None:
    """Its memory has keys: no core file, no handler of core files, no debugger of the same user."""

    async def state() -> tuple[object, int]:
        await asyncio.sleep(0)
        return resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)

    assert running.run(state()) == ((0, 0), 0 if sys.platform == "linux" else -1)
