"""What a reply to the API's requests means."""

from typing import Any

import orjson
import pytest
from multidict import CIMultiDict

from bulk.model import (
    Abort,
    Denied,
    Done,
    Doubt,
    Limit,
    Missing,
    Page,
    PortMapping,
    Reject,
    Reply,
    Retry,
    ServiceId,
    Throttled,
    Verdict,
)
from bulk.vpcep.codes import NoReply
from bulk.vpcep.replies import Answer, Lost, listed, modified, shown
from bulk.vpcep.services import UNREADABLE

ID = ServiceId("4189d3c2-8882-4871-a3c2-d380272eed83")
NOW = 1_768_465_800.0  # 2026-01-15T08:30:00Z
SERVICE = {"id": ID, "status": "available", "ports": [{"client_port": 1, "server_port": 2}]}
HTML = b"<html><title>Sorry</title></html>"


def answer(http: int, body: Any = b"", **headers: str) -> Answer:
    """Return a reply with these headers; a body that is no bytes is written as JSON."""
    return Answer(
        http=http,
        headers=CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()}),
        body=body if isinstance(body, bytes) else orjson.dumps(body),
        ms=12,
        now=NOW,
    )


def refusal(http: int, code: str, message: str = "no", **headers: str) -> Answer:
    """Return a refusal in the shape of the API's own pages."""
    return answer(http, {"error": {"code": code, "message": message}}, **headers)


def lost(*, sent: bool, hopeless: bool = False) -> Lost:
    """Return a request without an answer."""
    return Lost(code=NoReply.TIMEOUT, message="no answer", ms=9, sent=sent, hopeless=hopeless)


def put(got: Answer | Lost) -> Verdict:
    """Return the verdict on a PUT for `ID`."""
    return modified(got, ID)


def test_success_with_the_service_is_done() -> None:
    """The state is the one that the reply shows, with the facts for the ledger."""
    verdict = put(answer(200, SERVICE, X_Request_Id="0f6c1d9a"))
    assert isinstance(verdict, Done)
    assert verdict.state.ports == (PortMapping(client_port=1, server_port=2),)
    assert verdict.reply == Reply(http=200, request_id="0f6c1d9a", ms=12)


@pytest.mark.parametrize(
    "body",
    [b"", HTML, b"{", b"null", b"[]", {"id": ID}, {**SERVICE, "id": "another"}, {**SERVICE, "ports": 7}],
)
def test_success_that_cannot_be_read_leaves_a_doubt(body: Any) -> None:
    """A 2xx without the service in it proves nothing."""
    verdict = put(answer(200, body))
    assert isinstance(verdict, Doubt)
    assert verdict.reply.code == NoReply.UNREADABLE_REPLY


@pytest.mark.parametrize("http", [500, 502, 503, 504, 507, 599])
@pytest.mark.parametrize("body", [b"", HTML, {"error": {"code": "EndPoint.0013", "message": "late"}}])
def test_server_error_leaves_a_doubt(http: int, body: Any) -> None:
    """The change may have been made before something broke."""
    assert isinstance(put(answer(http, body)), Doubt)


@pytest.mark.parametrize("http", [500, 502, 503, 504])
@pytest.mark.parametrize("code", ["APIGW.0308", "EndPoint.0022"])
def test_a_server_error_with_a_code_of_throttling_leaves_a_doubt(http: int, code: str) -> None:
    """Only 429, and 400 with the API's own code, say that the PUT was not carried out."""
    assert isinstance(put(refusal(http, code)), Doubt)


def test_request_timeout_leaves_a_doubt() -> None:
    """A 408 does not say how far the server came."""
    assert isinstance(put(answer(408)), Doubt)


@pytest.mark.parametrize("code", ["EndPoint.0011", "EndPoint.0012", "endpoint.0011"])
def test_the_two_permanent_504_are_rejections(code: str) -> None:
    """They say that the request lacked something, in whatever case the code is written."""
    assert isinstance(put(refusal(504, code)), Reject)


def test_permanent_code_under_another_server_error_leaves_a_doubt() -> None:
    """A code at a status that is not its own is not trusted."""
    assert isinstance(put(refusal(500, "EndPoint.3043")), Doubt)


@pytest.mark.parametrize(
    "code",
    ["EndPoint.0002", "EndPoint.2003", "EndPoint.3044", "EndPoint.3045", "Endpoint.1018", "New.0001"],
)
def test_refusal_of_one_row_is_a_rejection(code: str) -> None:
    """Permanent, not found, conflict and unknown at 400: sending it again would not help."""
    verdict = put(refusal(400, code))
    assert isinstance(verdict, Reject)
    assert verdict.reply == Reply(http=400, code=code, message="no", ms=12)


@pytest.mark.parametrize("http", [400, 404, 405, 406, 409, 413, 414, 494])
def test_client_error_without_a_code_goes_by_its_status(http: int) -> None:
    """HTML from something in between refuses just as well."""
    assert isinstance(put(answer(http, HTML)), Reject)


@pytest.mark.parametrize("code", ["EndPoint.2004", "EndPoint.4009", "EndPoint.1008"])
def test_backend_trouble_reported_as_400_is_in_doubt(code: str) -> None:
    """It failed inside, perhaps after it took effect; a read may be repeated all the same."""
    assert isinstance(put(refusal(400, code)), Doubt)
    assert isinstance(shown(refusal(400, code), ID), Retry)


def test_throttling_reported_as_400_is_still_throttling() -> None:
    """EndPoint.0022 comes with status 400."""
    assert isinstance(put(refusal(400, "EndPoint.0022")), Throttled)


def test_throttling_tells_limit_and_waiting_time() -> None:
    """Both come from the refusal itself."""
    text = "policy user over ratelimit,limit:60,time:1 minute"
    verdict = put(answer(429, {"error_code": "APIG.0308", "error_msg": text}, Retry_After="3"))
    assert isinstance(verdict, Throttled)
    assert verdict.retry_after_s == 3.0
    assert verdict.limit == Limit(requests=60, window_s=60.0, policy="user")


@pytest.mark.parametrize("code", ["", "APIGW.0613", "EndPoint.0001"])
@pytest.mark.parametrize("http", [429, 500, 502, 503, 504])
def test_a_wait_that_the_server_asks_for_is_heeded_whatever_the_refusal(http: int, code: str) -> None:
    """Busy or broken: up to a quarter of an hour it is waited for, by a PUT and by a read."""
    got = answer(http, {"error_code": code, "error_msg": "no"}, Retry_After="900")
    for verdict in (put(got), shown(got, ID), listed(got)):
        assert isinstance(verdict, Throttled | Doubt | Retry)
        assert (verdict.retry_after_s, verdict.shut_until) == (900.0, "")


@pytest.mark.parametrize("http", [429, 503])
@pytest.mark.parametrize(
    ("asked", "until"),
    [
        ("901", "2026-01-15 08:45:01 UTC"),
        ("978307200", "2057-01-15 08:30:00 UTC"),
        ("9" * 99, "2126-01-16 08:30:00 UTC"),
        ("Fri, 31 Dec 9999 23:59:59 GMT", "2126-01-16 08:30:00 UTC"),
    ],
)
def test_a_wait_that_is_too_long_is_told_by_its_end(http: int, asked: str, until: str) -> None:
    """Nobody waits for it; a century stands for whatever is later."""
    got = answer(http, {}, Retry_After=asked)
    for verdict in (put(got), shown(got, ID), listed(got)):
        assert isinstance(verdict, Throttled | Doubt | Retry)
        assert (verdict.retry_after_s, verdict.shut_until) == (None, until)


@pytest.mark.parametrize("body", [b"", HTML, {"error_code": "IAM.0012"}, {"error_code": "EndPoint.0002"}])
def test_every_429_is_throttling(body: Any) -> None:
    """Whoever sends it, and whatever stands in it."""
    assert isinstance(put(answer(429, body)), Throttled)


@pytest.mark.parametrize(
    ("http", "code"),
    [
        (401, "APIGW.0301"),
        (401, "EndPoint.0003"),
        (401, ""),
        (400, "EndPoint.0014"),
        (404, "APIGW.0101"),
        (403, "APIG.0310"),
        (302, ""),
    ],
)
def test_refusal_that_every_row_would_meet_ends_the_run(http: int, code: str) -> None:
    """Credentials, project and address are not the row's fault; the hint says what to check."""
    verdict = put(refusal(http, code))
    assert isinstance(verdict, Abort)
    assert "check" in verdict.hint or "give the user" in verdict.hint


@pytest.mark.parametrize(
    ("http", "code"), [(403, "EndPoint.0004"), (403, ""), (403, "APIGW.0302"), (400, "IAM.0080")]
)
def test_a_denied_put_may_be_about_one_service_and_a_denied_list_is_not(http: int, code: str) -> None:
    """Policies have conditions: what one PUT or one look was denied, others may be allowed."""
    assert isinstance(put(refusal(http, code)), Denied)
    assert isinstance(shown(refusal(http, code), ID), Reject)
    verdict = listed(refusal(http, code))
    assert isinstance(verdict, Abort)
    assert "give the user vpcep:epservices:list" in verdict.hint


@pytest.mark.parametrize(
    ("date", "said"),
    [
        ("Thu, 15 Jan 2026 09:00:00 GMT", "30 min behind"),
        ("Thu, 15 Jan 2026 08:10:00 GMT", "20 min ahead of"),
    ],
)
def test_wrong_clock_is_named_where_credentials_are_refused(date: str, said: str) -> None:
    """A signature is refused when the clocks differ too much, whatever the key."""
    verdict = put(refusal(401, "APIGW.0301", Date=date))
    assert isinstance(verdict, Abort)
    assert said in verdict.hint


def test_right_clock_is_not_mentioned() -> None:
    """Half a minute is nothing."""
    verdict = put(refusal(401, "APIGW.0301", Date="Thu, 15 Jan 2026 08:30:30 GMT"))
    assert isinstance(verdict, Abort)
    assert "clock" not in verdict.hint


def test_request_id_comes_from_whoever_gives_one() -> None:
    """The gateway's header goes first, then IAM's, then the body."""
    body = {"error_code": "EndPoint.0002", "request_id": "body"}
    assert put(answer(400, body, X_Request_Id="gate", X_IAM_Trace_Id="iam")).reply.request_id == "gate"
    assert put(answer(400, body, X_IAM_Trace_Id="iam")).reply.request_id == "iam"
    assert put(answer(400, body)).reply.request_id == "body"


def test_put_that_never_left_is_worth_another_attempt() -> None:
    """It is surely not applied."""
    assert put(lost(sent=False)) == Retry(reply=Reply(code="timeout", message="no answer", ms=9))


def test_put_whose_answer_was_lost_leaves_a_doubt() -> None:
    """It may have been applied."""
    assert isinstance(put(lost(sent=True)), Doubt)


def test_put_that_can_never_leave_ends_the_run() -> None:
    """No row would fare better."""
    assert isinstance(put(lost(sent=False, hopeless=True)), Abort)


def test_shown_service_is_done() -> None:
    """The detail request gives the same object."""
    assert isinstance(shown(answer(200, SERVICE), ID), Done)


@pytest.mark.parametrize(
    "got",
    [
        refusal(404, "EndPoint.0005"),
        refusal(400, "EndPoint.2003"),
        refusal(400, "endpoint.2003"),
        refusal(404, "New.0001"),
        answer(404),
    ],
)
def test_service_that_does_not_exist_is_missing(got: Answer) -> None:
    """Not found has two codes, and a bare 404."""
    assert isinstance(shown(got, ID), Missing)


def test_other_rejections_of_a_read_stay_rejections() -> None:
    """A 404 with a code of another meaning says nothing about the service."""
    assert isinstance(shown(refusal(404, "EndPoint.2030"), ID), Reject)
    assert isinstance(shown(refusal(400, "EndPoint.3062"), ID), Reject)


READS_TO_REPEAT = [
    lost(sent=True),
    lost(sent=False),
    answer(500),
    answer(408),
    answer(200, HTML),
    answer(200, b""),
]


@pytest.mark.parametrize("got", READS_TO_REPEAT)
def test_lost_read_is_worth_another_attempt(got: Answer | Lost) -> None:
    """Asking twice does no harm, so a read never leaves a doubt."""
    assert isinstance(shown(got, ID), Retry)
    assert isinstance(listed(got), Retry)


@pytest.mark.parametrize(
    ("got", "kind"),
    [
        (refusal(400, "EndPoint.0006"), Reject),
        (refusal(400, "EndPoint.0022"), Throttled),
        (refusal(401, "APIGW.0307"), Abort),
        (lost(sent=False, hopeless=True), Abort),
    ],
)
def test_refused_list_means_what_a_refused_put_means(got: Answer | Lost, kind: type) -> None:
    """One reading of refusals serves all requests."""
    assert isinstance(listed(got), kind)
    assert isinstance(shown(got, ID), kind)


def test_page_has_services_and_the_count_of_all() -> None:
    """An entry that cannot be read is kept by its id."""
    entries = [SERVICE, {"id": "odd"}]
    page = listed(answer(200, {"endpoint_services": entries, "total_count": 9}))
    assert isinstance(page, Page)
    assert page.total_count == 9
    assert [listed.state.status for listed in page.services] == ["available", UNREADABLE]


@pytest.mark.parametrize("total_count", [0, 7])
def test_list_that_is_null_is_an_empty_page(total_count: int) -> None:
    """Some servers write an empty list so; whether the count agrees is for the reader of all pages."""
    page = listed(answer(200, {"endpoint_services": None, "total_count": total_count}))
    assert isinstance(page, Page)
    assert (page.services, page.total_count) == ((), total_count)


def test_denial_by_a_policy_keeps_its_encoded_reason_and_says_how_to_decode_it() -> None:
    """The cloud alone can decode it; the hint of a denied list is the only place where it can stand."""
    body = {"error_code": "PAP5.0001", "error_msg": "denied", "encoded_authorization_message": "HY0L+/="}
    verdict = listed(answer(403, body))
    assert isinstance(verdict, Abort)
    assert verdict.reply.encoded_authorization_message == "HY0L+/="
    assert "POST /v5/decode-authorization-message with encoded_message HY0L+/=" in verdict.hint


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"endpoint_services": []},
        {"total_count": 0},
        {"endpoint_services": {}, "total_count": 0},
        {"endpoint_services": [], "total_count": "0"},
        {"endpoint_services": [], "total_count": -1},
        {"endpoint_services": [{}], "total_count": 1},
    ],
)
def test_page_that_cannot_be_read_is_asked_for_again(body: Any) -> None:
    """A list that may be incomplete is no list."""
    assert isinstance(listed(answer(200, body)), Retry)
