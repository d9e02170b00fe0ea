"""The section on workers of jobs/README.md: its files as they stand, tried on real servers."""

import asyncio
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kubernetes_validate
import nats
import pytest
import yaml

from bulk.cli.main import main
from bulk.errors import ExitCode
from bulk.operations.unit_files import PERSON
from bulk.settings import SEND_WITHIN_S, PaceSettings
from bulk.workers.messages import FRAMES_MAX
from bulk.workers.nats_login import nats_login
from tests.documents import JOBS, file_block
from tests.nats_servers import PROGRAM, nats_server
from tests.scenarios.stage import WAIT_S, Stage, wide
from tests.simulator_caller import service_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from nats.aio.client import Client

SYSTEMD = shutil.which("systemd-analyze") or ""
HASHES = {
    "worker": "$2b$04$wOpwisAK9r9qfjaFHeURF.aCJq6Tbsag0vwfYz7TrKR.F4IedTjvS",
    "planner": "$2y$04$PV4jwlNUf/rNrQPEZjVBYuIIMnab88NhZS9xzPEkhDTPy6sEhWvRq",
    "run": "$2a$04$gdMaLxf/cIQvKM9wWuXZsOUPbxSmxlu2LNEbsPgWUoKCXbxGe9AMG",
    "leaf": "$2b$04$TPwmu6N1tq3Ml4OnKejx.evzvFokdKBWrumK/ioy1sH8gYmjxL/fy",
}
"""The first letter of each name is its password; each form is one that a tool of the page writes."""
REGION = "cn-north-4"
HELLO, READ, WRITE = (f"bulk.1.{REGION}.%.{end}" for end in ("hello", "w.read", "w.write"))


def hashed(text: str) -> str:
    """Return a configuration of the page in which the users have passwords."""
    for user, hash_ in HASHES.items():
        text = text.replace(f'user: {user}, password: "$2b$11$…"', f'user: {user}, password: "{hash_}"')
    assert "…" not in text
    return text.replace("eu-west-101", REGION)


def served(text: str, folder: Path) -> str:
    """Return a configuration whose files are in a folder, and whose ports are free ones."""
    named = re.sub(r'_file: "([^"]+)"', rf'_file: "{folder}/\1"', text)
    return re.sub(r"^listen: .*$", "", named, flags=re.MULTILINE).replace("0.0.0.0:7422", "127.0.0.1:-1")


@dataclass(frozen=True)
class Network:
    """The two servers of the page: where they listen, and the folder with certificates and credentials."""

    hub: str
    leaf: str
    folder: Path

    @asynccontextmanager
    async def client(self, user: str, url: str = "") -> "AsyncIterator[tuple[Client, list[str]]]":
        """Yield a connection of a user of the page, and what NATS has refused it so far."""
        refused: list[str] = []

        async def note(error: Exception) -> None:
            refused.append(str(error).removeprefix("nats: "))

        tls = ssl.create_default_context(cafile=self.folder / "ca.pem")
        tls.load_cert_chain(self.folder / "client.pem", self.folder / "client-key.pem")
        login: dict[str, Any] = {"user": user, "password": user[0], "inbox_prefix": f"_INBOX.{user}"}
        if (url or self.hub) == self.hub:
            login["tls"] = tls
        client = await nats.connect(url or self.hub, error_cb=note, **login)
        try:
            yield client, refused
        finally:
            await client.close()


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """Yield the servers of the page at work, with the certificates of its script."""
    folder = tmp_path_factory.mktemp("nats")
    script = file_block("certificates.sh").replace("nats.example.com", "localhost")
    made = subprocess.run(["/bin/sh", "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    for user in ("run", "planner", "worker"):
        text = file_block("run.toml").replace('"run"', f'"{user}"').replace('"…"', f'"{user[0]}"')
        (folder / f"{user}.toml").write_text(text)
        (folder / f"{user}.toml").chmod(0o600)
    (folder / "leaf-worker.toml").write_text('user = "worker"\npassword = "w"\n')
    (folder / "leaf-worker.toml").chmod(0o600)
    with _servers(folder) as (hub, leaf):
        yield Network(hub.replace("nats://127.0.0.1", "tls://localhost"), leaf, folder)


@contextmanager
def _servers(folder: Path) -> Iterator[tuple[str, str]]:
    more = f'{file_block("leaf-user.conf")}{{ user: all, password: a, permissions: {{ subscribe: ">" }} }}\n'
    users = file_block("nats.conf").replace("users: [\n", f"users: [\n{more}")
    with nats_server(folder / "hub", served(hashed(users) + file_block("hub.conf"), folder)) as hub:
        log = (folder / "hub" / "nats.log").read_text()
        [port] = re.findall(r"Listening for leafnode connections on \S+:(\d+)", log)
        leaf_conf = (
            file_block("leaf.conf")
            .replace("PASSWORD", "l")
            .replace("nats.example.com:7422", f"localhost:{port}")
        )
        with nats_server(folder / "leaf", served(hashed(leaf_conf), folder)) as leaf:
            yield hub, leaf


def test_each_configuration_is_one_that_the_server_takes(network: Network, tmp_path: Path) -> None:
    """As it stands, but for the passwords and where the certificates are."""
    for name in ("nats.conf", "leaf.conf"):
        text = re.sub(r'_file: "([^"]+)"', rf'_file: "{network.folder}/\1"', hashed(file_block(name)))
        (tmp_path / name).write_text(text)
        said = subprocess.run(
            [PROGRAM, "-t", "-c", tmp_path / name], capture_output=True, text=True, check=False
        )
        assert (said.returncode, "is valid" in said.stderr) == (0, True), said


async def test_each_user_may_do_what_it_is_for_and_nothing_else(network: Network) -> None:
    """A worker hears and answers; a planner asks and cannot write; nobody hears the answers of others."""
    inboxes = ["_INBOX.run.x", "_INBOX.planner.x", "_INBOX.worker.x", ">"]
    for user, asks, hears in (
        ("worker", [], [HELLO, READ, WRITE]),
        ("planner", [HELLO, READ], ["_INBOX.planner.x"]),
        ("run", [HELLO, READ, WRITE], ["_INBOX.run.x"]),
    ):
        async with network.client(user) as (client, refused):
            for subject in (HELLO, READ, WRITE, "_INBOX.run.x", "other"):
                await client.publish(subject, b"")
            for subject in (HELLO, READ, WRITE, *inboxes):
                await client.subscribe(subject)
            await client.flush()
            await client.flush()
        tried = {("publish", each) for each in (HELLO, READ, WRITE, "_INBOX.run.x", "other")}
        tried |= {("subscription", each) for each in (HELLO, READ, WRITE, *inboxes)}
        may = {("publish", each) for each in asks} | {("subscription", each) for each in hears}
        denied = [re.findall(r'(publish|subscription) to "([^"]*)"', each) for each in refused]
        assert {found for [found] in denied} == {(does, what.lower()) for does, what in tried - may}, user


async def test_an_answer_of_the_most_parts_comes_through_both_servers(network: Network) -> None:
    """From a worker at the leaf to a run at the hub; of another region nothing is heard at the leaf."""
    async with network.client("worker", network.leaf) as (worker, _), network.client("run") as (run, _):

        async def answer(message: Any) -> None:
            for _ in range(FRAMES_MAX):
                await worker.publish(message.reply, b"part")

        other = HELLO.replace(REGION, "cn-east-3")
        for subject in (HELLO, other):
            await worker.subscribe(subject, cb=answer)
        await worker.flush()
        await worker.flush()
        inbox = await run.subscribe("_INBOX.run.answer")
        while (first := await _asked(run, HELLO, inbox)) != b"part":  # the leaf has not passed it on yet
            assert first == b""
        for _ in range(FRAMES_MAX - 1):
            assert (await inbox.next_msg(WAIT_S)).data == b"part"
        assert await _asked(run, other, inbox) == b""


async def _asked(run: "Client", subject: str, inbox: Any) -> bytes:
    """Return the first part of an answer; nothing where the server says that nobody hears it."""
    await run.publish(subject, b"", reply="_INBOX.run.answer")
    data: bytes = (await inbox.next_msg(WAIT_S)).data
    return data


def test_who_has_no_right_to_write_plans_and_ends_before_the_first_put(
    network: Network, stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """By a worker at the leaf, with its keys; who plans and who applies is at the hub, without any."""
    stage.file("job/move.csv", wide([1, 2, 3]))
    endpoint = stage.aside.simulator.url
    with worker_of(stage, monkeypatch, network, "--endpoint", endpoint):
        for name in (
            "HUAWEICLOUD_SDK_AK",
            "HUAWEICLOUD_SDK_SK",
            "HUAWEICLOUD_SDK_IAM_ENDPOINT",
            "BULK_ENDPOINT",
        ):
            monkeypatch.delenv(name)
        monkeypatch.setenv("BULK_VIA", network.hub)
        monkeypatch.setenv("BULK_NATS_CREDENTIALS", str(network.folder / "planner.toml"))
        planned = stage.bulk("plan", "job/move.csv", "--out", "move.plan")
        assert planned.code == ExitCode.OK, planned.err
        assert f"over {network.hub}" in " ".join(planned.out.split())
        refused = stage.apply("move.plan")
        assert (refused.code, stage.applied) == (ExitCode.CANNOT_RUN, [])
        assert "NATS does not let this user publish to bulk.1.cn-north-4.%." in refused.err
        monkeypatch.setenv("BULK_NATS_CREDENTIALS", str(network.folder / "run.toml"))
        applied = stage.apply("move.plan")
        assert (applied.code, len(stage.applied)) == (ExitCode.OK, 3), applied.err
    assert not caplog.text


def test_nothing_that_signs_is_on_the_wire(
    network: Network, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever hears everything hears requests, replies and the end of the key, and nothing to sign with."""
    stage.file("job/move.csv", wide([1, 2, 3]))
    secret, key = (os.environ[f"HUAWEICLOUD_SDK_{name}"] for name in ("SK", "AK"))
    with worker_of(stage, monkeypatch, network, "--endpoint", stage.aside.simulator.url):
        monkeypatch.delenv("BULK_ENDPOINT")
        monkeypatch.setenv("BULK_NATS_CREDENTIALS", str(network.folder / "run.toml"))
        with overheard(network) as heard:
            applied = stage.apply("job/move.csv", "--via", network.hub)
        assert (applied.code, len(stage.applied)) == (ExitCode.OK, 3), applied.err
    whole = b"\n".join(heard)
    assert key[-4:].encode() in whole
    for service in (1, 2, 3):
        assert service_id(service).encode() in whole
    for word in (secret, key, "Authorization", "Signature", "X-Sdk-Date", "X-Auth-Token"):
        assert word.lower().encode() not in whole.lower()


@contextmanager
def overheard(network: Network) -> Iterator[list[bytes]]:
    """Yield what is said on any subject while the block runs, by somebody on a loop in another thread."""
    heard: list[bytes] = []
    ready, over = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def listen() -> None:
        async with network.client("all") as (client, _):

            async def hear(message: Any) -> None:
                heard.append(message.data)

            await client.subscribe(">", cb=hear)
            await client.flush()
            ready.set()
            await over.wait()
            await client.drain()

    thread = threading.Thread(target=lambda: loop.run_until_complete(listen()))
    thread.start()
    try:
        assert ready.wait(WAIT_S)
        yield heard
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(WAIT_S)
        loop.close()


@contextmanager
def worker_of(stage: Stage, monkeypatch: pytest.MonkeyPatch, network: Network, *more: str) -> Iterator[None]:
    """Have a worker at the leaf, as a process, which ends by itself on TERM."""
    monkeypatch.setenv("BULK_NATS_CREDENTIALS", str(network.folder / "leaf-worker.toml"))
    with stage.child("worker", "--connect", network.leaf, "--serve", REGION, *more) as worker:
        assert worker.stderr is not None
        assert "serves cn-north-4" in worker.stderr.readline()
        yield
        worker.terminate()
        assert worker.wait(WAIT_S) == ExitCode.OK


def test_the_script_that_tries_workers_at_home_runs_as_it_stands(tmp_path: Path) -> None:
    """In an empty folder, without any setting; but for its ports, which may be taken here."""
    script = file_block("try-workers.sh")
    for port in ("4222", "8080"):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            script = script.replace(port, str(free.getsockname()[1]))
    (tmp_path / "bulk").write_text(f'#!/bin/sh\nexec {sys.executable} -P -m bulk "$@"\n')
    (tmp_path / "bulk").chmod(0o755)
    (tmp_path / "home").mkdir()
    env = {"HOME": str(tmp_path / "home"), "PATH": f"{tmp_path}:{PROGRAM.parent}:/usr/bin:/bin"}
    said = subprocess.run(
        ["/bin/bash", "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=WAIT_S,
        check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    assert "fleet is finished: all 5 services are as asked." in said.stdout
    assert "Through    the worker on " in said.stdout
    assert "0 not sent as they came too late, 0 refused" in said.stderr


def test_the_file_of_nats_credentials_is_one(tmp_path: Path) -> None:
    """Each key of it is taken, and its paths begin at its folder."""
    (path := tmp_path / "run.toml").write_text(file_block("run.toml"))
    path.chmod(0o600)
    login = nats_login({"BULK_NATS_CREDENTIALS": str(path)}, tmp_path)
    assert (login.inbox, login.warning) == ("_INBOX.run", "")
    assert [login.ca, login.certificate, login.key] == [
        str(tmp_path / name) for name in ("ca.pem", "client.pem", "client-key.pem")
    ]


@pytest.mark.parametrize("version", ["1.30", "1.31", kubernetes_validate.latest_version()])
@pytest.mark.parametrize("name", ["worker.yaml", "run.yaml"])
def test_a_manifest_is_as_the_api_of_kubernetes_describes_it(name: str, version: str) -> None:
    """By its published schemas; nobody may write to the container, or be root in it."""
    document = yaml.safe_load(file_block(name))
    kubernetes_validate.validate(document, version, strict=True)
    pod = document["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert [pod["enableServiceLinks"], pod["automountServiceAccountToken"]] == [False, False]
    assert {mount["name"] for mount in container["volumeMounts"]} == {each["name"] for each in pod["volumes"]}


def test_the_commands_of_the_files_are_known_and_a_stop_waits_long_enough() -> None:
    """After TERM a worker may have to wait for a request, and a run for its drain."""
    worker, run = (yaml.safe_load(file_block(name))["spec"] for name in ("worker.yaml", "run.yaml"))
    worker_pod, run_pod = worker["template"]["spec"], run["template"]["spec"]
    pace, unit = PaceSettings(), file_block("bulk-worker.service")
    answered_s = pace.total_timeout_s + SEND_WITHIN_S
    assert worker_pod["terminationGracePeriodSeconds"] > answered_s
    assert run_pod["terminationGracePeriodSeconds"] > pace.drain_s
    [stop_s] = re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert int(stop_s) > answered_s
    [command] = re.findall(r"^ExecStart=/opt/bulk/bin/(.*)$", unit, re.MULTILINE)
    assert worker_pod["containers"][0]["command"] == command.split()
    for pod in (worker_pod, run_pod):
        assert main([*pod["containers"][0]["command"][1:], "--help"]) == ExitCode.OK
    [codes] = [rule["onExitCodes"] for rule in run["podFailurePolicy"]["rules"] if "onExitCodes" in rule]
    assert codes["values"] == list(PERSON)


@pytest.mark.skipif(not SYSTEMD, reason="systemd-analyze is not installed")
def test_systemd_takes_the_unit_of_a_worker(tmp_path: Path) -> None:
    """As `systemd-analyze verify` says."""
    unit = tmp_path / "bulk-worker.service"
    unit.write_text(file_block(unit.name).replace("/opt/bulk/bin/bulk", sys.executable))
    said = subprocess.run([SYSTEMD, "verify", unit], capture_output=True, text=True, check=False)
    assert (said.returncode, "bulk-worker" in said.stdout + said.stderr) == (0, False), said


def test_the_codes_of_a_lost_worker_are_in_the_page() -> None:
    """Each that a ledger may have."""
    for code in ("no_worker", "worker_silent", "worker_late"):
        assert f"`{code}`" in JOBS
