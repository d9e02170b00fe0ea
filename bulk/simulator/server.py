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
from contextlib import suppress
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from itertools import count
from typing import Any

from aiohttp import web

from bulk.simulator.auth import RawRequest, check_project
from bulk.simulator.calls import Call, route
from bulk.simulator.error_answers import ErrorAnswer, body_of, gateway, vpcep
from bulk.simulator.faults import CORRUPTING, FaultKind, FaultRule, fault_refusal
from bulk.simulator.http_replies import HttpReply, corrupted, json_reply
from bulk.simulator.problems import explained
from bulk.simulator.side_routes import side_route, unknown_path
from bulk.simulator.world import World

BODY_BYTES_MAX = 12 * 2**20  # API.md, section 4.2: the gateway's bound for signed bodies
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s

Answer = HttpReply | web.StreamResponse


@dataclass(slots=True)
class Stats:
    """Counts since the start: what was asked, what was answered, how much at once."""

    requests: Counter[str] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0
    in_flight_max: int = 0


@dataclass(slots=True, kw_only=True)
class Server:
    """The handler of every request over one world; `clock` returns seconds since 1970."""

    world: World
    clock: Callable[[], float]
    stats: Stats = field(default_factory=Stats)
    _dice: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 -- jitter, no secret
    _id_prefix: str = field(default_factory=lambda: secrets.token_hex(8))
    _id_numbers: "count[int]" = field(default_factory=lambda: count(1))

    async def respond(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one HTTP request."""
        stats = self.stats
        stats.in_flight += 1
        stats.in_flight_max = max(stats.in_flight_max, stats.in_flight)
        try:
            answer = await self._dispatch(request, await _read(request))
        except ErrorAnswer as refusal:
            answer = self._worded(refusal)
        finally:
            stats.in_flight -= 1
        if isinstance(answer, web.StreamResponse):
            return answer
        stats.answers[answer.http] += 1
        return web.Response(status=answer.http, body=answer.body, headers=self._headers(answer))

    def snapshot(self) -> dict[str, Any]:
        """Return every count as JSON values; `duplicates` are PUTs that took effect and changed nothing."""
        counted = {
            name: {str(key): number for key, number in getattr(self.stats, name).items()}
            for name in ("requests", "answers", "refusals", "faults")
        }
        applied = self.world.journal.applied
        return counted | {
            "in_flight_max": self.stats.in_flight_max,
            "applied": len(applied),
            "duplicates": sum(record.is_duplicate for record in applied),
        }

    async def _dispatch(self, request: web.BaseRequest, raw: RawRequest) -> Answer:
        if raw.path.startswith("/v1/"):
            call = route(raw.method, raw.path)
            if call is None:
                raise unknown_path(raw)
            return await self._api(request, raw, call)
        if raw.path == "/_simulator/stats":
            return json_reply(self.snapshot())
        if not raw.path.startswith("/_simulator/"):
            self.stats.requests[f"{raw.method} {raw.path}"] += 1
        return side_route(self.world, raw, self._now_s())

    async def _api(self, request: web.BaseRequest, raw: RawRequest, call: Call) -> Answer:
        """Let a request past the gate and the limits, and carry it out or corrupt its answer."""
        self.stats.requests[call.operation] += 1
        now_s = self._now_s()
        caller = self.world.keyring.authenticate(raw, now_s)
        check_project(caller, call.project_id, raw.headers.get("x-project-id"))
        admitted = self.world.limits.admit(now_s, is_write=raw.method != "GET")
        switches = self.world.vpcep.switches
        try:
            # Without a delay no request comes between, so a concurrency limit counts real overlaps only.
            if delay_s := switches.latency_s + switches.jitter_s * self._dice.random():
                await asyncio.sleep(delay_s)
            return await self._answered(request, raw, replace(call, query=raw.query, body=raw.body))
        finally:
            for limit in admitted:
                limit.limiter.release()

    async def _answered(self, request: web.BaseRequest, raw: RawRequest, call: Call) -> Answer:
        """Carry out a call, or answer as the fault says, after or without doing what the call asks."""
        fault = self.world.faults.draw(raw.method, raw.path, call.service_id or None)
        if fault is None:
            return self._carried_out(call)
        self.stats.faults[fault.kind] += 1
        match fault.kind:
            case FaultKind.EDIT:
                self._edit(fault)
                return self._carried_out(call)
            case FaultKind.SLOW:
                if not fault.after:
                    await asyncio.sleep(fault.delay_s)
                try:
                    return self._carried_out(call)
                finally:  # a refusal is as slow as a success
                    if fault.after:
                        await asyncio.sleep(fault.delay_s)
            case FaultKind.TRUNCATED_BODY:
                return await self._truncated(request, self._carried_out(call))
            case kind if kind in CORRUPTING:
                return corrupted(self._carried_out(call), kind)
            case kind:
                if fault.after:
                    with suppress(ErrorAnswer):
                        self._carried_out(call)
                if kind is FaultKind.RESET:
                    return _reset(request)
                raise fault_refusal(fault, self._now_s())

    def _carried_out(self, call: Call) -> HttpReply:
        return self.world.vpcep.answer(call, self._now_s())

    def _edit(self, fault: FaultRule) -> None:
        try:
            for line in fault.services:
                self.world.edit(line)
        except ValueError as error:
            raise vpcep("0001", f"The fault's services: {explained(error)}") from None

    async def _truncated(self, request: web.BaseRequest, served: HttpReply) -> web.StreamResponse:
        """Send half of a body whose whole length was announced, and close."""
        response = web.StreamResponse(status=served.http, headers=self._headers(served))
        response.content_length = len(served.body)
        await response.prepare(request)
        await response.write(served.body[: len(served.body) // 2])
        if request.transport is not None:
            request.transport.close()
        return response

    def _worded(self, refusal: ErrorAnswer) -> HttpReply:
        """Return the answer that a refusal is, and count it."""
        self.stats.refusals[refusal.code or str(refusal.http)] += 1
        switches, request_id = self.world.vpcep.switches, self._request_id()
        body, content_type = body_of(
            refusal, shape=switches.error_shape, prefix=switches.gateway_prefix, request_id=request_id
        )
        headers = (*refusal.headers, (refusal.request_id_header, request_id))
        return HttpReply(http=refusal.http, body=body, content_type=content_type, headers=headers)

    def _headers(self, reply: HttpReply) -> dict[str, str]:
        headers = {"Content-Type": reply.content_type, **dict(reply.headers)}
        headers.setdefault("X-Request-Id", self._request_id())
        if self.world.vpcep.switches.clock_skew_s:
            headers["Date"] = formatdate(self._now_s(), usegmt=True)
        return headers

    def _request_id(self) -> str:
        return f"{self._id_prefix}{next(self._id_numbers):016x}"

    def _now_s(self) -> float:
        return self.clock() + self.world.vpcep.switches.clock_skew_s


async def _read(request: web.BaseRequest) -> RawRequest:
    """Return the request with nothing decoded; aiohttp has bounded its body."""
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise gateway("0201", "Request entity too large", http=413) from None
    path, _, query = request.raw_path.partition("?")
    # Bytes that are no UTF-8 are replaced: they can be neither hashed nor echoed.
    headers = {
        name.lower(): value.encode(errors="surrogateescape").decode(errors="replace")
        for name, value in request.headers.items()
    }
    return RawRequest(method=request.method, path=path, query=query, headers=headers, body=body)


def _reset(request: web.BaseRequest) -> web.Response:
    """Cut the connection so that the client sees a reset; what is returned goes nowhere."""
    transport = request.transport
    if transport is not None:
        peer = transport.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
    return web.Response()
