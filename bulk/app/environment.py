"""What a command finds around it; arguments everywhere, so that tests bring their own."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from bulk.clock import SystemClock, SystemDice
from bulk.run.patience import Patience
from bulk.settings.zone import local_zone, shown_zone


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Environment variables, the home folder, time and dice, and the person who gave the command.

    * named_endpoint: the address of the API that the person gave as a flag or variable, and no file
    * ask: asks them for a word; empty where nobody can be asked
    * notify: shows them a message
    """

    env: Mapping[str, str]
    home: Path
    clock: SystemClock
    dice: SystemDice
    named_endpoint: str = ""
    ask: Callable[[str], str] = lambda _: ""
    notify: Callable[[str], object] = lambda _: None

    @property
    def patience(self) -> Patience:
        """Return the clock, the sleep and the dice that repeating a request needs."""
        return Patience(clock=self.clock, dice=self.dice)

    @property
    def zone(self) -> tzinfo:
        """Return the zone in which a person reads times."""
        return shown_zone(self.env)

    def utc(self) -> datetime:
        """Return the time now, in UTC."""
        return datetime.fromtimestamp(self.clock.now(), UTC)

    def local_time(self) -> datetime:
        """Return the time now, with the machine's zone; raises UsageError where `TZ` names none."""
        return datetime.fromtimestamp(self.clock.now(), local_zone(self.env))


def _home() -> Path:
    """Return the user's home folder; the root folder for one who has none, as a container may run us."""
    try:
        return Path.home()
    except RuntimeError:
        return Path("/")


def system() -> Environment:
    """Return the environment of this machine."""
    return Environment(env=os.environ, home=_home(), clock=SystemClock(), dice=SystemDice())
