"""Replies as a broken or a hostile server makes them: each has a verdict, and a ledger can hold it."""

import random
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from multidict import CIMultiDict

from bulk.ledger.members import checked_whole
from bulk.ledger.records import Attempt, AttemptResult, Json, OutcomeRecord, record_json, record_type
from bulk.model import Done, Outcome, Page, ServiceId, ServiceState, Throttled
from bulk.vpcep.iam import issued_token, metadata_token, projects, temporary_key
from bulk.vpcep.replies import Answer, listed, modified, shown
from tests.forging import spoilt
from tests.fuzzing import fuzzing

ID = ServiceId("4189d3c2-8882-4871-a3c2-d380272eed83")
MAPPING = {"client_port": 8081, "server_port": 22, "protocol": "TCP"}
SERVICE: Json = {
    "id": ID,
    "port_id": "bb642838-0e47-5e9b-98ff-819d586e1d61",
    "service_name": f"cn-north-4.web.{ID}",
    "server_type": "LB",
    "vpc_id": "0df23848-29e3-545c-b16a-99413796b789",
    "approval_enabled": False,
    "status": "available",
    "service_type": "interface",
    "created_at": "2026-01-15T08:30:00Z",
    "updated_at": "2026-01-15T08:30:00Z",
    "project_id": "6e9dfd51d1124e8d8498dce894923a0d",
    "ports": [MAPPING, {"client_port": "443", "server_port": 8443}],
    "tcp_proxy": "close",
    "connection_count": 2,
}
ERROR = {"error": {"code": "EndPoint.3044", "message": "the port is taken"}, "request_id": "r"}
BODIES: tuple[Json, ...] = (
    SERVICE,
    {"endpoint_services": [SERVICE, SERVICE | {"id": "other"}], "total_count": 2},
    ERROR,
    {"error_code": "APIGW.0308", "error_msg": "limit:60,time:1 minute, policy user"},
    {"token": {"expires_at": "2026-01-16T08:30:00.000Z", "issued_at": "2026-01-15T08:30:00.000Z"}},
    {"projects": [{"id": "p", "name": "cn-north-4", "domain_id": "d"}]},
    {
        "credential": {
            "access": "a",
            "secret": "s",
            "securitytoken": "t",
            "expires_at": "2026-01-16T08:30:00Z",
        }
    },
)
READERS: tuple[Callable[[Answer], Any], ...] = (
    lambda got: modified(got, ID),
    lambda got: shown(got, ID),
    listed,
    issued_token,
    projects,
    temporary_key,
    metadata_token,
)
STATUSES = (200, 200, 200, 204, 302, 400, 401, 403, 404, 408, 429, 500, 503, 504, 999)
HEADERS = ("Retry-After", "Date", "X-Request-Id", "X-Subject-Token", "X-IAM-Trace-Id")
SAID = ("7", "99999999999", "Thu, 15 Jan 2026 08:30:00 GMT", "Thu, 99 Foo 2026", "\x1b[2J", "é" * 5000, "")


def reply(dice: random.Random) -> tuple[Answer, bool]:
    """Return a reply, and whether its body is JSON."""
    body = dice.choice(BODIES)
    for _ in range(dice.choice((0, 1, 1, 2, 4))):
        body = spoilt(dice, body)
    content = orjson.dumps(body)
    if dice.random() < 0.2:
        at = dice.randrange(len(content) + 1)
        content = content[:at] + dice.randbytes(dice.randrange(4)) + content[at + dice.randrange(3) :]
    if dice.random() < 0.01:
        depth = dice.choice((100, 500, 1000, 5000))
        content = b'{"error":' * depth + b"{}" + b"}" * depth
    headers = CIMultiDict({name: dice.choice(SAID) for name in HEADERS if dice.random() < 0.3})
    got = Answer(http=dice.choice(STATUSES), headers=headers, body=content, ms=3, now=1_768_465_800.0)
    try:
        orjson.loads(content)
    except ValueError:
        return got, False
    return got, True


def held(verdict: Any) -> None:
    """Write down what a verdict says, as a run does, and read it back."""
    listed = [service.state for service in getattr(verdict, "services", ())]
    for state in (*listed, *filter(None, [getattr(verdict, "state", None)])):
        assert isinstance(state, ServiceState)
        read_back(OutcomeRecord(row=1, outcome=Outcome.CONFLICT, observed=state))
    if said := getattr(verdict, "reply", None):
        hold_s = getattr(verdict, "retry_after_s", None) or 0.0
        read_back(Attempt(row=1, attempt=1, verdict=AttemptResult.THROTTLED, reply=said, hold_s=hold_s))


def read_back(record: OutcomeRecord | Attempt) -> None:
    """Write a record and read it back."""
    written = {"n": 0, "at": "2026-01-15T08:30:00.000Z", "type": record_type(record), **record_json(record)}
    json = orjson.loads(orjson.dumps(written))
    assert checked_whole(json) == json


@pytest.mark.parametrize(
    "replies", [3_000, pytest.param(100_000, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]
)
def test_every_reply_has_a_verdict_that_a_ledger_can_hold(replies: int) -> None:
    """Nothing that a server says raises, fills the memory, or makes a ledger that cannot be read again."""
    dice, kinds = random.Random(7), set[type[Any]]()
    with fuzzing("replies", replies) as tally:
        for number in range(replies):
            got, is_json = reply(dice)
            tally.passed += is_json
            with tally.bounded(f"reply {number}"):
                for read in READERS:
                    try:
                        verdict = read(got)
                        held(verdict)
                    except Exception as error:
                        raise AssertionError(f"reply {number}: {got}"[:500]) from error
                    kinds.add(type(verdict))
    assert {Done, Page, Throttled} <= kinds
