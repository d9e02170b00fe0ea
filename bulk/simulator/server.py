"""The HTTP side: one request in, one answer out, with limits, faults and delays in between.

The order is the gateway's: path, credentials, project, limit; then the service. A fault strikes where the
service would answer, so a wrong signature is refused even where a fault waits. No router and no middleware:
the path is looked at once, and signatures need it raw.
"""

import asyncio
import random
import secrets
import socket
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from itertools import count
from typing import Any

from aiohttp import web

from .aside import aside, unknown_path
from .auth import RawRequest, project_mismatch
from .calls import Call, route
from .errors import Origin, Refusal, body_of, gateway, vpcep
from .faults import FaultKind, FaultRule, fault_refusal
from .replies import Reply, json_reply, spoilt
from .world import World

BODY_BYTES_MAX = 12 * 2**20  # API.md, section 4.2: the gateway's bound for signed bodies
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s

Outcome = Reply | Refusal | web.StreamResponse


@dataclass(slots=True)
class Stats:
    """Counts since the start: what was asked, what was answered, how much at once."""

    requests: Counter[str] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0
    in_flight_max: int = 0

    def arrive(self) -> None:
        """Count a request that begins."""
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)

    def leave(self) -> None:
        """Count a request that ends."""
        self.in_flight -= 1


@dataclass(slots=True, kw_only=True)
class Server:
    """The handler of every request over one world; `clock` gives seconds since 1970."""

    world: World
    clock: Callable[[], float]
    stats: Stats = field(default_factory=Stats)
    _dice: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 -- jitter, no secret
    _id_prefix: str = field(default_factory=lambda: secrets.token_hex(8))
    _id_numbers: "count[int]" = field(default_factory=lambda: count(1))

    async def respond(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one HTTP request."""
        self.stats.arrive()
        try:
            raw = await _read(request)
            outcome = raw if isinstance(raw, Refusal) else await self._dispatch(request, raw)
            return outcome if isinstance(outcome, web.StreamResponse) else self._worded(outcome)
        finally:
            self.stats.leave()

    def snapshot(self) -> dict[str, Any]:
        """Return every count as JSON values; `duplicates` are PUTs that took effect and changed nothing."""
        counted = {
            name: {str(key): number for key, number in getattr(self.stats, name).items()}
            for name in ("requests", "answers", "refusals", "faults")
        }
        applied = self.world.applied
        return counted | {
            "in_flight_max": self.stats.in_flight_max,
            "applied": len(applied),
            "duplicates": sum(record.is_duplicate for record in applied),
        }

    async def _dispatch(self, request: web.BaseRequest, raw: RawRequest) -> Outcome:
        if raw.path.startswith("/v1/"):
            call = route(raw.method, raw.path)
            return unknown_path(raw) if call is None else await self._api(request, raw, call)
        if raw.path == "/_simulator/stats":
            return json_reply(self.snapshot())
        if not raw.path.startswith("/_simulator/"):
            self.stats.requests[f"{raw.method} {raw.path}"] += 1
        return aside(self.world, raw, self._now_s())

    async def _api(self, request: web.BaseRequest, raw: RawRequest, call: Call) -> Outcome:
        """Let a request past the gate and the limits, and carry it out or spoil it."""
        self.stats.requests[call.operation] += 1
        now_s = self._now_s()
        refusal = self._refusal_at_the_gate(raw, call, now_s)
        if refusal is not None:
            return refusal
        admitted = self.world.limits.admit(now_s, is_write=raw.method != "GET")
        if isinstance(admitted, Refusal):
            return admitted
        try:
            await self._wait_latency()
            return await self._serve(request, raw, replace(call, query=raw.query, body=raw.body))
        finally:
            for limit in admitted:
                limit.limiter.release()

    def _refusal_at_the_gate(self, raw: RawRequest, call: Call, now_s: float) -> Refusal | None:
        caller = self.world.keyring.authenticate(raw, now_s)
        if isinstance(caller, Refusal):
            return caller
        return project_mismatch(caller, call.project_id, raw.headers.get("x-project-id"))

    async def _wait_latency(self) -> None:
        switches = self.world.vpcep.switches
        delay_s = switches.latency_s + switches.jitter_s * self._dice.random()
        if delay_s:
            await asyncio.sleep(delay_s)

    async def _serve(self, request: web.BaseRequest, raw: RawRequest, call: Call) -> Outcome:
        fault = self.world.faults.draw(raw.method, raw.path, call.service_id or None)
        if fault is None:
            return self._carried_out(call)
        self.stats.faults[fault.kind] += 1
        return await self._faulty(request, call, fault)

    def _carried_out(self, call: Call) -> Reply | Refusal:
        answer = self.world.vpcep.answer(call, self._now_s())
        if isinstance(answer, Refusal):
            return answer
        return Reply(http=answer.http) if answer.value is None else json_reply(answer.value, http=answer.http)

    async def _faulty(self, request: web.BaseRequest, call: Call, fault: FaultRule) -> Outcome:
        """Answer as the fault says, after or without doing what the call asks."""
        if fault.kind is FaultKind.SLOW:
            return await self._slow(call, fault)
        if fault.kind is FaultKind.EDIT:
            return self._edited(call, fault)
        if fault.spoils_answer:
            return await self._spoilt(request, self._carried_out(call), fault.kind)
        if fault.after:
            self._carried_out(call)
        return _reset(request) if fault.kind is FaultKind.RESET else fault_refusal(fault, self._now_s())

    async def _slow(self, call: Call, fault: FaultRule) -> Reply | Refusal:
        if fault.after:
            served = self._carried_out(call)
            await asyncio.sleep(fault.delay_s)
            return served
        await asyncio.sleep(fault.delay_s)
        return self._carried_out(call)

    def _edited(self, call: Call, fault: FaultRule) -> Reply | Refusal:
        try:
            for line in fault.services:
                self.world.edit(line)
        except ValueError as error:
            return vpcep("0001", f"The fault's services: {error}")
        return self._carried_out(call)

    async def _spoilt(self, request: web.BaseRequest, served: Reply | Refusal, kind: FaultKind) -> Outcome:
        if isinstance(served, Refusal):
            return served
        return (
            await self._truncated(request, served)
            if kind is FaultKind.TRUNCATED_BODY
            else spoilt(served, kind)
        )

    async def _truncated(self, request: web.BaseRequest, served: Reply) -> web.StreamResponse:
        """Send half of a body whose whole length was announced, and close."""
        response = web.StreamResponse(status=served.http, headers=self._headers(served))
        response.content_length = len(served.body)
        await response.prepare(request)
        await response.write(served.body[: len(served.body) // 2])
        if request.transport is not None:
            request.transport.close()
        return response

    def _worded(self, outcome: Reply | Refusal) -> web.Response:
        """Return an answer in HTTP, and count it."""
        reply = self._refused(outcome) if isinstance(outcome, Refusal) else outcome
        self.stats.answers[reply.http] += 1
        return web.Response(status=reply.http, body=reply.body, headers=self._headers(reply))

    def _refused(self, refusal: Refusal) -> Reply:
        self.stats.refusals[refusal.code or str(refusal.http)] += 1
        switches = self.world.vpcep.switches
        request_id = self._request_id()
        body, content_type = body_of(
            refusal, shape=switches.error_shape, prefix=switches.gateway_prefix, request_id=request_id
        )
        name = "X-IAM-Trace-Id" if refusal.origin is Origin.IAM else "X-Request-Id"
        headers = (*refusal.headers, (name, request_id))
        return Reply(http=refusal.http, body=body, content_type=content_type, headers=headers)

    def _headers(self, reply: Reply) -> dict[str, str]:
        headers = {"Content-Type": reply.content_type, **dict(reply.headers)}
        headers.setdefault("X-Request-Id", self._request_id())
        if self.world.vpcep.switches.clock_skew_s:
            headers["Date"] = formatdate(self._now_s(), usegmt=True)
        return headers

    def _request_id(self) -> str:
        return f"{self._id_prefix}{next(self._id_numbers):016x}"

    def _now_s(self) -> float:
        return self.clock() + self.world.vpcep.switches.clock_skew_s


async def _read(request: web.BaseRequest) -> RawRequest | Refusal:
    """Return the request with nothing decoded; aiohttp has bounded its body."""
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        return gateway("0201", "Request entity too large", http=413)
    path, _, query = request.raw_path.partition("?")
    headers = {name.lower(): _text(value) for name, value in request.headers.items()}
    return RawRequest(method=request.method, path=path, query=query, headers=headers, body=body)


def _text(value: str) -> str:
    """Return a header value with bytes that are no UTF-8 replaced: they can be neither hashed nor echoed."""
    return value if value.isascii() else value.encode(errors="surrogateescape").decode(errors="replace")


def _reset(request: web.BaseRequest) -> web.Response:
    """Cut the connection so that the client sees a reset; what is returned goes nowhere."""
    transport = request.transport
    if transport is not None:
        peer = transport.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
    return web.Response()
