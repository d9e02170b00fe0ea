"""What a line of JSON Lines means."""

import io

import orjson
import pytest

from bulk.jobfile import Format, Row, read_rows
from bulk.model import InvalidRow, Issue, ModifyBody, PortMapping, Protocol, ServiceUpdate, Target
from tests.scenarios.bad_jobs import A, B

DEFAULT = Target(region="cn-north-4", project_id="6e9dfd51d1124e8d8498dce894923a0d")


def rows_of(*lines: str | bytes) -> list[Row]:
    """Read lines of JSON Lines."""
    content = b"".join((line.encode() if isinstance(line, str) else line) + b"\n" for line in lines)
    return list(read_rows(io.BytesIO(content), name="s.jsonl", format=Format.JSONL, default=DEFAULT))


def test_a_line_has_the_fields_of_the_put() -> None:
    """Ports come as the API's own objects; the protocol is TCP unless it is said."""
    ports = [
        {"client_port": 8081, "server_port": 22},
        {"client_port": 8082, "server_port": 23, "protocol": "udp"},
    ]
    (row,) = rows_of(orjson.dumps({"service_id": A, "ports": ports, "service_name": "", "description": ""}))
    ssh = PortMapping(client_port=8081, server_port=22)
    telnet = PortMapping(client_port=8082, server_port=23, protocol=Protocol.UDP)
    assert row == ServiceUpdate(
        row=1,
        place="s.jsonl:1",
        target=DEFAULT,
        service_id=A,
        body=ModifyBody(ports=(ssh, telnet), service_name="", description=""),
    )


def test_comments_and_blank_lines_do_not_count() -> None:
    """Rows are numbered without them, places with them."""
    (row,) = rows_of("# who: ops", "", f'{{"service_id": "{A}", "description": "x"}}')
    assert isinstance(row, ServiceUpdate)
    assert (row.row, row.place) == (1, "s.jsonl:3")


def test_a_string_is_not_trimmed() -> None:
    """Blanks around a JSON string were written on purpose or by mistake, and are never dropped."""
    (row,) = rows_of(f'{{"service_id": " {A}", "description": "x"}}')
    assert isinstance(row, InvalidRow)


def test_all_issues_of_a_line_are_told_at_once_each_at_its_field() -> None:
    """A mapping is named by its number in the list, a field by the column of its value."""
    ports = '[{"client_port": 0, "server_port": "x"}, 5]'
    line = f'{{"service_id": "{A}", "ports": {ports}, "ip": 7, "port_id": "y"}}'
    (row,) = rows_of(line)
    assert isinstance(row, InvalidRow)
    columns = [line.index(text) + 1 for text in ("[{", "[{", "[{", "7,", '"y"')]
    fields = ["ports[0].client_port", "ports[0].server_port", "ports[1]", "ip", "port_id"]
    expected = [(field, f"s.jsonl:1:{column}") for field, column in zip(fields, columns, strict=True)]
    assert [(issue.field, issue.place) for issue in row.issues] == expected


@pytest.mark.parametrize("note", ["CHG-7: move", '"quoted": yes', "{:}", "\\"])
def test_a_colon_within_a_string_is_no_second_field(note: str) -> None:
    """Fields that are given twice are found without mistaking text for a field."""
    (row,) = rows_of(orjson.dumps({"service_id": A, "description": note}))
    assert isinstance(row, ServiceUpdate)


def test_a_field_hidden_behind_escapes_is_still_given_twice() -> None:
    """A field written with an escape is the same field, whose last value would win in silence."""
    (row,) = rows_of(f'{{"service_id": "{A}", "ip": "192.0.2.1", "\\u0069p": "192.0.2.2"}}')
    assert isinstance(row, InvalidRow)
    assert [(issue.field, issue.message) for issue in row.issues] == [("", 'the field "ip" is given twice')]


def test_a_field_is_not_mistaken_for_the_same_name_further_in() -> None:
    """The column is that of the row's own field, not that of a field within a value."""
    line = f'{{"ports": [{{"ip": 1, "client_port": 1, "server_port": 2}}], "ip": 5, "service_id": "{A}"}}'
    (row,) = rows_of(line)
    assert isinstance(row, InvalidRow)
    assert row.issues[1].place == f"s.jsonl:1:{line.index('5,') + 1}"


def test_one_bad_line_does_not_end_the_reading() -> None:
    """What follows a line that is no JSON is read as if it stood alone."""
    first, second = rows_of("{", f'{{"service_id": "{B}", "description": "x"}}')
    assert isinstance(first, InvalidRow)
    assert isinstance(second, ServiceUpdate)
    assert second.row == 2


def test_equal_mappings_are_one_object() -> None:
    """A million rows with the same ports stay small, whichever form they come in."""
    line = '{{"service_id": "{}", "ports": [{{"client_port": 8081, "server_port": 22}}]}}'
    first, second = (row for row in rows_of(line.format(A), line.format(B)) if isinstance(row, ServiceUpdate))
    assert first.body.ports is not None
    assert second.body.ports is not None
    assert first.body.ports[0] is second.body.ports[0]


def test_an_issue_of_the_file_is_no_row() -> None:
    """A file without rows has an issue of its own."""
    (row,) = rows_of()
    assert isinstance(row, Issue)
