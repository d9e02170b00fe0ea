"""What a run reads: lists of services, single ones, and whether a key may still do anything."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from bulk.errors import CredentialsError, FleetUnreadable, PushedBack
from bulk.ledger.stops import BrakeReason
from bulk.model import Change, Done, LaneName, Listed, Missing, Reply, ShowVerdict, Target
from bulk.plan.estimate import PAGE_SERVICES
from bulk.run.interfaces import LaneClient, Ledger
from bulk.run.listing import compare, not_as_ended
from bulk.run.looks import ListPage
from bulk.run.machine import Machine
from bulk.run.patience import (
    Patience,
    at_once,
    by_target,
    list_services,
    read_page,
    refused_key,
    show_service,
)
from bulk.run.stages import Stop

_RENEWING_SHARE = 0.5
"""Share of the rate of reads for pages that renew looks; the rest is for doubts and single looks."""


class Reads:
    """Reads what the machine asks for and reports to it; `drain_soon` lets rows go on after that."""

    def __init__(
        self,
        ledger: Ledger,
        clients: Mapping[Target, LaneClient],
        patience: Patience,
        machine: Machine,
        drain_soon: Callable[[], None],
    ) -> None:
        self._ledger = ledger
        self._clients = clients
        self._patience = patience
        self._machine = machine
        self._drain_soon = drain_soon

    async def show(self, change: Change, page: ListPage | None) -> None:
        """Read the service of a row: by a page of the list, or by the request of its own."""
        client = self._clients[change.target]
        patience = self._patience_of(client)
        if page:
            services, asked_at = await self._page(page)
            states = (service.state for service in services if service.id == change.service_id)
            found: ShowVerdict = Missing(reply=Reply())
            if state := next(states, None):
                found = Done(reply=Reply(), state=state)
        else:
            found, asked_at = await show_service(client.fleet, change.service_id, client.reads, patience)
        self._machine.shown(change.row, found, asked_at)
        self._drain_soon()

    async def probe(self, target: Target) -> None:
        """Ask whether the key of a target may do anything at all."""
        client = self._clients[target]
        refusal = await refused_key(target, client.fleet, client.reads, self._patience)
        self._machine.probed(target, refusal)
        self._drain_soon()

    async def renew(self, key: LaneName, page: ListPage, is_over: asyncio.Event) -> None:
        """Read a page of the list again; where that cannot be, single looks will find out why.

        Returns once the next one may be read, or as soon as `is_over` is set.
        """
        client, clock = self._clients[page.target], self._patience.clock
        services, asked_at = await self._page(page)
        self._machine.renewed_looks.seen(key, page, services, asked_at)
        self._drain_soon()
        next_at = asked_at + 1 / (client.reads.rate_per_s * _RENEWING_SHARE)
        await clock.sleep(max(next_at - clock.monotonic(), 0.0), wake=is_over)
        self._machine.renewed_looks.rested(key)
        self._drain_soon()

    async def _page(self, page: ListPage) -> tuple[tuple[Listed, ...], float]:
        """Return a page of a list, and when it was asked for; one that cannot be read shows nothing."""
        client, begun_at = self._clients[page.target], self._patience.clock.monotonic()
        with suppress(FleetUnreadable, CredentialsError):
            (found, _, asked_at) = await read_page(
                page.target, client.fleet, client.reads, self._patience, page.offset, is_ahead=True
            )
            return found.services, asked_at
        return (), begun_at

    async def look(self, key: LaneName) -> None:
        """Look at every service of a lane; a fleet that cannot be listed stops its lane only."""

        async def look_at(target: Target, rows: Any) -> None:
            page, asked_at = ListPage(target, 0), 0.0

            def on_page(offset: int, at: float) -> None:
                nonlocal page, asked_at
                page, asked_at = ListPage(target, offset), at

            def judged(row: int, drift: Any) -> None:
                self._machine.look.seen(row, drift, asked_at, page)
                self._drain_soon()

            begin = PAGE_SERVICES * self._machine.look.first_page(target, len(rows))
            await compare(self._ledger, rows, self._listing(target, on_page, begin), judged)

        if await self._can_read(key, look_at, self._machine.look.unseen(key)):
            self._machine.look.ended(key)

    async def verify(self, key: LaneName) -> None:
        """List the services of a lane once more; what is not as its row ended is read."""
        await self._ledger.flush()

        async def look_at(target: Target, rows: Any) -> None:
            others = await not_as_ended(self._ledger, rows, self._listing(target))
            for row, listed in others.items():
                self._machine.last_look.suspect(row, listed)

        await self._can_read(key, look_at, self._machine.last_look.sent(key))

    async def _can_read(
        self, key: LaneName, look_at: Callable[[Target, Any], Awaitable[None]], rows: list[int]
    ) -> bool:
        """Look at the services of rows; return whether that could be done, else cut the lane."""
        try:
            await at_once(look_at, by_target(self._ledger.progress, rows))
        except PushedBack as error:
            self._machine.cut(key, Stop(BrakeReason.PUSHED_BACK, f"{error.message}; {error.hint}"))
        except FleetUnreadable as error:
            self._machine.cut(key, Stop(BrakeReason.UNREADABLE, f"{error.message}; {error.hint}"))
        except CredentialsError as error:
            self._machine.cut(key, Stop(BrakeReason.ABORTED, f"{error.message}; {error.hint}"))
        else:
            return True
        return False

    def _listing(
        self, target: Target, on_page: Callable[[int, float], object] = lambda _, __: None, begin: int = 0
    ) -> Callable[[Callable[[Listed], None]], Awaitable[None]]:
        client = self._clients[target]
        patience = self._patience_of(client)

        def list_fleet(see: Callable[[Listed], None]) -> Awaitable[None]:
            return list_services(target, client.fleet, client.reads, patience, see, on_page, begin)

        return list_fleet

    def _patience_of(self, client: LaneClient) -> Patience:
        """Return the patience of a lane's reads: what they find no room for, its PUTs must make room for."""
        return replace(self._patience, crowded=partial(self._machine.crowded, client.lane))
