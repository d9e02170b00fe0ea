"""A person's commands to a run at work: lines of a file beside its ledger, and what the run answers to each.

A line is one JSON object, which carries an id and the session that it is meant for. The answer is the
`decision` record with that id, so that whatever is killed, a command is taken once or not at all.
"""

from collections.abc import Mapping
from math import inf
from typing import Any, Final

import orjson

from bulk.ledger.decisions import Decided
from bulk.ledger.records import DecidedBy, Decision, DecisionKind, Ruling
from bulk.model import value
from bulk.text import printable

LINE_BYTES_MAX = 4096
FILE_BYTES_MAX = 1_048_576
ANSWERS_MAX = 1000
"""Decisions of a run beyond which it takes no commands any more; a ledger holds twice as many."""
RATE_PER_S_MIN, RATE_PER_S_MAX = 1 / 3600, 1e6
WAVE_MAX = 65_535
KINDS: Final = (
    DecisionKind.PAUSE,
    DecisionKind.UNPAUSE,
    DecisionKind.STOP,
    DecisionKind.RATE,
    DecisionKind.WAVE,
)


@value
class Command:
    """A person's command, who gave it, and the session (from 1) that it is meant for."""

    id: str
    what: DecisionKind
    """One of `KINDS`."""
    session: int
    user: str
    host: str
    reason: str = ""
    rate_per_s: float = inf
    """The most PUTs a second in a lane, where the command is a rate; infinity: as many as the job allows."""
    wave: int | None = None
    """The wave that the next one may follow, where the command is a go."""

    @property
    def words(self) -> str:
        """Return the command as it is typed."""
        match self.what:
            case DecisionKind.RATE:
                return "rate auto" if self.rate_per_s == inf else f"rate {self.rate_per_s:g}/s"
            case DecisionKind.WAVE:
                return f"go {self.wave}"
            case _:
                return self.what.value


class NotACommand(ValueError):
    """The line is no command; the message says why."""


def line_of(command: Command) -> bytes:
    """Return a command as a line; raise NotACommand where that would be too long."""
    rate_per_s = None if command.rate_per_s == inf else command.rate_per_s
    rate = {"rate_per_s": rate_per_s} if command.what is DecisionKind.RATE else {}
    wave = {} if command.wave is None else {"wave": command.wave}
    names = ("id", "what", "session", "user", "host", "reason")
    line = orjson.dumps({**{name: getattr(command, name) for name in names}, **rate, **wave}) + b"\n"
    if len(line) > LINE_BYTES_MAX:
        raise NotACommand(f"is longer than {LINE_BYTES_MAX:,} bytes")
    return line


def command_of(line: bytes) -> Command:
    """Return the command of a line; raise NotACommand, with nothing of the line, where it is none."""
    if len(line) > LINE_BYTES_MAX:
        raise NotACommand(f"is longer than {LINE_BYTES_MAX:,} bytes")
    try:
        json = orjson.loads(line)
    except ValueError as error:
        raise NotACommand("is not JSON") from error
    if not isinstance(json, dict):
        raise NotACommand("is not a JSON object")
    what, session = json.get("what"), json.get("session")
    if what not in KINDS:
        raise NotACommand(f"has a `what` that is none of {', '.join(KINDS)}")
    if type(session) is not int or not session > 0:
        raise NotACommand("names no session")
    kind = DecisionKind(what)
    return Command(
        id=_text_of(json, "id"),
        what=kind,
        session=session,
        user=_text_of(json, "user"),
        host=_text_of(json, "host"),
        reason=printable(_text_of(json, "reason", least=0)),
        rate_per_s=_rate_of(json) if kind is DecisionKind.RATE else inf,
        wave=_wave_of(json) if kind is DecisionKind.WAVE else None,
    )


def _text_of(json: Mapping[str, Any], name: str, least: int = 1) -> str:
    text = json.get(name)
    if not isinstance(text, str) or len(text) < least:
        raise NotACommand(f"has no {name}")
    return text


def _rate_of(json: Mapping[str, Any]) -> float:
    rate_per_s = json.get("rate_per_s", 0)
    if rate_per_s is None:
        return inf
    if type(rate_per_s) not in {int, float} or not RATE_PER_S_MIN <= rate_per_s <= RATE_PER_S_MAX:
        raise NotACommand("has no rate from 1 an hour to 1,000,000 a second")
    return float(rate_per_s)


def _wave_of(json: Mapping[str, Any]) -> int:
    wave = json.get("wave")
    if type(wave) is not int or not 0 <= wave <= WAVE_MAX:
        raise NotACommand("names no wave")
    return wave


def answer(
    command: Command, in_force: Decided, *, session: int, own_per_s: float, awaits_go: int | None = None
) -> Decision:
    """Return the decision that a command comes to in this session: itself, or why it is declined."""
    reason = objection(command, in_force, session=session, own_per_s=own_per_s, awaits_go=awaits_go)
    rate_per_s = None if command.rate_per_s == inf else command.rate_per_s
    is_about_wave = command.what is DecisionKind.WAVE
    name = command.words if is_about_wave else command.what
    is_go = is_about_wave and not reason
    return Decision(
        by=DecidedBy.OPERATOR,
        what=DecisionKind.DECLINED if reason else command.what,
        reason=f"{name}: {reason}" if reason else command.reason,
        user=command.user,
        host=command.host,
        id=command.id,
        rate_per_s=None if reason else rate_per_s,
        wave=command.wave if is_go else None,
        ruling=Ruling.GO if is_go else None,
    )


def objection(
    command: Command, in_force: Decided, *, session: int, own_per_s: float, awaits_go: int | None = None
) -> str:
    """Return why a session with this rate of its own does not take a command; empty where it does.

    `awaits_go` is the wave about which its judge is unsure.
    """
    if command.what is DecisionKind.WAVE and command.session == session and command.wave != awaits_go:
        return f"the run does not wait for a go after wave {command.wave}"
    if command.rate_per_s != inf and command.rate_per_s > own_per_s:
        return f"{command.rate_per_s:g}/s is more than the job's own rate, {own_per_s:g}/s"
    is_cautious = may_wait(command, in_force, own_per_s=own_per_s)
    if command.session == session or (command.session < session and is_cautious):
        return ""
    return f"it was meant for session {command.session}, and this is session {session}"


def may_wait(command: Command, in_force: Decided, *, own_per_s: float) -> bool:
    """Return whether a command may be kept for a later session: it only holds back."""
    is_lower = command.rate_per_s < min(in_force.rate_per_s, own_per_s)
    return command.what is DecisionKind.PAUSE or (command.what is DecisionKind.RATE and is_lower)
