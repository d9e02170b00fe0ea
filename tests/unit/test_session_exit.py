"""How a session ended, as an exit code."""

import pytest

from bulk.app.session import exit_code
from bulk.core.errors import ExitCode
from bulk.core.ledger.progress import Progress
from bulk.core.ledger.records import BrakeReason
from bulk.engine.brake import Brake


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (BrakeReason.INTERRUPTED, ExitCode.INTERRUPTED),
        (BrakeReason.TERMINATED, ExitCode.TERMINATED),
        (BrakeReason.ABORTED, ExitCode.CANNOT_RUN),
        (BrakeReason.FAILURE_LIMIT, ExitCode.SAFETY_LIMIT),
        (BrakeReason.CANARY, ExitCode.SAFETY_LIMIT),
        (BrakeReason.SIDE_EFFECT, ExitCode.SAFETY_LIMIT),
        (BrakeReason.UNREACHED, ExitCode.STOPPED_EARLY),
        (BrakeReason.WINDOW, ExitCode.WINDOW_ENDED),
        (BrakeReason.STRICT, ExitCode.REFUSED),
    ],
)
def test_what_stopped_a_run_tells_even_when_no_row_is_left(reason: BrakeReason, code: ExitCode) -> None:
    """A side effect of the only PUT, or an INT before the verify sweep, must not look like success."""
    brake = Brake()
    brake.pull(reason, "")
    assert exit_code(brake, Progress()) == code


def test_a_run_that_nothing_stopped_and_that_left_nothing_is_a_success() -> None:
    """No rows, no brake."""
    assert exit_code(Brake(), Progress()) == ExitCode.OK
