"""Changes of one kind: what they mean to whoever dials, and how they are gathered."""

from typing import TYPE_CHECKING

import orjson
import pytest

from bulk.ledger.records import state_json
from bulk.model import Action, ModifyBody, Outcome, Protocol, Repeated, Target
from bulk.reports import meaning, overview
from bulk.reports.kinds import Dialled, Kind, Moved, kind_of, losses, lost
from bulk.reports.overview import Overview, overview_of
from bulk.reports.report_row import Row
from bulk.reports.words import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bulk.model import Change
    from bulk.reports.overview import KindGroup

TCP, UDP = Protocol.TCP, Protocol.UDP
SAME, ANOTHER = True, False


def gathered(changes: "Iterable[Change]") -> Overview:
    """Return the overview of planned changes."""
    found = Overview()
    for each in changes:
        found.add_change(each, 1, (each,))
    return found


def texts(groups: "list[KindGroup]") -> list[str]:
    """Return how many services each kind has, and what it is."""
    return [f"{group.services} {plain(meaning.written(group))}" for group in groups]


@pytest.mark.parametrize(
    ("live", "wanted", "kind", "gone"),
    [
        ("443:1/TCP", "8443:1/TCP", Kind(moved=(Moved(443, 8443, TCP, SAME),)), [443]),
        ("443:1/TCP", "8443:2/TCP", Kind(moved=(Moved(443, 8443, TCP, ANOTHER),)), [443]),
        ("443:1/TCP", "443:2/TCP", Kind(rerouted=(Dialled(443, TCP),)), []),
        ("443:1/TCP", "443:1/UDP", Kind(gone=(Dialled(443, TCP),), new=(Dialled(443, UDP),)), [443]),
        ("1:1/TCP 2:2/TCP", "1:1/TCP", Kind(gone=(Dialled(2, TCP),)), [2]),
        ("1:1/TCP", "1:1/TCP 2:2/UDP", Kind(new=(Dialled(2, UDP),)), []),
        (  # by the client port first: whoever dials 443 is still answered
            "443:9000/TCP",
            "8443:9000/TCP 443:9100/TCP",
            Kind(rerouted=(Dialled(443, TCP),), new=(Dialled(8443, TCP),)),
            [],
        ),
        (
            "7777:7/TCP 443:9/TCP",
            "8443:9/TCP",
            Kind(moved=(Moved(443, 8443, TCP, SAME),), gone=(Dialled(7777, TCP),)),
            [7777, 443],
        ),
        (  # what is left in the end, one of each, belongs together as well
            "1:1/TCP 2:2/TCP",
            "3:1/TCP 4:9/TCP",
            Kind(moved=(Moved(1, 3, TCP, SAME), Moved(2, 4, TCP, ANOTHER))),
            [1, 2],
        ),
    ],
)
def test_a_change_is_read_as_what_it_means_to_whoever_dials(
    live: str, wanted: str, kind: Kind, gone: list[int], change: "Callable[..., Change]"
) -> None:
    """Moved, rerouted, gone or new, paired by client port first; what cannot be dialled any more is lost."""
    one = change(1, live, wanted)
    assert kind_of(one) == kind
    assert [port.client_port for port in lost(one)] == gone
    assert kind.takes == bool(gone)


def test_what_nobody_is_connected_to_is_no_loss(change: "Callable[..., Change]") -> None:
    """Nor is what stays; one consumer loses, two lose."""
    for count, words in ((None, ""), (0, ""), (1, "1 consumer loses 80"), (2, "2 consumers lose 80")):
        assert losses(change(1, "80:80/TCP", "81:80/TCP", before={"connection_count": count})) == words
    assert losses(change(1, "80:80/TCP", "80:81/TCP")) == ""
    assert losses(change(1, "53:53/UDP", "1:1/TCP")) == "2 consumers lose 53/UDP"


def test_changes_of_one_kind_are_one_whatever_their_backend_ports(change: "Callable[..., Change]") -> None:
    """What takes most from most people comes first; then what is most frequent."""
    found = gathered(
        [
            *(change(row, f"443:{row}/TCP", f"8443:{row}/TCP") for row in range(1, 6)),
            change(6, "7777:1/TCP", "80:80/TCP", before={"connection_count": 1}),
            *(change(row, "1:1/TCP", "1:2/TCP") for row in range(7, 9)),
            *(
                change(row, f"443:{row}/TCP", f"9443:{row}/TCP", before={"connection_count": 3})
                for row in (9,)
            ),
        ]
    )
    assert texts(found.kinds()) == [
        "5 -443 +8443/TCP, same backend",
        "1 -443 +9443/TCP, same backend",
        "1 -7777 +80/TCP, another backend port",
        "2 ~1/TCP, another backend port",
    ]
    assert (found.losing, found.consumers, found.rows) == (7, 14, 9)


def test_what_is_lost_for_good_comes_before_what_moves(change: "Callable[..., Change]") -> None:
    """Even if it is lost by fewer."""
    found = gathered(
        [
            change(1, "443:1/TCP", "8443:1/TCP"),
            change(2, "1:1/TCP 2:2/TCP", "1:1/TCP", before={"connection_count": 1}),
        ]
    )
    first, second = found.kinds()
    assert meaning.effect(first) == "1 consumer of web-2 loses 2 for good"
    assert meaning.effect(second) == "2 consumers of web-1 must dial 8443 instead of 443"


def test_kinds_that_differ_in_one_new_port_are_one_from_three_on(change: "Callable[..., Change]") -> None:
    """As a range where they lead to one backend port; two stay apart."""
    many = [change(row, "1:1/TCP", f"1:1/TCP {5300 + row % 3}:53/UDP", reason="look") for row in range(1, 7)]
    assert texts(gathered(many).kinds()) == ["6 +5300..5302/UDP"]
    assert gathered(many).kinds()[0].notes == {"look": 6}
    assert len(gathered(many[:2]).kinds()) == 2
    other = [change(9, "1:1/TCP", "1:1/TCP 5309:54/UDP")]
    assert texts(gathered([*many, *other]).kinds()) == ["6 +5300..5302/UDP", "1 +5309/UDP"]


def test_settings_are_part_of_a_kind_with_their_value_where_it_is_one(
    change: "Callable[..., Change]",
) -> None:
    """Different values are not shown, since the line would say what is true of one service only."""

    def described(row: int, words: str, **more: object) -> "Change":
        return change(row, "1:1/TCP", f"1:1/TCP {row}:2/TCP", body={"description": words}, **more)

    same = gathered([described(5, "new"), change(6, "1:1/TCP", "1:1/TCP", body={"service_name": "web-6"})])
    assert texts(same.kinds()) == ['1 +5/TCP description -> "new"', "1 "]
    differing = gathered([described(row, f"new {row}") for row in (5, 6, 7)])
    assert texts(differing.kinds()) == ["3 +5..7/TCP description"]
    both = gathered([described(5, "a"), described(5, "b")])
    assert texts(both.kinds()) == ["2 +5/TCP description"]


def test_only_a_few_services_of_a_kind_are_kept_those_with_most_consumers(
    change: "Callable[..., Change]",
) -> None:
    """Memory does not grow with the rows, and whoever is named matters most."""
    found = gathered(
        change(row, f"443:{row}/TCP", f"8443:{row}/TCP", before={"connection_count": row % 20})
        for row in range(1, 100)
    )
    [group] = found.kinds()
    assert [consumers for _, consumers in group.named] == [19, 19, 19, 19, 19, 18, 18, 18]
    assert (
        meaning.examples(group, ()) == "most: web-19 (19), web-39 (19), web-59 (19), web-79 (19) and 91 more"
    )


def test_whether_anybody_is_connected_may_be_unknown(change: "Callable[..., Change]") -> None:
    """Then it does not say that nobody is."""
    unknown = change(1, "443:1/TCP", "8443:1/TCP", before={"connection_count": None})
    [group] = gathered([unknown]).kinds()
    assert meaning.effect(group) == "whether anybody is connected to 1 service is not known"
    [group] = gathered([unknown, change(2, "443:1/TCP", "8443:1/TCP")]).kinds()
    assert meaning.effect(group).endswith(
        "of 1 service must dial 8443 instead of 443; whether anybody is connected to 1 service is not known"
    )
    [group] = gathered([change(3, "443:1/TCP", "8443:1/TCP", before={"connection_count": 0})]).kinds()
    assert meaning.effect(group) == "no consumer connected"


def test_kinds_that_are_not_shown_say_what_they_take_from_consumers(change: "Callable[..., Change]") -> None:
    """What is counted without its name is not harmless for that."""
    nobody = change(1, "443:1/TCP", "8443:1/TCP", before={"connection_count": 0})
    [group] = gathered([nobody]).kinds()
    assert meaning.others([group]) == "1 more kind of change, 1 service"
    groups = gathered([nobody, change(2, "80:1/TCP", "81:1/TCP")]).kinds()
    several = "2 more kinds of change, 2 services, of which 1 loses a port (2 connected consumers)"
    assert meaning.others(groups) == several


def test_a_change_of_many_ports_names_the_first(change: "Callable[..., Change]") -> None:
    """The line stays short, and says how many there are."""
    many = " ".join(f"{port}:{port}/TCP" for port in range(1, 51))
    [group] = gathered([change(1, f"{many} 99:99/TCP", "99:99/TCP")]).kinds()
    assert plain(meaning.written(group)).endswith("-8/TCP and 42 more")
    assert meaning.effect(group) == "2 consumers of web-1 lose 1, 2, 3, 4 and 46 more for good"


def test_kinds_beyond_the_limit_are_counted_together(
    change: "Callable[..., Change]", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their consumers count all the same."""
    monkeypatch.setattr(overview, "KINDS_MAX", 2)
    monkeypatch.setattr(overview, "TROUBLES_MAX", 1)
    plan = [change(row, f"{row}:1/TCP", f"{100 + row}:1/TCP") for row in range(1, 6)]
    plan += [change(row, "1:1/TCP", "2:2/TCP", Action.REFUSE, reason=f"no {row}") for row in range(6, 9)]
    found = gathered(plan)
    assert texts(found.kinds())[0] == "3 changes of other kinds"
    assert meaning.effect(found.kinds()[0]) == "6 consumers of 3 services lose a port"
    assert found.consumers == 10
    assert [(trouble.count, trouble.is_one_reason) for trouble in found.troubles()] == [(2, False), (1, True)]


def test_refusals_of_one_cause_are_one_whatever_their_reasons(change: "Callable[..., Change]") -> None:
    """The cause stands for all; of a few each has its own reason."""
    plan = [
        change(row, "1:1/TCP", "2:2/TCP", Action.REFUSE, reason=f"expected {row}", cause="not as expected")
        for row in range(1, 4)
    ]
    [trouble] = gathered(plan).troubles()
    assert (trouble.count, meaning.trouble_text(trouble)) == (3, "not as expected")
    assert next(meaning.troubled(trouble, ())) == "web-1 00000000 (services.csv:2): expected 1"
    [alone] = gathered(plan[:1]).troubles()
    assert meaning.trouble_text(alone) == "expected 1"
    assert list(meaning.troubled(alone, ())) == ["web-1 00000000 (services.csv:2)"]


def test_rows_that_ended_alike_are_one(change: "Callable[..., Change]") -> None:
    """Drifted ones whatever was found, those of one project together; kept rows count, but as no change."""
    other = Target(region="r", project_id="p")
    rows = [Row(change=change(n, "1:1/TCP", "2:2/TCP"), outcome=Outcome.DRIFTED) for n in (1, 2)]
    kept = [change(n, "1:1/TCP", "1:1/TCP", Action.KEEP, target=other) for n in (3, 4)]
    rows += [Row(change=kept[0]), Row(change=kept[1], outcome=Outcome.DRIFTED)]
    found = overview_of(rows)
    assert [trouble.count for trouble in found.troubles()] == [3]
    assert [(place.rows, place.changes, place.wrong) for place in found.places.values()] == [
        (2, 2, 2),
        (2, 0, 1),
    ]


def test_a_name_that_two_have_comes_with_digits_of_the_id(change: "Callable[..., Change]") -> None:
    """A service without a name has its digits alone."""
    named = [change(row, "1:1/TCP", "2:2/TCP", before={"service_name": "r.same.i"}) for row in (1, 2)]
    shared = overview.shared_names([*named, change(3, "1:1/TCP", "2:2/TCP")])
    assert shared == {"same"}
    assert meaning.name_of(named[0], shared) == "same@0000"
    nameless = change(4, "1:1/TCP", "2:2/TCP", before={"service_name": None})
    assert meaning.name_of(nameless) == "00000000"


def test_at_most_a_few_warnings_of_a_kind_are_kept(change: "Callable[..., Change]") -> None:
    """And those that are, are counted."""
    [group] = gathered(
        change(row, f"1:{row}/TCP", f"2:{row}/TCP", reason=f"note {row % 5}") for row in range(10)
    ).kinds()
    assert group.notes == {"note 0": 2, "note 1": 2, "note 2": 2}


def test_changes_that_are_like_another_count_with_it_and_are_named_by_themselves(
    change: "Callable[..., Change]",
) -> None:
    """As planning makes them: one decision for many services, of which the first few are at hand."""
    like = change(1, "443:1/TCP", "8443:1/TCP", parking=ModifyBody(ports=()), reason="look")
    assert like.before is not None
    second = change(2, "443:1/TCP", "8443:1/TCP")
    assert second.before is not None
    repeated = Repeated(like, second.update, orjson.dumps(state_json(second.before)))
    found = Overview()
    found.add_change(like, 500, (like, repeated))
    [group] = found.kinds()
    assert [meaning.name_of(each) for each, _ in group.named] == ["web-1", "web-2"]
    assert (group.services, group.consumers, group.notes) == (500, 1000, {})
    assert (found.rows, found.losing, found.parked.services) == (500, 500, 500)
    found.add_change(noted := change(9, "1:1/TCP", "1:2/TCP", reason="look"), 7, (noted,))
    assert found.kinds()[-1].notes == {"look": 7}
    missing = change(3, "1:1/TCP", "2:2/TCP", Action.REFUSE, reason="no such service")
    found.add_change(missing, 60, [Repeated(missing, missing.update, None)] * 8)
    [trouble] = found.troubles()
    assert (trouble.count, trouble.is_one_reason, len(trouble.rows)) == (60, True, 8)
    assert found.places[like.target].wrong == 60
