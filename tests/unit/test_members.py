"""Which lines of a ledger are records: what is written comes back, and nothing else passes."""

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulk.errors import LedgerDamaged
from bulk.ledger.members import (
    RECORDS,
    TEXT_KEPT_CHARS_MAX,
    checked,
    checked_whole,
)
from bulk.ledger.records import (
    Attempt,
    AttemptResult,
    DecidedBy,
    Decision,
    Held,
    Intent,
    Json,
    Left,
    Note,
    OutcomeRecord,
    PaceRecord,
    Purpose,
    Record,
    Ruling,
    change_of,
    record_json,
    record_type,
)
from bulk.ledger.stops import BrakeReason
from bulk.model import (
    TARGETS_MAX,
    Action,
    Change,
    Hold,
    LaneName,
    Limit,
    ModifyBody,
    Outcome,
    Reply,
    RequestKind,
    SideEffect,
    Why,
)
from tests.values import RECORDS as ANY
from tests.values import change, end_record, planned, ports, run_record, session_record, state

AT = "2026-01-15T08:30:00.123Z"
EDIT = change(2)
FULL: dict[str, Record] = {
    "run": run_record(),
    "change": replace(
        EDIT,
        update=replace(
            EDIT.update, add_ports=ports(7), expect_ports=ports(1), body=ModifyBody(ip="10.0.0.1")
        ),
        before=replace(state(2, 1), approval_enabled=False, connection_count=3, description="d"),
        after=(1,),
        parking=ModifyBody(ports=()),
        after_parked=(1,),
    ),
    "planned": replace(planned(change(1)), pages=[1]),
    "session": replace(session_record(), lanes=[{"host": "h", "region": "r", "account": "a"}]),
    "intent": Intent(row=1, attempt=1, purpose=Purpose.PARK),
    "attempt": Attempt(row=1, attempt=1, verdict=AttemptResult.DOUBT, reply=Reply(code="timeout")),
    "outcome": OutcomeRecord(
        row=1, outcome=Outcome.FAILED, reply=Reply(http=400), observed=state(1, 1), left=Left.PARKED
    ),
    "note": Note(
        about="hold",
        message="m",
        row=1,
        held=Held(hold=Hold.SOAK, who="rows", since=AT, until=AT, detail="d"),
    ),
    "pace": PaceRecord(
        lane=LaneName(host="h", region="r", account="a"),
        kind=RequestKind.WRITES,
        rate_per_s=1.5,
        limit=Limit(requests=60, window_s=60.0, policy="user"),
        why=Why.STATED,
        noise=0.06,
        hold=Hold.PUSH_BACK,
        left_s=2.0,
    ),
    "decision": Decision(
        by=DecidedBy.JUDGE,
        what="wave",
        reason="r",
        user="u",
        host="h",
        id="i",
        wave=1,
        ruling=Ruling.GO,
        cause=BrakeReason.WAVE,
        effects=(SideEffect("ports", ports(7)), SideEffect("description", "d")),
        failures_max=3,
        ledger="/runs/back.plan",
        rate_per_s=0.5,
    ),
    "end": end_record(BrakeReason.WINDOW),
}
"""A record of each type with every member that there is."""


def line(record: Record, **other: Any) -> Json:
    """Return a record as it is read from its line, some members replaced."""
    written = {"n": 6, "at": AT, "type": record_type(record), **record_json(record)}
    json: Json = orjson.loads(orjson.dumps(written))
    return {**json, **other}


@pytest.mark.parametrize("kind", FULL)
def test_what_is_written_is_read_whole(kind: str) -> None:
    """A record of each type, with every member that the checks know."""
    json = line(FULL[kind])
    assert checked_whole(json) == json
    assert RECORDS[kind].keys() <= json.keys()


CONSTRAINED = {"job", "options", "targets", "rows", "limit"}
"""Members whose values are drawn more freely than they are written."""


@pytest.mark.parametrize("kind", [kind for kind in ANY if kind is not Change], ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_whatever_is_written_is_read(kind: type[Record], data: st.DataObject) -> None:
    """Any text, any count: nothing that a run writes is refused when it is continued."""
    json = line(data.draw(ANY[kind]))
    json |= {name: line(FULL[json["type"]])[name] for name in CONSTRAINED & json.keys()}
    assert checked(json) == json


@given(ANY[Change])
def test_whatever_change_is_written_is_read(given_change: Change) -> None:
    """Its service has the id that its row names, as in every plan."""
    before = given_change.before or state(1, 1)
    named = replace(given_change.update, service_id=state(1).id)
    json = line(replace(given_change, update=named, before=replace(before, id=state(1).id)))
    assert checked_whole(json) == json


def mapping(client_port: Any, server_port: Any, protocol: Any) -> Json:
    """Return a port mapping as a ledger has it, right or wrong."""
    return {"client_port": client_port, "server_port": server_port, "protocol": protocol}


UNREAD = {(kind, "n") for kind in FULL}
"""The number, which the chain holds."""
KNOWN = sorted({(kind, name) for kind in FULL for name in line(FULL[kind])} - UNREAD)
OBJECTS = {("change", "asked"), ("session", "settings")}
"""What may be an object of unknown names."""
STRANGE = [(*known, [["strange"]]) for known in KNOWN]
STRANGE += [(*known, {"strange": "strange"}) for known in KNOWN if known not in OBJECTS]


@pytest.mark.parametrize(("kind", "name", "strange"), STRANGE)
def test_a_member_of_another_type_is_refused_by_its_name(kind: str, name: str, strange: Any) -> None:
    """Whoever recomputes the sums meets a message with the line, and nothing of what the member holds."""
    with pytest.raises(
        LedgerDamaged, match=rf"^line 7 is not a record of this format: its {name} is "
    ) as caught:
        checked_whole(line(FULL[kind], **{name: strange}))
    assert "strange" not in str(caught.value)
    assert "restore it from a copy" in caught.value.hint


@pytest.mark.parametrize("kind", FULL)
def test_a_record_without_a_member_that_each_has_is_refused_by_its_name(kind: str) -> None:
    """Those that may be left out are the ones that a writer leaves out."""
    for name, check in RECORDS[kind].items():
        json = line(FULL[kind])
        del json[name]
        if check.is_optional:
            checked(json)
        else:
            with pytest.raises(LedgerDamaged, match=rf"it has no {name}$"):
                checked(json)


OUT_OF_RANGE: dict[str, tuple[str, Json]] = {
    "a row beyond the last": ("change", {"row": 2**40}),
    "a row before the first": ("change", {"row": 0}),
    "a truth for a row": ("intent", {"row": True}),
    "a fraction of a row": ("outcome", {"row": 1.0}),
    "a negative attempt": ("attempt", {"attempt": -1}),
    "a time without a zone": ("note", {"at": "2026-01-15T08:30:00.12345"[:24]}),
    "a month that is none": ("note", {"at": "2026-13-15T08:30:00.123Z"}),
    "a status that is none": ("outcome", {"http": 1000}),
    "a reply after ages": ("outcome", {"ms": 2**40}),
    "a hold that is no time": ("attempt", {"hold_s": -1}),
    "a rate beyond all": ("pace", {"rate_per_s": 1e300}),
    "a limit per no time": ("pace", {"limit": {"requests": 1, "window_s": 0, "policy": ""}}),
    "a job that is a path": ("run", {"job": "../../etc/cron.d/x"}),
    "a job with a long name": ("run", {"job": "x" * 300}),
    "too many targets": ("run", {"targets": [record_json(change(1))["target"]] * (TARGETS_MAX + 1)}),
    "settings deeper than named tables": ("session", {"settings": {"a": {"b": {"c": {"d": 1}}}}}),
    "a list of numbers as a setting": ("session", {"settings": {"a": [1]}}),
    "a limit of one text": ("run", {"options": {**run_record().options, "limit": "x"}}),
    "an endpoint without its files": ("run", {"options": {"endpoint": {"url": ""}}}),
    "a port beyond the last": ("change", {"body": {"ports": [mapping(70_000, 1, "TCP")]}}),
    "a port that is a fraction": ("change", {"body": {"ports": [mapping(1, 1.5, "TCP")]}}),
    "a protocol that is none": ("change", {"body": {"ports": [mapping(1, 1, "ICMP")]}}),
    "a mapping that is none": ("change", {"body": {"ports": [7]}}),
    "a field that no PUT has": ("change", {"body": {"owner": "me"}}),
    "a field of a body that is null": ("change", {"body": {"ip": None}}),
    "an id that is a path": ("change", {"service_id": "../../../v1/other"}),
    "an id with another's letters": ("change", {"service_id": "é" * 36}),
    "the state of another service": ("change", {"before": record_json(change(1))["before"]}),
    "an update of no service": ("change", {"before": None}),
    "an edit of ports that are none": ("change", {"asked": {"add_ports": [mapping(1, 1, 0)]}}),
    "a body asked for that is none": ("change", {"asked": {"ports": [mapping(1, 1, 0)]}}),
    "a field asked for that is no text": ("change", {"asked": {"description": 7}}),
    "a row to wait for that is none": ("change", {"after": [0]}),
    "a code that is a story": ("outcome", {"code": "x" * 300}),
    "an effect on a field that no service has": ("decision", {"effects": {"owner": "me"}}),
    "an effect that is no value": ("decision", {"effects": {"ports": [7]}}),
    "counts that are none": ("end", {"counts": {"applied": -1}}),
    "more counts than outcomes": ("end", {"counts": {str(n): 1 for n in range(200)}}),
}  # fmt: skip


@pytest.mark.parametrize("case", OUT_OF_RANGE)
def test_a_value_that_is_never_written_is_refused(case: str) -> None:
    """Rows, times, ports, ids and sizes have ranges; what is out of them is damage, not a crash later."""
    kind, other = OUT_OF_RANGE[case]
    with pytest.raises(LedgerDamaged, match=r"^line 7 is not a record of this format: its "):
        checked_whole(line(FULL[kind], **other))


@pytest.mark.parametrize("kind", [None, 7, [], "rumour", {}])
def test_a_record_of_an_unknown_type_is_refused(kind: Any) -> None:
    """What a later version writes needs a later format."""
    with pytest.raises(LedgerDamaged, match="its type is none of run, change, planned, "):
        checked({"n": 6, "at": AT, "type": kind})


@pytest.mark.parametrize("kind", ["run", "session"])
def test_of_a_newer_format_only_the_number_is_read(kind: str) -> None:
    """Its members may be others: the message is about the format."""
    with pytest.raises(
        LedgerDamaged, match=r"^line 7 states format 4; this .* reads formats 2 and 3"
    ) as caught:
        checked({"n": 6, "at": AT, "type": kind, "format": 4})
    assert "--new-run" in caught.value.hint


@pytest.mark.parametrize("kind", FULL)
def test_members_that_are_not_known_are_passed_over(kind: str) -> None:
    """In the record and in the objects within it; what stays in memory comes without them."""
    closed = {"body", "parking", "effects"}  # a PUT is sent as it was approved, or not at all
    json = line(FULL[kind])
    for name, value in json.items():
        if type(value) is dict and name not in closed:
            value["later"] = 1
    passed = checked_whole({**json, "later": [[1]]})
    assert {name: value for name, value in passed.items() if name != "later"} == json


def test_what_a_later_version_asks_is_passed_over() -> None:
    """Also where its value is a list of something else than ports."""
    json = line(FULL["change"])
    later = {**json, "asked": {**json["asked"], "later": [7]}}
    assert change_of(checked_whole(later)) == change_of(json)


def test_of_a_long_text_that_is_kept_the_beginning_is_kept() -> None:
    """A million notes of a forger must not fill the memory."""
    kept = checked(line(Note(about="x", message="m" * 10_000)))["message"]
    assert kept == "m" * TEXT_KEPT_CHARS_MAX + "…"


def test_a_refused_row_names_its_service_as_the_file_does() -> None:
    """Nothing is sent to it, so it may be no id at all."""
    refused = change(1, action=Action.REFUSE)
    named = replace(refused.update, service_id="see ticket")  # type: ignore[arg-type]
    assert checked_whole(line(replace(refused, update=named)))["service_id"] == "see ticket"
