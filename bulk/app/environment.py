"""What a command finds around it; arguments everywhere, so that tests bring their own."""

import getpass
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Protocol, TypedDict

from bulk.clock import SystemClock, SystemDice
from bulk.ledger.file import LedgerFile
from bulk.ledger.records import Note
from bulk.model import Wait
from bulk.run.patience import Patience
from bulk.settings import Job
from bulk.settings.zone import local_zone, shown_zone


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAtWork:
    """A run at work, as its announcer sees it.

    * has_waited: whether the session waited for the opening of its window
    * now: the monotonic clock
    * waits: what waits, in words, and for what
    * left_s, window_left_s: how long its rows still take at the rates of now, and for how long they may begin
    * append: adds a note to its ledger
    """

    has_waited: bool
    now: Callable[[], float]
    waits: Callable[[], Iterator[tuple[str, Wait]]]
    left_s: Callable[[], float]
    window_left_s: Callable[[], float]
    append: Callable[[Note], object]


class Announces(Protocol):
    """What announces a session to those whom its job names."""

    async def began(self, ledger: LedgerFile, job: Job) -> None:
        """Learn that a session began."""
        ...

    def onlooker(self, run: RunAtWork) -> Callable[[], object]:
        """Return what is to be called twice a second while the run is at work."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Environment variables, the home folder, time and dice, and the person who gave the command.

    * named_endpoint: the address of the API that the person gave as a flag or variable, and no file
    * ask: asks them for a word; empty where nobody can be asked
    * notify: shows them a message
    * announcer: announces a session to others, where that is wanted
    """

    env: Mapping[str, str]
    home: Path
    clock: SystemClock
    dice: SystemDice
    named_endpoint: str = ""
    ask: Callable[[str], str] = lambda _: ""
    notify: Callable[[str], object] = lambda _: None
    announcer: Announces | None = None

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

    def shown_time(self) -> datetime:
        """Return the time now, in the zone in which a person reads times."""
        return datetime.fromtimestamp(self.clock.now(), self.zone)

    def local_time(self) -> datetime:
        """Return the time now, with the machine's zone; raises UsageError where `TZ` names none."""
        return datetime.fromtimestamp(self.clock.now(), local_zone(self.env))


class Author(TypedDict):
    """Who runs this process, and on which host, as the records of a ledger name them."""

    user: str
    host: str


def author() -> Author:
    """Return who runs this process."""
    return Author(user=user(), host=socket.gethostname())


def user() -> str:
    """Return the name of who runs this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return str(os.getuid())


def _home() -> Path:
    """Return the user's home folder; the root folder for one who has none, as a container may run us."""
    try:
        return Path.home()
    except RuntimeError:
        return Path("/")


def system() -> Environment:
    """Return the environment of this machine."""
    return Environment(env=os.environ, home=_home(), clock=SystemClock(), dice=SystemDice())
