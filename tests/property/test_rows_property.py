"""Properties of the reading of job files, over job files of every kind."""

import csv
import io
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from bulk.jobfile import Format, Row, read_all, read_rows
from bulk.model import InvalidRow, Issue, PortMapping, ServiceUpdate, Target, ports_json
from tests.values import port_mappings

DEFAULT = Target(region="cn-north-4", project_id="6e9dfd51d1124e8d8498dce894923a0d")

maps = st.lists(port_mappings, min_size=1, max_size=5, unique_by=lambda m: (m.client_port, m.protocol))
notes = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters='"\n'), min_size=1).filter(
    str.strip
)
jobs = st.dictionaries(
    st.uuids().map(str),
    st.tuples(maps, st.none() | notes, st.sampled_from([None, "true", "false"])),
    min_size=1,
    max_size=6,
)
Jobs = dict[str, tuple[list[PortMapping], str | None, str | None]]


def read(content: bytes, form: Format) -> list[Row]:
    """Read a file."""
    return list(read_rows(io.BytesIO(content), name="s", format=form, default=DEFAULT))


def meaning(rows: list[Row]) -> list[tuple[Any, ...]]:
    """Return what the rows ask for, without where they stand."""
    assert all(isinstance(row, ServiceUpdate) for row in rows), rows
    return [(row.row, row.service_id, row.body, row.note) for row in rows if isinstance(row, ServiceUpdate)]


def as_csv(header: list[str], rows: list[list[str]], **dialect: Any) -> bytes:
    """Write a CSV file as a spreadsheet does."""
    text = io.StringIO(newline="")
    csv.writer(text, **dialect).writerows([header, *rows])
    return text.getvalue().encode()


@given(jobs, st.sampled_from(",;\t"), st.sampled_from(["\n", "\r\n"]))
def test_the_three_forms_of_the_same_rows_read_alike(job: Jobs, delimiter: str, end: str) -> None:
    """Wide CSV, long CSV and JSON Lines are three ways to say one thing."""
    settings = ["note", "approval_enabled"]
    wide = [
        [id_, " ".join(map(str, ports)), note or "", flag or ""] for id_, (ports, note, flag) in job.items()
    ]
    long = [
        [id_, str(m.client_port), str(m.server_port), m.protocol, note or "", flag or ""]
        for id_, (ports, note, flag) in job.items()
        for m in ports
    ]
    lines = b"\n".join(
        orjson.dumps(
            {"service_id": id_, "ports": ports_json(ports)}
            | ({"note": note} if note else {})
            | ({"approval_enabled": flag == "true"} if flag else {})
        )
        for id_, (ports, note, flag) in job.items()
    )
    dialect = {"delimiter": delimiter, "lineterminator": end}
    expected = meaning(read(lines, Format.JSONL))
    assert meaning(read(as_csv(["service_id", "ports", *settings], wide, **dialect), Format.CSV)) == expected
    header = ["service_id", "client_port", "server_port", "protocol", *settings]
    assert meaning(read(as_csv(header, long, **dialect), Format.CSV)) == expected


WORDS = (
    *(
        b"service_id",
        b"ports",
        b"client_port",
        b"server_port",
        b"note",
        b"port_id",
        b'"service_id":',
        b'"ports":',
    ),
    *(b"8081:22/TCP", b"80", b"4189d3c2-8882-4871-a3c2-d380272eed83", b"null", "ü".encode()),
    *(b",", b";", b"\t", b"\n", b"\r\n", b'"', b"#", b" ", b"{", b"}", b"[", b"]", b":", b"\\"),
    *(b"\xff", b"\0", b"\xef\xbb\xbf"),
)
alphabet = st.sampled_from(WORDS)
soup = st.lists(alphabet, max_size=60).map(b"".join)
headers = st.sampled_from(
    [b"", b"service_id,ports\n", b"service_id,client_port,server_port,note\n", b"service_id;ports;port_id\n"]
)


@given(headers, st.binary(max_size=300) | soup, st.sampled_from(Format))
def test_no_bytes_raise_and_every_row_has_one_final_word(header: bytes, rest: bytes, form: Format) -> None:
    """Rows are numbered without gaps, each ends as an update or as invalid, and each issue has a place."""
    rows = read(header + rest, form)
    found = read_all(rows)
    numbers = [update.row for update in found.updates] + [row.row for row in found.invalid]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))
    assert rows
    lines = (header + rest).count(b"\n") + 1
    for issue in found.issues:
        _, line, column = issue.place.split(":")
        assert 1 <= int(line) <= lines
        assert int(column) >= 1
        assert issue.message
        assert issue.hint
        assert str(issue).isprintable()


@given(jobs, st.data())
def test_one_damaged_line_is_found_on_that_line(job: Jobs, data: st.DataObject) -> None:
    """A bad port anywhere in a wide file is one issue, in its line, and costs no other row."""
    rows = [[id_, " ".join(map(str, ports))] for id_, (ports, _, _) in job.items()]
    damaged = data.draw(st.integers(0, len(rows) - 1))
    rows[damaged][1] += " 65536:1"
    (invalid,) = read_all(
        read(as_csv(["service_id", "ports"], rows, lineterminator="\n"), Format.CSV)
    ).invalid
    (issue,) = invalid.issues
    assert issue.place.startswith(f"s:{damaged + 2}:")


@given(jobs, st.randoms())
def test_rows_that_repeat_a_service_are_all_withdrawn(job: Jobs, dice: Any) -> None:
    """Wherever a second row of a service stands, neither of the two is used, and every other row is."""
    rows = [[id_, " ".join(map(str, ports))] for id_, (ports, _, _) in job.items()]
    twice = rows[0]
    rows.insert(dice.randint(0, len(rows)), [twice[0].upper(), "1:1"])
    found = read_all(read(as_csv(["service_id", "ports"], rows), Format.CSV))
    assert len(found.invalid) == 2
    assert {update.service_id for update in found.updates} == job.keys() - {twice[0]}


@given(st.binary(max_size=64), st.sampled_from(Format))
def test_an_invalid_row_says_why(content: bytes, form: Format) -> None:
    """There is no InvalidRow without an issue, and an Issue alone where the file itself is at fault."""
    for row in read(content, form):
        assert not isinstance(row, InvalidRow) or row.issues
        assert isinstance(row, ServiceUpdate | InvalidRow | Issue)
