"""What tests of whole use cases share: a simulator as all that there is, and an operator who agrees."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from bulk.app.environment import Environment
from bulk.app.watched import Watched
from bulk.clock import SystemClock, SystemDice
from bulk.reports.report import Report
from bulk.simulator import Simulator


class Yes:
    """An operator who agrees to everything."""

    def show_plan(self, report: Report) -> None:
        """Look away."""

    def show_result(self, report: Report, ledger: Path) -> None:
        """Look away."""

    def confirms(self, question: str) -> bool:
        """Agree."""
        return bool(question)

    def watching(self, watched: Watched) -> AbstractContextManager[None]:  # noqa: ARG002
        """Look away."""
        return nullcontext()

    def notify(self, message: str) -> None:
        """Look away."""


def leading_to(simulator: Simulator, home: Path) -> Environment:
    """Return an environment whose credentials and endpoints are the simulator's."""
    identity = simulator.identity
    keys = {"AK": identity.ak, "SK": identity.sk, "IAM_ENDPOINT": simulator.url}
    keys["REGION_VPCEP_CN_NORTH_4"] = simulator.url
    env = {f"HUAWEICLOUD_SDK_{name}": value for name, value in keys.items()}
    return Environment(env=env, home=home, clock=SystemClock(), dice=SystemDice())


def passed_over(*_: object) -> None:
    """Take a record or a report, and do nothing with it."""
