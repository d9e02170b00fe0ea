"""The plan's digest covers what will be done, where, and under which guards, and nothing else."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulk.errors import LedgerDamaged
from bulk.ledger.digest import PlanDigest, planned_terms
from bulk.ledger.records import Json, Run, change_of, record_json, target_json
from bulk.model import Action, Change, ModifyBody, PortMapping, Protocol, ServiceId, Target
from bulk.settings import SETTINGS
from tests.values import PROJECT, change, changes, digest_of, ring, run_record, texts

PARKED, WAITING = ring(2)
KEPT = change(3, action=Action.KEEP)
MOVED = change(4)
PLAN: Mapping[str, Change] = {"parked": PARKED, "waiting": WAITING, "kept": KEPT, "moved": MOVED}


def run_to(*targets: tuple[str, Target], limit: Sequence[str] = (), **settings: object) -> Run:
    """Return the first record of a plan for these hosts and targets, with these settings."""
    run = run_record()
    options = {**run.options, **settings, "limit": list(limit)}
    return replace(
        run, options=options, targets=[target_json(target) | {"host": host} for host, target in targets]
    )


# What does not count


@st.composite
def plans(draw: st.DrawFn) -> list[Change]:
    """Return changes of rows without gaps, which may wait for any others."""
    drawn = draw(st.lists(changes, min_size=1, max_size=5))
    rows = range(1, len(drawn) + 1)
    some = st.lists(st.sampled_from(rows), max_size=3).map(tuple)
    return [
        replace(one, update=replace(one.update, row=row), after=draw(some), after_parked=draw(some))
        for row, one in zip(rows, drawn, strict=True)
    ]


@given(plans(), st.data())
def test_the_order_and_the_numbers_of_rows_do_not_count(plan: list[Change], data: st.DataObject) -> None:
    """Whatever the changes are, and whatever waits for what."""
    number = dict(enumerate(data.draw(st.permutations(range(1, len(plan) + 1))), start=1))
    renumbered = [
        replace(
            one,
            update=replace(one.update, row=number[one.row]),
            after=tuple(number[row] for row in reversed(one.after)),
            after_parked=tuple(number[row] for row in one.after_parked),
        )
        for one in plan
    ]
    assert digest_of(*data.draw(st.permutations(renumbered))) == digest_of(*plan)


def test_the_order_of_many_rows_does_not_count() -> None:
    """As with few; the hashes of some of them begin alike."""
    many = [change(row) for row in range(1, 1001)]
    assert digest_of(*reversed(many)) == digest_of(*many)


@given(plans(), texts, st.integers(0, 99))
def test_what_surrounds_a_change_does_not_count(plan: list[Change], text: str, count: int) -> None:
    """Place, note, profile, reason, what else the row asked, and what no PUT sets in the service before."""
    assert digest_of(*[_elsewhere(one, text, count) for one in plan]) == digest_of(*plan)


def _elsewhere(one: Change, text: str, count: int) -> Change:
    """Return a change that does the same, from another file, profile and moment."""
    asked = {"place": text, "note": text, "body": ModifyBody(), "expect_ports": (), "target": PROJECT}
    before = one.before and replace(
        one.before,
        ports=tuple(reversed(one.before.ports)),
        status=text,
        connection_count=count,
        created_at=text,
        updated_at=text,
        vpc_id=text,
    )
    return replace(
        one,
        update=replace(one.update, **asked),
        target=one.target._replace(profile=text),
        reason=text,
        before=before,
        body=one.body if one.body.ports is None else replace(one.body, ports=one.body.ports[::-1] * 2),
    )


@given(plans())
def test_a_plan_read_back_has_the_digest_that_it_was_made_with(plan: list[Change]) -> None:
    """An audit knows the changes from the ledger alone."""
    read = (change_of(orjson.loads(orjson.dumps(record_json(one)))) for one in plan)
    assert digest_of(*read) == digest_of(*plan)


# What counts

OTHER_PORTS = (PortMapping(client_port=1, server_port=2),)
OTHER_ID = ServiceId("00000000-0000-4000-8000-000000000000")
MUTATIONS: dict[str, Callable[[Change], Change]] = {
    "action": lambda one: replace(one, action=Action.REFUSE),
    "service": lambda one: replace(one, update=replace(one.update, service_id=OTHER_ID)),
    "project": lambda one: replace(one, target=one.target._replace(project_id="0" * 32)),
    "region": lambda one: replace(one, target=one.target._replace(region="cn-east-3")),
    "ports": lambda one: replace(one, body=replace(one.body, ports=OTHER_PORTS)),
    "a client port": lambda one: _with_port(one, client_port=7),
    "a server port": lambda one: _with_port(one, server_port=7),
    "a protocol": lambda one: _with_port(one, protocol=Protocol.UDP),
    "no ports": lambda one: replace(one, body=replace(one.body, ports=None)),
    "an empty list": lambda one: replace(one, body=replace(one.body, ports=())),
    "one more field": lambda one: replace(one, body=replace(one.body, description="")),
    "a switch": lambda one: replace(one, body=replace(one.body, approval_enabled=False)),
    "the ports before": lambda one: replace(one, before=replace(one.before, ports=OTHER_PORTS)),  # type: ignore[type-var]
    "no service before": lambda one: replace(one, before=None),
    "other parking": lambda one: replace(one, parking=ModifyBody(ports=OTHER_PORTS)),
    "waits for one more": lambda one: replace(one, after=(*one.after, 3)),
    "waits for another": lambda one: replace(one, after=(4 if one.row == 1 else 1,)),
    "waits for one more parked": lambda one: replace(one, after_parked=(*one.after_parked, 3)),
}


def _with_port(one: Change, **what: Any) -> Change:
    first, *others = one.body.ports or ()
    return replace(one, body=replace(one.body, ports=(first._replace(**what), *others)))


@pytest.mark.parametrize("which", PLAN)
@pytest.mark.parametrize("what", MUTATIONS)
def test_everything_that_will_be_done_counts(what: str, which: str) -> None:
    """One fact of one change in a plan of four, and no two of the plans have one digest."""
    others = {name: one for name, one in PLAN.items() if name != which}
    assert digest_of(*others.values(), MUTATIONS[what](PLAN[which])) != digest_of(*PLAN.values())


@pytest.mark.parametrize("which", PLAN)
def test_all_mutations_of_a_change_are_told_apart(which: str) -> None:
    """None is taken for another, or for the change left out or there twice."""
    others = [one for name, one in PLAN.items() if name != which]
    again = replace(PLAN[which], update=replace(PLAN[which].update, row=9))
    plans = [[*others, mutate(PLAN[which])] for mutate in MUTATIONS.values()]
    digests = [digest_of(*plan) for plan in (*plans, others, [*PLAN.values(), again])]
    assert len(set(digests)) == len(digests)


def test_the_ends_of_a_dependency_are_not_interchangeable() -> None:
    """That one waits for the other, that the other waits for it, or for its parking, are three plans."""
    one, other = change(1), change(2)
    plans = (
        (one, replace(other, after=(1,))),
        (replace(one, after=(2,)), other),
        (one, replace(other, after_parked=(1,))),
        (one, other),
    )
    assert len({digest_of(*plan) for plan in plans}) == len(plans)


def test_a_field_before_counts_if_the_put_names_it() -> None:
    """And only then."""
    before, body = MOVED.before, replace(MOVED.body, description="new")
    assert before
    renamed = replace(before, description="old", ip="::1")
    assert digest_of(replace(MOVED, before=renamed)) == digest_of(MOVED)
    assert digest_of(replace(MOVED, before=renamed, body=body)) != digest_of(replace(MOVED, body=body))


# Where, and under which guards

NORTH, EAST = PROJECT, Target(region="cn-east-3", project_id="1" * 32)
GUARDS = {
    "max_failures",
    "canary",
    "waves",
    "soak",
    "judge",
    "window",
    "blackout",
    "strict",
    "allow_parking",
    "skip_invalid",
}
"""The settings that a digest covers."""


def test_where_a_plan_goes_counts_but_not_by_which_profile_or_in_which_order() -> None:
    """Host, region and project of each target."""
    here = digest_of(MOVED, run=run_to(("a.example", NORTH), ("b.example", EAST)))
    again = (("b.example", EAST), ("a.example", NORTH._replace(profile="x")), ("a.example", NORTH))
    assert digest_of(MOVED, run=run_to(*again)) == here
    others = (
        (("a.example", NORTH),),
        (("b.example", NORTH), ("b.example", EAST)),
        (("a.example", NORTH._replace(region="cn-north-1")), ("b.example", EAST)),
        (("a.example", NORTH._replace(project_id="2" * 32)), ("b.example", EAST)),
    )
    assert here not in {digest_of(MOVED, run=run_to(*targets)) for targets in others}


@pytest.mark.parametrize("name", [name for name in SETTINGS if name != "rows"])
def test_of_the_settings_the_guards_count_and_no_others(name: str) -> None:
    """Those of the plan itself, such as the rate or a file's name, may change."""
    example = {"simulator": {"fleet": "other.jsonl"}, "rate": "7/s", "endpoint": {"url": "https://x.example"}}
    plain = digest_of(MOVED)
    other = digest_of(MOVED, run=run_to(**{name: example.get(name, SETTINGS[name].example)}))
    assert (other != plain) is (name in GUARDS)


def test_the_services_that_a_plan_is_limited_to_count_in_any_order() -> None:
    """No limit is another guard than one that happens to name all."""
    limited = digest_of(MOVED, run=run_to(limit=["a", "b"]))
    assert digest_of(MOVED, run=run_to(limit=["b", "a"])) == limited
    assert limited != digest_of(MOVED)


def test_a_share_of_failures_counts_as_the_rows_that_it_comes_to() -> None:
    """10 % of ten changes and one row are one guard; no limit is another than a limit of 0."""
    ten = [change(row) for row in range(1, 11)]
    one, share = (digest_of(*ten, run=run_to(max_failures=most)) for most in ("1", "10%"))
    none = digest_of(*ten, run=run_to(max_failures="0"))
    assert one == share
    assert len({one, none, digest_of(*ten)}) == 3


def test_how_long_a_judge_is_asked_counts_where_there_is_one() -> None:
    """And two ways to write a judge are one."""
    judges: tuple[Json, ...] = (
        {"judge": "./probe.sh --all"},
        {"judge": ["./probe.sh", "--all"], "judge_within": "5m"},
        {"judge": "./probe.sh --all", "judge_within": "6m"},
        {"judge": "https://judge.example/"},
        {"judge_within": "6m"},
    )
    words, items, longer, url, nobody = (digest_of(MOVED, run=run_to(**judge)) for judge in judges)
    assert words == items
    assert nobody == digest_of(MOVED)
    assert len({words, longer, url, nobody}) == 4


def test_settings_that_cannot_be_read_have_no_terms() -> None:
    """Only a forger gets there."""
    with pytest.raises(LedgerDamaged, match=r"line 1 has settings that cannot be read: .*max_failures"):
        planned_terms(record_json(run_to(max_failures="many")), changes=1)


# What it is made of


def test_the_digest_is_made_as_its_description_says() -> None:
    """The construction is repeated here, so a change of what an approval covers shows."""

    def canonical(json: Json) -> bytes:
        return orjson.dumps(json, option=orjson.OPT_SORT_KEYS)

    def hashed(one: Change, before: int, wanted: int, parking: list[tuple[int, int, str]] | None) -> bytes:
        return sha256(
            canonical(
                {
                    "action": "update",
                    "service_id": one.service_id,
                    "region": "cn-north-4",
                    "project_id": "6e9dfd51d1124e8d8498dce894923a0d",
                    "before": {"ports": [(1000 + before, before, "TCP")]},
                    "body": {"ports": [(1000 + wanted, wanted, "TCP")]},
                    "parking": parking and {"ports": parking},
                }
            )
        ).digest()

    parked = hashed(PARKED, 1, 2, [(10_001, 9001, "TCP")])
    waiting = hashed(WAITING, 2, 1, None)
    links = [
        {"change": parked.hex(), "after": [waiting.hex()], "after_parked": []},
        {"change": waiting.hex(), "after": [], "after_parked": [parked.hex()]},
    ]
    head = {
        "allow_parking": True,
        "canary": 3,
        "endpoints": [("vpcep.example", "cn-north-4", "6e9dfd51d1124e8d8498dce894923a0d")],
        "judge": "./probe.sh",
        "judge_within": 600,
        "limit": ["a", "b"],
        "max_failures": 1,
        "skip_invalid": True,
        "soak": 120,
        "strict": True,
        "waves": [3, 1],
        "blackout": "2026-11-11",
        "window": "02:00-04:00",
    }
    run = run_to(
        ("vpcep.example", PROJECT),
        limit=["b", "a"],
        **{name: head[name] for name in GUARDS}
        | {"max_failures": "50%", "waves": [3, "50%"], "soak": "2m", "judge_within": "10m"},
    )
    content = [*sorted([parked, waiting]), *sorted(sha256(canonical(link)).digest() for link in links)]
    for terms, first in ((head, run), ({"endpoints": []}, run_record())):
        total = sha256(canonical(terms) + b"".join(content)).hexdigest()
        assert digest_of(PARKED, WAITING, run=first) == f"sha256:{total}"


def test_a_digest_can_be_asked_for_again_and_under_other_terms() -> None:
    """Asking changes nothing."""
    digest = PlanDigest()
    for one in PLAN.values():
        digest.add(one)
    first = digest.under({"strict": False})
    assert digest.under({"strict": True}) != first
    assert digest.under({"strict": False}) == first
