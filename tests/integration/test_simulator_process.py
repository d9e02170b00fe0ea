"""`python -m bulk.simulator`: its first line, its files, its ends."""

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import orjson
import pytest

from bulk.simulator import FaultKind, FaultPlan, Identity, Switches
from bulk.simulator.__main__ import main
from bulk.simulator.limits import parse_limits
from bulk.simulator.usage import EDIT, LIMITS, OPTIONS, RATES, RULE, epilog, second_terminal, switches
from tests.simulator_caller import PROJECT, line, mapping, service_id

WAIT_S = 20


@contextmanager
def running(*flags: str, **env: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Yield the process and the URL that it says first; it is killed if it still runs at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bulk.simulator", *flags],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | env,
    )
    try:
        yield process, stream(process.stdout).readline().decode().strip()
    finally:
        process.kill()
        process.communicate(timeout=WAIT_S)


def stream(pipe: IO[bytes] | None) -> IO[bytes]:
    """Return a pipe that is known to be there."""
    assert pipe is not None
    return pipe


def ask(url: str, body: object = None, method: str = "GET", **headers: str) -> tuple[Any, dict[str, str]]:
    """Return the JSON and the headers of an answer."""
    data = None if body is None else orjson.dumps(body)
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    request = urllib.request.Request(url, data, named, method=method)  # noqa: S310 -- loopback
    with urllib.request.urlopen(request, timeout=WAIT_S) as response:  # noqa: S310 -- loopback
        return orjson.loads(response.read() or b"null"), dict(response.headers)


def put(url: str, number: int, client_port: int) -> None:
    """Modify a service with a fresh token."""
    user = {"name": "simulator", "password": "simulator-password", "domain": {"name": "simulator-domain"}}
    identity = {"methods": ["password"], "password": {"user": user}}
    scoped = {"auth": {"identity": identity, "scope": {"project": {"id": PROJECT}}}}
    _, headers = ask(f"{url}/v3/auth/tokens", scoped, "POST")
    path = f"{url}/v1/{PROJECT}/vpc-endpoint-services/{service_id(number)}"
    ask(path, {"ports": [mapping(client_port, 80)]}, "PUT", X_Auth_Token=headers["X-Subject-Token"])


def fleet_file(folder: Path) -> Path:
    """Return a fleet file with two services."""
    path = folder / "fleet.jsonl"
    path.write_bytes(b"".join(orjson.dumps(line(number)) + b"\n" for number in (1, 2)))
    return path


def test_a_change_outlives_kill_9_and_the_next_start_goes_on(tmp_path: Path) -> None:
    """Fleet and log are on file before the answer; a removed service stays removed; the log counts on.

    A fleet that is to be made up is not, where the file has one.
    """
    fleet, log = fleet_file(tmp_path), tmp_path / "applied.jsonl"
    flags = ("--fleet", str(fleet), "--applied-log", str(log), "--seed-fleet", "5")
    with running(*flags) as (process, url):
        put(url, 1, 1001)
        ask(f"{url}/_simulator/switches", {"services": [{"id": service_id(2), "deleted": True}]}, "POST")
        process.send_signal(signal.SIGKILL)
        process.wait(WAIT_S)
    with running(*flags) as (_, url):
        put(url, 1, 1002)
        services = ask(f"{url}/_simulator/fleet")[0]["services"]
    assert [(one["id"], one["ports"]) for one in services] == [(service_id(1), [mapping(1002, 80)])]
    logged = [orjson.loads(one) for one in log.read_bytes().splitlines()]
    assert [(one["n"], one["ports_after"]) for one in logged] == [
        (1, [mapping(1001, 80)]),
        (2, [mapping(1002, 80)]),
    ]


def test_a_second_simulator_on_the_same_fleet_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Exit 1, no URL, and the message names the file."""
    monkeypatch.setattr("bulk.simulator.__main__.LOCK_WAIT_S", 0.0)
    fleet = fleet_file(tmp_path)
    with running("--fleet", str(fleet)) as (_, url):
        assert url.startswith("http://127.0.0.1:")
        assert main(["--fleet", str(fleet)]) == 1
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"simulator: {fleet}: another simulator uses this file")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_cleanly(signum: signal.Signals) -> None:
    """Exit 0, nothing on stderr."""
    with running("--seed-fleet", "3") as (process, _):
        process.send_signal(signum)
        assert process.wait(WAIT_S) == 0
        assert stream(process.stderr).read() == b""


def test_it_stops_with_its_standard_input_when_told_to() -> None:
    """So it does not outlive a parent that was killed."""
    with running("--stop-with-stdin") as (process, _):
        stream(process.stdin).close()
        process.stdin = None
        assert process.wait(WAIT_S) == 0


def test_credentials_come_from_the_environment() -> None:
    """The demo user is then unknown."""
    with running("--project", f"cn-north-4={PROJECT}", BULK_SIMULATOR_USER="somebody") as (_, url):
        with pytest.raises(urllib.error.HTTPError) as caught:
            put(url, 1, 1)
        caught.value.close()
    assert caught.value.code == 401


def test_projects_and_a_fleet_can_be_made_up() -> None:
    """A project without an id gets one, and the services are dealt over the projects."""
    with running("--project", "cn-east-3", "--project", f"cn-east-3_dev={PROJECT}", "--seed-fleet", "10") as (
        _,
        url,
    ):
        services = ask(f"{url}/_simulator/fleet")[0]["services"]
    assert sum(one["project_id"] == PROJECT for one in services) == 5
    assert all(one["service_name"].startswith("cn-east-3.") for one in services)


def test_plans_and_switches_may_stand_in_files(tmp_path: Path) -> None:
    """Or in the argument itself."""
    plan = tmp_path / "faults.json"
    plan.write_text('{"rates": {"throttle_400": 1.0}}')
    flags = (
        "--faults",
        str(plan),
        "--switches",
        '{"error_shape": "flat"}',
        "--project",
        f"cn-north-4={PROJECT}",
    )
    with running(*flags) as (_, url), pytest.raises(urllib.error.HTTPError) as caught:
        put(url, 1, 1)
    with caught.value as answer:
        assert orjson.loads(answer.read())["error_code"] == "EndPoint.0022"


@pytest.mark.parametrize("port", ["70000", "-1", "http"])
def test_a_port_that_is_none_is_wrong_usage(port: str, capfd: pytest.CaptureFixture[str]) -> None:
    """OnRecord by the parser."""
    with pytest.raises(SystemExit, match="2"):
        main([f"--port={port}"])
    assert f"argument --port: {port} is no port" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["--limit", "token"], 2, "'token' is no limit"),
        (["--faults", "{oops"], 2, "not JSON"),
        (["--faults", "/dev/zero"], 2, "not JSON"),
        (["--faults", '{"rates": {"flood": 1}}'], 2, "flood"),
        (["--switches", "nowhere.json"], 2, "nowhere.json: No such file"),
        (["--switches", '{"latency": 1}'], 2, "latency"),
        (["--project", "cn-north-4=me"], 2, "cn-north-4=me: a project id has 32 hex digits"),
        (["--fleet", "."], 1, ".: Is a directory"),
        (["--fleet", "BAD"], 1, "line 2 of the fleet file: port_id"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    flags: list[str], code: int, said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """2 for the command line, 1 for files; never a traceback, and nothing on stdout."""
    bad = tmp_path / "bad.jsonl"
    bad.write_bytes(orjson.dumps(line(1)) + b"\n" + orjson.dumps(line(2, port_id="nic")) + b"\n")
    assert main([str(bad) if flag == "BAD" else flag for flag in flags]) == code
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("simulator: ")
    assert said in captured.err
    assert captured.err.count("\n") == 1


def test_at_a_terminal_it_prints_what_a_second_one_needs(tmp_path: Path) -> None:
    """The lines work as they stand; the URL is on stdout, alone."""
    master, slave = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "bulk.simulator", "--seed-fleet", "3"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=slave,
    )
    try:
        url = stream(process.stdout).readline().decode().strip()
        said = b""
        while b"Ctrl-C" not in said:
            said += os.read(master, 4096)
        script = "\n".join(line for line in said.decode().splitlines() if line[0] == " ")
        assert url in script
        path, home = tmp_path / "bulk", {"HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
        path.write_text(f'#!/bin/sh\nexec {sys.executable} -m bulk "$@"\n')
        path.chmod(0o755)
        real = {"HUAWEICLOUD_SDK_IAM_ENDPOINT": "https://iam.example.com"}
        ended = subprocess.run(
            ["bash", "-e", "-c", script],  # noqa: S607
            cwd=tmp_path,
            env={"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", **home, **real},
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
        )
    finally:
        process.kill()
        process.communicate(timeout=WAIT_S)
        os.close(master)
        os.close(slave)
    assert ended.returncode == 0, ended.stderr
    assert "3 services of project cn-north-4 exported" in ended.stderr
    assert "Nothing to change" in ended.stdout


def test_a_key_of_the_environment_is_not_printed() -> None:
    """It is named by its variable; an empty fleet is said."""
    mine = Identity(ak="AKMINE", sk="hidden-word")
    lines = second_terminal("http://127.0.0.1:1", mine, is_empty=True)
    assert "hidden-word" not in lines
    assert 'HUAWEICLOUD_SDK_SK="$BULK_SIMULATOR_SK"' in lines
    assert "--seed-fleet 100" in lines


def test_what_help_lists_is_all_there_is_and_is_taken() -> None:
    """Every fault and every switch has an example that can be used, as has every shape of a limit."""
    text = epilog(Identity())
    assert all(len(each) <= 80 for each in text.splitlines())
    FaultPlan.model_validate({"rates": RATES, "rules": [RULE, EDIT]})
    assert {*RATES, "code", "edit"} == {*FaultKind, "EndPoint.2004"}
    examples = {name: value for name, value, _ in switches()}
    assert set(examples) == set(Switches.model_fields)
    given = Switches.model_validate(examples)
    usual = Switches()
    assert [name for name in examples if getattr(given, name) == getattr(usual, name)] == []
    parse_limits([*LIMITS, *(f"{limit},{option}" for limit in LIMITS for option in OPTIONS)])
    for name in (*RATES, *examples):
        assert f'"{name}": ' in text
    for spec in (*LIMITS, *OPTIONS):
        assert spec in text
