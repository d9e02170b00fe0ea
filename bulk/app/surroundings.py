"""What a command finds around it; arguments everywhere, so that tests bring their own."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bulk.adapters.clock import SystemClock, SystemDice
from bulk.adapters.zone import local_zone
from bulk.run.reading import Patience


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Environment variables, the home folder, time and dice."""

    env: Mapping[str, str]
    home: Path
    clock: SystemClock
    dice: SystemDice

    @property
    def patience(self) -> Patience:
        """Return the clock, the sleep and the dice that repeating a request needs."""
        return Patience(clock=self.clock, dice=self.dice)

    def utc(self) -> datetime:
        """Return the time now, in UTC."""
        return datetime.fromtimestamp(self.clock.now(), UTC)

    def local_time(self) -> datetime:
        """Return the time now, with the machine's zone; raises UsageError where `TZ` names none."""
        return datetime.fromtimestamp(self.clock.now(), local_zone(self.env))


OURS = ("HUAWEICLOUD_SDK_", "HW_", "BULK_")
"""Beginnings of variables that lead to a real endpoint or account, or set flags of a command."""


def stripped(env: Mapping[str, str]) -> dict[str, str]:
    """Return the variables without those that lead to real endpoints and accounts."""
    return {name: value for name, value in env.items() if not name.startswith(OURS)}


def _home() -> Path:
    """Return the user's home folder; the root folder for one who has none, as a container may run us."""
    try:
        return Path.home()
    except RuntimeError:
        return Path("/")


def system() -> Surroundings:
    """Return the environment of this machine."""
    return Surroundings(env=os.environ, home=_home(), clock=SystemClock(), dice=SystemDice())
