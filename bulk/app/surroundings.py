"""What a command finds around it; arguments everywhere, so that tests bring their own."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bulk.adapters.clock import SystemClock, SystemDice
from bulk.engine.read import Patience


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Environment variables, the home folder, time and dice."""

    env: Mapping[str, str]
    home: Path
    clock: SystemClock
    dice: SystemDice

    @property
    def patience(self) -> Patience:
        """Give what repeating a request needs."""
        return Patience(clock=self.clock, dice=self.dice)

    def local_time(self) -> datetime:
        """Give the time now, with the machine's zone."""
        return datetime.fromtimestamp(self.clock.now()).astimezone()


def system() -> Surroundings:
    """Give the machine's own."""
    return Surroundings(env=os.environ, home=Path.home(), clock=SystemClock(), dice=SystemDice())
