"""One connection to NATS: questions with their answers on one side, subjects that are served on the other.

nats-py keeps the connection and makes it anew. While there is none a run keeps no question for later, and
none is ever published twice.
"""

import asyncio
import base64
import logging
import re
import secrets
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from enum import Enum
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar

import nkeys
from nats import errors
from nats.aio.client import DEFAULT_PENDING_SIZE, Client
from nats.aio.msg import Msg

from bulk.errors import CannotRun
from bulk.workers.messages import Frames, Unreadable, frames
from bulk.workers.nats_login import VARIABLE, NatsLogin

if TYPE_CHECKING:
    from nats.aio.subscription import Subscription

CONNECT_S = 10.0
"""How long a run waits for its first connection; a worker then says that it has none, and keeps waiting."""
_TRY_S, _PAUSE_S = 3, 1
_NO_TLS = "the server offers no TLS, which its address or the login asks for"
_NOT_US = re.compile("authorization|authentication|user credentials|expired", re.IGNORECASE)
"""What an error says after which another try is of no use."""
PAYLOAD_MIN = 128 * 1024
"""Every question fits into a message of so many bytes; NATS takes a megabyte, unless it is set otherwise."""
_FILE = f"the file that {VARIABLE} names"
_ADVICE = (
    ("messages of", f"set its max_payload to {PAYLOAD_MIN} or more"),
    ("not valid for", "write into the address a name that its certificate has"),
    ("issuer|self.signed", f"write the CA of its certificate as `ca` into {_FILE}"),
    ("verify failed", "look at the dates of its certificate, and at the clock of this machine"),
    (
        "alert (certificate required|bad certificate|unknown ca)",
        f"look at `certificate` and `key` in {_FILE}: it wants one of its CA",
    ),
    (
        "broken pipe|reset by peer",  # a server that wants a certificate may be gone before its alert is read
        f"check the address; it may want TLS, or a `certificate` and `key` in {_FILE}",
    ),
    (_NOT_US.pattern, f"look at user and password, token or creds in {_FILE}: NATS does not know them"),
)
"""What to do about an error, by what it says; the first that fits."""
_PING_S = 5
"""How often the server is asked whether it is there; twice without an answer ends a connection."""
_NOBODY = "503"
"""The status with which the server says that nobody has subscribed to a subject."""
PROMISE = b""
"""In place of an answer: it is still to come, though nothing new is taken."""
_REFUSED = re.compile(r'permissions violation for (publish|subscription) to "([^"]*)"', re.IGNORECASE)


_NOT_PUBLISHED = (
    errors.ConnectionClosedError,
    errors.ConnectionDrainingError,
    errors.MaxPayloadError,
    errors.OutboundBufferLimitError,
)
"""What nats-py raises before anything has left; whatever else it raises leaves that open."""
_BROKEN = (errors.Error, OSError, RuntimeError)
"""What nats-py raises where the connection is lost; RuntimeError is uvloop's error for that."""
CLOSE_S = 5.0
"""How long the last bytes may take to leave."""


def _advice(why: str) -> str:
    fitting = (advice for said, advice in _ADVICE if re.search(said, why, re.IGNORECASE))
    return next(fitting, f"check that it is up, the address, and {_FILE}")


# nats-py makes its TLS streams in a way that asyncio warns of at the end of each one.
logging.getLogger("asyncio").addFilter(lambda record: "eof_received" not in record.msg)


class NoAnswer(Enum):
    """Why a question has no answer."""

    NOBODY = "nobody"
    """It was not delivered: nobody has subscribed to its subject, or there is no connection."""
    SILENCE = "silence"
    """It may have been delivered."""
    CUT = "cut"
    """It may have been delivered and its answer lost: the connection is new, or a right was withdrawn."""
    FORBIDDEN = "forbidden"
    """NATS does not let this user publish there."""


P = ParamSpec("P")
T = TypeVar("T")
Note: TypeAlias = Callable[[str], object]
"""Gets what becomes of NATS and of the workers, in words."""


class _Client(Client):
    """nats-py's client: it does not wait for a lost connection, and a ping that was given up ends nothing."""

    async def _attempt_reconnect(self) -> None:
        if writer := getattr(self._transport, "_io_writer", None):
            writer.transport.abort()
        await super()._attempt_reconnect()

    async def _process_pong(self) -> None:
        if self._pongs and self._pongs[0].done():  # its waiter has given up
            self._pongs[0] = asyncio.get_running_loop().create_future()
        await super()._process_pong()


class Link:
    """One connection to NATS."""

    def __init__(self, client: Client, url: str, login: NatsLogin, note: Note) -> None:
        self._client = client
        self.url = url
        self._note = note
        self._login = login
        self._must_be_tls = url.startswith("tls:") or bool(login.ca or login.certificate)
        self._inbox = f"{login.inbox}.{secrets.token_hex(8)}"
        self._waiting: dict[str, tuple[str, Callable[[Msg | NoAnswer], None]]] = {}
        """By the last part of the inbox: the subject asked on, and who gets what comes."""
        self._refused: list[str] = []
        """What NATS does not let this user subscribe to."""
        self._forbidden = set[str]()
        """Where NATS did not let this user publish since the connection was made, in small letters."""
        self._served: list[Subscription] = []
        self.last_error: Exception | None = None
        loop = asyncio.get_running_loop()
        self._refusal: asyncio.Future[Exception] = loop.create_future()
        """Why NATS does not take our login, once it has said so."""
        self.ended: asyncio.Future[None] = loop.create_future()
        """Done once NATS has ended the connection and none is made any more, as of a login that expired."""
        self._made_anew: asyncio.Future[None] = loop.create_future()
        """Done once the connection that there is now, or was the last, has been followed by another."""
        self.up_since = -inf
        """When the connection was made anew, by the loop's clock."""
        self._changed_at = loop.time()
        """When there was a connection, or was none any more, for the last time, by the loop's clock."""

    @property
    def unchanged_s(self) -> float:
        """Return for how many seconds the connection has been up, or down."""
        return asyncio.get_running_loop().time() - self._changed_at

    @property
    def is_up(self) -> bool:
        """Return whether there is a connection that questions fit into, encrypted where it must be."""
        return bool(self._client.is_connected) and not _unusable(self._client, must_be_tls=self._must_be_tls)

    def options(self, env: Mapping[str, str], *, is_run: bool) -> dict[str, Any]:
        """Return the arguments of a connection; raises CannotRun where certificates cannot be used."""
        return {
            "servers": self.url.split(","),
            "error_cb": self.learn,
            "connect_timeout": _TRY_S,
            "reconnect_time_wait": _PAUSE_S,
            "max_reconnect_attempts": -1,
            "ping_interval": _PING_S,
            "inbox_prefix": self._inbox,
            "tls": _trust(self._login, env) if self._must_be_tls else None,
            "pending_size": 0 if is_run else DEFAULT_PENDING_SIZE,
            "disconnected_cb": self._disconnected,
            "reconnected_cb": self._reconnected,
            "closed_cb": self._closed,
            **self._credentials(),
        }

    async def connect(self, options: Mapping[str, Any], *, is_run: bool) -> None:
        """Connect, a worker whenever it can; raises CannotRun where a run cannot, or the login is refused."""
        connecting = asyncio.ensure_future(self._client.connect(**options))
        if not await self._ends_within(CONNECT_S, connecting) and not is_run:
            self._note(f"NATS at {self.url} cannot be used yet: {self.why_not()}; it is tried until it can")
            await self._ends_within(None, connecting)
        if not is_run and connecting.done() and (self._client.is_connecting or self._client.is_reconnecting):
            await self._is_made_anew(None)
        connecting.cancel()
        try:
            await connecting
        except asyncio.CancelledError:
            pass
        except (errors.Error, OSError, ValueError) as error:  # the last for credentials that are none
            self.last_error = error
        if not self.is_up:
            raise CannotRun(
                f"NATS at {self.url} cannot be used: {self.why_not()}",
                hint=_advice(self.why_not()),
            )
        self._changed_at = asyncio.get_running_loop().time()

    async def _ends_within(self, wait_s: float | None, connecting: "asyncio.Future[None]") -> bool:
        """Return whether it is known in time that there is a connection, or can be none."""
        ends: set[asyncio.Future[Any]] = {connecting, self._refusal}
        done, _ = await asyncio.wait(ends, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)

    async def _is_made_anew(self, wait_s: float | None) -> bool:
        """Return whether there may be a connection again, in time or later; not where a login is refused."""
        await self._ends_within(wait_s, self._made_anew)
        return not (self._refusal.done() or self._client.is_closed)

    def _credentials(self) -> dict[str, Any]:
        """Return the arguments with which nats-py logs in.

        Nothing is given, or signed, where the way is not as it must be: nats-py goes on in the clear where
        the server of a `tls:` address offers no TLS.
        """

        def guarded(give: Callable[P, T]) -> Callable[P, T]:
            def given(*args: P.args, **kwargs: P.kwargs) -> T:
                if self._must_be_tls and not _is_tls(self._client):
                    raise errors.Error(_NO_TLS)
                return give(*args, **kwargs)

            return given

        login = self._login
        if login.jwt:
            return {"user_jwt_cb": guarded(login.jwt.encode), "signature_cb": guarded(_signer(login.seed))}
        names = ("user", "password", "token")
        return {name: guarded(partial(getattr, login, name)) for name in names if getattr(login, name)}

    def why_not(self) -> str:
        """Return why there is no connection, or none that may be used."""
        if self._client.is_connected and (unusable := _unusable(self._client, must_be_tls=self._must_be_tls)):
            return unusable
        error = self._refusal.result() if self._refusal.done() else self.last_error or self._client.last_error
        return str(error or "no answer").removeprefix("nats: ") or type(error).__name__

    async def _disconnected(self) -> None:
        self._changed_at = asyncio.get_running_loop().time()
        if not self._client.is_closed:
            self._note(f"the connection to NATS at {self.url} is gone")

    def must_not_have_ended(self) -> None:
        """Raise CannotRun where NATS has ended the connection, and none is made any more."""
        if self._client.is_closed:
            raise CannotRun(
                f"NATS at {self.url} has ended the connection: {self.why_not()}",
                hint=f"check the file that {VARIABLE} names, and run the same command again",
            )

    async def _closed(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    async def _reconnected(self) -> None:
        loop = asyncio.get_running_loop()
        self._made_anew.set_result(None)
        self._made_anew = loop.create_future()
        self.up_since = self._changed_at = loop.time()
        self._forbidden.clear()
        unusable = _unusable(self._client, must_be_tls=self._must_be_tls)
        self._note(f"NATS at {self.url} is there again{unusable and f', but cannot be used: {unusable}'}")

    async def listen(self) -> None:
        """Subscribe to the inbox; raises CannotRun where that is not allowed."""
        await self.serve(f"{self._inbox}.*", self._came)
        await self.must_be_served(is_run=True)

    async def serve(self, subject: str, take: Callable[[Msg], Awaitable[None]]) -> None:
        """Let a function take what comes on a subject; also after the connection was made anew.

        What comes in the clear is not taken, where it must be encrypted: anybody may have sent it.
        """

        async def checked(message: Msg) -> None:
            if self._must_be_tls and not _is_tls(self._client):
                return
            try:
                await take(message)
            except Exception as error:  # noqa: BLE001 - nats-py would keep it to itself
                self._note(f"a bug in bulk: {type(error).__name__}: {error}")

        try:
            self._served.append(await self._client.subscribe(subject, cb=checked))
        except _BROKEN as error:
            raise self._gone(error) from None

    async def stop_serving(self) -> None:
        """Take nothing new, of what was served last first; what has been taken in is still handed over."""
        for subscription in reversed(self._served):
            with suppress(*_BROKEN):
                await subscription.drain()  # type: ignore[no-untyped-call]

    async def must_be_served(self, *, is_run: bool = False) -> None:
        """Raise CannotRun where NATS has refused a subscription; a worker waits until NATS has them all."""
        flushes = 2  # the first question of nats-py may overtake what it was to come after
        while flushes:
            try:
                await self._client.flush()
                flushes -= 1
            except _BROKEN as error:
                if is_run or not await self._is_made_anew(_PAUSE_S):
                    raise self._gone(error) from None
        if self._refused:
            raise CannotRun(
                f"NATS does not let this user subscribe to {self._refused[0]}",
                hint=f"check the rights of the user that {VARIABLE} names",
            )

    def _gone(self, error: Exception) -> CannotRun:
        self.last_error = error
        message = f"NATS at {self.url} is gone: {self.why_not()}"
        return CannotRun(message, hint="run the same command again")

    async def answer(self, message: Msg, data: bytes) -> None:
        """Answer a message; where the connection is down, once it is up again."""
        try:
            for frame in frames(data, self._client.max_payload) if data else (PROMISE,):
                await self._client.publish(message.reply, frame)
        except (*_BROKEN, Unreadable) as error:
            self._note(f"an answer was lost: {error}")

    async def ask(
        self,
        subject: str,
        data: bytes,
        wait_s: float,
        given_up: "asyncio.Future[None] | None" = None,
    ) -> bytes | NoAnswer:
        """Ask the worker that serves a subject, and return the answer.

        None comes any more once it is `given_up`, but for one that has been promised.
        """
        answered: asyncio.Future[bytes | NoAnswer] = asyncio.get_running_loop().create_future()
        parts, made_anew, is_promised = Frames(), self._made_anew, False

        def take(came: Msg | NoAnswer) -> None:
            nonlocal is_promised
            if isinstance(came, Msg) and came.data == PROMISE:
                is_promised = True
                return
            try:
                whole = came if isinstance(came, NoAnswer) else parts.add(came.data)
            except Unreadable:
                return
            if whole is not None and not answered.done():
                answered.set_result(whole)

        if subject.lower() in self._forbidden:
            return NoAnswer.FORBIDDEN
        async with self._asking(subject, data, take) as is_asked:
            if not is_asked:
                return NoAnswer.NOBODY
            ends: set[asyncio.Future[Any]] = {answered, made_anew}
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await _first_of({*ends, *([given_up] if given_up else [])})
                    if is_promised:
                        await _first_of(ends)
            if answered.done():
                return answered.result()
            return NoAnswer.CUT if made_anew.done() else NoAnswer.SILENCE

    async def ask_all(
        self, subject: str, data: bytes, wait_s: float, is_enough: Callable[[bytes], bool]
    ) -> list[bytes] | NoAnswer:
        """Ask all who serve a subject; return their answers, up to the first one that is enough."""
        answers: asyncio.Queue[bytes | NoAnswer] = asyncio.Queue()

        def take(came: Msg | NoAnswer) -> None:
            try:
                whole = came if isinstance(came, NoAnswer) else Frames().add(came.data)
            except Unreadable:
                return
            if whole is not None:
                answers.put_nowait(whole)

        found: list[bytes] = []
        async with self._asking(subject, data, take) as is_asked:
            try:
                async with asyncio.timeout(wait_s if is_asked else 0):
                    while not found or not is_enough(found[-1]):
                        answer = await answers.get()
                        if isinstance(answer, NoAnswer):
                            return answer
                        found.append(answer)
            except TimeoutError:
                pass
        return found or NoAnswer.NOBODY

    @asynccontextmanager
    async def _asking(
        self, subject: str, data: bytes, take: Callable[[Msg | NoAnswer], None]
    ) -> AsyncIterator[bool]:
        """Publish a question and `take` the answers while the block runs; yield whether it may have left."""
        key = secrets.token_hex(8)
        self._waiting[key] = subject, take
        try:
            yield await self._published(subject, data, f"{self._inbox}.{key}")
        finally:
            del self._waiting[key]

    async def _published(self, subject: str, data: bytes, reply: str) -> bool:
        if not self.is_up:
            return False
        (frame,) = frames(data, self._client.max_payload)
        try:
            await self._client.publish(subject, frame, reply=reply)
        except _BROKEN as error:
            return not isinstance(error, _NOT_PUBLISHED)
        return True

    async def _came(self, message: Msg) -> None:
        _, take = self._waiting.get(message.subject.rpartition(".")[2], ("", _nothing))
        is_nobody = message.headers is not None and message.headers.get("Status") == _NOBODY
        take(NoAnswer.NOBODY if is_nobody else message)

    async def learn(self, error: Exception) -> None:
        """Learn of an error of the connection; those of rights are answers to what was asked."""
        self.last_error = error
        if not self._refusal.done() and _NOT_US.search(str(error)):
            self._refusal.set_result(error)
        if (found := _REFUSED.search(str(error))) is None:
            return
        kind, subject = found[1].lower(), found[2].lower()  # nats-py has made its letters small
        if kind == "subscription":
            served = (each.subject for each in self._served if each.subject.lower() == subject)
            self._refused.append(next(served, subject))
            return
        asking = [take for asked, take in self._waiting.values() if asked.lower() == subject]
        for take in asking:  # of several, who asked before the right was taken away may have been heard
            take(NoAnswer.FORBIDDEN if len(asking) == 1 else NoAnswer.CUT)
        if asking:
            self._forbidden.add(subject)
        else:
            self._note(f"NATS does not let this user publish to {subject}")


async def _first_of(ends: "set[asyncio.Future[Any]]") -> None:
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)


def _nothing(_: Msg | NoAnswer) -> None:
    """Pass over an answer that came too late."""


def _unusable(client: Client, *, must_be_tls: bool) -> str:
    """Return why the server of a connection cannot be used; it may be another one of several."""
    if must_be_tls and not _is_tls(client):
        return _NO_TLS
    payload_max = client.max_payload
    return f"it takes messages of {payload_max} bytes only" if payload_max < PAYLOAD_MIN else ""


def _is_tls(client: Client) -> bool:
    """Return whether a connection is encrypted; nats-py does so where the server requires it."""
    return bool(client._server_info.get("tls_required"))  # noqa: SLF001 - it has no public name


def _signer(seed: str) -> Callable[[str], bytes]:
    """Return what signs as the user of a .creds file."""
    pair = nkeys.from_seed(bytearray(seed.encode()))
    return lambda nonce: base64.b64encode(pair.sign(nonce.encode()))


def _trust(login: NatsLogin, env: Mapping[str, str]) -> ssl.SSLContext:
    files = login.ca or env.get("SSL_CERT_FILE") or None
    try:
        context = ssl.create_default_context(cafile=files)
        if login.certificate:
            files = f"{login.certificate} with {login.key}"
            context.load_cert_chain(login.certificate, login.key, password=lambda: "")  # nobody is asked
    except OSError as error:
        why = str(error) if isinstance(error, ssl.SSLError) else error.strerror
        raise CannotRun(
            f"{files} cannot be used as certificates for NATS: {why}",
            hint=f"correct ca, certificate and key (without a passphrase) in the file that {VARIABLE} names",
        ) from None
    return context


@asynccontextmanager
async def open_link(
    url: str, login: NatsLogin, env: Mapping[str, str], *, is_run: bool, note: Note
) -> AsyncIterator[Link]:
    """Open a connection to NATS; leaving closes it. Raises CannotRun.

    `note` gets, in words, that the connection is gone or there again. A run has an inbox for answers, and
    publishes nothing later; a worker waits until it is connected, and what it answers may wait as well.
    """
    client = _Client()
    link = Link(client, url, login, note)
    options = link.options(env, is_run=is_run)
    try:
        await link.connect(options, is_run=is_run)
        if is_run:
            await link.listen()
        yield link
    finally:
        await _close(client)


async def _close(client: Client) -> None:
    """Close a connection within `CLOSE_S`; errors and hangs of nats-py over a lost one are passed over."""
    closing = asyncio.ensure_future(client.close())
    closing.add_done_callback(lambda closed: closed.cancelled() or closed.exception())
    await asyncio.wait({closing}, timeout=CLOSE_S)
    closing.cancel()
