"""How a session exits: by every reason that stopped it, then by what it left."""

from itertools import combinations

import pytest

from bulk.errors import ExitCode
from bulk.ledger.stops import BrakeReason, exit_code, ranked
from bulk.model import Outcome

CODES = {
    BrakeReason.FAILURE_LIMIT: 6,
    BrakeReason.WAVE: 6,
    BrakeReason.JUDGE: 6,
    BrakeReason.SIDE_EFFECT: 6,
    BrakeReason.OPERATOR: 6,
    BrakeReason.STRICT: 7,
    BrakeReason.INTERRUPTED: 130,
    BrakeReason.TERMINATED: 143,
    BrakeReason.WINDOW: 10,
    BrakeReason.PAUSED: 10,
    BrakeReason.ABORTED: 1,
    BrakeReason.PUSHED_BACK: 5,
    BrakeReason.UNREACHED: 5,
    BrakeReason.UNREADABLE: 5,
    BrakeReason.BUDGET: 11,
}
"""The exit code of each reason, in the order in which they are reported."""
STOPS = tuple(CODES)
NOTHING_LEFT = dict.fromkeys(Outcome, 0)


def test_the_order_has_every_reason_to_stop() -> None:
    """All but the one that is no stop, in the order of the members."""
    assert (*STOPS, BrakeReason.FINISHED) == tuple(BrakeReason)


@pytest.mark.parametrize("reason", STOPS)
def test_what_stopped_a_run_decides_even_when_no_row_is_left(reason: BrakeReason) -> None:
    """A side effect of the only PUT, or an INT before the verify sweep, must not look like success."""
    assert exit_code([reason], NOTHING_LEFT) == CODES[reason]
    assert exit_code([reason], NOTHING_LEFT | {Outcome.APPLIED: 3}) == CODES[reason]


@pytest.mark.parametrize(("first", "second"), list(combinations(STOPS, 2)))
def test_of_several_reasons_the_first_in_the_order_gives_the_exit_code(
    first: BrakeReason, second: BrakeReason
) -> None:
    """Whichever came first: limits, strictness, a person's word, the clock, a refused key, silence."""
    for pulled in ([first, second], [second, first]):
        assert exit_code(pulled, NOTHING_LEFT) == CODES[first]
    assert ranked([second, first, second]) == (first, second)


@pytest.mark.parametrize(
    ("counts", "code"),
    [
        ({}, ExitCode.OK),
        ({Outcome.APPLIED: 2, Outcome.ALREADY: 1}, ExitCode.OK),
        ({Outcome.IN_DOUBT: 1, Outcome.NOT_ATTEMPTED: 1, Outcome.FAILED: 1}, ExitCode.IN_DOUBT),
        ({Outcome.NOT_ATTEMPTED: 1, Outcome.FAILED: 1}, ExitCode.STOPPED_EARLY),
        *[
            ({Outcome.APPLIED: 9, outcome: 1}, ExitCode.SOME_FAILED)
            for outcome in (
                Outcome.FAILED, Outcome.REFUSED, Outcome.DRIFTED, Outcome.CONFLICT, Outcome.BLOCKED,
            )
        ],
    ],
)  # fmt: skip
def test_a_session_that_nothing_stopped_exits_by_its_rows(counts: dict[Outcome, int], code: ExitCode) -> None:
    """Success only where every row is as asked; doubts come before failures."""
    assert exit_code([], NOTHING_LEFT | counts) == code


def test_the_former_name_of_a_reason_is_read() -> None:
    """Runs that began while the canary was the only wave are continued; no other name stands for a reason."""
    assert BrakeReason("canary") is BrakeReason.WAVE
    with pytest.raises(ValueError, match="carrier"):
        BrakeReason("carrier")
