"""Who we are at NATS: from one file that its owner alone may write, and nothing of it is ever shown."""

import base64
import os
import threading
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulk.errors import CredentialsError
from bulk.workers.nats_login import VARIABLE, NatsLogin, nats_login

SECRET = "S3CRET-hidden"
SEED = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"


def jwt(name: Any = "run") -> str:
    """Return the JWT of a user."""
    header, claims = ({"typ": "JWT"}, {"name": name, "sub": "U"})
    parts = (base64.urlsafe_b64encode(orjson.dumps(each)).decode().rstrip("=") for each in (header, claims))
    return ".".join([*parts, "c2lnbmF0dXJl"])


def creds(name: Any = "run") -> str:
    """Return a .creds file as `nsc` writes it."""
    return (
        f"-----BEGIN NATS USER JWT-----\n{jwt(name)}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{SEED}\n------END USER NKEY SEED------\n"
    )


def kept(path: Path, content: str | bytes, mode: int = 0o600) -> Path:
    """Write a file with these rights."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return path


def login(path: Path | str, home: Path = Path("/nowhere")) -> NatsLogin:
    """Return what a file says."""
    return nats_login({VARIABLE: str(path)}, home)


def refused(path: Path | str, home: Path = Path("/nowhere")) -> CredentialsError:
    """Return why a file is refused; nothing of what it holds is in that."""
    with pytest.raises(CredentialsError) as caught:
        login(path, home)
    error = caught.value
    assert SECRET not in f"{error!r} {error.message} {error.hint}"
    assert error.__cause__ is None or SECRET not in repr(error.__cause__)
    assert error.__suppress_context__ or error.__context__ is None
    return error


def test_without_the_variable_nobody_logs_in() -> None:
    """An empty one is none, as an unset one."""
    assert nats_login({}, Path()) == nats_login({VARIABLE: ""}, Path()) == NatsLogin()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", NatsLogin()),
        (f'user = "run"\npassword = "{SECRET}"', NatsLogin(user="run", password=SECRET)),
        (f'token = "{SECRET}"', NatsLogin(token=SECRET)),
        (f'\ufefftoken = "{SECRET}" # a comment\r\n', NatsLogin(token=SECRET)),
        (
            'ca = "/etc/ca.pem"\ncertificate = "/etc/c.pem"\nkey = "/etc/k.pem"',
            NatsLogin(ca="/etc/ca.pem", certificate="/etc/c.pem", key="/etc/k.pem"),
        ),
    ],
)
def test_each_form_is_read(tmp_path: Path, text: str, expected: NatsLogin) -> None:
    """User and password, a token, certificates alone, or nothing."""
    assert login(kept(tmp_path / "nats.toml", text)) == expected


def test_paths_begin_at_the_folder_of_the_file_or_at_home(tmp_path: Path) -> None:
    """Wherever the command is given."""
    kept(tmp_path / "in/run.creds", creds())
    kept(tmp_path / "home/run.creds", creds("other"))
    text = 'creds = "run.creds"\nca = "~/ca.pem"\ncertificate = "../c.pem"\nkey = "/k.pem"\n'
    found = login(kept(tmp_path / "in/nats.toml", text), tmp_path / "home")
    assert found == NatsLogin(
        jwt=jwt(),
        seed=SEED,
        ca=f"{tmp_path}/home/ca.pem",
        certificate=f"{tmp_path}/in/../c.pem",
        key="/k.pem",
    )
    kept(tmp_path / "home/nats.toml", 'creds = "~/run.creds"')
    assert login("~/nats.toml", tmp_path / "home").jwt == jwt("other")


def test_a_creds_file_may_be_named_itself(tmp_path: Path) -> None:
    """As other programs of NATS take it."""
    for text in (creds(), creds().replace("\n", "\r\n"), f"# ours\n\n{creds()}"):
        found = login(kept(tmp_path / "run.creds", text))
        assert (found.jwt, found.seed, found.inbox) == (jwt(), SEED, "_INBOX.run")


@pytest.mark.parametrize(
    ("given", "inbox"),
    [
        (NatsLogin(user="run", password="p"), "_INBOX.run"),
        (NatsLogin(user="Run_1-x", password="p"), "_INBOX.Run_1-x"),
        (NatsLogin(token="t"), "_INBOX"),
        (NatsLogin(), "_INBOX"),
        (NatsLogin(jwt=jwt("run")), "_INBOX.run"),
        *(
            (NatsLogin(user=name, password="p"), "_INBOX")
            for name in ("a.b", "*", ">", "a b", "a\r\nPUB x", "ü", "x" * 65)
        ),
        *((NatsLogin(jwt=jwt(name)), "_INBOX") for name in ("a.>", "", None, 7, {"a": 1}, "x" * 65)),
        (NatsLogin(jwt="a.!.c"), "_INBOX"),
        (NatsLogin(jwt="a.A.c"), "_INBOX"),
        (NatsLogin(jwt="a.e30.c"), "_INBOX"),
        (NatsLogin(jwt="a.W10.c"), "_INBOX"),
        (NatsLogin(jwt="nothing"), "_INBOX"),
    ],
)
def test_answers_come_to_an_inbox_of_the_users_own(given: NatsLogin, inbox: str) -> None:
    """Where its name can be a part of a subject; whatever the name is, it means nothing else there."""
    assert given.inbox == inbox


@pytest.mark.parametrize(
    "text",
    [
        f'user = "{SECRET}"',
        f'password = "{SECRET}"',
        f'user = "a"\npassword = "{SECRET}"\ntoken = "{SECRET}"',
        f'token = "{SECRET}"\ncreds = "x"',
        f'user = "a"\npassword = ""\n# {SECRET}',
        f'token = ["{SECRET}"]',
        f'token = {{ value = "{SECRET}" }}',
        "token = 12345678",
        f'[token]\nvalue = "{SECRET}"',
        f'token = "{SECRET}"\nURL = "nats://x"',
        f'token = "{SECRET}\\u0000"',
        'creds = "a\\u0000b"',
        'ca = "a\\u0000b"',
        'certificate = "c.pem"',
        'key = "k.pem"',
        f'token = "{SECRET}"\nkey = "k.pem"',
        f'token = "{SECRET}"\ntoken = "{SECRET}"',
        f"token = {SECRET}",
        f'token = "{SECRET}',
        f"{SECRET}",
        f"{{'token': '{SECRET}'}}",
        f"token = {'[' * 50_000} # {SECRET}",
        f"-----BEGIN NATS USER JWT-----\n{SECRET}\n",
        f"-----BEGIN USER NKEY SEED-----\n{SECRET}\n",
        f"-----BEGIN NATS USER JWT-----\na.b.c\n-----BEGIN USER NKEY SEED-----\n{SECRET}\n",
        f"-----BEGIN NATS USER JWT-----\na.b.c\n-----BEGIN USER NKEY SEED-----\nSA{SEED[2:]}\n# {SECRET}",
        f"[default]\nak = {SECRET}\n",
    ],
)
def test_a_file_that_holds_something_else_is_refused_and_not_quoted(tmp_path: Path, text: str) -> None:
    """Half a login, two of them, other names, other types, or no TOML; with what to write instead."""
    path = kept(tmp_path / "nats.toml", text)
    error = refused(path)
    assert str(path) in error.message
    assert error.hint.startswith("write user = ")


@pytest.mark.parametrize("content", [SECRET.encode() + b"\xff", b"\x00" * 10, SECRET.encode() * 100_000])
def test_a_file_that_is_no_text_or_has_no_end_is_refused(tmp_path: Path, content: bytes) -> None:
    """It is not read beyond a megabyte."""
    refused(kept(tmp_path / "nats.toml", content))


def test_a_creds_file_without_a_user_is_refused(tmp_path: Path) -> None:
    """Before a connection is tried with it."""
    kept(tmp_path / "run.creds", f"user {SECRET}")
    assert (
        "run.creds is no .creds file" in refused(kept(tmp_path / "nats.toml", 'creds = "run.creds"')).message
    )


def test_a_file_that_is_not_there_is_named_with_the_variable(tmp_path: Path) -> None:
    """The one that the variable names, and the one that it names in turn; a folder is none."""
    for error in (
        refused(tmp_path / "nats.toml"),
        refused(kept(tmp_path / "other.toml", 'creds = "run.creds"')),
        refused(tmp_path),
    ):
        assert str(tmp_path) in error.message
        assert error.hint


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    """Who writes it says who we are; the .creds file behind it as well."""
    assert "others may write" in refused(kept(tmp_path / "a.toml", f'token = "{SECRET}"', mode)).message
    kept(tmp_path / "run.creds", creds(), mode)
    assert "others may write" in refused(kept(tmp_path / "b.toml", 'creds = "run.creds"')).message


def test_a_file_that_others_may_read_is_named_with_the_chmod(tmp_path: Path) -> None:
    """Once, whichever of the two it is."""
    path = kept(tmp_path / "nats.toml", f'token = "{SECRET}"', 0o644)
    assert login(path).warning == f"others may read the NATS credentials file {path}: chmod 600 {path}"
    kept(tmp_path / "run.creds", creds(), 0o644)
    found = login(kept(tmp_path / "b.toml", 'creds = "run.creds"'))
    assert found.warning.endswith(f"chmod 600 {tmp_path / 'run.creds'}")
    assert login(kept(tmp_path / "run.creds", creds(), 0o640)).warning


def test_a_pipe_is_read_as_a_file_is_and_keeps_its_content(tmp_path: Path) -> None:
    """As of `<(vault read …)`; a command may ask for it twice."""
    path = tmp_path / "pipe"
    os.mkfifo(path, 0o600)
    writer = threading.Thread(target=path.write_text, args=(f'token = "{SECRET}"',))
    writer.start()
    assert login(path) == login(path) == NatsLogin(token=SECRET)
    writer.join()


def test_a_login_shows_nothing_secret() -> None:
    """Neither as text nor in a traceback."""
    given = NatsLogin(user="run", password=SECRET, token=SECRET, jwt=SECRET, seed=SECRET)
    assert SECRET not in f"{given} {given!r}"
    assert "run" in repr(given)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=80))
def test_whatever_a_file_holds_is_a_login_or_a_plain_error(tmp_path: Path, text: str) -> None:
    """No other exception leaves."""
    path = kept(tmp_path / "nats.toml", text.encode("utf-8", "surrogatepass"))
    try:
        assert isinstance(login(path), NatsLogin)
    except CredentialsError:
        refused(path)
