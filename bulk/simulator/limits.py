"""Request limits: how one is written, whom it concerns, and how it words its refusals.

Pure: the moment is an argument. A limit is written `SHAPE:COUNT[/PERIOD][,option=value ...]`, for example
`token:20/s,burst=5`, `fixed:60/1m`, `sliding:100/10s,policy=ip`, `concurrency:8,for=writes`. A refusal
states the period in the unit that it was written in. A token bucket holds one period's tokens unless
`burst` says otherwise.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import formatdate
from math import ceil
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bulk.simulator.error_answers import ErrorAnswer, gateway, vpcep
from bulk.simulator.problems import explained
from bulk.simulator.shapes import Concurrency, FixedWindow, Shape, SlidingWindow, TokenBucket

_SPEC = re.compile(
    r"(?P<shape>token|fixed|sliding|concurrency):(?P<count>\d+)"
    r"(?:/(?P<period>\d+(?:\.\d+)?)?(?P<unit>s|m|h))?(?P<options>(?:,[a-z_]+=[a-z0-9.]+)*)"
)
_UNIT_S = {"s": 1.0, "m": 60.0, "h": 3600.0}
_UNIT_SPOKEN = {"s": "second", "m": "minute", "h": "hour"}


Kind: TypeAlias = Literal["all", "reads", "writes"]
"""Reads (GET) and writes (all else) may have limits and faults of their own."""
RetryAfter: TypeAlias = Literal["none", "seconds", "date"]
"""Whether a refusal says when to come back, and in which of HTTP's two forms (RFC 9110, 10.2.3)."""


class Options(BaseModel):
    """What may follow the count of a limit: whom it concerns and how it words a refusal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    burst: float | None = Field(default=None, ge=1)
    kind: Kind = Field(default="all", alias="for")
    policy: Literal["user", "ip", "api", "none"] = "user"
    http: Literal["429", "400"] = "429"
    retry_after: RetryAfter = "none"
    count_refusals: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimit:
    """One limit: its shape with its state, and its count and period in words."""

    limiter: Shape
    count: int
    period: str
    options: Options

    def refusal(self, wait_s: float, now_s: float) -> ErrorAnswer:
        """Return the answer to a request that came too early by `wait_s`."""
        if self.options.http == "400":
            return vpcep("0022")
        return throttled(
            count=self.count,
            period=self.period,
            policy=self.options.policy,
            headers=retry_after_header(self.options.retry_after, wait_s, now_s),
        )


def concerns(kind: Kind, *, is_write: bool) -> bool:
    """Return whether something for reads, writes or all is about a request."""
    return kind == "all" or (kind == "writes") == is_write


def throttled(
    *, count: int, period: str, policy: str, headers: tuple[tuple[str, str], ...] = ()
) -> ErrorAnswer:
    """Return 429 APIGW.0308 in the gateway's words (API.md, section 3.5).

    Policy `none` keeps the limit to itself. `period` is as the gateway writes it: `1 minute`, `60 second`.
    """
    message = "The throttling threshold has been reached"
    if policy != "none":
        message += f": policy {policy} over ratelimit,limit:{count},time:{period}"
    return gateway("0308", message, headers=headers)


def retry_after_header(form: RetryAfter, wait_s: float, now_s: float) -> tuple[tuple[str, str], ...]:
    """Return the Retry-After header for a wait, rounded up to whole seconds, or no header."""
    whole_s = ceil(wait_s)
    if form == "none":
        return ()
    value = str(whole_s) if form == "seconds" else formatdate(now_s + whole_s + 1, usegmt=True)
    return (("Retry-After", value),)


@dataclass(slots=True, kw_only=True)
class RequestLimits:
    """All limits at once: a request passes when every limit that concerns it lets it pass."""

    limits: tuple[RequestLimit, ...] = ()

    def admit(self, now_s: float, *, is_write: bool) -> tuple[RequestLimit, ...]:
        """Return the limits that counted the request, to be released at its answer; raises ErrorAnswer."""
        passed: list[RequestLimit] = []
        for limit in self.limits:
            if not concerns(limit.options.kind, is_write=is_write):
                continue
            wait_s = limit.limiter.admit(now_s)
            if wait_s is None:
                passed.append(limit)
                continue
            if limit.options.count_refusals:
                limit.limiter.charge(now_s)
            for earlier in passed:
                earlier.limiter.release()
            raise limit.refusal(wait_s, now_s)
        return tuple(passed)


def parse_limits(specs: Iterable[str]) -> RequestLimits:
    """Return the limits that specifications mean; raises ValueError for the first wrong one."""
    return RequestLimits(limits=tuple(parse_limit(spec) for spec in specs))


def parse_limit(spec: str) -> RequestLimit:
    """Return the limit that a specification means; raises ValueError."""
    match = _SPEC.fullmatch(spec)
    if match is None:
        example = "write for example token:20/s,burst=20 or fixed:60/60s or concurrency:8"
        raise ValueError(f"{spec!r} is no limit; {example}")
    count, shape, unit = int(match["count"]), match["shape"], match["unit"] or "s"
    if count < 1:
        raise ValueError(f"{spec!r}: the count must be at least 1")
    if (match["unit"] is None) != (shape == "concurrency"):
        raise ValueError(
            f"{spec!r}: token, fixed and sliding need a period such as /s or /60s, concurrency has none"
        )
    period_s = float(match["period"] or 1) * _UNIT_S[unit]
    if period_s <= 0:
        raise ValueError(f"{spec!r}: the period must be longer than nothing")
    pairs = (pair.split("=", 1) for pair in match["options"].split(",") if pair)
    try:
        options = Options.model_validate(dict(pairs))
    except ValidationError as error:
        raise ValueError(f"{spec!r}: {explained(error)}") from None
    return RequestLimit(
        limiter=_limiter(shape, count, period_s, options.burst),
        count=count,
        period=f"{match['period'] or 1} {_UNIT_SPOKEN[unit]}",
        options=options,
    )


def _limiter(shape: str, count: int, period_s: float, burst: float | None) -> Shape:
    match shape:
        case "token":
            return TokenBucket(rate_per_s=count / period_s, burst=burst or count)
        case "fixed":
            return FixedWindow(count=count, period_s=period_s)
        case "sliding":
            return SlidingWindow(count=count, period_s=period_s)
        case _:
            return Concurrency(count=count)
