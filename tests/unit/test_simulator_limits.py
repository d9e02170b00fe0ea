"""Limits: each shape lets through what its name says, at moments that the tests choose."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulk.simulator.error_answers import ErrorAnswer
from bulk.simulator.limits import RequestLimits, parse_limit
from tests.simulator_caller import outcome


def passed(spec: str, moments_s: list[float]) -> list[float]:
    """Return the moments at which one limit let a write through."""
    limits = RequestLimits(limits=(parse_limit(spec),))
    return [
        at_s for at_s in moments_s if not isinstance(outcome(limits.admit, at_s, is_write=True), ErrorAnswer)
    ]


def test_a_token_bucket_lets_its_burst_through_and_then_its_rate() -> None:
    """A burst of 5 at once, then two a second."""
    moments_s = [0.0] * 8 + [0.4, 0.5, 0.9, 1.0]
    assert passed("token:2/s,burst=5", moments_s) == [0.0] * 5 + [0.5, 1.0]


def test_a_token_bucket_never_holds_more_than_its_burst() -> None:
    """However long nobody comes."""
    assert passed("token:2/s,burst=2", [0.0, 1000.0, 1000.0, 1000.0]) == [0.0, 1000.0, 1000.0]


def test_a_token_bucket_without_burst_holds_one_period() -> None:
    """`token:3/10s` begins with three tokens."""
    assert passed("token:3/10s", [0.0] * 5) == [0.0] * 3


def test_a_fixed_window_opens_with_the_first_request_and_turns_at_its_end() -> None:
    """Two per ten seconds from the moment 3."""
    assert passed("fixed:2/10s", [3.0, 4.0, 12.9, 13.0, 13.1, 13.2]) == [3.0, 4.0, 13.0, 13.1]


def test_a_fixed_window_stays_on_its_grid_after_a_pause() -> None:
    """Windows go on from the first one, used or not."""
    assert passed("fixed:1/10s", [0.0, 25.0, 29.9, 30.0]) == [0.0, 25.0, 30.0]


@given(st.lists(st.floats(0, 100, allow_nan=False), max_size=60))
def test_a_sliding_window_never_passes_more_than_its_count_in_any_stretch(moments_s: list[float]) -> None:
    """At most three in any ten seconds, whatever the arrivals."""
    through = passed("sliding:3/10s", sorted(moments_s))
    assert all(later - earlier >= 10 for earlier, later in zip(through, through[3:], strict=False))


def test_concurrency_counts_requests_that_are_still_being_answered() -> None:
    """Two places; one given back is there for the next."""
    limits = RequestLimits(limits=(parse_limit("concurrency:2"),))
    first = outcome(limits.admit, 0.0, is_write=True)
    outcome(limits.admit, 0.0, is_write=True)
    assert isinstance(first, tuple)
    assert isinstance(outcome(limits.admit, 0.0, is_write=True), ErrorAnswer)
    first[0].limiter.release()
    assert not isinstance(outcome(limits.admit, 0.0, is_write=True), ErrorAnswer)


def test_a_refusal_by_a_second_limit_gives_back_the_place_in_the_first() -> None:
    """Else a concurrency limit would leak a place with each refusal."""
    limits = RequestLimits(limits=(parse_limit("concurrency:1"), parse_limit("fixed:1/60s")))
    admitted = outcome(limits.admit, 0.0, is_write=True)
    assert isinstance(admitted, tuple)
    for one in admitted:
        one.limiter.release()
    for _ in range(3):
        refusal = outcome(limits.admit, 1.0, is_write=True)
        assert isinstance(refusal, ErrorAnswer)
        assert "limit:1,time:60 second" in refusal.message


@pytest.mark.parametrize("shape", ["sliding:2/10s", "token:2/10s", "fixed:2/10s"])
def test_refusals_count_against_the_limit_when_told_to(shape: str) -> None:
    """A client that keeps knocking keeps the door shut; a new fixed window opens for everybody."""
    knocking_s = [0.0, 0.0] + [1.0 + 0.5 * k for k in range(28)]
    assert len(passed(shape, knocking_s)) > 2
    counted = passed(f"{shape},count_refusals=true", knocking_s)
    assert counted == ([0.0, 0.0, 10.0, 10.5] if shape.startswith("fixed") else [0.0, 0.0])


def test_reads_and_writes_can_be_limited_apart() -> None:
    """A limit for writes does not see reads."""
    limits = RequestLimits(
        limits=(parse_limit("fixed:1/60s,for=writes"), parse_limit("fixed:2/60s,for=reads"))
    )
    reads = [not isinstance(outcome(limits.admit, 0.0, is_write=False), ErrorAnswer) for _ in range(3)]
    writes = [not isinstance(outcome(limits.admit, 0.0, is_write=True), ErrorAnswer) for _ in range(2)]
    assert (reads, writes) == ([True, True, False], [True, False])


@pytest.mark.parametrize(
    ("spec", "http", "code", "text"),
    [
        ("fixed:60/60s", 429, "APIGW.0308", "policy user over ratelimit,limit:60,time:60 second"),
        ("fixed:60/1m,policy=ip", 429, "APIGW.0308", "policy ip over ratelimit,limit:60,time:1 minute"),
        ("token:5/h,policy=api", 429, "APIGW.0308", "policy api over ratelimit,limit:5,time:1 hour"),
        ("fixed:60/60s,http=400", 400, "EndPoint.0022", "Too many requests"),
    ],
)
def test_a_refusal_speaks_the_documented_words(spec: str, http: int, code: str, text: str) -> None:
    """Status, code and limit text follow the specification."""
    refusal = parse_limit(spec).refusal(12.0, 0.0)
    assert (refusal.http, refusal.code) == (http, code)
    assert text in refusal.message
    assert refusal.headers == ()


def test_policy_none_does_not_give_the_limit_away() -> None:
    """A hidden limit says only that there is one."""
    assert "limit:" not in parse_limit("fixed:60/60s,policy=none").refusal(1.0, 0.0).message


def test_retry_after_never_sends_a_client_back_too_early() -> None:
    """Seconds are rounded up; a date, which has whole seconds, lies beyond the wait."""
    seconds = parse_limit("fixed:1/60s,retry_after=seconds").refusal(11.2, 0.0)
    date = parse_limit("fixed:1/60s,retry_after=date").refusal(11.2, 0.9)
    assert seconds.headers == (("Retry-After", "12"),)
    assert date.headers == (("Retry-After", "Thu, 01 Jan 1970 00:00:13 GMT"),)


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "token",
        "token:20",
        "token:0/s",
        "token:20/0s",
        "leaky:20/s",
        "concurrency:8/s",
        "fixed:60/60d",
        "token:20/s,burst=0",
        "token:20/s,colour=red",
        "token:20/s,policy=moon",
    ],
)
def test_a_wrong_specification_is_refused_with_the_text_that_was_wrong(spec: str) -> None:
    """The message quotes the specification."""
    with pytest.raises(ValueError, match=re.escape(repr(spec))):
        parse_limit(spec)
