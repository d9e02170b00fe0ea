"""The rows of a file in little memory are the rows that were added."""

from dataclasses import replace

import pytest

from bulk.jobfile import packed
from bulk.jobfile.packed import Updates
from bulk.model import ModifyBody, ServiceId, ServiceUpdate, Target, port_mapping

HOME, AWAY = Target("cn-north-4", "6e9dfd51d1124e8d8498dce894923a0d"), Target("eu-west-101", "", "other")
PORTS = (port_mapping(80, 8080, "TCP"),)


def row(number: int, target: Target = HOME, **asked: object) -> ServiceUpdate:
    """Return the row of this number."""
    update = ServiceUpdate(
        row=number,
        place=f"a folder/x:y.csv:{number + 1}",
        target=target,
        service_id=ServiceId(f"4189d3c2-8882-4871-a3c2-{number:012}"),
        body=ModifyBody(ports=PORTS),
    )
    return replace(update, **asked)  # type: ignore[arg-type]


ROWS = [
    row(1),
    row(2, AWAY),
    row(3, note="why"),
    row(5, AWAY, body=ModifyBody(), add_ports=PORTS),
    row(9, expect_ports=()),
    row(10, body=ModifyBody(description="")),
]


@pytest.mark.parametrize("known_max", [0, 2, 100])
def test_rows_come_back_as_they_were_added(known_max: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In their order, whatever they ask, and by their target, each in the order of the first row."""
    monkeypatch.setattr(packed, "_ASKS_KNOWN_MAX", known_max)
    updates = Updates()
    for each in ROWS:
        updates.add(each)
    assert ([*updates], len(updates), updates.last_row) == (ROWS, len(ROWS), 10)
    assert {target: [*rows] for target, rows in updates.by_target.items()} == {
        target: [each for each in ROWS if each.target == target] for target in (HOME, AWAY)
    }
    assert [*updates.by_target] == [HOME, AWAY]
    assert [len(rows) for rows in updates.by_target.values()] == [4, 2]


def test_a_row_is_among_those_that_were_added_or_it_is_not() -> None:
    """Of all rows, and of those of one target."""
    updates = Updates()
    assert (updates.last_row, [*updates]) == (0, [])
    updates.add(ROWS[0])
    assert ROWS[0] in updates
    assert ROWS[0] in updates.by_target[HOME]
    assert ROWS[1] not in updates
    assert ROWS[1] not in updates.by_target[HOME]


def test_some_of_the_rows_can_be_left_out() -> None:
    """A target without a row is none any more."""
    updates = Updates()
    for each in ROWS:
        updates.add(each)
    kept = updates.only(lambda update: update.target == AWAY)
    assert [*kept] == [ROWS[1], ROWS[3]]
    assert [*kept.by_target] == [AWAY]


def test_equal_asks_are_kept_once() -> None:
    """A million rows that ask the same hold one body."""
    updates, body = Updates(), ModifyBody(ports=PORTS)
    for number in range(1, 100):
        updates.add(row(number, body=body))
    assert {id(update.body) for update in updates} == {id(body)}
