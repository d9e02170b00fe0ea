"""The stage of the scenarios."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.stage import Aside, Stage, clear_settings, fleet_lines
from tests.simulator_caller import PROJECT


@pytest.fixture
def stage(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Stage]:
    """Return a stage of ten services; `parametrize("stage", [{…}], indirect=True)` sets up the simulator."""
    settings = {"fleet": fleet_lines(10)} | getattr(request, "param", {})
    clear_settings(monkeypatch, tmp_path / "home")
    folder = tmp_path / "job"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr("bulk.clock.SystemDice.random", lambda _: 0.0)  # no backoff is waited for
    with Aside(**settings) as aside:
        identity = aside.simulator.identity
        for name, value in {
            "HUAWEICLOUD_SDK_AK": identity.ak,
            "HUAWEICLOUD_SDK_SK": identity.sk,
            "HUAWEICLOUD_SDK_IAM_ENDPOINT": aside.simulator.url,
            "BULK_ENDPOINT": aside.simulator.url,
            "BULK_REGION": "cn-north-4",
            "BULK_PROJECT_ID": PROJECT,
            "BULK_RATE": "2000/s",
        }.items():
            monkeypatch.setenv(name, value)
        yield Stage(folder=folder, aside=aside, capsys=capsys)
