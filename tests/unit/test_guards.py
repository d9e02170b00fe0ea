"""Whether a plan may run, and whether a PUT changed what nobody asked for."""

from dataclasses import replace

import pytest

from bulk.model import Action, Change, ModifyBody, ServiceState, SideEffect
from bulk.plan.footprint import Footprint
from bulk.plan.guards import failures_max, findings, guard_issues, side_effects
from bulk.settings import SEND_WITHIN_S, SETTINGS, Duration, Guards, Job, Share, WhenSettings, WhereSettings
from tests.values import change, ports, service_id, state


def footprint(*changes: Change) -> Footprint:
    """Add changes up."""
    total = Footprint()
    for one in changes:
        total.add(one)
    return total


def update(row: int, before: ServiceState, *after: int) -> Change:
    """Return a change of a service to these server ports."""
    return replace(change(row), before=before, body=ModifyBody(ports=ports(*after)))


PLAN = footprint(
    update(1, replace(state(1, 1, 2, 3), connection_count=7), 1),
    replace(update(2, state(2, 4), 4, 5), parking=ModifyBody(ports=ports(9))),
    change(3, action=Action.KEEP),
    change(4, action=Action.REFUSE),
)


def test_a_footprint_counts_what_is_to_change_and_not_what_is_kept_or_refused() -> None:
    """Mappings and consumers are those of the services to change."""
    expected = Footprint(rows=4, changes=2, refused=1, parked=1, mappings=4, added=1, removed=2, consumers=7)
    assert expected == PLAN


@pytest.mark.parametrize(
    ("guards", "message"),
    [
        (
            Guards(max_changes=Share(number=1)),
            "the plan would change 2 services, max_changes allows 1; to allow it: --max-changes 2",
        ),
        (
            Guards(max_changes=Share(number=49, is_percent=True)),
            "the plan would change 2 services, max_changes allows 1; to allow it: --max-changes 2",
        ),
        (
            Guards(max_removed=Share(number=49, is_percent=True)),
            "the plan would remove 2 mappings, max_removed allows 1; to allow it: --max-removed 2",
        ),
        (
            Guards(max_consumers=6),
            (
                "the services to change have 7 connected consumers, max_consumers allows 6; "
                "to allow it: --max-consumers 7"
            ),
        ),
        (
            Guards(strict=True),
            "the plan refuses 1 row, strict allows none; correct each, or add --no-strict to send the others",
        ),
    ],
)
def test_a_plan_beyond_a_cap_is_told_the_figure_and_what_lifts_it(guards: Guards, message: str) -> None:
    """One line has the figure, the limit, and how to allow it."""
    assert [str(finding) for finding in findings(PLAN, guards)] == [message]


@pytest.mark.parametrize(
    "guards",
    [
        Guards(),
        Guards(max_changes=Share(number=2), max_removed=Share(number=2), max_consumers=7),
        Guards(max_changes=Share(number=50, is_percent=True), max_removed=Share(number=50, is_percent=True)),
    ],
)
def test_a_plan_within_its_caps_may_run(guards: Guards) -> None:
    """Exactly as many as may be is not too many: changes of the rows, removals of the mappings there are."""
    assert findings(PLAN, guards) == ()


def test_every_exceeded_cap_is_found_at_once() -> None:
    """Nobody has to repeat the command to learn of the next one."""
    guards = Guards(max_changes=Share(number=0), max_removed=Share(number=0), max_consumers=0, strict=True)
    assert [finding.limit for finding in findings(PLAN, guards)] == [0, 0, 0, 0]


BEFORE = ServiceState(
    id=service_id(1),
    ports=ports(1),
    status="available",
    service_name=f"cn-north-4.web.{service_id(1)}",
    approval_enabled=True,
    description="old",
)


def test_what_a_put_changed_without_being_asked_is_named() -> None:
    """A field outside the body that differs in the reply is a side effect."""
    after = replace(BEFORE, ports=ports(2), approval_enabled=False, description="")
    description, approval = SideEffect("description", ""), SideEffect("approval_enabled", value=False)
    assert side_effects(BEFORE, after, ModifyBody(ports=ports(2))) == (description, approval)
    assert side_effects(BEFORE, after, ModifyBody(ports=ports(2), approval_enabled=False)) == (description,)
    moved = SideEffect("ports", ports(2))
    assert side_effects(BEFORE, after, ModifyBody(approval_enabled=False, description="")) == (moved,)


@pytest.mark.parametrize("name", ["web", f"elsewhere.web.{service_id(1)}"])
def test_the_form_of_a_name_the_status_and_what_is_not_told_are_no_side_effects(name: str) -> None:
    """Replies give names bare or in full, and may leave fields out."""
    after = replace(BEFORE, service_name=name, status="creating", description=None)
    assert side_effects(BEFORE, after, ModifyBody(ports=ports(1))) == ()


def test_another_name_is_a_side_effect() -> None:
    """The part of the name that a PUT may change counts."""
    after = replace(BEFORE, service_name=f"cn-north-4.db.{service_id(1)}")
    assert side_effects(BEFORE, after, ModifyBody(ports=ports(1))) == (
        SideEffect("service_name", after.service_name),
    )


@pytest.mark.parametrize(
    ("written", "changes", "most"),
    [
        ("5%", 186, 9),
        ("5%", 19, 1),
        ("5%", 0, 1),
        ("0%", 100, 0),
        ("0", 100, 0),
        ("7", 3, 7),
        ("100%", 40, 40),
    ],
)
def test_a_percentage_of_failures_is_of_the_changes_and_at_least_one(
    written: str, changes: int, most: int
) -> None:
    """Rows that need nothing cannot fail, so they do not count; who wants none says 0."""
    share = Share(number=int(written.rstrip("%")), is_percent=written.endswith("%"))
    assert failures_max(Guards(max_failures=share), changes) == most
    assert failures_max(Guards(), changes) is None


@pytest.mark.parametrize("via", ["", "local", "nats://127.0.0.1"])
@pytest.mark.parametrize("spare_s", [0.0, SEND_WITHIN_S - 0.1, SEND_WITHIN_S, None])
@pytest.mark.parametrize("window", ["", "02:00-04:00"])
def test_through_a_worker_no_put_may_leave_behind_the_end_of_the_window(
    via: str, spare_s: float | None, window: str
) -> None:
    """It may leave some time after its turn, so that nothing new may begin for that long before the end."""
    when = WhenSettings(
        window=SETTINGS["window"].form.read(window) if window else None,
        spare=None if spare_s is None else Duration(seconds=spare_s),
    )
    issues = guard_issues(Job(rows="a.csv", where=WhereSettings(via=via), when=when))
    is_too_short = bool(via and window) and spare_s is not None and spare_s < SEND_WITHIN_S
    assert [issue.field for issue in issues] == ["spare"] * is_too_short
