"""What holds for every test: derandomised property tests, and the coverage that the suite must reach."""

import io
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.rooms import PURE

settings.register_profile(
    "house", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("house")

if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
    # Under nohup: the commands that tests start would ignore the signal as well, as they should for a user.
    signal.signal(signal.SIGHUP, lambda _number, _frame: None)

UNMEASURED = (
    "test_the_simulation_notices_a_planted_mistake",
    "test_a_resume_killed_at_any_effect_is_ended_by_the_next",
)
"""Tests that go once more where others have been: measuring their coverage takes three times as long."""

_PURE = [str(path) for path in PURE]
BARS = (
    ("what is pure", {"include": _PURE}, 100.0),
    ("the rest of bulk", {"omit": _PURE}, 90.0),
)
"""Branch coverage in per cent that a run of the whole suite must reach."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Measure no coverage where that shows nothing new."""
    for item in items:
        if item.name.startswith(UNMEASURED) and not config.option.no_cov:  # with it there is none to stop
            item.add_marker(pytest.mark.no_cover)


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Fail a run of the whole suite that stays below a bar; parts of it are not held to them."""
    result = yield
    covered = session.config.pluginmanager.getplugin("_cov")
    terminal = session.config.pluginmanager.getplugin("terminalreporter")
    if _is_whole(session.config) and covered and covered.cov_controller and terminal:
        for name, files, bar in BARS:
            told = io.StringIO()
            reached = covered.cov_controller.cov.report(file=told, **files)
            terminal.write_line(f"\nbranch coverage of {name}: {reached:.2f} %, bar {bar:.0f} %")
            if reached < bar:
                terminal.write_line(told.getvalue())
                session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED
    return result


def _is_whole(config: pytest.Config) -> bool:
    everything = config.args == config.getini("testpaths") or config.args == [str(config.rootpath)]
    return everything and not config.option.keyword and config.option.markexpr == "not slow"
