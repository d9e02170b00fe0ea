"""`bulk worker` and `--via`: what a run through workers does, and what is on the way and said."""

import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bulk.errors import ExitCode
from bulk.vpcep import exchanges
from bulk.vpcep.regions import parse_endpoint
from bulk.vpcep.requests import Timeouts
from tests.integration.test_nats_link import OPERATED, by_creds
from tests.integration.test_workers import USERS
from tests.nats_servers import nats_server
from tests.scenarios.stage import WAIT_S, Ended, Stage, until, wide
from tests.scenarios.test_command_secrets import nowhere
from tests.simulator_caller import PROJECT, line, mapping, service_id

OTHER = "b" * 32
TWO_REGIONS = {
    "projects": {"cn-north-4": PROJECT, "cn-east-3": OTHER},
    "fleet": [
        line(
            number,
            project_id=PROJECT if number <= 6 else OTHER,
            ports=[mapping(80, 8000 + number), mapping(443, 9000 + number)],
        )
        for number in range(1, 13)
    ],
}


@pytest.fixture(scope="module")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a nats-server to which everybody has access."""
    with nats_server(tmp_path_factory.mktemp("nats")) as url:
        yield url


class Recorder(threading.Thread):
    """Somebody who hears everything that goes through NATS."""

    def __init__(self, nats: str) -> None:
        super().__init__(daemon=True)
        host, _, port = nats.removeprefix("nats://").partition(":")
        self._connection = socket.create_connection((host, int(port)))
        self._connection.sendall(
            b'CONNECT {"verbose":false,"headers":true,"protocol":1}\r\nSUB > 1\r\nPING\r\n'
        )
        self.heard = b""
        self.start()
        until(lambda: b"PONG" in self.heard)

    def run(self) -> None:
        """Write it down, until the connection is closed."""
        while data := self._connection.recv(65_536):
            self.heard += data
            if b"PING\r\n" in data:
                self._connection.sendall(b"PONG\r\n")

    def close(self) -> None:
        """Hear nothing more."""
        self._connection.shutdown(socket.SHUT_RDWR)
        self.join(WAIT_S)
        self._connection.close()


@contextmanager
def working(stage: Stage, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Run a worker with the credentials of the stage, from when it serves."""
    with stage.child("worker", *words) as worker:
        assert worker.stderr
        while " serves " not in (said := worker.stderr.readline()):
            assert said, "the worker has ended"
        yield worker


def ended(worker: subprocess.Popen[str]) -> Ended:
    """Stop a worker, and return what it said since it serves."""
    worker.send_signal(signal.SIGTERM)
    out, err = worker.communicate(timeout=WAIT_S)
    assert "Traceback" not in err
    return Ended(code=worker.returncode, out=out, err=err)


def without_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what a run through workers does not need."""
    for name in ("SDK_AK", "SDK_SK", "SDK_IAM_ENDPOINT"):
        monkeypatch.delenv(f"HUAWEICLOUD_{name}", raising=False)
    for name in ("HW_AUTH_TOKEN", "HW_USER_NAME", "HW_USER_PASSWORD", "HW_DOMAIN_NAME", "BULK_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("kind", ["keys", "token", "password"])
def test_nobody_who_hears_everything_learns_what_signs(
    kind: str, stage: Stage, nats: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither key, token, password nor signature is on the way, said, or in any file of either side."""
    identity = stage.aside.simulator.identity
    token = stage.aside.do(lambda simulator: simulator.token(PROJECT))
    if kind != "keys":
        monkeypatch.delenv("HUAWEICLOUD_SDK_AK")
        monkeypatch.delenv("HUAWEICLOUD_SDK_SK")
    if kind == "token":
        monkeypatch.setenv("HW_AUTH_TOKEN", token)
    if kind == "password":
        for name, value in (("USER_NAME", identity.user), ("USER_PASSWORD", identity.password)):
            monkeypatch.setenv(f"HW_{name}", value)
        monkeypatch.setenv("HW_DOMAIN_NAME", identity.domain)
    recorder = Recorder(nats)
    with working(stage, "--connect", nats, "--serve", "cn-north-4") as worker:
        without_credentials(monkeypatch)
        job, via = stage.job(wide([1, 2, 3])), ("--via", nats)
        loud = ("-v", "--log-format", "json")
        endings = [
            stage.bulk("plan", job, *via, *loud),
            stage.apply(job, *via, *loud),
            stage.bulk("rollback", job, "--apply", "--yes", *via, *loud),
            stage.bulk("export", *via),
        ]
        assert [each.code for each in endings] == [0] * 4, "".join(each.said for each in endings)
        endings.append(ended(worker))
    recorder.close()
    assert endings[-1].code == ExitCode.OK
    assert len(stage.applied) == 6
    assert b"/vpc-endpoint-services" in recorder.heard
    secrets = [
        identity.sk,
        identity.ak,
        identity.password,
        token,
    ]
    for secret in secrets:
        assert secret.encode() not in recorder.heard
        if secret != identity.ak:
            nowhere(secret, stage, *endings)
    for word in (
        b"Authorization",
        b"SDK-HMAC",
        b"Signature",
        b"X-Auth-Token",
        b"X-Sdk-Date",
        b"X-Subject-Token",
    ):
        assert word.lower() not in recorder.heard.lower()


def test_who_may_not_write_plans_and_ends_with_1_before_the_first_put(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The right is one of NATS, whatever the command is; of the run nothing is on record that would go on."""
    for user in ("worker", "planner"):
        (tmp_path / f"{user}.toml").write_text(f'user = "{user}"\npassword = "p"\n')
        (tmp_path / f"{user}.toml").chmod(0o600)
    with nats_server(tmp_path / "nats", USERS) as nats:
        monkeypatch.setenv("BULK_NATS_CREDENTIALS", str(tmp_path / "worker.toml"))
        with working(stage, "--connect", nats, "--serve", "cn-north-4"):
            monkeypatch.setenv("BULK_NATS_CREDENTIALS", str(tmp_path / "planner.toml"))
            without_credentials(monkeypatch)
            job, via = stage.job(wide([1, 2])), ("--via", nats)
            assert stage.bulk("plan", job, *via, "--out", "p").code == ExitCode.OK
            for words in ((job,), ("p",)):
                got = stage.apply(*words, *via)
                assert got.code == ExitCode.CANNOT_RUN
                assert re.search(
                    r"NATS does not let this user publish to bulk\.1\.cn-north-4\.\S+\.write", got.err
                )
                assert "check the rights of the user that BULK_NATS_CREDENTIALS names" in got.err
    assert (stage.applied, stage.ledgers) == ([], [])


def test_a_run_through_a_worker_of_its_own_is_as_one_without(stage: Stage) -> None:
    """Plan, apply, rollback and export do the same, and say the same rows."""
    job, via = stage.job(wide([1, 2, 3])), ("--via", "local")
    assert stage.bulk("plan", job, *via).code == ExitCode.OK
    assert stage.apply(job, *via).code == ExitCode.OK
    assert stage.ports(1) == [(80, 8001), (8443, 9001)]
    for words in (("export",), ("export", "--all-projects")):
        here, there = stage.bulk(*words), stage.bulk(*words, *via)
        assert (there.code, there.out) == (here.code, here.out)
    assert stage.bulk("rollback", job, "--apply", "--yes", *via).code == ExitCode.OK
    assert stage.ports(1) == [(80, 8001), (443, 9001)]
    assert len(stage.applied) == 6
    assert stage.bulk("audit").code == ExitCode.OK


@pytest.mark.slow
def test_a_rehearsal_plans_through_workers_and_plays_without(stage: Stage) -> None:
    """Its simulator is on this machine."""
    rehearsed = stage.bulk("rehearse", stage.job(wide([1, 2])), "--via", "local", "--output", "json")
    assert rehearsed.code == ExitCode.OK, rehearsed.said
    assert stage.applied == []


BAD = [
    ((), "no NATS is named", "add --connect"),
    (("--connect", "local"), "would serve nobody", "tls://HOST:PORT"),
    (("--connect", "nats.example.com"), "is not an address of NATS", "tls://HOST:PORT"),
    (
        ("--connect", "tls://ann:hidden@nats:1"),
        '"[redacted]@nats:1" is not an address',
        "go into the file that BULK_NATS_CREDENTIALS names",
    ),
    (("--serve", "north"), "--serve 'north' is not REGION", "cn-north-4"),
    (("--serve", "/prod"), "--serve '/prod' is not REGION", "cn-north-4/prod"),
    (("--serve", "cn-north-4/a/b"), "is not REGION or REGION/PROFILE", "prod"),
    (("--serve", "cn-north-4\x1b[2J"), r"--serve 'cn-north-4\x1b[2J'", "cn-north-4"),
    (("--endpoint", "simulator"), "started by a job", "bulk simulator"),
    (("--region", "north"), "is not a region", "cn-north-4"),
]


@pytest.mark.parametrize(("words", "message", "advice"), BAD)
def test_wrong_usage_of_a_worker_is_2_and_says_what_to_write(
    words: tuple[str, ...], message: str, advice: str, stage: Stage
) -> None:
    """Before it connects anywhere."""
    given = words if not words or "--connect" in words else ("--connect", "nats://127.0.0.1:1", *words)
    got = stage.bulk("worker", *given)
    assert (got.code, got.out) == (ExitCode.USAGE, "")
    assert message in got.err
    assert advice in got.err
    assert "hidden" not in got.err
    assert "\x1b[2J" not in got.err


def test_a_worker_without_a_region_or_its_profile_has_nothing_to_serve(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says what is missing."""
    to = ("worker", "--connect", "nats://127.0.0.1:1")
    got = stage.bulk(*to, "--serve", "cn-north-4/prod")
    assert (got.code, "prod" in got.err) == (ExitCode.CANNOT_RUN, True)
    monkeypatch.delenv("BULK_REGION")
    got = stage.bulk(*to)
    assert (got.code, "no region is named to serve" in got.err) == (ExitCode.USAGE, True)


@pytest.fixture
def keyless(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, ...]]:
    """Take all credentials away; return how a worker is started that NATS does not let in."""
    without_credentials(monkeypatch)
    monkeypatch.setenv("BULK_ENDPOINT", stage.aside.simulator.url)
    monkeypatch.setattr("bulk.vpcep.exchanges.METADATA_TIMEOUTS", Timeouts(total_s=0.2))
    with nats_server(tmp_path / "nats", 'authorization { token: "other" }') as nats:
        yield "worker", "--connect", nats


def test_a_worker_without_credentials_says_so_before_it_serves_anything(
    stage: Stage, keyless: tuple[str, ...]
) -> None:
    """With advice that is for a worker; whether it was asked to serve the place or found it itself."""
    for words in ((), ("--serve", "cn-north-4")):
        got = stage.bulk(*keyless, *words)
        assert got.code == ExitCode.CANNOT_RUN
        assert "bulk: no credentials found in " in got.err
        assert "name a profile with --serve REGION/PROFILE" in got.err
        assert ("cn-north-4 is not served: " in got.err) is not words
        assert "uthori" not in got.err


def test_of_the_places_that_a_worker_finds_itself_those_with_credentials_are_served(
    stage: Stage, keyless: tuple[str, ...], tmp_path: Path
) -> None:
    """A section that cannot be used is named; one that was asked for ends the command."""
    file = tmp_path / "home/.huaweicloud/credentials"
    file.parent.mkdir(parents=True)
    file.write_text("[prod]\nak = a\nsk = s\n[half]\nak = b\n[my prod]\nak = c\nsk = t\n")
    file.chmod(0o600)
    got = stage.bulk(*keyless)
    assert (got.code, "uthori" in got.err) == (ExitCode.CANNOT_RUN, True)  # NATS was asked
    assert "cn-north-4 is not served: no credentials found" in got.err
    assert "cn-north-4/half is not served: " in got.err
    assert '"my prod" is not a profile, so no run can ask for it' in got.err
    assert "cn-north-4/prod is not served" not in got.err
    got = stage.bulk(*keyless, "--serve", "cn-north-4/prod", "--serve", "cn-north-4/half")
    assert (got.code, "uthori" in got.err) == (ExitCode.CANNOT_RUN, False)


def test_a_profile_that_no_run_can_name_hides_no_other_place(
    stage: Stage, nats: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A section of the credentials file may have a blank in its name; workers say what else they serve."""
    file = tmp_path / "home/.huaweicloud/credentials"
    file.parent.mkdir(parents=True)
    file.write_text("[my prod]\nak = a\nsk = s\n")
    file.chmod(0o600)
    with working(stage, "--connect", nats, "--region", "cn-north-4"):
        without_credentials(monkeypatch)
        assert stage.bulk("plan", stage.job(wide([1])), "--via", nats).code == ExitCode.OK


def test_the_agency_of_its_server_is_credentials_of_a_worker(
    stage: Stage, keyless: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which the metadata service says, and is asked for at the start."""
    here, direct = parse_endpoint(stage.aside.simulator.url), exchanges._direct
    monkeypatch.setattr(exchanges, "_direct", lambda _: direct(here))
    got = stage.bulk(*keyless, "--serve", "cn-north-4")
    assert (got.code, "uthori" in got.err) == (ExitCode.CANNOT_RUN, True)
    assert "no credentials" not in got.err


@pytest.mark.parametrize("words", [("worker", "--connect", "NATS"), ("plan", "JOB", "--via", "NATS")])
def test_a_login_that_cannot_be_used_is_1_and_not_shown(
    words: tuple[str, ...], stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is not there, that holds something else, and one that NATS refuses."""
    job, file = stage.job(wide([1])), tmp_path / "nats.toml"
    monkeypatch.delenv("BULK_ENDPOINT")
    monkeypatch.setenv("BULK_NATS_CREDENTIALS", str(file))
    with nats_server(tmp_path / "nats", 'authorization { token: "other" }') as nats:
        for text, message in (
            ("", "does not exist"),
            ("password = 'hidden'", "does not hold"),
            ("token = 'hidden'", "uthori"),
        ):
            if text:
                file.write_text(text)
                file.chmod(0o600)
            got = stage.bulk(*(word.replace("NATS", nats).replace("JOB", job) for word in words))
            assert got.code == ExitCode.CANNOT_RUN
            assert message in got.err
            assert "BULK_NATS_CREDENTIALS" in got.err or "write user" in got.err
            assert "hidden" not in got.said


def test_a_worker_takes_its_settings_from_variables_and_ends_when_it_is_told_to(
    stage: Stage, nats: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a pod; a place that is named twice is served once, and TERM is answered with what was done."""
    with monkeypatch.context() as patch:
        patch.setenv("BULK_CONNECT", nats)
        patch.setenv("BULK_WORKER_SERVE", "cn-north-4 cn-north-4")
        with stage.child("worker") as worker:
            assert worker.stderr
            said = worker.stderr.readline()
            assert re.search(r"worker \S+ serves cn-north-4, at nats://", said), said
            without_credentials(patch)
            patch.delenv("BULK_CONNECT")
            assert stage.apply(stage.job(wide([1])), "--via", nats).code == ExitCode.OK
            got = ended(worker)
    assert got.code == ExitCode.OK
    sent = re.search(r"(\d+) requests sent, 0 not sent as they came too late, 0 refused", got.err)
    assert sent
    assert len(stage.applied) == 1
    assert int(sent[1]) == stage.aside.do(
        lambda simulator: sum(simulator.stats["answers"].values())
    ) - _of_iam(stage)


def _of_iam(stage: Stage) -> int:
    """Return how many requests IAM has answered."""
    requests: dict[str, int] = stage.aside.do(lambda simulator: simulator.stats["requests"])
    return sum(count for name, count in requests.items() if "/v3/" in name)


def test_without_serve_every_profile_is_served(stage: Stage, nats: str, tmp_path: Path) -> None:
    """In the region of the settings."""
    file = tmp_path / "home/.huaweicloud/credentials"
    file.parent.mkdir(parents=True)
    file.write_text("[prod]\nak = a\nsk = s\n[dev]\nak = b\nsk = s\n")
    file.chmod(0o600)
    with stage.child("worker", "--connect", nats) as worker:
        assert worker.stderr
        said = worker.stderr.readline()
        assert "serves cn-north-4, cn-north-4/prod, cn-north-4/dev, at" in said
        assert ended(worker).code == ExitCode.OK


def test_a_worker_whose_login_has_expired_ends_with_1(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever starts it anew gives it another login; else it would stay, and nobody could reach it."""
    file = tmp_path / "worker.creds"
    monkeypatch.setenv("BULK_NATS_CREDENTIALS", str(file))
    with nats_server(tmp_path / "nats", OPERATED) as nats:
        login = by_creds(expires_in_s=3)
        file.write_text(
            f"-----BEGIN NATS USER JWT-----\n{login.jwt}\n------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{login.seed}\n------END USER NKEY SEED------\n"
        )
        file.chmod(0o600)
        got = stage.bulk("worker", "--connect", nats, "--serve", "cn-north-4")
    assert got.code == ExitCode.CANNOT_RUN
    assert re.search(r"has ended the connection: .*[Ee]xpired", got.err), got.err
    assert login.seed not in got.err


def test_an_address_of_the_api_beside_a_way_through_workers_is_wrong_usage(stage: Stage, nats: str) -> None:
    """Given as flag or variable: it would have no effect."""
    got = stage.bulk("plan", stage.job(wide([1])), "--via", nats)
    assert got.code == ExitCode.USAGE
    assert "the address of the API is a setting of the workers" in got.err


def test_where_no_region_is_named_no_worker_is_looked_for(
    stage: Stage, nats: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker is found by it, for all projects as for one."""
    for name in ("BULK_REGION", "BULK_ENDPOINT"):
        monkeypatch.delenv(name)
    job = stage.job(wide([1]))
    for words in (("plan", job), ("export",), ("export", "--all-projects")):
        got = stage.bulk(*words, "--via", nats)
        assert (got.code, "no region is named" in got.err) == (ExitCode.USAGE, True), got.err


@pytest.mark.parametrize(
    "words", [("worker", "--connect", "nats://127.0.0.1:1"), ("plan", "JOB", "--via", "local")]
)
def test_without_the_library_it_is_said_how_to_install_it(
    words: tuple[str, ...], stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the name of the extra."""
    stage.file("hidden/nats.py", "raise ModuleNotFoundError(\"No module named 'nats'\", name='nats')\n")
    monkeypatch.setenv("PYTHONPATH", str(stage.folder / "hidden"))
    job = stage.job(wide([1]))
    got = stage.run_child(*(word.replace("JOB", job) for word in words))
    assert got.code == ExitCode.CANNOT_RUN
    assert "workers are reached with nats, which is not installed" in got.err
    assert "[workers]'" in got.err


def test_without_the_library_all_else_works(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra, which a run that sends from here never asks for."""
    stage.file("hidden/nats.py", "raise ModuleNotFoundError(\"No module named 'nats'\", name='nats')\n")
    stage.file("hidden/nkeys.py", "raise ModuleNotFoundError(\"No module named 'nkeys'\", name='nkeys')\n")
    monkeypatch.setenv("PYTHONPATH", str(stage.folder / "hidden"))
    got = stage.run_child("apply", stage.job(wide([1])), "--yes")
    assert got.code == ExitCode.OK, got.err


def test_without_the_server_it_is_said_what_to_install(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or which other way there is."""
    monkeypatch.setattr("bulk.workers.local._PROGRAM", "nats-server-that-is-nowhere")
    got = stage.bulk("plan", stage.job(wide([1])), "--via", "local")
    assert got.code == ExitCode.CANNOT_RUN
    assert "is not installed, which `via = local` starts" in got.err
    assert "pip install nats-server-" in got.err


@pytest.mark.slow
@pytest.mark.parametrize("stage", [TWO_REGIONS], indirect=True)
def test_a_lane_without_a_worker_ends_with_5_and_others_go_on(
    stage: Stage, nats: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a worker again the same command ends the job, and no PUT is sent twice."""
    for module in ("run.lane", "workers.places", "workers.far_channel"):
        monkeypatch.setattr(f"bulk.{module}.SILENCE_S", 1.0)
    rows = (
        f"{service_id(n)},80:{8000 + n} 8443:{9000 + n},{'cn-north-4' if n <= 6 else 'cn-east-3'}\n"
        for n in range(1, 13)
    )
    job = stage.job("service_id,ports,region\n" + "".join(rows), rate="4/s")
    for name in ("BULK_PROJECT_ID", "BULK_RATE"):
        monkeypatch.delenv(name)
    north, east = (("--connect", nats, "--serve", region) for region in ("cn-north-4", "cn-east-3"))
    with working(stage, *north) as lost, working(stage, *east):
        kill = threading.Thread(target=lambda: (until(lambda: len(stage.applied) >= 4), lost.kill()))
        kill.start()
        got = through(nats, job, stage, monkeypatch)
        kill.join()
        assert got.code == ExitCode.STOPPED_EARLY, got.err
        outcomes = {record["row"]: record["outcome"] for record in stage.records("outcome")}
        assert [outcomes.get(row) for row in range(7, 13)] == ["applied"] * 6
        assert len(outcomes) < 12
        assert "cn-north-4: no worker answers" in got.err
        with working(stage, *north):
            got = through(nats, job, stage, monkeypatch)
        assert got.code == ExitCode.OK, got.err
    assert sorted(put.id for put in stage.applied) == [service_id(n) for n in range(1, 13)]


def through(nats: str, job: str, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Ended:
    """Apply a job through workers."""
    with monkeypatch.context() as patch:
        without_credentials(patch)
        return stage.apply(job, "--via", nats)
