"""Messages between runs and workers: each comes back as it was, and what is none is Unreadable."""

import zlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.msgpack import decode, encode

from bulk.model import Abort, Owner, Reply, Retry, Target
from bulk.vpcep.codes import NoReply
from bulk.vpcep.iam import Project
from bulk.vpcep.replies import Answer, Lost
from bulk.vpcep.requests import Request, Timeouts
from bulk.workers import messages
from bulk.workers.messages import (
    FRAMES_MAX,
    LONG_BYTES,
    Again,
    Ask,
    AskAnswer,
    Failure,
    Frames,
    Hello,
    ListProjects,
    Opened,
    OpenProject,
    Relay,
    Unreadable,
    answered,
    frames,
    packed,
    unpacked,
)

TARGET = Target("prod", "cn-north-4", "6e9dfd51d1124e8d8498dce894923a0d")
PUT = Request(method="PUT", path="/v1/p/vpc-endpoint-services/x", body=b'{"ports":[]}\xff')
RELAY = Relay(
    key="k", target=TARGET, host="vpcep", request=PUT, send_by=12.5, body_bytes_max=1024, timeouts=Timeouts()
)
ANSWER = Answer(http=200, headers={"X-Request-Id": "r"}, body=b"{}\0\xff", ms=7, now=1.5)
LOST = Lost(code=NoReply.TIMEOUT, message="no answer", ms=3, sent=True)
RETRY = Retry(reply=Reply(http=401, code="APIGW.0301"), counts=False)
ABORT = Abort(reply=Reply(http=403), hint="ask for it")
OPENED = Opened(
    target=TARGET, host="vpcep.cn-north-4.myhuaweicloud.com", account="d", owner=Owner(key="1234"), cloud=""
)
FAILURE = Failure(kind="CannotRun", message="no", hint="")
HELLO = Hello(worker="w", host="h", version="0.2.0", clock_s=1.0, places=("cn-north-4/prod",))
MESSAGES: list[Hello | Ask | AskAnswer] = [
    HELLO,
    Ask(),
    Ask(open=OpenProject(target=TARGET, regions=("cn-north-4", "cn-east-3"))),
    Ask(projects=ListProjects(target=TARGET, every=True)),
    Ask(relay=RELAY),
    Ask(again=Again(key="k", send_by=1.0)),
    AskAnswer(clock_s=1.0),
    AskAnswer(clock_s=1.0, opened=OPENED),
    AskAnswer(clock_s=1.0, projects=(Project(id="i", name="cn-north-4_x", domain_id="d"),)),
    AskAnswer(clock_s=1.0, failure=FAILURE),
    *(answered(each) for each in (ANSWER, LOST, RETRY, ABORT)),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda each: type(each).__name__)
def test_each_message_comes_back_as_it_was(message: Hello | Ask | AskAnswer) -> None:
    """In one part, as long as it is short."""
    (frame,) = frames(packed(message), 128 * 1024)
    whole = Frames().add(frame)
    assert whole
    assert unpacked(type(message), whole) == message


@pytest.mark.parametrize("relayed", [ANSWER, LOST, RETRY, ABORT])
def test_what_came_back_of_a_request_is_carried_as_it_is(relayed: Any) -> None:
    """Headers are found without regard to case again, which a message does not know."""
    got = unpacked(AskAnswer, packed(answered(relayed))).relayed
    assert got == relayed
    if isinstance(got, Answer):
        assert got.headers["x-request-id"] == "r"


@pytest.mark.parametrize(
    ("relayed", "expected"),
    [
        (replace(ANSWER, headers={"Server": "caf\udce9"}), replace(ANSWER, headers={"Server": "caf?"})),
        (replace(ANSWER, headers={"\udce9": "a"}), replace(ANSWER, headers={"?": "a"})),
        (replace(LOST, message="no \udce9, \ud800"), replace(LOST, message="no ?, ?")),
        (replace(ABORT, hint="\udce9"), replace(ABORT, hint="?")),
    ],
)
def test_text_that_is_no_utf8_is_carried_without_what_is_none(relayed: Any, expected: Any) -> None:
    """As a server in between writes it into a header; else the run would never get the answer."""
    assert unpacked(AskAnswer, packed(answered(relayed))).relayed == expected


def test_an_answer_that_carries_nothing_relayed_says_so() -> None:
    """Such as that a worker is there."""
    assert AskAnswer(clock_s=1.0, failure=FAILURE).relayed is None


def test_a_hello_of_a_version_that_says_more_is_read() -> None:
    """So a run can name the version that it cannot ask."""
    said = decode(packed(HELLO)[1:]) | {"load": 7}
    assert unpacked(Hello, b"\0" + encode(said)) == HELLO


@given(st.binary(max_size=200), st.integers(0, 2))
def test_bytes_that_are_no_message_are_unreadable(data: bytes, form: int) -> None:
    """Nothing else is raised, whatever they are, and what is read is a message."""
    for kind in (Hello, Ask, AskAnswer):
        try:
            assert isinstance(unpacked(kind, bytes([form]) + data), kind)
        except Unreadable:
            continue


@pytest.mark.parametrize("message", MESSAGES, ids=lambda each: type(each).__name__)
def test_a_message_that_was_cut_is_unreadable(message: Hello | Ask | AskAnswer) -> None:
    """At any place, compressed or not."""
    plain = packed(message)
    for data in (plain, b"\1" + zlib.compress(plain[1:])):
        for length in range(len(data)):
            with pytest.raises(Unreadable):
                unpacked(type(message), data[:length])


def test_a_long_message_is_compressed_and_a_short_one_is_not() -> None:
    """A page of a list has megabytes, mostly the same words."""
    long = replace(ANSWER, body=b'{"service_name":"web"}' * LONG_BYTES)
    data = packed(answered(long))
    assert data[:1] == b"\1"
    assert len(data) < len(long.body) / 100
    assert unpacked(AskAnswer, data).relayed == long
    assert packed(Ask())[:1] == b"\0"


def test_a_message_that_unpacks_to_more_than_a_page_is_unreadable() -> None:
    """A few kilobytes could else fill the memory of whoever unpacks them."""
    bomb = zlib.compress(bytes(messages.MESSAGE_BYTES_MAX + 1), 9)
    assert len(bomb) < 50_000
    with pytest.raises(Unreadable, match="more than"):
        unpacked(AskAnswer, b"\1" + bomb)


def test_what_follows_a_message_is_not_passed_over() -> None:
    """It is what it is to its last byte, compressed or not."""
    plain = packed(Ask())
    for data in (plain, b"\1" + zlib.compress(plain[1:])):
        assert unpacked(Ask, data) == Ask()
        with pytest.raises(Unreadable):
            unpacked(Ask, data + b"x")


def test_a_message_nested_without_end_is_unreadable() -> None:
    """However deep it is."""
    with pytest.raises(Unreadable):
        unpacked(Ask, b"\0" + b"\x81\xa1x" + b"\x91" * 100_000)


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -float("inf")])
def test_a_time_that_is_none_is_unreadable(seconds: float) -> None:
    """It would be before and after every other: a request could leave at any time."""
    ask = Ask(relay=replace(RELAY, send_by=seconds))
    with pytest.raises(Unreadable):
        unpacked(Ask, packed(ask))
    for kind, message in ((Hello, HELLO), (AskAnswer, AskAnswer())):
        with pytest.raises(Unreadable):
            unpacked(kind, packed(replace(message, clock_s=seconds)))


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), 0.0, -1.0, 1e9])
@pytest.mark.parametrize("name", ["connect_s", "read_s", "total_s"])
def test_a_request_that_would_take_for_ever_is_unreadable(name: str, seconds: float) -> None:
    """A worker would keep it, and nobody waits for it any more."""
    forged = decode(packed(Ask(relay=RELAY))[1:])
    assert unpacked(Ask, b"\0" + encode(forged)) == Ask(relay=RELAY)
    forged["relay"]["timeouts"][name] = seconds
    with pytest.raises(Unreadable):
        unpacked(Ask, b"\0" + encode(forged))


@pytest.mark.parametrize("member", ["worker", "host", "version"])
@pytest.mark.parametrize("name", ["", "x" * 201, "a b", "a\n", "a\nrow 1 is applied", "\x1b[2J"])
def test_a_worker_has_names_that_fit_into_a_subject(member: str, name: str) -> None:
    """NATS ends a connection over a longer line; one with a line break could say anything to a person."""
    with pytest.raises(Unreadable):
        unpacked(Hello, packed(replace(HELLO, **{member: name})))


@pytest.mark.parametrize(
    "forged",
    [
        {"relay": {}},
        {"relay": {"target": ["a"], "request": {}}},
        {"open": {"target": ["a", "b", "c"], "regions": [1]}},
        {"open": "x"},
        {"projects": {"target": ["a", "b", "c"], "every": "yes"}},
        [],
        7,
        None,
    ],
)
def test_a_forged_question_is_unreadable(forged: Any) -> None:
    """Members that are missing or of another type."""
    with pytest.raises(Unreadable):
        unpacked(Ask, b"\0" + encode(forged))


@pytest.mark.parametrize("size", [0, 1, 95, 96, 97, 500, 96 * FRAMES_MAX])
def test_a_message_comes_in_parts_that_nats_takes(size: int) -> None:
    """In whatever order they arrive, and one of them twice."""
    data = bytes(range(256)) * (size // 256 + 1)
    data = b"\0" + data[: max(size - 1, 0)]
    parts = frames(data, 100)
    assert all(len(part) <= 100 for part in parts)
    gathered = Frames()
    for part in parts[:0:-1]:
        assert gathered.add(part) is None
    if len(parts) > 1:
        assert gathered.add(parts[-1]) is None
    assert gathered.add(parts[0]) == data


@pytest.mark.parametrize(("size", "payload_max"), [(96 * FRAMES_MAX + 1, 100), (10, 4), (10, 3), (0, 100)])
def test_a_message_that_does_not_fit_is_said_so(size: int, payload_max: int) -> None:
    """Too many parts, no room in them, or nothing to send."""
    with pytest.raises(Unreadable, match="does not fit"):
        frames(bytes(size), payload_max)


@pytest.mark.parametrize(
    "frame",
    [b"", b"\0", b"\0\0\0", b"\0\0\0\0", b"\0\1\0\1", b"\0\2\0\1x", b"\0\0\0\x41x", b"\xff\xff\xff\xffx"],
)
def test_what_is_no_part_of_a_message_is_unreadable(frame: bytes) -> None:
    """Without head, without a count, behind the last one, or one of more than there may be."""
    with pytest.raises(Unreadable):
        Frames().add(frame)


@given(st.lists(st.binary(max_size=12), max_size=12))
def test_parts_of_anything_are_unreadable_or_gathered(parts: list[bytes]) -> None:
    """Also where each says another number of all; at most so many are kept."""
    gathered = Frames()
    for part in parts:
        try:
            gathered.add(part)
        except Unreadable:
            continue
    assert len(gathered._parts) <= FRAMES_MAX


def test_a_name_in_a_list_that_is_no_utf8_is_carried_as_well() -> None:
    """Such as that of a project among others."""
    named = Project(id="a", name="caf\udce9", domain_id="d")
    sent = AskAnswer(projects=(named, replace(named, id="b")))
    got = unpacked(AskAnswer, packed(sent)).projects
    assert got == tuple(replace(project, name="caf?") for project in sent.projects or ())
