"""Where a plan does what it does, in words."""

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bulk.model import Owner, Target
from bulk.reports.as_table import lines
from bulk.reports.where import Where, where_of
from bulk.reports.words import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulk.model import Change
    from tests.unit.reports.conftest import Written

NORTH = Target(region="cn-north-4", project_id="a" * 32)
PROD = Target(region="cn-north-4", project_id="b" * 32)
EAST = Target(region="cn-east-3", project_id="c" * 32, profile="east")
HOST = "vpcep.cn-north-4.myhuaweicloud.com"


def where(*targets: Target, host: str = HOST, **owner: str) -> Where:
    """Return targets of one host and owner; only NORTH has a project whose name is known."""
    names = {NORTH: "cn-north-4"}
    return Where(
        hosts=dict.fromkeys(targets, host),
        owners={target: Owner(**{"project": names.get(target, ""), **owner}) for target in targets},
    )


def test_the_question_says_how_many_where_and_who_loses() -> None:
    """For one project its name, for several how many; the account where it is known."""
    one = where(NORTH, account="0a1b")
    assert one.question({NORTH: 2}, 2, consumers=0, goes_on=False) == (
        f"Change 2 services in cn-north-4 at {HOST}, account 0a1b?"
    )
    two = where(NORTH, PROD, key="0001")
    assert two.question({NORTH: 1, PROD: 3}, 4, consumers=1, goes_on=True) == (
        f"Go on with 4 services in 2 projects of cn-north-4 at {HOST}, the key that ends in 0001? "
        "1 consumer loses a port."
    )
    three = where(NORTH, PROD, EAST, host="simulator")
    assert three.question({NORTH: 1, PROD: 3, EAST: 1}, 5, consumers=309, goes_on=False) == (
        "Change 5 services in 3 projects of 2 regions on the bundled simulator? 309 consumers lose a port."
    )
    assert (
        where(PROD)
        .question({PROD: 1}, 1, consumers=0, goes_on=False)
        .startswith(f"Change 1 service in cn-north-4, project {'b' * 32} at ")
    )


@pytest.mark.parametrize(
    ("hosts", "words"),
    [
        ([], "an unknown host"),
        (["127.0.0.1:80"], "127.0.0.1:80 (this machine)"),
        (["vpcep.ae-ad-1.g42cloud.com"], "vpcep.ae-ad-1.g42cloud.com (known by pattern only)"),
        (["a", "b"], "a and b"),
        (["a", "b", "c"], "a, b and c"),
        (["a", "b", "c", "d"], "4 hosts"),
        (["simulator", "a"], "simulator and a"),
    ],
)
def test_hosts_are_named_as_long_as_they_are_few(hosts: list[str], words: str) -> None:
    """One on this machine says so."""
    targets = {Target(region="r", project_id=str(number)): host for number, host in enumerate(hosts)}
    assert Where(hosts=targets, owners={}).hosts_text == words


def test_every_host_that_a_run_asks_is_named() -> None:
    """IAM as well, where it needs tokens; nothing is known of a ledger that does not say."""
    assert where(NORTH, iam="iam.example").every_host == (HOST, "iam.example")
    assert where(NORTH, host="").every_host == ()
    assert where(NORTH).account == ""
    assert where(NORTH, EAST).regions({NORTH: 1, EAST: 1}) == "cn-north-4 and cn-east-3"
    assert where(NORTH).regions({}) == "no region"


def test_projects_come_with_their_counts_and_region() -> None:
    """A name that does not tell its region has it in front, and so has an id."""
    assert where(NORTH, PROD, EAST).projects({NORTH: 148, PROD: 1, EAST: 2}, "service") == [
        "cn-north-4 (148 services)",
        f"cn-north-4 {'b' * 32} (1)",
        f"east@cn-east-3 {'c' * 32} (2)",
    ]
    unknown = Target(region="r", project_id="")
    assert Where(hosts={}, owners={}).project(unknown) == "the project of the region"


@pytest.mark.parametrize(
    ("via", "workers", "words"),
    [
        ("", (), ""),
        ("local", ("vm",), "a worker on this machine (via = local)"),
        ("tls://n:4222", (), "workers over tls://n:4222"),
        ("tls://n:4222", ("a",), "the worker on a, over tls://n:4222"),
        ("tls://n:4222", ("a", "b"), "workers on a and b, over tls://n:4222"),
        ("tls://n:4222", ("a", "b", "c", "d"), "workers on 4 hosts, over tls://n:4222"),
    ],
)
def test_who_sends_the_requests_is_named_where_it_is_not_this_machine(
    via: str, workers: tuple[str, ...], words: str
) -> None:
    """In the question before the first PUT as well."""
    through = replace(where(NORTH), via=via, workers=workers)
    assert through.through == words
    assert through.facts == ((HOST, f"through {words}") if via else (HOST,))
    asked = through.question({NORTH: 2}, 2, consumers=0, goes_on=False)
    assert asked == f"Change 2 services in cn-north-4 at {HOST}{f', through {words}' if via else ''}?"


def test_a_ledger_names_the_workers_of_its_plan_until_a_session_begins(
    written: "Written", change: "Callable[..., Change]"
) -> None:
    """From then on its notes do, since they come and go."""
    written.planned(change(1, "1:1/TCP", "2:2/TCP"))
    assert written.progress.planned is not None
    written.progress.planned["owners"] = [{"worker": "bastion-1"}]
    written.progress.run["options"]["via"] = "tls://n:4222"
    assert where_of(written.progress).through == "the worker on bastion-1, over tls://n:4222"
    told = "\n".join(map(plain, lines(written.report())))
    assert "  Through    the worker on bastion-1, over tls://n:4222\n" in told
    written.session()
    assert where_of(written.progress).through == ""
    written.progress.sessions[-1]["settings"]["via"] = "tls://m:4222"
    assert where_of(written.progress).through == "workers over tls://m:4222"


def test_a_ledger_says_where_it_was_planned_for(written: "Written", change: "Callable[..., Change]") -> None:
    """Host and owner of each target; an older one has less."""
    written.planned(change(1, "1:1/TCP", "2:2/TCP"))
    [target] = written.report().targets
    assert where_of(written.progress) == Where(hosts={target: ""}, owners={})
    written.progress.run["targets"][0]["host"] = HOST
    assert written.progress.planned is not None
    written.progress.planned["owners"] = [{"account": "0a1b", "of_later": "x"}]
    assert where_of(written.progress) == Where(hosts={target: HOST}, owners={target: Owner(account="0a1b")})
