"""In which wave each row goes: by size, by target, and never behind a row that waits for it."""

from dataclasses import replace

import pytest

from bulk.model import WAVES_MAX, Change
from bulk.plan.waves import Assigned, WaveFacts, WavePlan, assigned, listed_waves
from bulk.settings import Job, read_settings
from tests.values import PROJECT, change, ring

ELSEWHERE = PROJECT._replace(region="cn-south-1")


def waves_of(plan: WavePlan, changes: list[Change], **known: list[int]) -> Assigned:
    """Return the waves of changes that come in the order of the plan."""
    by_row = {one.row: one for one in changes}
    return assigned(
        plan,
        by_row,
        rows_max=max(by_row),
        target=lambda row: by_row[row].target,
        facts=lambda row: WaveFacts.of(by_row[row]),
        is_tied=any(one.parking for one in changes),
        **known,
    )


@pytest.mark.parametrize(
    ("sizes", "waves"),
    [((2,), [1, 1, 2, 2, 2]), ((1, 2), [1, 2, 2, 3, 3]), ((9,), [1] * 5), ((4, 4), [1, 1, 1, 1, 2])],
)
def test_waves_by_size_go_in_the_order_of_the_plan(sizes: tuple[int, ...], waves: list[int]) -> None:
    """The rest is the last wave."""
    assert [*waves_of(WavePlan(sizes=sizes), [change(row) for row in range(1, 6)]).of[1:]] == waves


def test_waves_by_target_go_behind_the_canary() -> None:
    """Which takes the first rows, whatever their target is."""
    changes = [replace(change(row), target=PROJECT if row % 2 else ELSEWHERE) for row in range(1, 6)]
    plan = WavePlan(sizes=(1,), of_target={PROJECT: 2, ELSEWHERE: 1})
    assert [*waves_of(plan, changes).of[1:]] == [1, 2, 3, 2, 3]


def in_wave(planned: Change, wave: int | None, *after: int) -> Change:
    """Return a change whose row names a wave, and waits for others."""
    return replace(planned, update=replace(planned.update, wave=wave), after=after)


def test_waves_by_column_are_those_that_the_rows_name() -> None:
    """Rows that name none, as of an older plan, are last."""
    changes = [in_wave(change(row), wave) for row, wave in enumerate((2, 1, 2, 1, None), 1)]
    found = waves_of(WavePlan(is_named=True), changes)
    assert [*found.of[1:]] == [2, 1, 2, 1, WAVES_MAX + 1]


def test_what_a_row_waits_for_comes_forward_into_the_wave_that_it_names() -> None:
    """Also where no service is parked."""
    changes = [in_wave(change(1), 3), in_wave(change(2), 2, 1), in_wave(change(3), 1, 2)]
    found = waves_of(WavePlan(is_named=True), changes)
    assert ([*found.of[1:]], found.forward) == ([1, 1, 1], (1, 2))


def test_a_cycle_comes_forward_as_a_whole() -> None:
    """And is named, since its wave has more rows than it was to have."""
    plan = WavePlan(names=("", "10%"), sizes=(1, 1))
    found = waves_of(plan, [*ring(3), change(4), change(5)])
    assert [*found.of[1:]] == [1, 1, 1, 3, 3]
    assert found.forward == (2, 3)
    assert listed_waves(plan, found) == ((1, "", 3, (2, 3)), (3, "", 2, ()))


def test_what_has_begun_goes_at_once() -> None:
    """With the first wave that has not passed."""
    changes = [change(row) for row in range(1, 6)]
    plan = WavePlan(sizes=(1, 2))
    assert [*waves_of(plan, changes, begun=[5], passed=[1]).of[1:]] == [1, 2, 2, 3, 2]
    assert [*waves_of(plan, changes, begun=[5], passed=[1, 2, 3]).of[1:]] == [1, 2, 2, 3, 0]


@pytest.mark.parametrize("written", [[3, "10%", "50%"], "3,10%,50%", " 3, 10% ,50% "])
def test_a_list_of_waves_is_written_as_a_list_or_as_a_text(written: object) -> None:
    """A ledger has the text."""
    job = read_settings(Job, {"rows": "x.csv", "waves": written}, flags={})
    assert isinstance(job, Job)
    assert str(job.guards.waves) == "3,10%,50%"


@pytest.mark.parametrize(
    "written", [[], [0], "0", "3,", "101%", [True], [2.5], "regions", "3,region", {"a": 1}]
)
def test_what_is_no_list_of_waves_is_refused(written: object) -> None:
    """With what to write instead."""
    issues = read_settings(Job, {"rows": "x.csv", "waves": written}, flags={})
    assert not isinstance(issues, Job)
    assert "is not a list of waves" in issues[0].message
    assert "write 3,10%,50%" in issues[0].hint


@pytest.mark.parametrize(
    ("written", "seconds", "shown"),
    [("90s", 90, "90s"), ("120 s", 120, "2m"), ("2min", 120, "2m"), ("1h", 3600, "1h")],
)
def test_a_soak_is_a_length_of_time(written: str, seconds: int, shown: str) -> None:
    """Which has one written form."""
    job = read_settings(Job, {"rows": "x.csv", "soak": written}, flags={})
    assert isinstance(job, Job)
    assert job.guards.soak is not None
    assert (job.guards.soak.seconds, str(job.guards.soak)) == (seconds, shown)


@pytest.mark.parametrize("written", ["0s", "2", 120, "25h", "2 days", ""])
def test_what_is_no_length_of_time_is_refused(written: object) -> None:
    """With what to write instead."""
    issues = read_settings(Job, {"rows": "x.csv", "soak": written}, flags={})
    assert not isinstance(issues, Job)
    assert "write 30s, 2m or 1h" in issues[0].hint
