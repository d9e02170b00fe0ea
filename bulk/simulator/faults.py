"""Things that go wrong on purpose, the same each time: a plan of faults with its own seed.

A plan is JSON. `rates` has a probability for each kind; `rules` name requests exactly:

    {"seed": 7, "rates": {"throttle_429": 0.05, "reset_after": 0.01, "EndPoint.2004": 0.02},
     "rules": [{"kind": "error_504_0013", "after": true, "method": "PUT", "nth": 3, "times": 2}]}

A key of `rates` is a kind, with `_after` when the request shall take effect first, or an error code. The
roll for a request depends on the seed, its method, its path and how often that was asked before, not on the
order in which requests of different services arrive: so a plan hits the same requests whatever the
concurrency. `for` limits a rule, or all rates, to reads or writes.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bulk.simulator.error_answers import ErrorAnswer, gateway, named, vpcep
from bulk.simulator.limits import Kind, RetryAfter, concerns, retry_after_header, throttled


class FaultKind(StrEnum):
    """What goes wrong, and in `meaning` what the client gets."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Self:
        """Return a kind that is its name."""
        kind = str.__new__(cls, value)
        kind._value_ = value
        kind.meaning = meaning
        return kind

    THROTTLE_429 = "throttle_429", "APIGW.0308 with the limit in words"
    THROTTLE_400 = "throttle_400", "EndPoint.0022"
    ERROR_500 = "error_500", "EndPoint.0001"
    ERROR_502 = "error_502", "a proxy's HTML page"
    ERROR_503 = "error_503", "APIGW.0613"
    ERROR_504_0011 = "error_504_0011", "permanent, in spite of the status"
    ERROR_504_0012 = "error_504_0012", "permanent, in spite of the status"
    ERROR_504_0013 = "error_504_0013", "the backend timed out"
    CODE = "code", "the error code that is named"
    RESET = "reset", "the connection is reset, no answer"
    SLOW = "slow", "the right answer after `delay_s`"
    EDIT = "edit", "somebody else changes `services` just before the right answer"
    TRUNCATED_BODY = "truncated_body", "200, half of the body, then the connection ends"
    HTML_BODY = "html_body", "200 with a page in HTML"
    EMPTY_BODY = "empty_body", "200 with nothing"
    BROKEN_JSON = "broken_json", "200 with half of the JSON and a matching length"
    WRONG_ECHO = "wrong_echo", "200, but the answer's ports are not the stored ones"
    STRING_PORTS = "string_ports", "200, ports as strings"


_REFUSALS = {
    FaultKind.THROTTLE_400: vpcep("0022"),
    FaultKind.ERROR_500: vpcep("0001"),
    FaultKind.ERROR_502: ErrorAnswer(http=502, code="", message="", shape="html"),
    FaultKind.ERROR_503: gateway("0613", "The service is not available for now"),
    FaultKind.ERROR_504_0011: vpcep("0011"),
    FaultKind.ERROR_504_0012: vpcep("0012"),
    FaultKind.ERROR_504_0013: vpcep("0013"),
}
CORRUPTING = frozenset(
    {
        FaultKind.TRUNCATED_BODY,
        FaultKind.HTML_BODY,
        FaultKind.EMPTY_BODY,
        FaultKind.BROKEN_JSON,
        FaultKind.WRONG_ECHO,
        FaultKind.STRING_PORTS,
    }
)
"""Faults of a request that is served and whose answer is then corrupted."""


class FaultRule(BaseModel):
    """One fault and the requests that it hits: the `nth` matching one (from 1) and `times` - 1 more."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: FaultKind
    after: bool = False
    code: str = ""
    http: int | None = Field(default=None, ge=400, le=599)
    delay_s: float = Field(default=1.0, ge=0)
    retry_after: RetryAfter = "none"
    rate: float = Field(default=1.0, ge=0, le=1)
    method: str | None = None
    service_id: str | None = None
    applies_to: Kind = Field(default="all", alias="for")
    nth: int = Field(default=1, ge=1)
    times: int | None = Field(default=1, ge=1)
    services: tuple[dict[str, Any], ...] = ()

    @model_validator(mode="after")
    def _has_code(self) -> Self:
        if (self.kind is FaultKind.CODE) != bool(self.code):
            raise ValueError("kind `code` needs `code`, and no other kind has one")
        return self

    def matches(self, method: str, service_id: str | None) -> bool:
        """Return whether a request is of the kind that this rule is about."""
        return (
            self.method in {None, method}
            and self.service_id in {None, service_id}
            and concerns(self.applies_to, is_write=method != "GET")
        )


class FaultPlan(BaseModel):
    """The JSON form of a plan; `rates` become rules that never wear out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 0
    applies_to: Kind = Field(default="all", alias="for")
    rates: dict[str, Annotated[float, Field(ge=0, le=1)]] = {}
    rules: tuple[FaultRule, ...] = ()

    @cached_property
    def all_rules(self) -> tuple[FaultRule, ...]:
        """Return the rules, then one for each rate."""
        return self.rules + tuple(
            _rule_of_rate(name, rate, self.applies_to) for name, rate in self.rates.items()
        )

    @model_validator(mode="after")
    def _rates_are_rules(self) -> Self:
        self.all_rules  # noqa: B018 -- raises for a rate that is none
        return self


@dataclass(slots=True)
class Faults:
    """A plan at work: how many requests each rule has seen, and the rolls of its dice."""

    plan: FaultPlan = field(default_factory=FaultPlan)
    _matched: Counter[int] = field(default_factory=Counter)
    _asked: Counter[tuple[str, str]] = field(default_factory=Counter)

    def draw(self, method: str, path: str, service_id: str | None) -> FaultRule | None:
        """Return the first rule that hits this request, or None; every rule it matches counts it."""
        if not self.plan.all_rules:
            return None
        self._asked[method, path] += 1
        hit = None
        for index, rule in enumerate(self.plan.all_rules):
            if not rule.matches(method, service_id):
                continue
            self._matched[index] += 1
            place = self._matched[index] - rule.nth
            in_range = place >= 0 and (rule.times is None or place < rule.times)
            if hit is None and in_range and self._roll(index, method, path) < rule.rate:
                hit = rule
        return hit

    def _roll(self, index: int, method: str, path: str) -> float:
        key = f"{self.plan.seed} {index} {method} {path} {self._asked[method, path]}"
        return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest()) / 2**64


def fault_refusal(rule: FaultRule, now_s: float) -> ErrorAnswer:
    """Return the error answer of a fault that is one: neither a reset, nor slow, nor a corrupted answer."""
    headers = retry_after_header(rule.retry_after, rule.delay_s, now_s)
    match rule.kind:
        case FaultKind.THROTTLE_429:
            return throttled(count=60, period="1 minute", policy="user", headers=headers)
        case FaultKind.CODE:
            return replace(named(rule.code, http=rule.http), headers=headers)
        case _:
            return replace(_REFUSALS[rule.kind], headers=headers)


def _rule_of_rate(name: str, rate: float, applies_to: Kind) -> FaultRule:
    """Return the rule for one key of `rates`; raises ValueError when the key names nothing."""
    shared = {"rate": rate, "times": None, "for": applies_to}
    if "." in name:
        return FaultRule.model_validate({"kind": FaultKind.CODE, "code": name} | shared)
    kind = name.removesuffix("_after").removesuffix("_before")
    if kind not in set(FaultKind) - {FaultKind.CODE, FaultKind.EDIT}:
        raise ValueError(f"{name!r} is neither a kind of fault nor an error code")
    return FaultRule.model_validate({"kind": kind, "after": name.endswith("_after")} | shared)
