"""Reading a fleet: whole lists and single services, paced, with patience, every count checked."""

import asyncio
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar, assert_never

from bulk.core.backoff import backoff_s
from bulk.core.errors import CredentialsError, FleetUnreadable
from bulk.core.ledger.progress import Progress
from bulk.core.model import (
    Abort,
    ListVerdict,
    Page,
    Reject,
    Reply,
    Retry,
    ServiceId,
    ServiceState,
    ShowVerdict,
    Target,
    Throttled,
)
from bulk.engine.interfaces import Clock, Dice, FleetReader, Pace

PAGE_SERVICES = 1000
"""The API's largest `limit` (API document, section 1.3)."""
READ_TRIES = 6
SCANS_MAX = 3
"""A list that changes while it is read is read again this often."""

LOOKS = 8
"""Fleets listed at a time; the pace of reads, which they share, still holds."""

Answer = TypeVar("Answer")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """What repeating a request needs: time and dice."""

    clock: Clock
    dice: Dice


def by_target(progress: Progress, rows: Iterable[int]) -> Mapping[Target, "array[int]"]:
    """Give rows by their target, in their order."""
    rows_of: dict[Target, array[int]] = {}
    for row in rows:
        target = progress.target(row)
        if target not in rows_of:
            rows_of[target] = array("I")
        rows_of[target].append(row)
    return rows_of


async def at_once(look: Callable[[Target, T], Awaitable[None]], targets: Mapping[Target, T]) -> None:
    """Look at all targets, `LOOKS` at a time; the first error ends it."""
    left = iter(targets.items())

    async def go_on() -> None:
        for target, what in left:
            await look(target, what)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(LOOKS, len(targets))):
                group.create_task(go_on())
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures


async def list_services(
    target: Target, reader: FleetReader, pace: Pace, patience: Patience
) -> AsyncIterator[ServiceState]:
    """Give every service of a target once, oldest first.

    Takes ceil(N / 1000) requests for N services. A service that is deleted meanwhile moves later ones to
    pages already read, so the list is read again where its `total_count` shrank or names fewer ids. Raises
    FleetUnreadable, or CredentialsError where the API does not accept us.
    """
    given: set[ServiceId] = set()
    listed: set[ServiceId] = set()
    total_count = 0
    for _ in range(SCANS_MAX):
        listed, offset, highest_count, more = set(), 0, 0, True
        while more:
            page = await _page(target, reader, pace, patience, offset)
            for state in page.services:
                if state.id not in listed and state.id not in given:
                    yield state
                listed.add(state.id)
            offset, total_count = offset + len(page.services), page.total_count
            highest_count = max(highest_count, total_count)
            more = offset < total_count and bool(page.services)
        if len(listed) >= total_count == highest_count:
            return
        given |= listed
    raise FleetUnreadable(
        f"{target}: the list names {len(listed)} services but counts {total_count}",
        hint="services are being made or deleted right now; run again when that has ended",
    )


async def _page(target: Target, reader: FleetReader, pace: Pace, patience: Patience, offset: int) -> Page:
    def ask() -> Awaitable[ListVerdict]:
        return reader.list_page(offset=offset, limit=PAGE_SERVICES)

    answer = await _patiently(ask, pace, patience)
    match answer:
        case Page():
            return answer
        case Abort(reply=reply, hint=hint):
            raise CredentialsError(f"{target}: {_told(reply)}", hint=hint)
        case Reject(reply=reply) | Retry(reply=reply) | Throttled(reply=reply):
            raise FleetUnreadable(
                f"{target}: the services could not be listed: {_told(reply)}",
                hint="check region, project and network, then run the same command again",
            )
        case _:
            assert_never(answer)


async def show_service(
    reader: FleetReader, service_id: ServiceId, pace: Pace, patience: Patience
) -> ShowVerdict:
    """Give one service as the detail request tells it, or why it cannot be read."""

    def ask() -> Awaitable[ShowVerdict]:
        return reader.show(service_id)

    return await _patiently(ask, pace, patience)


async def _patiently(ask: Callable[[], Awaitable[Answer]], pace: Pace, patience: Patience) -> Answer | Retry:
    """Ask until there is an answer worth having; being throttled is waited out, however long it lasts."""
    tries = 0
    while True:
        granted_at = await pace.acquire()
        if granted_at is None:
            return Retry(reply=Reply(code="stopped", message="the run is stopping"))
        answer = await ask()
        match answer:
            case Throttled():
                pace.refused(granted_at, answer)
            case Retry():
                tries += answer.counts
                if tries >= READ_TRIES:
                    return answer
                await patience.clock.sleep(backoff_s(tries, patience.dice.random()))
            case _:
                pace.accepted(granted_at)
                return answer


def _told(reply: Reply) -> str:
    parts = (f"http {reply.http}" if reply.http else "", reply.code, reply.message)
    told = " ".join(part for part in parts if part)
    return f"{told} (request id {reply.request_id})" if reply.request_id else told
