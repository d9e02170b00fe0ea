"""Reading a fleet: whole lists and single services, paced, with patience, every count checked."""

import asyncio
from array import array
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from math import inf
from typing import Any, NamedTuple, TypeVar, assert_never

from bulk.errors import CredentialsError, FleetUnreadable, PushedBack
from bulk.hashes import Hashes
from bulk.ledger.progress import Progress
from bulk.model import (
    PUSH_BACK_MAX_S,
    Abort,
    Doubt,
    Listed,
    ListVerdict,
    Page,
    PutVerdict,
    Reject,
    Reply,
    Retry,
    ServiceId,
    ShowVerdict,
    Target,
    Throttled,
)
from bulk.pacing.backoff import backoff_s
from bulk.plan.estimate import PAGE_SERVICES
from bulk.run.interfaces import Clock, Dice, FleetReader, Pace
from bulk.text import counted
from bulk.vpcep.codes import advice_for

READ_TRIES = 6
CROWDED_MAX_S, CROWDED_WAITS = 60.0, 3
"""How long a read waits for room for its connection, and how far its backoff goes."""
SCANS_MAX = 3
"""A list that changes while it is read is read again this often."""

LOOKS = 8
"""Fleets listed at a time; the pace of reads, which they share, still holds."""
PAGES_AT_ONCE = 4
"""Pages of one fleet that are asked for at a time."""
PAGES_MAX = 10_000
"""Ten million services: no fleet has more."""
GROWTH_MAX, PAGES_MORE = 2, 10
"""A list that grows while it is read may have so many times its pages, and a few more; then it has no end."""

Answer = TypeVar("Answer", bound=ListVerdict | ShowVerdict)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """What repeating a request needs: time and dice."""

    clock: Clock
    dice: Dice
    crowded: Callable[[Reply], object] = lambda _: None
    """Called when this machine has no room for one more connection."""


def by_target(progress: Progress, rows: Iterable[int]) -> Mapping[Target, "array[int]"]:
    """Return rows by their target, in their order."""
    rows_of: dict[int, array[int]] = defaultdict(partial(array, "I"))
    target_of = progress.target_of
    for row in rows:  # perhaps a million
        rows_of[target_of[row - 1]].append(row)
    return {progress.targets[number]: rows for number, rows in rows_of.items()}


async def at_once(look: Callable[[Target, T], Awaitable[None]], targets: Mapping[Target, T]) -> None:
    """Look at all targets, `LOOKS` at a time; the first error ends it."""
    left = iter(targets.items())

    async def go_on() -> None:
        for target, what in left:
            await look(target, what)

    async with raising_the_first(), asyncio.TaskGroup() as group:
        for _ in range(min(LOOKS, len(targets))):
            group.create_task(go_on())


async def in_turn(
    ask: Callable[[Target], Coroutine[Any, Any, T]],
    targets: Iterable[Target],
    use: Callable[[Target, T], Awaitable[None]],
) -> None:
    """Ask about all targets, `LOOKS` at a time; use the answers in their order. The first error ends it."""
    left = iter(targets)
    coming: deque[tuple[Target, asyncio.Task[T]]] = deque()
    async with raising_the_first(), asyncio.TaskGroup() as group:
        while True:
            coming.extend(
                (target, group.create_task(ask(target))) for target in islice(left, LOOKS - len(coming))
            )
            if not coming:
                return
            target, answer = coming.popleft()
            await use(target, await answer)


@asynccontextmanager
async def raising_the_first() -> AsyncIterator[None]:
    """Raise, of a group of failures, the first one: it stands for all."""
    try:
        yield
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures


async def list_services(
    target: Target,
    reader: FleetReader,
    pace: Pace,
    patience: Patience,
    see: Callable[[Listed], object],
    on_page: Callable[[int, float], object] = lambda _, __: None,
    begin: int = 0,
) -> None:
    """Call `see` with every service of a target, oldest first; one whose list moved meanwhile perhaps twice.

    Those from the offset `begin` on come first, then those before it.

    Takes ceil(N / 1000) requests for N services, a few of them at a time. A service that is deleted meanwhile
    moves later ones to pages already read, so the list is read again where its `total_count` shrank or names
    fewer ids. `on_page` is called before the services of each page, with its offset and the monotonic time at
    which it was asked for. Raises FleetUnreadable, also for a list without an end, or CredentialsError where
    the API does not accept us.
    """
    scan = _Scan(target, see, on_page)
    for pages_max in (PAGES_AT_ONCE, *[1] * (SCANS_MAX - 1)):
        ask = partial(read_page, target, reader, pace, patience, is_ahead=pages_max > 1)
        scan = _Scan(target, see, on_page)
        await _each_page(ask, scan.take, pages_max, begin if pages_max > 1 else 0)
        if scan.is_whole:
            return
    raise FleetUnreadable(
        f"{target}: the list names {scan.distinct} services but counts {scan.total_count}",
        hint="services are being made or deleted right now; run again when that has ended",
    )


class _Asked(NamedTuple):
    """A page, where it begins, and the monotonic time at which it was asked for."""

    page: Page
    offset: int
    asked_at: float


class _Scan:
    """One reading of a list; 8 bytes a service."""

    def __init__(
        self, target: Target, see: Callable[[Listed], object], on_page: Callable[[int, float], object]
    ) -> None:
        self._target = target
        self._see = see
        self._on_page = on_page
        self._hashes = Hashes()
        self._highest_count = self.total_count = 0
        self._pages = 0
        self._pages_max, self._is_unbounded = PAGES_MAX, True

    def take(self, asked: _Asked) -> None:
        """Take in the next page."""
        page = asked.page
        self._on_page(asked.offset, asked.asked_at)
        self.total_count = page.total_count
        self._highest_count = max(self._highest_count, page.total_count)
        for service in page.services:
            self._hashes.add(hash(service.id))
            self._see(service)
        self._must_end(len(page.services))

    def _must_end(self, services: int) -> None:
        """Raise FleetUnreadable where the list has, or by its first page would have, too many pages."""
        self._pages += 1
        pages = self._pages
        if self._is_unbounded and services:
            self._is_unbounded = False
            pages = -(-self.total_count // services)
            self._pages_max = min(PAGES_MAX, GROWTH_MAX * pages + PAGES_MORE)
        if services and pages > self._pages_max:
            raise FleetUnreadable(
                f"{self._target}: the list has no end: after {counted(self._pages, 'page')} with "
                f"{counted(self.distinct, 'service')} it counts {self.total_count}",
                hint="check the endpoint; if services are being made now, run again when that has ended",
            )

    @property
    def distinct(self) -> int:
        """Return how many different services were listed."""
        return self._hashes.distinct

    @property
    def is_whole(self) -> bool:
        """Return whether all services that were ever counted were listed, and none was deleted meanwhile."""
        return self.distinct >= self.total_count == self._highest_count


Ask = Callable[[int], Coroutine[Any, Any, _Asked]]


async def _each_page(ask: Ask, take: Callable[[_Asked], None], pages_max: int, begin: int) -> None:
    """Call `take` with the pages from an offset on, then those before it, then what has come since."""
    total_count, read = await _pages_between(ask, take, pages_max, begin, inf)
    if begin:
        end = min(begin, read)
        total_count, _ = await _pages_between(ask, take, pages_max, 0, end)
        if total_count > max(begin, read):
            await _pages_between(ask, take, pages_max, read, inf)


async def _pages_between(
    ask: Ask, take: Callable[[_Asked], None], pages_max: int, begin: int, end: float
) -> tuple[int, int]:
    """Call `take` with the pages between two offsets in turn, asking for up to `pages_max` of them at a time.

    Returns the number of services that the last one counted, and the offset behind it.
    """
    asked = await ask(begin)
    take(asked)
    page, step = asked.page, len(asked.page.services)
    read = next_offset = begin + step
    coming: deque[asyncio.Task[_Asked]] = deque()
    async with raising_the_first(), asyncio.TaskGroup() as group:
        while page.services and (coming or read < min(page.total_count, end)):
            if not coming:
                next_offset = read
            while len(coming) < pages_max and next_offset < min(page.total_count, end):
                coming.append(group.create_task(ask(next_offset)))
                next_offset += step
            asked = await coming.popleft()
            take(asked)
            page = asked.page
            read += len(page.services)
    return page.total_count, read


async def read_page(
    target: Target, reader: FleetReader, pace: Pace, patience: Patience, offset: int, *, is_ahead: bool
) -> _Asked:
    """Return one page; where the list shrank, one that was asked for ahead is refused and counts as empty.

    Raises FleetUnreadable, or CredentialsError where the API does not accept us.
    """

    def ask() -> Awaitable[ListVerdict]:
        return reader.list_page(offset=offset, limit=PAGE_SERVICES)

    answer, asked_at = await _patiently(ask, pace, patience)
    match answer:
        case Page():
            return _Asked(answer, offset, asked_at)
        case Reject(reply=reply) if is_ahead and offset:
            return _Asked(Page(reply=reply, services=(), total_count=0), offset, asked_at)
        case Abort(reply=reply, hint=hint):
            raise CredentialsError(f"{target}: {_as_text(reply)}", hint=hint)
        case Throttled(shut_until=until) | Retry(shut_until=until) if until:
            raise PushedBack(
                f"{target}: the API asks to be left alone until {until}",
                hint="run the same command again then",
            )
        case Throttled(reply=reply):
            raise PushedBack(
                f"{target}: for {PUSH_BACK_MAX_S / 60:.0f} min every list was too fast for the API: "
                f"{_as_text(reply)}",
                hint="somebody else may use up the limit of this account; run the same command again later",
            )
        case Reject(reply=reply) | Retry(reply=reply):
            has_not_left = isinstance(answer, Retry) and (answer.is_local or answer.absent_s)
            check = advice_for(reply.code, None) if has_not_left else "check region, project and network"
            raise FleetUnreadable(
                f"{target}: the services could not be listed: {_as_text(reply)}",
                hint=f"{check}, then run the same command again",
            )
        case _:
            assert_never(answer)


async def refused_key(target: Target, reader: FleetReader, pace: Pace, patience: Patience) -> str:
    """Ask whether the key of a target may still list anything; return why not, if so."""
    answer, _ = await _patiently(lambda: reader.list_page(offset=0, limit=1), pace, patience)
    return f"{target}: {_as_text(answer.reply)}; {answer.hint}" if isinstance(answer, Abort) else ""


async def show_service(
    reader: FleetReader, service_id: ServiceId, pace: Pace, patience: Patience
) -> tuple[ShowVerdict, float]:
    """Return one service as the detail request shows it, or why it cannot be read, and when it was asked."""

    def ask() -> Awaitable[ShowVerdict]:
        return reader.show(service_id)

    return await _patiently(ask, pace, patience)


async def _patiently(
    ask: Callable[[], Awaitable[Answer]], pace: Pace, patience: Patience
) -> tuple[Answer | Retry, float]:
    """Ask until there is an answer worth having, and return it with the monotonic time of its request.

    Being throttled, and what the API asks to wait for, is waited out for up to `PUSH_BACK_MAX_S` in all.
    """
    tries, asked_at, first_at, paused_s = 0, 0.0, inf, 0.0
    while True:
        granted_at = await pace.acquire()
        if granted_at is None:
            return Retry(reply=Reply(code="stopped", message="the run is stopping")), asked_at
        asked_at = patience.clock.monotonic()
        first_at = min(first_at, asked_at)
        answer = await ask()
        teach(pace, granted_at, answer)
        if isinstance(answer, Throttled | Retry):
            paused_s += answer.retry_after_s or 0.0
        match answer:
            case Throttled(shut_until=until) | Retry(shut_until=until) if until:
                return answer, asked_at
            case Throttled() if max(paused_s, patience.clock.monotonic() - first_at) > PUSH_BACK_MAX_S:
                return answer, asked_at
            case Throttled():
                pass
            case Retry(is_local=True) if patience.clock.monotonic() < first_at + CROWDED_MAX_S:
                patience.crowded(answer.reply)
                await patience.clock.sleep(backoff_s(CROWDED_WAITS, patience.dice.random()))
            case Retry(retry_after_s=wait_s) if wait_s and paused_s <= PUSH_BACK_MAX_S:
                pass
            case Retry():
                tries += answer.counts
                if tries >= READ_TRIES:
                    return answer, asked_at
                await patience.clock.sleep(backoff_s(tries, patience.dice.random()))
            case _:
                return answer, asked_at


def teach(pace: Pace, granted_at: float, answer: PutVerdict | ShowVerdict | ListVerdict) -> None:
    """Let a pace learn from the answer to the request of a grant, or from the lack of one."""
    match answer:
        case Throttled():
            pace.refused(granted_at, answer)
        case Doubt(retry_after_s=wait_s) | Retry(retry_after_s=wait_s) if wait_s:
            pace.pause(wait_s)
        case _ if answer.reply.http is not None:
            pace.accepted(granted_at)
        case _:
            pass


def _as_text(reply: Reply) -> str:
    return f"{reply.words} (request id {reply.request_id})" if reply.request_id else reply.words
