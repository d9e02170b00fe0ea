"""P7: a secret is in no output and in no file, however a command ends."""

import base64
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import orjson
import pytest

from bulk.errors import ExitCode
from tests.scenarios.stage import Ended, Stage, wide
from tests.simulator_caller import PROJECT, line, mapping, service_id
from tests.spellings import BASE64, SPELLINGS, parts_of

REPORTS = ("table", "json", "csv", "md", "html")


def spellings(secret: str) -> Iterator[bytes]:
    """Return the forms in which a secret could be written."""
    yield secret.encode()
    yield secret[: len(secret) // 2 + 4].encode()
    yield base64.b64encode(secret.encode())
    yield secret.encode().hex().encode()


def nowhere(secret: str, stage: Stage, *endings: Ended) -> None:
    """Check that neither what was said nor any file has the secret."""
    said = "".join(ended.said for ended in endings).encode()
    files = [path for path in stage.folder.parent.rglob("*") if path.is_file() and path.name != "credentials"]
    assert files
    for form in spellings(secret):
        assert form not in said
        assert [path for path in files if form in path.read_bytes()] == []


def every_command(stage: Stage) -> list[Ended]:
    """Run plan, apply, a failing row, status and report, all as talkative as can be."""
    rule: dict[str, Any] = {"kind": "code", "code": "EndPoint.0002", "http": 400, "method": "PUT"}
    stage.order(faults={"rules": [rule]})
    job = stage.job(wide([1, 2, 3]))
    loud = ("-v", "--log-format", "json")
    endings = [stage.bulk("plan", job, "--out", "p", *loud), stage.apply("p", *loud), stage.apply(job, *loud)]
    endings += [stage.bulk("status", "p"), stage.bulk("status", "p", "--output", "json")]
    return endings + [stage.bulk("report", "p", "--output", form) for form in REPORTS]


def test_a_secret_key_is_nowhere(stage: Stage) -> None:
    """Neither in what is said, nor in ledgers, locks and learned limits."""
    endings = every_command(stage)
    assert endings[1].code == ExitCode.SOME_FAILED
    nowhere(stage.aside.simulator.identity.sk, stage, *endings)


def test_a_security_token_is_nowhere(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor the temporary key that it belongs to."""
    key = stage.aside.do(lambda simulator: simulator.temporary_key())
    monkeypatch.setenv("HUAWEICLOUD_SDK_AK", key.ak)
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", key.sk)
    monkeypatch.setenv("HUAWEICLOUD_SDK_SECURITY_TOKEN", key.security_token)
    endings = every_command(stage)
    assert endings[1].code == ExitCode.SOME_FAILED
    nowhere(key.sk, stage, *endings)
    nowhere(key.security_token, stage, *endings)


def test_a_ready_token_and_a_password_are_nowhere(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each in turn."""
    identity = stage.aside.simulator.identity
    for name in ("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK"):
        monkeypatch.delenv(name)
    token = stage.aside.do(lambda simulator: simulator.token(PROJECT))
    monkeypatch.setenv("HW_AUTH_TOKEN", token)
    ended = stage.apply(stage.job(wide([1])), "-v")
    assert ended.code == ExitCode.OK, ended.err
    nowhere(token, stage, ended)
    monkeypatch.delenv("HW_AUTH_TOKEN")
    for name, value in (("USER_NAME", identity.user), ("USER_PASSWORD", identity.password)):
        monkeypatch.setenv(f"HW_{name}", value)
    monkeypatch.setenv("HW_DOMAIN_NAME", identity.domain)
    ended = stage.apply(stage.job(wide([2])), "-v")
    assert ended.code == ExitCode.OK, ended.err
    nowhere(identity.password, stage, ended)


@pytest.mark.parametrize(
    ("sk", "code"),
    [("wrong-secret-wrong-secret", 1), ("secret with a\nline end", 1)],
    ids=["wrong", "broken"],
)
def test_a_secret_is_not_in_the_message_about_it(
    sk: str, code: int, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong or unusable: the message tells the place, not the text."""
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", sk)
    ended = stage.apply(stage.job(wide([1])), "-v")
    assert ended.code == code
    nowhere(sk, stage, ended)


@pytest.mark.parametrize(
    "content", ["[basic]\nak = x\nsecret-line\n", "[basic]\nak = x\nsk = secret\x00line\n"]
)
def test_a_broken_credentials_file_is_not_quoted(
    content: str, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A parser would quote the line."""
    path = Path(stage.file("credentials", content))
    monkeypatch.setenv("HUAWEICLOUD_SDK_CREDENTIALS_FILE", str(path))
    monkeypatch.delenv("HUAWEICLOUD_SDK_AK")
    monkeypatch.delenv("HUAWEICLOUD_SDK_SK")
    ended = stage.apply(stage.job(wide([1])), "-v")
    assert ended.code == ExitCode.CANNOT_RUN
    assert str(path) in ended.err
    assert "secret" not in ended.said


# Servers that repeat what they were sent, and more


class Echoing(BaseHTTPRequestHandler):
    """An API and an IAM that repeat secrets, in one spelling, wherever a server has a word to say.

    They are in the texts of the fleet, in the id of every reply, and in code and message of each refusal.
    """

    protocol_version = "HTTP/1.1"
    secrets: tuple[str, ...]
    spelling: Callable[[str], str]

    def _echo(self) -> str:
        sent = [self.headers.get(name, "") for name in ("X-Auth-Token", "X-Security-Token", "Authorization")]
        signature = sent.pop().rpartition("Signature=")[2]
        return " ".join(self.spelling(text) for text in (*self.secrets, *sent, signature) if text)

    def _reply(self, http: int, body: Any) -> None:
        content = orjson.dumps(body)
        self.send_response(http, self._echo())
        self.send_header("X-Request-Id", f"r {self._echo()}")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _refuse(self, http: int) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        echo = self._echo()
        error = {"code": f"E.{echo}", "message": f"no: {echo}", "request_id": echo}
        self._reply(http, error | {"error": error})

    def do_GET(self) -> None:
        """List the fleet."""
        echo = self._echo()
        fleet = [
            line(number, ports=[mapping(80, 8000 + number)], status="available", service_type="interface")
            | {"service_name": f"n {echo}", "description": f"d {echo}", "port_id": f"p {number} {echo}"}
            for number in (1, 2, 3)
        ]
        self._reply(200, {"endpoint_services": fleet, "total_count": len(fleet)})

    def do_PUT(self) -> None:
        """Refuse the change."""
        self._refuse(400)

    def do_POST(self) -> None:
        """Refuse the password."""
        self._refuse(401)

    def log_message(self, *_: object) -> None:
        """Say nothing on stderr."""


@contextmanager
def echoing(spelling: Callable[[str], str], *secrets: str) -> Iterator[str]:
    """Run a server that repeats secrets; give its address."""
    handler = type("Handler", (Echoing,), {"secrets": secrets, "spelling": staticmethod(spelling)})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def in_no_spelling(stage: Stage, secrets: Iterable[str], *endings: Ended) -> None:
    """Check that no part of any spelling of a secret is in what was said or in any file."""
    files = [path for path in stage.folder.parent.rglob("*") if path.is_file()]
    texts = [ended.said for ended in endings] + [path.read_text() for path in files]
    assert files
    for secret in secrets:
        for text in texts:
            assert not [part for part in parts_of(secret) if part in text.lower()], text


SK = "q2W/e8R+t4Y-u1I_o3P4a5S6d7F8g9H0j1K2l3.~"
SECURITY_TOKEN = "gAtz/cn-north+4=" + "Zx9Cv8Bn7Mq6Ws5Ed4Rf3Tg2Yh1Uj0" * 8


@pytest.mark.parametrize("spelling", [*SPELLINGS, *BASE64])
def test_what_a_server_repeats_is_nowhere(
    spelling: str, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In no spelling: on the screen, in logs, in the ledger, in any report; and the run ends as it has to."""
    secrets = (SK, SECURITY_TOKEN)
    with echoing({**SPELLINGS, **BASE64}[spelling], *secrets) as url:
        for name, value in {"AK": "AKIDTEST", "SK": SK, "SECURITY_TOKEN": SECURITY_TOKEN}.items():
            monkeypatch.setenv(f"HUAWEICLOUD_SDK_{name}", value)
        monkeypatch.setenv("BULK_ENDPOINT", url)
        job = stage.job("service_id,ports\n" + "".join(f"{service_id(n)},81:{8000 + n}\n" for n in (1, 2)))
        loud = ("-v", "--log-format", "json")
        endings = [
            stage.bulk("plan", job, "--out", "p", *loud),
            stage.apply("p", *loud),
            stage.apply(job, "-v"),
        ]
        endings += [stage.bulk("export"), stage.bulk("rollback", "p"), stage.bulk("audit", "p")]
        endings += [stage.bulk("status", "p", "--output", form) for form in ("table", "json")]
        endings += [stage.bulk("report", "p", "--output", form) for form in REPORTS]
        endings += [stage.bulk("why", "p", service_id(1))]
    assert endings[1].code == ExitCode.SOME_FAILED, endings[0].said
    assert "[redacted]" in endings[1].said
    in_no_spelling(stage, secrets, *endings)


@pytest.mark.parametrize("spelling", [*SPELLINGS, *BASE64])
def test_what_iam_repeats_is_nowhere(spelling: str, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A password that it refuses is not in the message about it."""
    for name in ("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK"):
        monkeypatch.delenv(name)
    for name, value in {"USER_NAME": "ann", "USER_PASSWORD": SK, "DOMAIN_NAME": "acme"}.items():
        monkeypatch.setenv(f"HW_{name}", value)
    job = stage.job(wide([1]))
    with echoing({**SPELLINGS, **BASE64}[spelling], SK) as url:
        monkeypatch.setenv("HUAWEICLOUD_SDK_IAM_ENDPOINT", url)
        ended = stage.apply(job, "-v")
    assert ended.code == ExitCode.CANNOT_RUN
    assert "[redacted]" in ended.err
    in_no_spelling(stage, [SK], ended)


def test_the_simulators_keys_are_made_for_the_run_and_kept_nowhere(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The practice server gets a new pair each time."""
    made: list[str] = []

    def token_hex(count: int) -> str:
        made.append(f"{len(made):02}".ljust(2 * count, "5"))
        return made[-1]

    monkeypatch.delenv("BULK_ENDPOINT")
    monkeypatch.setattr("bulk.rehearsal.simulator_process.secrets.token_hex", token_hex)
    stage.file(
        "fleet.jsonl", f'{{"id": "4189d3c2-8882-4871-a3c2-000000000001", "project_id": "{PROJECT}"}}\n'
    )
    ended = stage.apply(stage.job(wide([1]), endpoint="simulator"), "-v")
    assert ended.code == ExitCode.OK, ended.err
    secret = next(text for text in made if len(text) == 40)
    nowhere(secret, stage, ended)
