"""Reading a fleet: every service once, every count checked, with patience and an end to it."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from bulk.errors import CredentialsError, ExitCode, FleetUnreadable, PushedBack
from bulk.model import (
    Abort,
    Done,
    Listed,
    ListVerdict,
    Missing,
    Page,
    Reject,
    Reply,
    Retry,
    ServiceId,
    ServiceState,
    Throttled,
)
from bulk.plan.estimate import PAGE_SERVICES
from bulk.run.patience import (
    CROWDED_MAX_S,
    GROWTH_MAX,
    PAGES_AT_ONCE,
    PAGES_MAX,
    PAGES_MORE,
    READ_TRIES,
    SCANS_MAX,
    Patience,
    list_services,
    show_service,
)
from tests.fakes import (
    BUSY,
    CROWDED,
    LOCKED,
    NO,
    OK,
    TOO_FAST,
    UNREACHED,
    FakeClock,
    FakeFleet,
    FakePace,
    FixedDice,
)
from tests.values import PROJECT, service_id, state

RETRY = Retry(reply=UNREACHED)


def fleet(rows: int) -> FakeFleet:
    """Return a fleet of so many services."""
    return FakeFleet(services={service_id(row): state(row, 22) for row in range(rows)})


class Reading:
    """One reader with its pace and clock."""

    def __init__(self, fleet: FakeFleet) -> None:
        self.fleet, self.pace, self.clock = fleet, FakePace(), FakeClock()
        self.patience = Patience(clock=self.clock, dice=FixedDice(1.0))

    async def list(self, begin: int = 0) -> list[ServiceState]:
        """Return all services."""
        seen: list[ServiceState] = []
        await list_services(PROJECT, self.fleet, self.pace, self.patience, seen.append, begin=begin)
        return seen

    async def show(self, row: int) -> Done | Missing | Reject | Retry | Abort | Throttled:
        """Return the service of a row."""
        found, _ = await show_service(self.fleet, service_id(row), self.pace, self.patience)
        return found


def page(*rows: int, total: int) -> Page:
    """Return a page with the services of some rows."""
    return Page(reply=OK, services=tuple(Listed.of(state(row, 22)) for row in rows), total_count=total)


@pytest.mark.parametrize(
    ("services", "requests"), [(0, 1), (1, 1), (999, 1), (1000, 1), (1001, 2), (2000, 2), (2500, 3)]
)
async def test_n_services_take_a_page_for_each_thousand(services: int, requests: int) -> None:
    """ceil(N / 1000) requests, at least one, and never one past the total."""
    reading = Reading(fleet(services))
    listed = await reading.list()
    assert [live.id for live in listed] == list(reading.fleet.services)
    assert reading.fleet.pages == [PAGE_SERVICES * number for number in range(requests)]
    assert len(reading.pace.took) == requests


@pytest.mark.parametrize("limit", [PAGE_SERVICES, 300])
@pytest.mark.parametrize("begin", [1000, 2000, 3000, 9000])
@pytest.mark.parametrize("services", [0, 1, 1000, 2000, 2001, 3500])
async def test_a_list_may_be_read_from_its_middle_on(services: int, begin: int, limit: int) -> None:
    """Every service all the same, also where the list is shorter, and pages are than was asked for."""
    reading = Reading(fleet(services))
    list_page = reading.fleet.list_page

    async def capped(*, offset: int, limit: int, most: int = limit) -> ListVerdict:
        return await list_page(offset=offset, limit=min(limit, most))

    reading.fleet.list_page = capped  # type: ignore[method-assign]
    seen = [live.id for live in await reading.list(begin)]
    assert sorted(set(seen)) == list(reading.fleet.services)
    assert reading.fleet.pages[0] == begin
    if begin < services:
        assert seen[0] == service_id(begin)
    if limit == PAGE_SERVICES:
        assert len(seen) == services
        assert len(reading.pace.took) == max(1, -(-services // limit)) + (begin >= services)


async def test_a_list_that_grows_while_it_is_read_from_its_middle_is_read_to_its_end() -> None:
    """What came since the end was read comes last, and the list is not read again for it."""
    reading = Reading(fleet(2000))
    new = iter([None, state(5000, 22)])

    def grow() -> None:
        if found := next(new, None):
            reading.fleet.services[found.id] = found

    reading.fleet.on_list = grow
    assert len(await reading.list(1000)) == 2001
    assert reading.fleet.pages == [1000, 0, 2000]


async def test_a_middle_that_is_not_there_any_more_is_passed_over() -> None:
    """The API refuses an offset behind the end (EndPoint.0010)."""
    refused = Reject(reply=Reply(http=400, code="EndPoint.0010"))
    pages: list[ListVerdict] = [refused, page(1, 2, total=30), *(page(n, total=30) for n in range(3, 31))]
    reading = Reading(FakeFleet(services={}, lists=pages))
    assert len(await reading.list(1000)) == 30


async def test_a_service_named_twice_is_counted_once() -> None:
    """A page boundary that moves repeats a service; that hides none, and none is missed."""
    reading = Reading(FakeFleet(services={}, lists=[page(1, 2, total=3), page(2, 3, total=3)]))
    assert [live.id for live in await reading.list()] == [service_id(row) for row in (1, 2, 2, 3)]
    assert reading.fleet.pages == [0, 2]


async def test_a_list_with_a_missing_service_is_read_again() -> None:
    """Fewer ids than counted: somebody moved between the pages."""
    lists: list[ListVerdict] = [page(1, 2, total=4), page(2, 3, total=4), page(1, 2, 3, 4, total=4)]
    reading = Reading(FakeFleet(services={}, lists=lists))
    assert {live.id for live in await reading.list()} == {service_id(row) for row in (1, 2, 3, 4)}


async def test_a_deletion_between_two_pages_hides_no_service() -> None:
    """Row 1 is deleted after page one, so row 3 moves there unseen: the list shrank and is read again."""
    lists: list[ListVerdict] = [page(1, 2, total=4), page(4, total=3), page(2, 3, 4, total=3)]
    reading = Reading(FakeFleet(services={}, lists=lists))
    assert {live.id for live in await reading.list()} == {service_id(row) for row in (1, 2, 3, 4)}
    assert reading.fleet.pages == [0, 2, 0]


async def test_pages_are_asked_for_several_at_a_time_and_given_in_turn() -> None:
    """A long list takes the time of a few pages one after the other, not of all."""
    reading = Reading(fleet(9 * PAGE_SERVICES))
    under_way, most = 0, 0
    list_page = reading.fleet.list_page

    async def slow(*, offset: int, limit: int) -> ListVerdict:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        for _ in range(10 - offset // PAGE_SERVICES):  # the later a page, the sooner it is there
            await asyncio.sleep(0)
        under_way -= 1
        return await list_page(offset=offset, limit=limit)

    reading.fleet.list_page = slow  # type: ignore[method-assign]
    assert [live.id for live in await reading.list()] == list(reading.fleet.services)
    assert most == PAGES_AT_ONCE


async def test_a_page_asked_for_ahead_that_is_not_there_any_more_is_read_again() -> None:
    """The list shrank by one meanwhile, and the API refuses an offset at its end (EndPoint.0010)."""
    reading = Reading(fleet(3 * PAGE_SERVICES + 1))
    list_page = reading.fleet.list_page

    async def shrinking(*, offset: int, limit: int) -> ListVerdict:
        answer = await list_page(offset=offset, limit=limit)
        if not offset and len(reading.fleet.services) > 3 * PAGE_SERVICES:
            del reading.fleet.services[service_id(0)]
        return answer if not offset or offset < len(reading.fleet.services) else Reject(reply=NO)

    reading.fleet.list_page = shrinking  # type: ignore[method-assign]
    assert {live.id for live in await reading.list()} >= set(reading.fleet.services)


async def test_a_server_with_smaller_pages_is_read_by_its_own_measure() -> None:
    """What it gives on the first page is what it is asked for on the others."""
    lists: list[ListVerdict] = [page(1, 2, total=5), page(3, 4, total=5), page(5, total=5)]
    reading = Reading(FakeFleet(services={}, lists=lists))
    assert [live.id for live in await reading.list()] == [service_id(row) for row in range(1, 6)]
    assert reading.fleet.pages == [0, 2, 4]


async def test_a_creation_between_two_pages_needs_no_second_reading() -> None:
    """New services stand at the end of a list sorted by age."""
    lists: list[ListVerdict] = [page(1, 2, total=3), page(3, 4, total=4)]
    reading = Reading(FakeFleet(services={}, lists=lists))
    assert len(await reading.list()) == 4
    assert reading.fleet.pages == [0, 2]


@pytest.mark.parametrize("last", [(), (2,)])
async def test_a_list_that_stays_short_is_not_used(last: tuple[int, ...]) -> None:
    """An empty or repeating page ends each reading; after three the fleet counts as unreadable."""
    lists: list[ListVerdict] = [page(1, 2, total=3), page(*last, total=3)] * SCANS_MAX
    with pytest.raises(FleetUnreadable, match="names 2 services but counts 3"):
        await Reading(FakeFleet(services={}, lists=lists)).list()


def never_ending(total_count: Callable[[int], int], *, services: int = 2, repeats: bool = False) -> FakeFleet:
    """Return a fleet whose every page has services, and a count that depends on the number of the page."""
    endless = FakeFleet(services={})

    async def list_page(*, offset: int, limit: int) -> ListVerdict:
        assert limit == PAGE_SERVICES
        endless.pages.append(offset)
        first = 0 if repeats else offset
        return page(*range(first, first + services), total=total_count(len(endless.pages)))

    endless.list_page = list_page  # type: ignore[method-assign]
    return endless


@pytest.mark.parametrize(
    "total_count",
    [
        lambda pages: 2 * pages + 1,
        lambda pages: 3 if pages == 1 else 10**18,
        lambda pages: 10 ** min(pages, 18),
        lambda _: 10**18,
        lambda _: 2 * PAGES_MAX + 1,
    ],
)
@pytest.mark.parametrize("repeats", [False, True])
async def test_a_list_without_an_end_is_not_read_for_ever(
    total_count: Callable[[int], int], *, repeats: bool
) -> None:
    """A count that runs away from what is read, or that no fleet has: the words say so, and soon."""
    reading = Reading(never_ending(total_count, repeats=repeats))
    with pytest.raises(FleetUnreadable, match=r"the list has no end: after \d+ pages? with \d+ services"):
        await reading.list()
    assert len(reading.fleet.pages) <= 5 * GROWTH_MAX + PAGES_MORE + PAGES_AT_ONCE


async def test_a_list_that_doubles_while_it_is_read_is_read() -> None:
    """Somebody makes as many services as there were."""
    reading = Reading(never_ending(lambda pages: min(8, 4 + pages)))
    assert len({live.id for live in await reading.list()}) == 8


@pytest.mark.parametrize("most", [1, 8])
async def test_a_list_of_many_small_pages_is_read(most: int) -> None:
    """However small: what counts is how many pages the first one promises."""
    reading = Reading(never_ending(lambda _: 300, services=most))
    assert len({live.id for live in await reading.list()}) >= 300


async def test_a_refused_reader_ends_the_command_with_the_request_id() -> None:
    """Bad credentials are no row's fault."""
    refusal = Reply(http=401, code="APIGW.0301", message="wrong", request_id="req-9")
    reading = Reading(FakeFleet(services={}, lists=[Abort(reply=refusal, hint="check the secret key")]))
    with pytest.raises(CredentialsError, match=r"http 401 APIGW\.0301 wrong \(request id req-9\)") as caught:
        await reading.list()
    assert caught.value.hint == "check the secret key"


async def test_a_rejected_list_is_no_list() -> None:
    """A no to the list itself: nothing can be planned on it."""
    with pytest.raises(FleetUnreadable, match=r"cn-north-4/.*: http 400 EndPoint\.3043 bad port"):
        await Reading(FakeFleet(services={}, lists=[Reject(reply=NO)])).list()


async def test_a_read_that_fails_is_repeated_with_backoff() -> None:
    """Up to the sixth try, waiting longer each time; success is told to the pace once."""
    reading = Reading(fleet(1))
    reading.fleet.lists = [RETRY] * (READ_TRIES - 1)
    assert len(await reading.list()) == 1
    assert reading.clock.slept_s == [0.5, 1.0, 2.0, 4.0, 8.0]
    assert (reading.pace.granted, len(reading.pace.took)) == (READ_TRIES, 1)


async def test_a_read_that_keeps_failing_is_given_up() -> None:
    """The last failure is what is told."""
    reading = Reading(fleet(1))
    reading.fleet.lists = [RETRY] * READ_TRIES
    with pytest.raises(FleetUnreadable, match="connect_failed"):
        await reading.list()
    assert reading.pace.granted == READ_TRIES


async def test_a_throttled_read_costs_no_try_and_tells_the_pace() -> None:
    """The pace slows down; the read goes on as often as it takes."""
    reading = Reading(fleet(1))
    reading.fleet.lists = [Throttled(reply=TOO_FAST)] * 20
    assert len(await reading.list()) == 1
    assert len(reading.pace.refusals) == 20
    assert reading.clock.slept_s == []


async def test_a_wait_that_is_asked_for_costs_a_read_no_try() -> None:
    """A service that is not available says when to come back: the pace waits, and the read goes on."""
    reading = Reading(fleet(1))
    reading.fleet.lists = [Retry(reply=BUSY, retry_after_s=90.0)] * 10
    assert len(await reading.list()) == 1
    assert reading.pace.pauses == [90.0] * 10
    assert reading.clock.slept_s == []


async def test_a_wait_that_is_asked_for_again_and_again_comes_to_an_end() -> None:
    """After a quarter of an hour in all, each further one is a try."""
    reading = Reading(fleet(1))
    reading.fleet.lists = [Retry(reply=BUSY, retry_after_s=90.0)] * (10 + READ_TRIES)
    with pytest.raises(FleetUnreadable, match="http 409 busy"):
        await reading.list()


@pytest.mark.parametrize("wait_s", [90.0, None])
async def test_throttling_that_does_not_end_ends_a_read(wait_s: float | None) -> None:
    """What it asks for adds up; where it asks for nothing, the time that it lasts counts."""
    reading = Reading(fleet(1))
    reading.fleet.lists = [Throttled(reply=TOO_FAST, retry_after_s=wait_s)] * 12
    if wait_s is None:
        reading.fleet.on_list = lambda: setattr(reading.clock, "elapsed_s", reading.clock.elapsed_s + 90.0)
    with pytest.raises(PushedBack, match=r"for 15 min every list was too fast .* http 429 APIGW\.0308"):
        await reading.list()
    assert len(reading.fleet.pages) == 11


@pytest.mark.parametrize(
    "answer",
    [
        Throttled(reply=TOO_FAST, shut_until="2057-01-15 00:30:00 UTC"),
        Retry(reply=BUSY, shut_until="2057-01-15 00:30:00 UTC"),
    ],
)
async def test_a_wait_that_is_too_long_ends_a_read_at_once(answer: Throttled | Retry) -> None:
    """Its end is said, and the exit code that means: later, the same command."""
    reading = Reading(fleet(1))
    reading.fleet.lists = [answer]
    with pytest.raises(PushedBack, match="left alone until 2057-01-15 00:30:00 UTC") as caught:
        await reading.list()
    assert caught.value.exit_code is ExitCode.STOPPED_EARLY
    assert len(reading.fleet.pages) == 1
    reading.fleet.reads = {ServiceId(service_id(0)): [answer]}
    assert await reading.show(0) == answer


async def test_a_read_that_this_machine_has_no_room_for_waits_and_says_so() -> None:
    """It costs no try: others end, and give their connections back."""
    reading = Reading(fleet(1))
    heard: list[Reply] = []
    reading.patience = replace(reading.patience, crowded=heard.append)
    reading.fleet.lists = [CROWDED] * (READ_TRIES + 1)
    assert len(await reading.list()) == 1
    assert heard == [CROWDED.reply] * (READ_TRIES + 1)


async def test_a_read_that_this_machine_has_no_room_for_is_given_up_after_a_minute() -> None:
    """What would help is said."""
    reading = Reading(fleet(1))
    reading.fleet.lists = [CROWDED] * 1000
    with pytest.raises(FleetUnreadable, match="local_limit Too many open files") as caught:
        await reading.list()
    assert "ulimit -n" in caught.value.hint
    assert CROWDED_MAX_S < reading.clock.elapsed_s < 2 * CROWDED_MAX_S


async def test_a_read_for_which_no_worker_is_there_says_what_to_start() -> None:
    """Region and project have nothing to do with it."""
    reading = Reading(fleet(1))
    reading.fleet.lists = [Retry(reply=Reply(code="no_worker"), absent_s=30.0)] * READ_TRIES
    with pytest.raises(FleetUnreadable, match="no_worker") as caught:
        await reading.list()
    assert caught.value.hint.startswith("start `bulk worker`")


async def test_a_renewed_token_costs_a_read_no_try() -> None:
    """The reader is not to blame for the age of a token."""
    reading = Reading(fleet(1))
    reading.fleet.lists = [Retry(reply=LOCKED, counts=False)] * (READ_TRIES + 1)
    assert len(await reading.list()) == 1


async def test_a_closed_pace_ends_reading() -> None:
    """A run that stops does not begin another request."""
    reading = Reading(fleet(1))
    reading.pace.close()
    with pytest.raises(FleetUnreadable, match="the run is stopping"):
        await reading.list()
    assert reading.fleet.pages == []
    assert await reading.show(0) == Retry(reply=Reply(code="stopped", message="the run is stopping"))


async def test_a_service_is_shown_missing_or_told_why_not() -> None:
    """Done, Missing, Reject and Abort come as they are; a lost reply is tried again."""
    reading = Reading(fleet(1))
    assert await reading.show(0) == Done(reply=OK, state=state(0, 22))
    assert isinstance(await reading.show(7), Missing)
    last: list[Reject | Abort] = [Reject(reply=NO), Abort(reply=LOCKED, hint="")]
    for verdict in last:
        reading.fleet.reads = {ServiceId(service_id(0)): [RETRY, Throttled(reply=TOO_FAST), verdict]}
        assert await reading.show(0) == verdict
