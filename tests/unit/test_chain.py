"""The ledger's lines are chained: any edit, loss or exchange is found and its line named."""

import hashlib

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulk.errors import LedgerDamaged
from bulk.ledger.chain import GENESIS, Chain, seal, timestamp
from bulk.ledger.records import Json, record_json
from bulk.model import Change
from tests.values import changes, texts

AT = "2026-01-15T08:30:00.000Z"


def lines_of(*records: Json) -> list[bytes]:
    """Return the chained lines of records, numbered from 0."""
    chain = Chain()
    return [chain.add({"n": n, "at": AT, **record}) for n, record in enumerate(records)]


def read(lines: list[bytes]) -> Chain:
    """Return the chain after it has vouched for all lines."""
    chain = Chain()
    for line in lines:
        chain.unseal(line)
    return chain


def forged(*records: Json) -> list[bytes]:
    """Return lines whose sums are right, whatever they say."""
    previous, lines = GENESIS, []
    for record in records:
        line, previous = seal(record, previous=previous)
        lines.append(line)
    return lines


NOTES = lines_of(*({"type": "note", "about": "pace", "message": f"{i}é"} for i in range(5)))


def test_a_timestamp_is_utc_with_milliseconds() -> None:
    """Fractions are cut to three digits; whole seconds keep them."""
    assert timestamp(1768465800.1239) == "2026-01-15T08:30:00.123Z"
    assert timestamp(0) == "1970-01-01T00:00:00.000Z"


def test_a_sum_is_blake2b_over_the_previous_sum_and_the_line_before_its_own() -> None:
    """The construction is repeated here from its description, so a change of format shows."""
    line, total = seal({"n": 0}, previous=GENESIS)
    assert total == hashlib.blake2b(b"0" * 32 + b'{"n":0', digest_size=16).hexdigest().encode()
    assert line == b'{"n":0,"sum":"' + total + b'"}\n'


@given(st.lists(st.dictionaries(st.text(max_size=5), st.integers(0, 9), max_size=3), max_size=5))
def test_what_one_chain_adds_another_vouches_for(records: list[Json]) -> None:
    """Reading gives every record back, and ends where writing ended."""
    writer, reader = Chain(), Chain()
    for n, record in enumerate(records):
        json = {**record, "n": n, "at": AT, "type": "note"}
        told = reader.unseal(writer.add(json))
        assert told == {**json, "sum": writer.sum}
    assert (reader.n, reader.sum, reader.size_bytes) == (writer.n, writer.sum, writer.size_bytes)
    assert reader.n == len(records)


@given(st.data())
def test_any_changed_byte_is_found_in_its_line(data: st.DataObject) -> None:
    """Whatever byte of whatever line becomes whatever else: that line is refused, not a later one."""
    which = data.draw(st.integers(0, len(NOTES) - 1))
    position = data.draw(st.integers(0, len(NOTES[which]) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != NOTES[which][position]))
    edited = NOTES[which][:position] + bytes([other]) + NOTES[which][position + 1 :]
    with pytest.raises(LedgerDamaged, match=rf"^line {which + 1} "):
        read([*NOTES[:which], edited, *NOTES[which + 1 :]])


@given(st.permutations(range(5)))
def test_any_other_order_is_found_at_the_first_line_out_of_place(order: list[int]) -> None:
    """A line vouches for all before it, so the first stranger is named."""
    wrong = next((place for place, which in enumerate(order) if place != which), None)
    if wrong is None:
        assert read([NOTES[which] for which in order]).n == 5
        return
    with pytest.raises(LedgerDamaged, match=rf"^line {wrong + 1} does not follow"):
        read([NOTES[which] for which in order])


@pytest.mark.parametrize("which", range(4))
def test_a_missing_or_repeated_line_is_found(which: int) -> None:
    """Taking a line out shows at the next one, and so does saying it twice."""
    with pytest.raises(LedgerDamaged, match=rf"^line {which + 1} "):
        read(NOTES[:which] + NOTES[which + 1 :])
    with pytest.raises(LedgerDamaged, match=rf"^line {which + 2} "):
        read([*NOTES[: which + 1], NOTES[which], *NOTES[which + 1 :]])


@pytest.mark.parametrize("line", [b"\n", b"{}\n", b"\x00" * 200 + b"\n", b'{"n":0}\n'])
def test_a_line_that_is_no_record_is_refused(line: bytes) -> None:
    """Short, empty and binary lines are damage, not a crash."""
    with pytest.raises(LedgerDamaged, match=r"^line 1 does not follow"):
        read([line])


def test_a_forged_number_is_refused() -> None:
    """Whoever recomputes the sums still cannot skip a number."""
    with pytest.raises(LedgerDamaged, match=r"^line 2 has number 7, not 1"):
        read(forged({"n": 0, "type": "note"}, {"n": 7, "type": "note"}))


@pytest.mark.parametrize("number", [None, "7", [0], 1.5])
def test_a_line_without_a_number_is_refused_and_not_repeated(number: object) -> None:
    """What stands there may be anything."""
    with pytest.raises(LedgerDamaged, match=r"^line 1 has no number, not 0"):
        read(forged({"n": number, "type": "note"}))


def test_a_forged_line_that_is_not_json_is_refused() -> None:
    """A right sum over bytes that are no JSON is damage too."""
    content = b'{"n":0,"at":tomorrow'
    total = hashlib.blake2b(GENESIS + content, digest_size=16).hexdigest().encode()
    with pytest.raises(LedgerDamaged, match=r"^line 1 is not JSON"):
        read([content + b',"sum":"' + total + b'"}\n'])


@pytest.mark.parametrize("whole", [True, False])
def test_a_forged_change_is_known_as_one_by_its_beginning(*, whole: bool) -> None:
    """One that states its type too late, or twice, is no record: some readers would take it for another."""
    late = {"n": 0, "at": "x" * 100, "type": "change", "before": None}
    twice = b'{"n":0,"at":"","type":"change","type":"note","before":null'
    total = hashlib.blake2b(GENESIS + twice, digest_size=16).hexdigest().encode()
    for line in (forged(late)[0], twice + b',"sum":"' + total + b'"}\n'):
        with pytest.raises(LedgerDamaged, match=r"^line 1 is not a record of this format"):
            Chain().unseal(line, whole=whole)


@given(changes)
def test_the_head_of_a_change_is_what_stands_before_its_states_and_bodies(change: Change) -> None:
    """Whatever texts it has; and the chain is as if the whole had been read."""
    line = Chain().add({"n": 0, "at": "", "type": "change", **record_json(change)})
    whole, head = Chain(), Chain()
    read, told = whole.unseal(line), head.unseal(line, whole=False)
    assert told == {name: read[name] for name in told}
    assert read.keys() - told.keys() <= {"before", "body", "parking", "after_parked", "asked", "sum"}
    assert (head.sum, head.n) == (whole.sum, whole.n)


def test_a_change_behind_the_plan_is_refused() -> None:
    """The digest that was approved does not cover it, and nothing looks for its head any more."""
    change: Json = {"type": "change", "before": None}
    with pytest.raises(LedgerDamaged, match=r"^line 3 adds a change to a fixed plan"):
        read(lines_of(change, {"type": "planned"}, change))


@given(texts)
def test_a_record_may_hold_any_text(text: str) -> None:
    """Newlines, quotes and a fake `sum` inside texts never break a line in two."""
    [line] = lines_of({"type": "note", "message": f'{text}\n","sum":"{GENESIS}"}}\n'})
    assert line.count(b"\n") == 1
    assert orjson.loads(line) == Chain().unseal(line)
