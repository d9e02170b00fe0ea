"""What is announced while a run is at work: once each, and nothing that nobody has to know."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from math import inf
from pathlib import Path
from typing import Any

import pytest

from bulk.app.announcing import (
    FIT_EVERY_S,
    HOLD_S,
    PERSON_HOLD_S,
    UNFIT_TIMES,
    Announcer,
    Onlooker,
    takes_all_along,
)
from bulk.app.environment import Environment, RunAtWork
from bulk.app.metrics import EVERY_S as MEASURED_EVERY_S
from bulk.app.notifying import Message
from bulk.ledger.records import Note, Ruling
from bulk.model import Hold, Wait
from bulk.operations.notices import BotForm, Event
from bulk.settings import Job, NotifySettings
from tests.fakes import FakeClock, FixedDice


class FakeAnnouncer:
    """Keeps what is to be announced."""

    def __init__(self) -> None:
        self.told: list[tuple[set[Event], str]] = []
        self.commands: list[str] = []
        self.failures: list[Note] = []
        self.measured = 0

    def tell(self, events: set[Event], *parts: str, command: str = "bulk status {}") -> None:
        """Take a message."""
        self.told.append((events, parts[0]))
        self.commands.append(command)

    def decisions(self) -> None:
        """Nothing was decided."""

    def counts(self) -> str:
        """Return figures."""
        return "3 applied"

    def measure(self) -> None:
        """Count how often metrics are written."""
        self.measured += 1

    def harmless(self) -> AbstractContextManager[None]:
        """Let mistakes show."""
        return nullcontext()

    def lost(self) -> Iterator[Note]:
        """Yield what did not arrive."""
        yield from self.failures
        self.failures = []


class Scene:
    """A run at work whose clock a test turns."""

    def __init__(self, *, has_waited: bool = False) -> None:
        self.now = 0.0
        self.waits: list[tuple[str, Wait]] = []
        self.left_s, self.window_s = 10.0, inf
        self.notes: list[Note] = []
        self.announcer: Any = FakeAnnouncer()
        self.look = Onlooker(
            self.announcer,
            RunAtWork(
                has_waited=has_waited,
                now=lambda: self.now,
                waits=lambda: iter(self.waits),
                left_s=lambda: self.left_s,
                window_left_s=lambda: self.window_s,
                append=self.notes.append,
            ),
        )

    def run_for(self, length_s: float) -> None:
        """Let so many seconds pass, half a second a tick."""
        until = self.now + length_s
        while self.now < until:
            self.now += 0.5
            self.look()

    @property
    def events(self) -> list[set[Event]]:
        """Return of what somebody was told."""
        return [events for events, _ in self.announcer.told]


def held(hold: Hold) -> list[tuple[str, Wait]]:
    """Return that rows wait for something."""
    return [("rows", Wait(hold=hold))]


def test_a_run_that_gets_on_is_no_news() -> None:
    """Short waits for this and that are none either."""
    scene = Scene()
    for hold in (Hold.SETTLE, Hold.PUSH_BACK, Hold.BUDGET) * 20:
        scene.waits = held(hold)
        scene.run_for(HOLD_S / 2)
    assert scene.events == []


def test_a_hold_is_announced_after_a_minute_and_needs_a_person_after_ten() -> None:
    """Once each, with what is waited for and for how long."""
    scene = Scene()
    scene.waits = held(Hold.BUDGET)
    scene.run_for(3 * PERSON_HOLD_S)
    assert scene.events == [{Event.HOLD}, {Event.PERSON}]
    assert scene.announcer.told[0][1] == "rows wait for the failure budget, for 1 min"
    assert scene.announcer.told[1][1] == "rows wait for the failure budget, for 10 min"
    assert scene.announcer.commands == ["bulk status {}"] * 2


def test_a_pause_is_ended_by_a_command_to_the_run() -> None:
    """Which shows who has paused it."""
    scene = Scene()
    scene.waits = held(Hold.OPERATOR)
    scene.run_for(HOLD_S + 1)
    assert scene.announcer.commands == ["bulk tell {}"]


@pytest.mark.parametrize("hold", [Hold.SOAK, Hold.JUDGE])
def test_what_is_planned_or_announced_by_itself_needs_nobody(hold: Hold) -> None:
    """However long a soak is; that a judge is unsure is another message."""
    scene = Scene()
    scene.waits = held(hold)
    scene.run_for(2 * PERSON_HOLD_S)
    assert scene.events == [{Event.HOLD}]


class FakeNotifier:
    """Keeps the messages."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def notify(self, message: Message, *, may_sign: bool = True) -> None:
        """Take a message."""
        assert may_sign
        self.messages.append(message)


def ruling(n: int, wave: int, says: Ruling) -> dict[str, Any]:
    """Return the record of a ruling on a wave."""
    return {
        "n": n,
        "at": "",
        "type": "decision",
        "by": "judge",
        "what": "wave",
        "wave": wave,
        "ruling": says,
        "reason": "r",
    }


def test_an_unsure_judge_needs_a_person_once_for_each_wave(tmp_path: Path) -> None:
    """It is asked again every few seconds; a wave that passed is another event."""
    clock: Any = FakeClock()
    dice: Any = FixedDice()
    announcer = Announcer("apply", "job", {}, Environment(env={}, home=tmp_path, clock=clock, dice=dice))
    notifier: Any = FakeNotifier()
    tables = (("ops", NotifySettings(form=BotForm.JSON, url_env="BULK_NOTIFY_OPS")),)
    announcer._job, announcer._notifier = Job(rows="-", notify=tables), notifier
    announcer._ledger = tmp_path / "a b.ledger.jsonl"
    for n, (wave, says) in enumerate(
        [(1, Ruling.GO), *[(2, Ruling.UNSURE)] * 3, (2, Ruling.GO), (3, Ruling.UNSURE)]
    ):
        announcer._progress.decisions.append(ruling(n, wave, says))
        announcer.decisions()
        announcer.decisions()
    assert [message.events for message in notifier.messages] == [
        {Event.WAVE}, {Event.PERSON, Event.WAVE}, {Event.WAVE}, {Event.PERSON, Event.WAVE},
    ]  # fmt: skip
    line, command = notifier.messages[1].text.split("\n")
    assert "the judge is unsure of wave 2; r" in line
    assert command == f"bulk tell '{tmp_path}/a b.ledger.jsonl' go 2"
    assert notifier.messages[1].status["ledger"] == f"{tmp_path}/a b.ledger.jsonl"


def test_an_estimate_that_no_longer_fits_needs_a_person_once() -> None:
    """Not the first bad figure, and not again."""
    scene = Scene()
    scene.window_s = 600
    scene.run_for(FIT_EVERY_S + 2)
    scene.left_s = 900
    scene.run_for(FIT_EVERY_S * (UNFIT_TIMES - 1) + 2)
    assert scene.events == []
    scene.run_for(FIT_EVERY_S * 10)
    assert scene.events == [{Event.PERSON}]
    assert scene.announcer.told[0][1] == "it needs about 15 min more, and may begin rows for 10 min"


def test_one_that_never_fitted_was_said_by_the_plan() -> None:
    """Nothing has changed; and one that fits again needs nobody."""
    scene = Scene()
    scene.left_s, scene.window_s = 900, 600
    scene.run_for(FIT_EVERY_S * 10)
    for _ in range(5):
        scene.left_s = 10
        scene.run_for(FIT_EVERY_S + 2)
        scene.left_s = 900
        scene.run_for(FIT_EVERY_S * (UNFIT_TIMES - 1))
    assert scene.events == []


def test_the_opening_of_a_window_is_announced_to_those_who_waited() -> None:
    """Not where it was open."""
    assert Scene().events == []
    assert Scene(has_waited=True).events == [{Event.WINDOW}]


def test_what_did_not_arrive_is_noted_in_the_ledger() -> None:
    """While the run is still at work."""
    scene = Scene()
    scene.announcer.failures = [Note(about="notify", message="ops was not notified")]
    scene.run_for(2)
    assert [note.message for note in scene.notes] == ["ops was not notified"]


def test_metrics_are_written_every_quarter_of_a_minute() -> None:
    """As often as they are usually collected, and not more often."""
    scene = Scene()
    scene.run_for(10 * MEASURED_EVERY_S + 5)
    assert scene.announcer.measured == 10


@pytest.mark.parametrize(
    ("pid", "parent", "env", "expected"),
    [
        (1, 0, {}, True),
        (7, 1, {}, True),
        (812, 1, {"INVOCATION_ID": "f0"}, True),
        (812, 640, {"SYSTEMD_EXEC_PID": "812"}, True),
        (813, 812, {"SYSTEMD_EXEC_PID": "812"}, False),
        (812, 640, {}, False),
    ],
)
def test_messages_are_waited_for_where_the_end_of_the_command_takes_them_along(
    pid: int, parent: int, env: dict[str, str], *, expected: bool
) -> None:
    """The first process of a container, the child of its shell, the main process of a unit; no other."""
    assert takes_all_along(pid, parent, env) is expected
