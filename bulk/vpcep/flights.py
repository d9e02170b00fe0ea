"""Requests that leave at once on kept connections and call back: no task and no timer for each.

Everything that is not at hand, a new connection or the rest of a reply that comes in pieces, takes a task of
its own. As in `wire.py` nothing is ever sent a second time.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple, TypeAlias

import aiohttp

from bulk.vpcep.aiohttp_inside import Connection, Payload, RawResponseMessage, Talk, finish, talk_of, whole
from bulk.vpcep.replies import Answer, Lost
from bulk.vpcep.requests import Request
from bulk.vpcep.wire import LOSSES, Route, Wire, on_the_wire

IDLE_S_MAX = 15.0
"""How long a connection is kept without a request, as aiohttp's own pool does."""
SWEEP_S = 1.0
"""How often overdue replies are looked for."""

Spawn: TypeAlias = Callable[[Coroutine[Any, Any, None]], object]
"""Starts a task that the caller sees to the end."""
Arrived: TypeAlias = Callable[[Answer | Lost], object]
"""Gets what came of a request, once, without the secrets that it repeats; it must not raise."""
Recognised: TypeAlias = Callable[[Answer], bool]
"""Gets an answer first, secrets and all; returns whether it is done with it, so that `arrived` is not called.

It must not raise, and must keep nothing of the answer that it has not searched for secrets itself."""


class Flight(NamedTuple):
    """A request on its way, and the callbacks for its answer."""

    began: float
    headers: Mapping[str, str]
    arrived: Arrived
    spawn: Spawn
    recognised: Recognised


class Kept(NamedTuple):
    """A connection that waits for a request, and since when."""

    talk: Talk
    connection: Connection
    since: float

    def is_usable(self, now: float) -> bool:
        """Return whether a request may leave on it: nothing came meanwhile, and it has not waited long."""
        talk = self.talk
        return now - self.since < IDLE_S_MAX and talk.is_connected() and not talk.should_close


class Flights:
    """The connections to one endpoint that are kept between requests, one request at a time on each."""

    def __init__(self, wire: Wire, route: Route, body_bytes_max: int) -> None:
        self._wire = wire
        self._route = route
        self._body_bytes_max = body_bytes_max
        self._idle: list[Kept] = []
        self._flying: dict[Talk, tuple[Connection, Flight]] = {}
        """Requests whose reply has not begun, oldest first."""
        self._is_sweeping = False
        wire.at_end(self.close)
        wire.when_crowded(self._close_idle)

    def send(
        self,
        request: Request,
        headers: Mapping[str, str],
        arrived: Arrived,
        spawn: Spawn,
        recognised: Recognised = lambda _: False,
    ) -> None:
        """Send one request; what comes of it is called back later, never before this returns."""
        content = on_the_wire(request, headers)
        flight = Flight(self._wire.clock.monotonic(), headers, arrived, spawn, recognised)
        while self._idle:
            kept = self._idle.pop()  # the last one used: the others grow old and are closed
            if kept.is_usable(flight.began):
                return self._write(kept.talk, kept.connection, content, flight)
            kept.connection.close()
        spawn(self._connect(content, flight))
        return None

    async def _connect(self, content: bytes, flight: Flight) -> None:
        try:
            async with asyncio.timeout(self._wire.timeouts.total_s):
                connection = await self._wire.connect(self._route)
                talk = talk_of(connection)
        except LOSSES as error:
            flight.arrived(self._wire.lost(error, flight.began, flight.headers, has_left=False))
            return
        self._write(talk, connection, content, flight)

    def _write(self, talk: Talk, connection: Connection, content: bytes, flight: Flight) -> None:
        self._flying[talk] = connection, flight
        talk.say(content, self._replied, self._lost)
        if not self._is_sweeping:
            self._is_sweeping = True
            asyncio.get_running_loop().call_later(self._sweep_s, self._sweep)

    @property
    def _sweep_s(self) -> float:
        return min(SWEEP_S, self._wire.timeouts.read_s)

    def _sweep(self) -> None:
        """Abandon the requests whose reply is overdue."""
        now, limits = self._wire.clock.monotonic(), self._wire.timeouts
        began_before = now - min(limits.read_s, limits.total_s)
        overdue = [talk for talk, (_, flight) in self._flying.items() if flight.began <= began_before]
        for talk in overdue:
            self._lost(talk, aiohttp.SocketTimeoutError("Timeout on reading data from socket"))
        self._is_sweeping = bool(self._flying)
        if self._is_sweeping:
            asyncio.get_running_loop().call_later(self._sweep_s, self._sweep)

    def _replied(self, talk: Talk, message: RawResponseMessage, payload: Payload) -> None:
        if (flying := self._flying.pop(talk, None)) is None:  # given up a moment ago
            return
        if payload.is_eof():
            self._landed(talk, *flying, message, whole(payload, self._body_bytes_max))
        else:
            flying[1].spawn(self._rest(talk, *flying, message, payload))

    async def _rest(
        self,
        talk: Talk,
        connection: Connection,
        flight: Flight,
        message: RawResponseMessage,
        payload: Payload,
    ) -> None:
        limits = self._wire.timeouts
        try:
            async with asyncio.timeout(limits.total_s):
                body = await finish(talk, payload, read_s=limits.read_s, body_bytes_max=self._body_bytes_max)
        except LOSSES as error:
            connection.close()
            flight.arrived(self._wire.lost(error, flight.began, flight.headers, has_left=True))
        except BaseException:
            connection.close()
            raise
        else:
            self._landed(talk, connection, flight, message, body)

    def _landed(
        self,
        talk: Talk,
        connection: Connection,
        flight: Flight,
        message: RawResponseMessage,
        body: bytes | None,
    ) -> None:
        answer = self._wire.answer(message, body, flight.began, self._body_bytes_max)
        if talk.should_close:
            connection.close()
        else:
            self._idle.append(Kept(talk, connection, self._wire.clock.monotonic()))
        if isinstance(answer, Lost) or not flight.recognised(answer):
            flight.arrived(self._wire.without_echoes(answer, flight.headers))

    def _lost(self, talk: Talk, error: BaseException) -> None:
        if flying := self._flying.pop(talk, None):
            connection, flight = flying
            connection.close()
            flight.arrived(self._wire.lost(error, flight.began, flight.headers, has_left=True))

    def close(self) -> None:
        """Close all connections; the callbacks of requests on their way are not called any more."""
        flying, self._flying = self._flying, {}
        for connection, _ in flying.values():
            connection.close()
        self._close_idle()

    def _close_idle(self) -> None:
        for kept in self._idle:
            kept.connection.close()
        self._idle.clear()
