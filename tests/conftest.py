"""What holds for every test: derandomised property tests, and the coverage that the whole suite must reach."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "house", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("house")

COVERAGE_BARS = {
    "bulk/core": ({"include": ["*/bulk/core/*"]}, 100.0),
    "the rest of bulk": ({"omit": ["*/bulk/core/*"]}, 90.0),
}


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Fail a run of the whole suite whose branch coverage is below the bars."""
    result = yield
    plugin = session.config.pluginmanager.getplugin("_cov")
    whole = session.config.args == session.config.getini("testpaths") and not session.config.option.keyword
    if plugin is None or plugin.cov_controller is None or not whole or session.config.option.markexpr != MARKS:
        return result
    coverage = plugin.cov_controller.cov
    for name, (selection, bar) in COVERAGE_BARS.items():
        reached = coverage.report(file=_Nowhere(), **selection)
        print(f"\nbranch coverage of {name}: {reached:.1f} %, bar {bar:.0f} %")
        if round(reached, 1) < bar and session.exitstatus == 0:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
    return result


MARKS = "not slow"


class _Nowhere:
    def write(self, text: str) -> int:
        return len(text)
