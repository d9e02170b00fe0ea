"""Whole plans: which rows are looked at together, in which order they come, and what their reasons say."""

from dataclasses import replace
from itertools import islice

import pytest

from bulk.model import (
    PORT_MAX,
    Action,
    Change,
    ModifyBody,
    PortMapping,
    Ports,
    ServiceId,
    ServiceState,
    ServiceUpdate,
)
from bulk.plan import ordered, plan_target, steps
from bulk.plan.port_claims import held, wanted
from tests.values import PROJECT, LiveList, whole

HTTP, HTTPS = 80, 443


def serving(*server_ports: int) -> Ports:
    """Return TCP mappings `1000 + n -> port`, numbered from 0."""
    return tuple(PortMapping(client_port=1000 + n, server_port=port) for n, port in enumerate(server_ports))


def service(name: str, *server_ports: int, on: str | None = "P", consumers: int = 0) -> ServiceState:
    """Return a live service behind a port_id."""
    return ServiceState(
        id=ServiceId(name),
        ports=serving(*server_ports),
        status="available",
        port_id=on,
        connection_count=consumers,
    )


def rows(**wanted: ModifyBody | tuple[int, ...]) -> list[ServiceUpdate]:
    """Return one row for each service, in the order given, with a body or with server ports."""
    return [
        ServiceUpdate(
            row=row,
            place=f"a.csv:{row}",
            target=PROJECT,
            service_id=ServiceId(name),
            body=body if isinstance(body, ModifyBody) else ModifyBody(ports=serving(*body)),
        )
        for row, (name, body) in enumerate(wanted.items(), start=1)
    ]


def planned(
    live: list[ServiceState], updates: list[ServiceUpdate], *, allow_parking: bool = False
) -> list[Change]:
    """Return a plan as a list."""
    return whole(plan_target(PROJECT, updates, LiveList(live), allow_parking=allow_parking))


def order(changes: list[Change]) -> list[str]:
    """Return the services in the order of the plan."""
    return [change.service_id for change in changes]


def by_service(changes: list[Change]) -> dict[str, Change]:
    """Return the changes by their service."""
    return {change.service_id: change for change in changes}


def test_who_frees_a_pair_goes_before_who_takes_it() -> None:
    """A chain runs from its free end, and each change says what it waits for."""
    live = [service("a", 1), service("b", 2), service("c", 3)]
    changes = planned(live, rows(a=(2,), b=(3,), c=(4,)))
    assert order(changes) == ["c", "b", "a"]
    assert [change.after for change in changes] == [(), (3,), (2,)]


def test_a_change_may_wait_for_several() -> None:
    """Both who free what is taken are named, in the order of their rows."""
    live = [service("a", 1), service("b", 2), service("c", 3)]
    changes = planned(live, rows(c=(1, 2), a=(4,), b=(5,)))
    assert order(changes) == ["a", "b", "c"]
    assert by_service(changes)["c"].after == (2, 3)


def test_rows_in_nobodys_way_keep_the_order_of_the_file() -> None:
    """A shared port_id alone changes nothing."""
    live = [service("a", 1), service("b", 2), service("c", 3, on="Q"), service("d", 4, on=None)]
    changes = planned(live, rows(d=(1,), c=(2,), b=(5,), a=(6,), gone=(1,)))
    assert order(changes) == ["d", "c", "b", "a", "gone"]
    assert not any(change.after for change in changes)


def test_a_group_comes_where_its_last_row_stands() -> None:
    """What stands between the rows of a group goes first; so nothing has to be held for long."""
    live = [service("a", 1), service("b", 2), service("c", 1, on="Q")]
    assert order(planned(live, rows(a=(2,), c=(2,), b=(3,)))) == ["c", "b", "a"]


def test_a_plan_comes_as_it_is_asked_for() -> None:
    """The first change is there before the last row has been decided."""
    live = [service("a", 1), service("b", 1, on="Q")]
    plan = plan_target(PROJECT, rows(a=(2,), b=(3,)), LiveList(live), allow_parking=False)
    assert order(whole(islice(plan, 1))) == ["a"]


def test_services_without_a_port_id_share_nothing() -> None:
    """A service that stands on an ip is in nobody's way."""
    live = [service("a", 1, on=None), service("b", 2, on=None)]
    assert [c.action for c in planned(live, rows(a=(2,), b=(1,)))] == [Action.UPDATE, Action.UPDATE]


def test_a_service_that_moves_waits_for_room_where_it_goes() -> None:
    """A claim is taken and freed behind the port_id where the service ends and where it stands."""
    live = [service("a", 1), service("b", 1, on="Q"), service("c", 1, on="R")]
    changes = planned(live, rows(a=ModifyBody(port_id="Q"), b=ModifyBody(port_id="R"), c=(2,)))
    assert order(changes) == ["c", "b", "a"]


def test_a_service_may_move_to_a_port_id_where_nobody_is() -> None:
    """An unused port_id has room; two that move there may still be in each other's way."""
    live = [service("a", 1), service("b", 1, on="Q"), service("c", 2, on="S")]
    to_r = ModifyBody(port_id="R")
    assert [c.action for c in planned(live, rows(a=to_r, c=to_r))] == [Action.UPDATE, Action.UPDATE]
    assert [c.action for c in planned(live, rows(a=to_r, b=to_r))] == [Action.REFUSE, Action.REFUSE]


def test_a_service_without_a_port_id_may_move_to_one() -> None:
    """Where it goes counts, although it frees nothing anywhere."""
    live = [service("a", 1, on=None), service("b", 1, on="Q")]
    assert order(planned(live, rows(a=ModifyBody(port_id="Q"), b=(2,)))) == ["b", "a"]


def test_moves_along_a_long_line_of_port_ids_are_one_group() -> None:
    """Each waits for the next, from the far end, whatever the order of the rows."""
    live = [service(f"s{n}", 1, on=f"P{n}") for n in range(300)]
    updates = rows(**{f"s{n}": ModifyBody(port_id=f"P{n + 1}") for n in range(299)}, s299=(2,))
    assert order(planned(live, updates)) == [f"s{n}" for n in reversed(range(300))]


def test_naming_the_port_id_that_a_service_has_is_no_move() -> None:
    """A row that repeats the port_id is planned like one that does not."""
    live = [service("a", 1), service("b", 2)]
    body = ModifyBody(port_id="P", ports=serving(2))
    assert order(planned(live, rows(a=body, b=(3,)))) == ["b", "a"]


@pytest.mark.parametrize(
    ("wanted_by_row", "reason"),
    [
        (
            {"a": (HTTPS,)},
            "which is not in this job; free it there first, or choose another server_port",
        ),
        (
            {"a": (HTTPS,), "b": (HTTPS,)},
            "whose row 2 keeps it; choose another server_port",
        ),
        (
            {"a": (HTTPS,), "b": (HTTPS, 81)},
            "whose row 2 keeps it; choose another server_port",
        ),
        (
            {"a": (HTTPS,), "b": ()},
            "whose row 2 is refused; correct that row first",
        ),
        (
            {"a": (HTTPS,), "b": (90,)},
            "whose row 2 is refused; correct that row first",
        ),
    ],
    ids=["outside", "kept", "stays", "refused-alone", "refused-in-turn"],
)
def test_a_pair_that_nobody_frees_is_refused_and_its_holder_named(
    wanted_by_row: dict[str, tuple[int, ...]], reason: str
) -> None:
    """The reason says who holds the claim, by id and name, why it stays there, and what to do."""
    named = replace(service("b", HTTPS), service_name="cn-north-4.db.b")
    live = [service("a", HTTP), named, service("c", 90)]
    refused = by_service(planned(live, rows(**wanted_by_row)))["a"]
    assert refused.action is Action.REFUSE
    assert refused.reason == f"443/TCP of the same port_id is held by service b (db), {reason}"


def test_rows_that_take_the_same_pair_are_all_refused() -> None:
    """Nothing says which of them is meant, so none is sent; who wants what they keep is refused in turn."""
    live = [service("a", 1), service("b", 2), service("c", 3), service("d", 4)]
    changes = by_service(planned(live, rows(a=(9,), b=(9,), c=(2,), d=(5,))))
    assert [change.action for change in changes.values()].count(Action.REFUSE) == 3
    assert changes["a"].reason == (
        "9/TCP on port_id P is also taken by row 2, and only one service can hold it; "
        "choose another server_port in all rows but one"
    )
    assert "held by service b, whose row 2 is refused" in changes["c"].reason
    assert changes["d"].action is Action.UPDATE


def test_a_swap_is_refused_with_the_cycle_shown() -> None:
    """Each arrow leads from who has a claim to who takes it; each is named as a person knows it."""
    live = [replace(service("A", HTTP), service_name="cn-north-4.web.A"), service("B", HTTPS)]
    changes = planned(live, rows(A=(HTTPS,), B=(HTTP,)))
    assert {change.action for change in changes} == {Action.REFUSE}
    reason = (
        "services want each other's server_port: web 80/TCP -> B 443/TCP -> web; break the cycle with "
        "--allow-parking, which takes one of them out of service for a moment, or free one of these ports "
        "beforehand"
    )
    assert [change.reason for change in changes] == [reason, reason]


def test_a_longer_cycle_is_shown_in_the_direction_in_which_pairs_go() -> None:
    """A gives 1 to B, B gives 2 to C, C gives 3 to A."""
    live = [service("A", 1), service("B", 2), service("C", 3)]
    changes = planned(live, rows(A=(3,), B=(1,), C=(2,)))
    assert all("A 1/TCP -> B 2/TCP -> C 3/TCP -> A;" in change.reason for change in changes)


def test_of_a_large_cycle_only_the_beginning_is_shown() -> None:
    """Each of its rows has the reason in the ledger, so that the reason must not grow with the cycle."""
    live = [service(f"s{n:03}", n + 1) for n in range(300)]
    changes = planned(live, rows(**{f"s{n:03}": ((n + 1) % 300 + 1,) for n in range(300)}))
    assert len(changes) == 300
    assert all("s000 1/TCP -> s299 300/TCP -> " in change.reason for change in changes)
    assert all(" -> 292 more -> s000; " in change.reason for change in changes)


def test_what_waits_for_a_refused_cycle_is_refused_in_turn() -> None:
    """A row outside the cycle, or a cycle of its own, is refused with the holder named."""
    live = [service("A", 1), service("B", 2, 6), service("C", 3, 7), service("D", 4), service("E", 5)]
    changes = by_service(planned(live, rows(A=(2,), B=(1,), C=(4, 6), D=(3,), E=(7,))))
    assert {change.action for change in changes.values()} == {Action.REFUSE}
    assert "held by service B, whose row 2 is refused" in changes["C"].reason
    assert "held by service C, whose row 3 is refused" in changes["D"].reason
    assert "held by service C, whose row 3 is refused" in changes["E"].reason


def test_with_parking_a_swap_takes_one_intermediate_put() -> None:
    """The parked one goes first without what the other takes, and last with what it wants."""
    live = [service("A", HTTP, 22), service("B", HTTPS)]
    changes = planned(live, rows(A=(HTTPS, 22), B=(HTTP,)), allow_parking=True)
    parked, other = changes
    assert order(changes) == ["A", "B"]
    assert parked.parking == ModifyBody(ports=serving(HTTP, 22)[1:])
    assert parked.out_of_service == serving(HTTP)
    assert (parked.after, other.after_parked, other.after) == ((2,), (1,), ())
    assert parked.reason == (
        "1000:80/TCP is out of service for a moment, to break the cycle A 80/TCP -> B 443/TCP -> A"
    )
    sent = [
        (step.change.service_id, step.body.ports, step.is_last) for step in steps(changes, lambda _: False)
    ]
    assert sent == [
        ("A", serving(HTTP, 22)[1:], False),
        ("B", serving(HTTP), True),
        ("A", serving(HTTPS, 22), True),
    ]


def test_a_service_that_would_be_left_with_nothing_is_led_to_an_unused_port() -> None:
    """The API takes no empty list; two that are parked at once get different unused ports."""
    live = [service("A", 1), service("B", 2), service("C", 3), service("D", 4), service("E", PORT_MAX)]
    updates = rows(A=(2,), B=(1,), C=(4,), D=(3,))
    parkings = [c.parking for c in planned(live, updates, allow_parking=True) if c.parking]
    assert parkings == [ModifyBody(ports=serving(PORT_MAX - 1)), ModifyBody(ports=serving(PORT_MAX - 2))]


def test_one_parked_service_may_let_several_go_first() -> None:
    """A stands in two cycles: one intermediate PUT breaks both."""
    live = [service("A", 1, 2, 22), service("B", 3), service("C", 4)]
    changes = planned(live, rows(A=(3, 4), B=(1,), C=(2,)), allow_parking=True)
    assert [(c.service_id, c.after, c.after_parked) for c in changes] == [
        ("A", (2, 3), ()),
        ("B", (), (1,)),
        ("C", (), (1,)),
    ]


def test_without_any_unused_port_the_plan_still_stands() -> None:
    """With every port of a port_id in use, the intermediate PUT is for the API to refuse."""
    crowd = [service(f"s{n}", *range(n + 3, min(n + 203, PORT_MAX + 1))) for n in range(0, PORT_MAX - 2, 200)]
    live = [service("A", 1), service("B", 2), *crowd]
    parked = by_service(planned(live, rows(A=(2,), B=(1,)), allow_parking=True))["A"]
    assert parked.parking == ModifyBody(ports=serving(1))


def test_the_service_with_the_fewest_consumers_is_parked() -> None:
    """Where it is all the same, the gap hits the fewest."""
    live = [service("A", 1, consumers=9), service("B", 2, consumers=1)]
    changes = planned(live, rows(A=(2,), B=(1,)), allow_parking=True)
    assert order(changes) == ["B", "A"]
    assert "1000:2/TCP is out" in changes[0].reason


def test_a_parked_service_that_moves_names_its_ports_in_the_last_put() -> None:
    """Two services change places: the row names no ports, but the intermediate PUT took some away."""
    live = [service("A", HTTP, 22), service("B", HTTP, on="Q")]
    swap = rows(A=ModifyBody(port_id="Q"), B=ModifyBody(port_id="P"))
    parked = by_service(planned(live, swap, allow_parking=True))["A"]
    assert parked.parking == ModifyBody(ports=serving(HTTP, 22)[1:])
    assert parked.body == ModifyBody(port_id="Q", ports=serving(HTTP, 22))


def test_a_service_is_parked_just_before_it_has_to_be() -> None:
    """Rows that do not wait for it go first, so that the gap stays short."""
    live = [service("A", 1), service("B", 2), service("C", 3), service("D", 4)]
    changes = planned(live, rows(C=(5,), A=(2,), B=(1, 3), D=(6,)), allow_parking=True)
    assert [(c.service_id, c.parking is not None) for c in changes] == [
        ("C", False),
        ("A", True),
        ("B", False),
        ("D", False),
    ]


def test_the_last_put_of_a_parked_change_is_never_given_too_early() -> None:
    """Where what it waits for is neither given nor over, only the intermediate PUT is given."""
    live = [service("A", 1), service("B", 2)]
    parked, other = planned(live, rows(A=(2,), B=(1,)), allow_parking=True)
    assert [step.is_last for step in steps([parked], lambda _: False)] == [False]
    assert [step.is_last for step in steps([parked], lambda row: row == other.row)] == [False, True]


def tangle() -> list[Change]:
    """Return a plan in which A and B wait for each other's intermediate PUT, and E for A's last one."""
    live = [
        service("A", 1, 2, 7),
        service("B", 3, 4),
        service("C", 5, consumers=9),
        service("D", 6, consumers=9),
        service("E", 8),
    ]
    return planned(live, rows(A=(3, 5), B=(1, 6), C=(2,), E=(7,), D=(4,)), allow_parking=True)


def told(changes: list[Change], ended: set[int]) -> list[str]:
    """Return the steps of what has not ended, with a question mark behind an intermediate one."""
    rest = [change for change in changes if change.row not in ended]
    return [s.change.service_id + "?" * (not s.is_last) for s in steps(rest, ended.__contains__)]


def test_a_last_put_waits_for_the_intermediate_put_of_another_parked_service() -> None:
    """A's last PUT takes from B, which is parked later; E, which waits for A, comes behind both."""
    changes = tangle()
    assert by_service(changes)["A"].after_parked == (2,)
    assert by_service(changes)["B"].after_parked == (1,)
    assert told(changes, set()) == ["A?", "C", "B?", "A", "E", "D", "B"]


def test_what_waits_for_a_row_that_has_ended_goes_on_after_a_stop() -> None:
    """The steps of the rest are those that are left, whichever rows have ended."""
    changes = tangle()
    assert told(changes, {3}) == ["A?", "B?", "A", "E", "D", "B"]
    assert told(changes, {2, 3, 5}) == ["A?", "A", "E"]
    assert told(changes, {1, 3}) == ["B?", "E", "D", "B"]


def test_a_parked_service_may_wait_for_the_last_put_of_another() -> None:
    """C stands in a cycle with D and takes from A, which frees that at last only."""
    live = [
        service("A", 1, 9),
        service("B", 2, consumers=9),
        service("C", 3),
        service("D", 4, consumers=9),
    ]
    changes = planned(live, rows(C=(4, 9), A=(2,), B=(1,), D=(3,)), allow_parking=True)
    assert by_service(changes)["C"].after == (2, 4)
    assert told(changes, set()) == ["A?", "B", "A", "C?", "D", "C"]


def test_decided_changes_are_ordered_by_the_same_rules() -> None:
    """What was decided elsewhere, as the inverse of a run, is put in order beside the live fleet."""
    live = [service("a", 1), service("b", 2), service("c", 3)]
    changes = [replace(change, after=()) for change in planned(live, rows(a=(2,), b=(4,)))]
    changes.sort(key=lambda change: change.row)
    again = whole(ordered(changes, LiveList(live), allow_parking=False))
    assert order(again) == ["b", "a"]
    assert again[1].after == (2,)


def test_who_is_not_there_or_on_no_port_id_has_no_pair() -> None:
    """A change without a service takes none, and a service without a port_id holds none."""
    lost = planned([], rows(a=(1,)))[0]
    assert wanted(lost) == held(service("b", 1, on=None)) == frozenset()
