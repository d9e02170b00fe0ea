"""What a person sees, before the yes and after it, of a run whose requests go through workers."""

import asyncio
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import orjson
import pytest

from bulk.errors import ExitCode
from bulk.workers.link import open_link
from bulk.workers.nats_login import NatsLogin
from tests.nats_servers import nats_server
from tests.scenarios.stage import Stage, wide

if TYPE_CHECKING:
    from pathlib import Path

THROUGH = "a worker on this machine (via = local)"


def test_plan_and_status_name_the_workers_in_words_and_in_json(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever says yes has seen through whom it goes; a run without workers says nothing of them.

    The nats-server is found beside the Python that runs, also where it is not on the path.
    """
    monkeypatch.setenv("PATH", str(stage.folder))
    stage.file("move.csv", wide([1, 2]))
    planned = stage.bulk("plan", "move.csv", "--via", "local", "--out", "move.plan")
    assert f"  Through    {THROUGH}\n" in planned.out
    plan = orjson.loads(stage.bulk("report", "move.plan", "--output", "json").out)
    assert (plan["via"], plan["workers"]) == ("local", [socket.gethostname()])
    for form in ("md", "html"):
        assert "through a worker on this machine" in stage.bulk("report", "move.plan", "--output", form).out
    assert stage.apply("move.plan").code == ExitCode.OK
    assert f"through {THROUGH}\n" in stage.bulk("status", "move.plan").out
    assert orjson.loads(stage.bulk("status", "move.plan", "--output", "json").out)["via"] == "local"
    here = orjson.loads(stage.bulk("plan", "move.csv", "--output", "json").out)
    assert (here["via"], here["workers"]) == (None, [])


def test_a_worker_that_sends_to_another_host_than_the_plan_is_for_is_refused(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host of the API is a setting of the worker, and a person has seen that of the plan."""
    stage.file("move.csv", wide([1, 2]))
    monkeypatch.delenv("BULK_ENDPOINT")
    monkeypatch.setenv("HUAWEICLOUD_SDK_REGION_VPCEP_CN_NORTH_4", stage.aside.simulator.url)
    assert stage.bulk("plan", "move.csv", "--via", "local", "--out", "move.plan").code == ExitCode.OK
    monkeypatch.setenv("HUAWEICLOUD_SDK_REGION_VPCEP_CN_NORTH_4", "http://127.0.0.1:9")
    refused = stage.apply("move.plan")
    assert (refused.code, stage.applied) == (ExitCode.REFUSED, [])
    assert (
        f"the worker on {socket.gethostname()} sends to 127.0.0.1:9, and the plan was made for" in refused.err
    )


@pytest.mark.parametrize(
    "words", [["plan", "move.csv", "--via", "local"], ["worker", "--connect", "nats://n:4222"]]
)
def test_without_the_extra_it_is_said_what_to_install(words: list[str], stage: Stage) -> None:
    """Whoever does without workers does without what they need."""
    stage.file("move.csv", wide([1]))
    without = "import sys; sys.modules['nats'] = None; from bulk.cli.main import main; sys.exit(main())"
    ended = subprocess.run(
        [sys.executable, "-c", without, *words], capture_output=True, text=True, check=False
    )
    assert ended.returncode == ExitCode.CANNOT_RUN
    assert "workers are reached with nats, which is not installed" in ended.stderr
    assert "pip install '.[workers]' in the clone" in ended.stderr


def test_where_no_nats_server_is_installed_it_is_said_what_to_do(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only `local` starts one."""
    stage.file("move.csv", wide([1]))
    monkeypatch.setattr("bulk.workers.local._PROGRAM", "nats-server-of-nobody")
    ended = stage.bulk("plan", "move.csv", "--via", "local")
    assert ended.code == ExitCode.CANNOT_RUN
    assert "pip install nats-server-of-nobody-bin; or name a NATS that is there" in ended.err


async def test_a_worker_that_cannot_reach_nats_says_so_and_goes_on(
    tmp_path: "Path", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else nobody would know what it waits for; it serves once NATS is there."""
    monkeypatch.setattr("bulk.workers.link.CONNECT_S", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    said: asyncio.Queue[str] = asyncio.Queue()

    async def serve() -> bool:
        url = f"nats://127.0.0.1:{port}"
        async with open_link(url, NatsLogin(), {}, is_run=False, note=said.put_nowait) as link:
            return link.is_up

    serving = asyncio.ensure_future(serve())
    assert f"NATS at nats://127.0.0.1:{port} cannot be used yet: " in await said.get()
    with nats_server(tmp_path / "nats", port=port):
        assert await serving
