"""Rows beyond what an edition of the cloud takes are warned of before anything is sent."""

from dataclasses import replace

import pytest

from bulk.model import Change, ModifyBody, PortMapping, Protocol, ServiceUpdate
from bulk.vpcep.edition_limits import beyond_limits
from bulk.vpcep.editions import EDITIONS, HUAWEI_CLOUD, Edition, edition_of
from tests.values import change

UDP = (PortMapping(53, 53, Protocol.UDP),)
OTC = EDITIONS["otc.t-systems.com"]


def row(number: int, *, add_ports: tuple[PortMapping, ...] = (), **body: object) -> ServiceUpdate:
    """Return a row that asks for this body."""
    update = replace(change(number).update, place=f"services.csv:{number}", add_ports=add_ports)
    return replace(update, body=ModifyBody(**body))  # type: ignore[arg-type]


BEYOND = [
    row(1, ports=UDP),
    row(2, add_ports=UDP),
    row(3, description="x" * 129),
    row(4, description="x" * 128),
]


def test_each_limit_is_warned_of_once_with_the_number_of_rows_and_the_first_place() -> None:
    """Whether the row names the whole map or adds to it."""
    assert list(beyond_limits(OTC, BEYOND)) == [
        (
            "Open Telekom Cloud takes TCP only, and 2 rows (services.csv:1, …) ask for UDP; "
            "it refuses them with EndPoint.3075"
        ),
        (
            "Open Telekom Cloud takes a description of at most 128 characters, and 1 row (services.csv:3) "
            "asks for a longer one; it refuses them"
        ),
    ]


def test_a_change_that_is_made_of_a_run_is_looked_at_as_well() -> None:
    """A rollback brings back what there was."""
    back = replace(change(1), body=ModifyBody(ports=UDP))
    assert isinstance(back, Change)
    assert len(list(beyond_limits(OTC, [back]))) == 1
    assert list(beyond_limits(OTC, [row(1, description="short")])) == []


@pytest.mark.parametrize("edition", [None, EDITIONS[HUAWEI_CLOUD], edition_of("cloud.example.com")])
def test_where_the_limits_are_the_usual_ones_no_row_is_looked_at(edition: Edition | None) -> None:
    """Nor on this machine and at a host that nobody knows: a million rows cost nothing."""
    assert list(beyond_limits(edition, iter(()))) == []
    assert list(beyond_limits(edition, BEYOND)) == []
