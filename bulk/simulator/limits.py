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
from enum import StrEnum
from typing import Literal, assert_never

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .errors import Refusal, gateway, vpcep
from .problems import explained
from .shapes import Concurrency, FixedWindow, Limiter, SlidingWindow, TokenBucket

_SPEC = re.compile(
    r"(?P<shape>token|fixed|sliding|concurrency):(?P<count>\d+)"
    r"(?:/(?P<period>\d+(?:\.\d+)?)?(?P<unit>s|m|h))?(?P<options>(?:,[a-z_]+=[a-z0-9.]+)*)"
)
_UNIT_S = {"s": 1.0, "m": 60.0, "h": 3600.0}
_UNIT_SPOKEN = {"s": "second", "m": "minute", "h": "hour"}


class Kind(StrEnum):
    """Reads (GET) and writes (all else) may have limits and faults of their own."""

    ALL = "all"
    READS = "reads"
    WRITES = "writes"


class RetryAfter(StrEnum):
    """Whether a refusal says when to come back, and in which of HTTP's two forms (RFC 9110, 10.2.3)."""

    NONE = "none"
    SECONDS = "seconds"
    DATE = "date"


class _Options(BaseModel):
    """What may follow the count of a limit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    burst: float | None = Field(default=None, ge=1)
    kind: Kind = Field(default=Kind.ALL, alias="for")
    policy: Literal["user", "ip", "api", "none"] = "user"
    http: Literal["429", "400"] = "429"
    retry_after: RetryAfter = RetryAfter.NONE
    count_refusals: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One limit: its shape with its state, whom it concerns, and how it words a refusal."""

    limiter: Limiter
    count: int
    period: str
    kind: Kind
    policy: str
    http: int
    retry_after: RetryAfter
    count_refusals: bool

    def concerns(self, *, is_write: bool) -> bool:
        """Return whether requests of this kind are counted here."""
        match self.kind:
            case Kind.ALL:
                return True
            case Kind.READS:
                return not is_write
            case Kind.WRITES:
                return is_write
            case _:
                assert_never(self.kind)

    def refusal(self, wait_s: float, now_s: float) -> Refusal:
        """Return the answer to a request that came too early by `wait_s`."""
        if self.http == 400:
            return vpcep("0022")
        return throttled(
            count=self.count,
            period=self.period,
            policy=self.policy,
            headers=retry_after_header(self.retry_after, wait_s, now_s),
        )


def throttled(*, count: int, period: str, policy: str, headers: tuple[tuple[str, str], ...] = ()) -> Refusal:
    """Return 429 APIGW.0308 in the gateway's words (API.md, section 3.5).

    Policy `none` keeps the limit to itself. `period` is as the gateway writes it: `1 minute`, `60 second`.
    """
    message = "The throttling threshold has been reached"
    if policy != "none":
        message += f": policy {policy} over ratelimit,limit:{count},time:{period}"
    return gateway("0308", message, headers=headers)


def retry_after_header(form: RetryAfter, wait_s: float, now_s: float) -> tuple[tuple[str, str], ...]:
    """Return the Retry-After header for a wait, rounded up to whole seconds, or no header."""
    whole_s = int(-(-wait_s // 1))
    match form:
        case RetryAfter.NONE:
            return ()
        case RetryAfter.SECONDS:
            return (("Retry-After", str(whole_s)),)
        case RetryAfter.DATE:
            return (("Retry-After", formatdate(now_s + whole_s + 1, usegmt=True)),)
        case _:
            assert_never(form)


@dataclass(slots=True, kw_only=True)
class Limits:
    """All limits at once: a request passes when every limit that concerns it lets it pass."""

    limits: tuple[Limit, ...] = ()

    def admit(self, now_s: float, *, is_write: bool) -> tuple[Limit, ...] | Refusal:
        """Return the limits that counted the request (release them when it is answered), or the refusal."""
        passed: list[Limit] = []
        for limit in self.limits:
            if not limit.concerns(is_write=is_write):
                continue
            wait_s = limit.limiter.admit(now_s)
            if wait_s is None:
                passed.append(limit)
                continue
            if limit.count_refusals:
                limit.limiter.charge(now_s)
            for earlier in passed:
                earlier.limiter.release()
            return limit.refusal(wait_s, now_s)
        return tuple(passed)


def parse_limits(specs: Iterable[str]) -> Limits:
    """Return the limits that specifications mean; raises ValueError for the first wrong one."""
    parsed = [parse_limit(spec) for spec in specs]
    problem = next((one for one in parsed if isinstance(one, str)), None)
    if problem is not None:
        raise ValueError(problem)
    return Limits(limits=tuple(one for one in parsed if isinstance(one, Limit)))


def parse_limit(spec: str) -> Limit | str:
    """Return the limit that a specification means, or what is wrong with it."""
    match = _SPEC.fullmatch(spec)
    if match is None:
        return f"{spec!r} is no limit; write for example token:20/s,burst=20 or fixed:60/60s or concurrency:8"
    count, shape = int(match["count"]), match["shape"]
    if count < 1:
        return f"{spec!r}: the count must be at least 1"
    if (match["unit"] is None) != (shape == "concurrency"):
        return f"{spec!r}: token, fixed and sliding need a period such as /s or /60s, concurrency has none"
    pairs = (pair.split("=", 1) for pair in match["options"].split(",") if pair)
    try:
        options = _Options.model_validate(dict(pairs))
    except ValidationError as error:
        return f"{spec!r}: {explained(error)}"
    period_s = float(match["period"] or 1) * _UNIT_S[match["unit"] or "s"]
    if period_s <= 0:
        return f"{spec!r}: the period must be longer than nothing"
    return Limit(
        limiter=_limiter(shape, count, period_s, options.burst),
        count=count,
        period=f"{match['period'] or 1} {_UNIT_SPOKEN[match['unit'] or 's']}",
        kind=options.kind,
        policy=options.policy,
        http=int(options.http),
        retry_after=options.retry_after,
        count_refusals=options.count_refusals,
    )


def _limiter(shape: str, count: int, period_s: float, burst: float | None) -> Limiter:
    match shape:
        case "token":
            return TokenBucket(rate_per_s=count / period_s, burst=burst or count)
        case "fixed":
            return FixedWindow(count=count, period_s=period_s)
        case "sliding":
            return SlidingWindow(count=count, period_s=period_s)
        case _:
            return Concurrency(count=count)
