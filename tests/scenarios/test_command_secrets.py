"""P7: a secret is in no output and in no file, however a command ends."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bulk.core.errors import ExitCode
from tests.scenarios.stage import Ended, Stage, wide
from tests.simulator_caller import PROJECT

REPORTS = ("table", "json", "csv", "md", "html")


def spellings(secret: str) -> Iterator[bytes]:
    """Give the forms in which a secret could be written."""
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


def test_the_simulators_keys_are_made_for_the_run_and_kept_nowhere(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The practice server gets a new pair each time."""
    made: list[str] = []

    def token_hex(count: int) -> str:
        made.append(f"{len(made):02}".ljust(2 * count, "5"))
        return made[-1]

    monkeypatch.delenv("BULK_ENDPOINT")
    monkeypatch.setattr("bulk.adapters.practice.secrets.token_hex", token_hex)
    stage.file(
        "fleet.jsonl", f'{{"id": "4189d3c2-8882-4871-a3c2-000000000001", "project_id": "{PROJECT}"}}\n'
    )
    ended = stage.apply(stage.job(wide([1]), endpoint="simulator"), "-v")
    assert ended.code == ExitCode.OK, ended.err
    secret = next(text for text in made if len(text) == 40)
    nowhere(secret, stage, ended)
