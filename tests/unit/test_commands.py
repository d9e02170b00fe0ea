"""What a line of the file of commands means, and what a session answers."""

from dataclasses import replace
from math import inf
from typing import Any

import orjson
import pytest

from bulk.ledger.commands import (
    LINE_BYTES_MAX,
    Command,
    NotACommand,
    answer,
    command_of,
    line_of,
    may_wait,
    objection,
)
from bulk.ledger.decisions import Decided, decided, word_of
from bulk.ledger.records import DecidedBy, Decision, DecisionKind, Json, Ruling, record_json
from bulk.ledger.stops import BrakeReason

PAUSE = Command(
    id="c7f2", what=DecisionKind.PAUSE, session=2, user="ann", host="bastion1", reason="bridge call"
)
RATE = replace(PAUSE, what=DecisionKind.RATE, rate_per_s=5.0)
GO = replace(PAUSE, what=DecisionKind.WAVE, wave=0)
SLOW = Decided(rate=word_of(Decision(by=DecidedBy.OPERATOR, what="rate", reason="", rate_per_s=5.0)))


@pytest.mark.parametrize("what", ["pause", "unpause", "stop"])
def test_a_command_is_read_back_as_it_was_written(what: str) -> None:
    """A rate as well, with a figure and without; and a go with its wave."""
    for command in (replace(PAUSE, what=DecisionKind(what)), RATE, replace(RATE, rate_per_s=inf), GO):
        line = line_of(command)
        assert line.endswith(b"\n")
        assert command_of(line) == command


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"what": "despite"}, "has a `what` that is none of pause, unpause, stop, rate, wave"),
        ({"what": ["pause"]}, "has a `what` that is none of pause, unpause, stop, rate, wave"),
        ({"session": True}, "names no session"),
        ({"session": 0}, "names no session"),
        ({"id": ""}, "has no id"),
        ({"user": 7}, "has no user"),
        ({"reason": None}, "has no reason"),
        ({"what": "rate"}, "has no rate from 1 an hour to 1,000,000 a second"),
        ({"what": "rate", "rate_per_s": "5"}, "has no rate from 1 an hour to 1,000,000 a second"),
        ({"what": "wave"}, "names no wave"),
        ({"what": "wave", "wave": True}, "names no wave"),
        ({"what": "wave", "wave": -1}, "names no wave"),
        ({"what": "wave", "wave": 65_536}, "names no wave"),
        ({"what": "rate", "rate_per_s": -1}, "has no rate from 1 an hour to 1,000,000 a second"),
    ],
)
def test_a_line_with_a_wrong_member_is_no_command(changed: dict[str, Any], why: str) -> None:
    """It is said which; nothing of the line is repeated."""
    with pytest.raises(NotACommand, match=why):
        command_of(orjson.dumps(orjson.loads(line_of(PAUSE)) | changed))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"pause\n", "is not JSON"),
        (b'["pause"]\n', "is not a JSON object"),
        (b'"' + b"x" * LINE_BYTES_MAX + b'"\n', "is longer than 4,096 bytes"),
    ],
)
def test_what_is_no_object_is_no_command(line: bytes, why: str) -> None:
    """Whatever somebody has written there."""
    with pytest.raises(NotACommand, match=why):
        command_of(line)


def test_a_reason_that_makes_a_line_too_long_is_refused_before_it_is_written() -> None:
    """The run would pass over it."""
    with pytest.raises(NotACommand, match="is longer than 4,096 bytes"):
        line_of(replace(PAUSE, reason="x" * LINE_BYTES_MAX))


def test_what_is_taken_is_the_command_with_its_id() -> None:
    """By it whoever wrote the command knows the answer."""
    word = answer(RATE, Decided(), session=2, own_per_s=inf)
    assert (word.by, word.what, word.id) == (DecidedBy.OPERATOR, "rate", "c7f2")
    assert (word.user, word.host, word.reason, word.rate_per_s) == ("ann", "bastion1", "bridge call", 5.0)


def test_what_is_declined_says_why() -> None:
    """Nothing of it is in force."""
    word = answer(RATE, Decided(), session=2, own_per_s=4.0)
    assert (word.what, word.rate_per_s) == ("declined", None)
    assert word.reason == "rate: 5/s is more than the job's own rate, 4/s"


def test_a_go_is_taken_for_the_wave_about_which_the_judge_is_unsure_and_by_no_other_session() -> None:
    """It is the ruling on that wave, by a person; else it is declined, also where nobody asks a judge."""
    word = answer(GO, Decided(), session=2, own_per_s=inf, awaits_go=0)
    assert (word.by, word.what, word.wave, word.ruling) == (DecidedBy.OPERATOR, "wave", 0, Ruling.GO)
    assert (word.user, word.host, word.reason, word.id) == ("ann", "bastion1", "bridge call", "c7f2")
    assert decided([{"at": "t", **record_json(word)}]).passed == {0}
    for awaits_go in (None, 1):
        word = answer(GO, Decided(), session=2, own_per_s=inf, awaits_go=awaits_go)
        assert (word.what, word.wave, word.ruling) == ("declined", None, None)
        assert word.reason == "go 0: the run does not wait for a go after wave 0"
    late = answer(GO, Decided(), session=3, own_per_s=inf, awaits_go=0)
    assert (late.what, late.reason) == ("declined", "go 0: it was meant for session 2, and this is session 3")
    assert not may_wait(GO, Decided(), own_per_s=inf)


@pytest.mark.parametrize(
    ("command", "words"),
    [(PAUSE, "pause"), (RATE, "rate 5/s"), (replace(RATE, rate_per_s=inf), "rate auto"), (GO, "go 0")],
)
def test_a_command_is_shown_as_it_is_typed(command: Command, words: str) -> None:
    """So that a person can repeat it."""
    assert command.words == words


def test_only_what_holds_back_is_taken_by_a_later_session() -> None:
    """A pause, and a rate below the one in force; nothing else, and nothing from a session to come."""
    known: dict[str, Any] = {"session": 3, "own_per_s": 20.0}
    too_late = "it was meant for session 2, and this is session 3"
    assert objection(PAUSE, Decided(), **known) == ""
    assert objection(RATE, Decided(), **known) == ""
    assert objection(RATE, SLOW, **known) == too_late
    assert objection(replace(RATE, rate_per_s=inf), SLOW, **known) == too_late
    for what in (DecisionKind.STOP, DecisionKind.UNPAUSE):
        assert objection(replace(PAUSE, what=what), Decided(), **known) == too_late
    assert "session 4" in objection(replace(PAUSE, session=4), Decided(), **known)
    assert not may_wait(replace(RATE, rate_per_s=20.0), Decided(), own_per_s=20.0)


def test_what_is_in_force_follows_from_the_decisions() -> None:
    """Of two pauses the first, of two rates the last; an unpause and a rate without a figure end them."""

    def said(*words: Decision) -> Decided:
        return decided([{"at": f"t{n}", **record_json(word)} for n, word in enumerate(words)])

    pause = answer(PAUSE, Decided(), session=2, own_per_s=inf)
    again = replace(pause, id="d1", user="bob")
    rate = answer(RATE, Decided(), session=2, own_per_s=inf)
    found = said(pause, again, rate, replace(rate, id="r2", rate_per_s=2.0, reason=""))
    assert found.pause
    assert (found.pause.who, found.pause.at) == ("ann on bastion1 (bridge call)", "t0")
    assert found.rate
    assert (found.rate.who, found.rate_per_s) == ("ann on bastion1", 2.0)
    assert found.ids == {"c7f2", "d1", "r2"}
    found = said(pause, rate, replace(pause, what="unpause"), replace(rate, rate_per_s=None))
    assert (found.pause, found.rate, found.rate_per_s) == (None, None, inf)


def test_a_stop_stands_and_one_that_agrees_with_it_is_no_second_one() -> None:
    """Only the first has a cause, and has to be lifted."""
    stop: Json = record_json(
        Decision(by=DecidedBy.OPERATOR, what="stop", reason="r", id="a", cause=BrakeReason.OPERATOR)
    )
    agrees = record_json(Decision(by=DecidedBy.OPERATOR, what="stop", reason="r", id="b"))
    found = decided([{"at": "t", **stop}, {"at": "t", **agrees}])
    assert [each.id for each in found.stops] == ["a"]
