"""Connections to a real nats-server: every way to log in, TLS, and what is never given away."""

import asyncio
import base64
import secrets
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import nkeys
import orjson
import pytest

from bulk.errors import BulkError, CannotRun
from bulk.workers import link as link_file
from bulk.workers.link import Link, NoAnswer, open_link
from bulk.workers.messages import frames
from bulk.workers.nats_login import NatsLogin
from tests.chaos.rig import until
from tests.nats_servers import nats_server

SECRET = "S3CRET-hidden"
USERS = f"""
authorization {{
  users: [
    {{ user: worker, password: {SECRET}, permissions: {{ subscribe: "bulk.1.>", publish: "_INBOX.>" }} }}
    {{ user: run, password: {SECRET}, permissions: {{ publish: "bulk.1.>", subscribe: "_INBOX.run.>" }} }}
    {{ user: mute, password: {SECRET}, permissions: {{ publish: "other", subscribe: "_INBOX.mute.>" }} }}
    {{ user: deaf, password: {SECRET}, permissions: {{ publish: "bulk.1.>", subscribe: "_INBOX.run.>" }} }}
  ]
}}
"""


class Keys:
    """A key of NATS: an operator, an account or a user."""

    def __init__(self, prefix: int) -> None:
        self.seed = nkeys.encode_seed(secrets.token_bytes(32), prefix).decode()
        self.pair = nkeys.from_seed(bytearray(self.seed.encode()))
        self.public = self.pair.public_key.decode()

    def signed(self, subject: str, name: str, kind: str, expires_at: float = 0, **more: Any) -> str:
        """Return a JWT about somebody, signed with this key."""
        claims: dict[str, Any] = {
            "jti": secrets.token_hex(8), "iat": int(time.time()) - 60, "iss": self.public, "name": name,
            "sub": subject, "nats": {"type": kind, "version": 2, **more},
        }  # fmt: skip
        claims |= {"exp": int(expires_at)} if expires_at else {}
        parts = [_base64(orjson.dumps(each)) for each in ({"typ": "JWT", "alg": "ed25519-nkey"}, claims)]
        return ".".join([*parts, _base64(self.pair.sign(".".join(parts).encode()))])


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


OPERATOR, ACCOUNT, USER = (
    Keys(prefix) for prefix in (nkeys.PREFIX_BYTE_OPERATOR, nkeys.PREFIX_BYTE_ACCOUNT, nkeys.PREFIX_BYTE_USER)
)
_UNLIMITED = dict.fromkeys(("subs", "conn", "leaf", "imports", "exports", "data", "payload"), -1)
OPERATED = f"""
operator: {OPERATOR.signed(OPERATOR.public, "O", "operator")}
resolver: MEMORY
resolver_preload: {{
  {ACCOUNT.public}: {OPERATOR.signed(ACCOUNT.public, "A", "account", limits=_UNLIMITED | {"wildcards": True})}
}}
"""


def by_creds(expires_in_s: float = 0, seed: str = USER.seed) -> NatsLogin:
    """Return the login of a .creds file."""
    expires_at = time.time() + expires_in_s if expires_in_s else 0
    limits = {"subs": -1, "data": -1, "payload": -1}
    return NatsLogin(jwt=ACCOUNT.signed(USER.public, "run", "user", expires_at, **limits), seed=seed)


def certificates(folder: Path) -> Path:
    """Write a CA of one's own, what it signed for a server and for a client, and a key with a passphrase."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)  # noqa: S607

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    openssl("req", "-x509", *key, "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem")
    (folder / "ext").write_text("subjectAltName=IP:127.0.0.1\n")
    for name in ("server", "client"):
        openssl("req", *key[:5], "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", "2", "-extfile", "ext", "-out", f"{name}.pem")  # fmt: skip
    openssl("ec", "-in", "client.key", "-aes256", "-passout", f"pass:{SECRET}", "-out", "locked.key")
    return folder


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with certificates."""
    return certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory, own: Path) -> Iterator[Callable[[str], str]]:
    """Return the address of a server with these settings, which is started when it is first asked for."""
    tls = f'cert_file: "{own}/server.pem", key_file: "{own}/server.key"'
    settings = {
        "open": "",
        "users": USERS,
        "token": f"authorization {{ token: {SECRET} }}",
        "creds": OPERATED,
        "tls": f"{USERS}\ntls {{ {tls} }}",
        "mutual": f'tls {{ {tls}, ca_file: "{own}/ca.pem", verify: true }}',
        "small": "max_payload: 65536",
        "least": "max_payload: 131072",
    }
    running: dict[str, str] = {}
    with ExitStack() as stack:

        def url_of(name: str) -> str:
            if name not in running:
                running[name] = stack.enter_context(
                    nats_server(tmp_path_factory.mktemp(name), settings[name])
                )
            return running[name]

        yield url_of


@asynccontextmanager
async def linked(
    url: str, login: NatsLogin | None = None, *, is_run: bool = True, env: Mapping[str, str] | None = None
) -> AsyncIterator[Link]:
    """Open a connection."""
    async with open_link(url, login or NatsLogin(), env or {}, is_run=is_run, note=print) as link:
        yield link


async def refused(url: str, login: NatsLogin, *, is_run: bool = True) -> BulkError:
    """Return why NATS cannot be used; nothing secret is in that."""
    with pytest.raises(CannotRun) as caught:
        async with linked(url, login, is_run=is_run):
            pass
    assert SECRET not in f"{caught.value!r} {caught.value.message} {caught.value.hint}"
    assert (login.seed or SECRET) not in str(caught.value)
    assert caught.value.hint
    return caught.value


async def is_answered(asking: Link, serving: Link) -> bool:
    """Return whether one side hears the other, and is heard."""

    async def echo(message: Any) -> None:
        await serving.answer(message, message.data)

    await serving.serve("bulk.1.x.y.hello", echo)
    await serving.must_be_served()
    return isinstance(await asking.ask("bulk.1.x.y.hello", b"\0\0\0\1here", 5.0), bytes)


LOGINS = {
    "open": NatsLogin(),
    "users": NatsLogin(user="run", password=SECRET),
    "token": NatsLogin(token=SECRET),
    "creds": by_creds(),
}


async def test_a_bug_in_what_takes_a_message_is_shown(serving: Callable[[str], str]) -> None:
    """Whoever asked gets no answer, and learns why at the other end; the next one is answered."""
    said = list[str]()

    async def take(_: Any) -> None:
        raise TypeError("no")

    url = serving("open")
    async with (
        open_link(url, NatsLogin(), {}, is_run=False, note=said.append) as worker,
        linked(url, NatsLogin()) as run,
    ):
        await worker.serve("bulk.1.a.b.hello", take)
        await worker.must_be_served()
        assert await run.ask("bulk.1.a.b.hello", b"\0\0\0\1x", 0.2) is NoAnswer.SILENCE
        assert await is_answered(run, worker)
    assert said == ["a bug in bulk: TypeError: no"]


@pytest.mark.parametrize("name", LOGINS)
async def test_each_way_to_log_in_is_taken(name: str, serving: Callable[[str], str]) -> None:
    """And both sides hear each other, with the least of rights where there are any."""
    there = NatsLogin(user="worker", password=SECRET) if name == "users" else LOGINS[name]
    async with (
        linked(serving(name), LOGINS[name]) as run,
        linked(serving(name), there, is_run=False) as worker,
    ):
        assert await is_answered(run, worker)


@pytest.mark.parametrize("is_run", [True, False])
@pytest.mark.parametrize(
    ("name", "login"),
    [
        ("users", NatsLogin(user="run", password="wrong")),
        ("users", NatsLogin(user="nobody", password=SECRET)),
        ("users", NatsLogin(token=SECRET)),
        ("users", NatsLogin()),
        ("token", NatsLogin(token=f"{SECRET}x")),
        ("token", NatsLogin(user="run", password=SECRET)),
        ("creds", by_creds(expires_in_s=-30)),
        ("creds", by_creds(seed=Keys(nkeys.PREFIX_BYTE_USER).seed)),
        ("creds", NatsLogin(token=SECRET)),
    ],
)
async def test_a_login_that_nats_refuses_is_said_at_once(
    name: str,
    login: NatsLogin,
    is_run: bool,  # noqa: FBT001 - a case
    serving: Callable[[str], str],
) -> None:
    """A worker does not try it for ever either: it would stay refused."""
    async with asyncio.timeout(5):
        error = await refused(serving(name), login, is_run=is_run)
    assert "uthori" in error.message or "uthenti" in error.message
    assert (
        "look at user and password, token or creds in the file that BULK_NATS_CREDENTIALS names" in error.hint
    )


async def test_a_login_that_expires_ends_the_connection_for_good(serving: Callable[[str], str]) -> None:
    """Whoever waits for a connection learns that none is made any more, and why."""
    async with linked(serving("creds"), by_creds(expires_in_s=2), is_run=False) as link:
        async with asyncio.timeout(10):
            await link.ended
        with pytest.raises(CannotRun, match=r"has ended the connection: .*xpired"):
            link.must_not_have_ended()


async def test_rights_that_a_run_lacks_are_named(serving: Callable[[str], str]) -> None:
    """To its inbox when it connects, to ask when it asks, to serve when it serves."""
    error = await refused(serving("users"), NatsLogin(user="deaf", password=SECRET))
    assert "does not let this user subscribe to _INBOX.deaf." in error.message
    async with linked(serving("users"), NatsLogin(user="mute", password=SECRET)) as mute:
        assert await mute.ask("bulk.1.X.%2E.hello", frames(b"x", 100)[0], 5.0) is NoAnswer.FORBIDDEN
    async with linked(serving("users"), NatsLogin(user="run", password=SECRET)) as run:
        await run.serve("bulk.1.A.%2E.hello", print)  # type: ignore[arg-type]
        with pytest.raises(CannotRun, match=r"subscribe to bulk\.1\.A\.%2E\.hello"):
            await run.must_be_served()
        assert await run.ask("bulk.1.A.%2E.hello", b"x", 5.0) is NoAnswer.NOBODY


async def test_which_of_several_questions_was_refused_is_not_known(serving: Callable[[str], str]) -> None:
    """The right may have been taken away between them; from then on none is asked."""
    async with linked(serving("users"), NatsLogin(user="mute", password=SECRET)) as mute:
        question = "bulk.1.x.y.w.write", frames(b"x", 100)[0], 5.0
        assert await asyncio.gather(*(mute.ask(*question) for _ in range(3))) == [NoAnswer.CUT] * 3
        sent = mute._client.stats["out_msgs"]
        assert await mute.ask(*question) is NoAnswer.FORBIDDEN
        assert mute._client.stats["out_msgs"] == sent


async def test_messages_that_are_too_small_for_a_question_are_refused(serving: Callable[[str], str]) -> None:
    """With the setting that says so; at the least that is needed everything fits."""
    error = await refused(serving("small"), NatsLogin())
    assert ("65536 bytes" in error.message, "max_payload to 131072" in error.hint) == (True, True)
    async with linked(serving("least")) as run, linked(serving("least"), is_run=False) as worker:
        assert await is_answered(run, worker)


async def test_a_smaller_server_in_place_of_the_first_is_as_none(tmp_path: Path) -> None:
    """As where several are named: nothing is asked there, and why is said."""
    said: list[str] = []
    with nats_server(tmp_path) as url:
        port = int(url.rpartition(":")[2])
        opening = open_link(url, NatsLogin(), {}, is_run=True, note=said.append)
        link = await opening.__aenter__()
    with nats_server(tmp_path, "max_payload: 1024", port=port):
        async with asyncio.timeout(20):
            while len(said) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert "is there again, but cannot be used: it takes messages of 1024 bytes only" in said[-1]
        assert (link.is_up, await link.ask("bulk.1.x", b"x" * 5000, 5.0)) == (False, NoAnswer.NOBODY)
        await opening.__aexit__(None, None, None)


async def test_tls_with_a_ca_of_ones_own(serving: Callable[[str], str], own: Path) -> None:
    """Named in the login file or by the environment; without it the server is not trusted."""
    url = serving("tls").replace("nats:", "tls:")
    user = {"user": "run", "password": SECRET}
    async with (
        linked(url, NatsLogin(**user, ca=f"{own}/ca.pem")) as one,
        linked(serving("tls"), NatsLogin(**user, ca=f"{own}/ca.pem")) as other,
        linked(url, NatsLogin(**user), env={"SSL_CERT_FILE": f"{own}/ca.pem"}) as third,
    ):
        assert one.is_up
        assert other.is_up
        assert third.is_up


async def test_a_connection_that_is_gone_is_made_anew_by_tls_as_well(
    serving: Callable[[str], str], own: Path
) -> None:
    """Whatever was left for it, and what is subscribed stays so."""
    url = serving("tls").replace("nats:", "tls:")
    login = NatsLogin(user="run", password=SECRET, ca=f"{own}/ca.pem")
    async with linked(url, login) as run:
        before = run.up_since
        await run._client._process_op_err(OSError("it answers no pings"))
        await until(lambda: run.up_since > before and run.is_up, 10)
        assert await run.ask("bulk.1.A.%2E.hello", b"x", 5.0) is NoAnswer.NOBODY


async def test_a_server_that_is_not_trusted_is_named_so(
    serving: Callable[[str], str], own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong CA, or a name that its certificate does not have."""
    monkeypatch.setattr(link_file, "CONNECT_S", 1.0)
    url = serving("tls").replace("nats:", "tls:")
    error = await refused(url, NatsLogin(user="run", password=SECRET))
    assert "certificate verify failed" in error.message
    assert "as `ca` into the file that BULK_NATS_CREDENTIALS names" in error.hint
    login = NatsLogin(user="run", password=SECRET, ca=f"{own}/ca.pem")
    error = await refused(url.replace("127.0.0.1", "localhost"), login)
    assert "a name that its certificate has" in error.hint


async def test_a_client_certificate_is_shown(serving: Callable[[str], str], own: Path) -> None:
    """Without it the server lets nobody in."""
    url, ca = serving("mutual").replace("nats:", "tls:"), f"{own}/ca.pem"
    shown = NatsLogin(ca=ca, certificate=f"{own}/client.pem", key=f"{own}/client.key")
    async with linked(url, shown) as run, linked(url, shown, is_run=False) as worker:
        assert await is_answered(run, worker)


async def test_no_client_certificate_is_no_connection(
    serving: Callable[[str], str], own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason is named, and where a certificate is written."""
    monkeypatch.setattr(link_file, "CONNECT_S", 1.0)
    error = await refused(serving("mutual"), NatsLogin(ca=f"{own}/ca.pem"))
    assert "cannot be used: " in error.message
    assert "`certificate` and `key` in the file that BULK_NATS_CREDENTIALS names" in error.hint


@pytest.mark.parametrize(
    "files",
    [
        {"ca": "no.pem"},
        {"ca": "server.key"},
        {"certificate": "client.pem", "key": "server.key"},
        {"certificate": "client.pem", "key": "no.key"},
        {"certificate": "client.pem", "key": "locked.key"},
    ],
)
async def test_certificates_that_cannot_be_read_are_said(own: Path, files: dict[str, str]) -> None:
    """Not there, no certificate, not of one pair; for a key with a passphrase nobody is asked."""
    login = NatsLogin(**{name: f"{own}/{file}" for name, file in files.items()})
    error = await refused("tls://127.0.0.1:1", login)
    assert "cannot be used as certificates for NATS" in error.message
    assert all(file in error.message for file in files.values())


class InTheClear:
    """A server that offers no TLS, and writes down what it gets."""

    def __init__(self) -> None:
        self.got = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Agree to everything."""
        info = {"server_id": "x", "version": "2.10.0", "max_payload": 1_048_576, "auth_required": True,
                "nonce": "abcdefghijkl", "headers": True}  # fmt: skip
        writer.write(b"INFO " + orjson.dumps(info) + b"\r\n")
        while data := await reader.read(65_536):
            self.got += data
            if b"PING" in data:
                writer.write(b"PONG\r\n")
        writer.close()


@pytest.mark.parametrize("form", ["password", "token", "creds", "certificate", "ca", "none"])
async def test_a_server_without_tls_gets_nothing_where_tls_is_wanted(
    form: str, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No password, token, JWT or signature, and no question: somebody may stand in the way who wants them."""
    monkeypatch.setattr(link_file, "CONNECT_S", 0.5)
    login = {
        "password": NatsLogin(user="run", password=SECRET),
        "token": NatsLogin(token=SECRET),
        "creds": by_creds(),
        "certificate": NatsLogin(
            ca=f"{own}/ca.pem", certificate=f"{own}/client.pem", key=f"{own}/client.key"
        ),
        "ca": NatsLogin(user="run", password=SECRET, ca=f"{own}/ca.pem"),
        "none": NatsLogin(),
    }[form]
    clear = InTheClear()
    server = await asyncio.start_server(clear.serve, "127.0.0.1", 0)
    async with server:
        scheme = "nats" if form == "ca" else "tls"
        error = await refused(f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}", login)
    assert "offers no TLS" in error.message
    for secret in filter(None, (SECRET.encode(), login.jwt.encode(), b'"sig"', b'"jwt"', b"SUB", b"PUB")):
        assert secret not in clear.got
