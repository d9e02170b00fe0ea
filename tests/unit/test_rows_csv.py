"""What the two CSV layouts mean, and what people and spreadsheets may do to them."""

import io

import pytest

from bulk.jobfile import Format, Row, read_rows
from bulk.jobfile.csv_text import place_of_cell
from bulk.model import InvalidRow, Issue, ModifyBody, PortMapping, Protocol, ServiceUpdate, Target
from tests.scenarios.bad_jobs import NIC, A, B

DEFAULT = Target(region="cn-north-4", project_id="6e9dfd51d1124e8d8498dce894923a0d")
SSH = PortMapping(client_port=8081, server_port=22)
TELNET = PortMapping(client_port=8082, server_port=23, protocol=Protocol.UDP)


def rows_of(text: str) -> list[Row]:
    """Read a CSV file."""
    lines = io.BytesIO(text.encode())
    return list(read_rows(lines, name="s.csv", format=Format.CSV, default=DEFAULT))


def updates_of(text: str) -> list[ServiceUpdate]:
    """Read a CSV file that has no issue."""
    rows = rows_of(text)
    updates = [row for row in rows if isinstance(row, ServiceUpdate)]
    assert updates == rows
    return updates


def told(text: str) -> list[str]:
    """Return all issues of a CSV file, each as its line."""
    found: list[Issue] = []
    for row in rows_of(text):
        if isinstance(row, InvalidRow):
            found += row.issues
        elif isinstance(row, Issue):
            found.append(row)
    return [str(issue) for issue in found]


def test_a_wide_line_is_one_service_with_all_its_mappings() -> None:
    """`client:server/protocol`, the protocol optional and in any case, is the whole map."""
    (row,) = updates_of(f"service_id,ports\n{A.upper()},8081:22 8082:23/udp\n")
    assert row == ServiceUpdate(
        row=1, place="s.csv:2", target=DEFAULT, service_id=A, body=ModifyBody(ports=(SSH, TELNET))
    )


@pytest.mark.parametrize(
    "cell", ["8081:22;8082:23/UDP", " 8081:22/tcp  8082:23/Udp ", '"8081:22, 8082:23/UDP,"']
)
def test_mappings_are_separated_by_blanks_semicolons_or_commas(cell: str) -> None:
    """All three separators, in any number, mean the same."""
    (row,) = updates_of(f"service_id,ports\n{A},{cell}\n")
    assert row.body.ports == (SSH, TELNET)


def test_a_cell_may_hold_a_json_array() -> None:
    """What an export of the API's own answer has in the cell is taken as it is."""
    cell = '"[{""client_port"": 8081, ""server_port"": 22}]"'
    (row,) = updates_of(f"service_id,ports\n{A},{cell}\n")
    assert row.body.ports == (SSH,)


def test_a_long_cell_is_read_like_a_short_one() -> None:
    """200 mappings in one cell are 200 mappings."""
    cell = " ".join(f"{port}:80/UDP" for port in range(1, 201))
    (row,) = updates_of(f"service_id,ports\n{A},{cell}\n")
    assert row.body.ports is not None
    assert [mapping.client_port for mapping in row.body.ports] == list(range(1, 201))


def test_consecutive_long_lines_of_a_service_are_one_row() -> None:
    """One mapping a line; the row stands where its first line stands."""
    header = "service_id,client_port,server_port,protocol\n"
    first, second = updates_of(f"{header}{A},8081,22,TCP\n{A.upper()},8082,23,udp\n{B},8081,22,\n")
    assert (first.row, first.place, first.body.ports) == (1, "s.csv:2", (SSH, TELNET))
    assert (second.row, second.place, second.body.ports) == (2, "s.csv:4", (SSH,))


def test_the_long_layout_needs_no_protocol_column() -> None:
    """TCP is the default of a column that is not there, as of a blank cell."""
    (row,) = updates_of(f"service_id,client_port,server_port\n{A}, 8081 ,22\n")
    assert row.body.ports == (SSH,)


def test_a_setting_in_the_long_layout_is_written_once_or_the_same_on_each_line() -> None:
    """Blank cells below a value inherit it, equal ones repeat it."""
    text = (
        "service_id,client_port,server_port,note,approval_enabled\n"
        f"{A},8081,22,CHG-7,\n{A},8083,24,,true\n{A},8084,25,CHG-7,TRUE\n"
    )
    (row,) = updates_of(text)
    assert (row.note, row.body.approval_enabled) == ("CHG-7", True)


def test_a_long_line_may_have_settings_and_no_mapping() -> None:
    """Blank mapping cells are no mapping, so that settings alone can be changed in either layout."""
    text = f"service_id,client_port,server_port,add_ports,description\n{A},,,8081:22,\n{B},,,,web\n"
    first, second = updates_of(text)
    assert (first.body, first.add_ports) == (ModifyBody(), (SSH,))
    assert second.body == ModifyBody(description="web")


def test_every_column_reaches_its_field() -> None:
    """Each column of the reference is read into the field of the same name."""
    columns = {
        "service_id": A,
        "port_id": NIC.upper(),
        "vip_port_id": B,
        "service_name": "web-a",
        "description": " two words ",
        "tcp_proxy": "toa_open",
        "approval_enabled": "False",
        "add_ports": "8081:22",
        "remove_ports": "8082:23/UDP",
        "expect_ports": "[]",
        "note": "CHG-7",
        "region": "af-south-1",
        "project_id": "0" * 32,
        "profile": "prod",
    }
    (row,) = updates_of(f"{','.join(columns)}\n{','.join(columns.values())}\n")
    assert row == ServiceUpdate(
        row=1,
        place="s.csv:2",
        target=Target(region="af-south-1", project_id="0" * 32, profile="prod"),
        service_id=A,
        body=ModifyBody(
            port_id=NIC,
            vip_port_id=B,
            service_name="web-a",
            description=" two words ",
            tcp_proxy="toa_open",
            approval_enabled=False,
        ),
        add_ports=(SSH,),
        remove_ports=(TELNET,),
        expect_ports=(),
        note="CHG-7",
    )


@pytest.mark.parametrize("address", ["192.0.2.7", "db.example.com", "1e100.example"])
def test_an_address_or_a_domain_name_is_a_backend(address: str) -> None:
    """`ip` takes IPv4 and domain names."""
    (row,) = updates_of(f"service_id,ip\n{A},{address}\n")
    assert row.body.ip == address


def test_a_cell_of_blanks_is_a_field_left_out() -> None:
    """What looks empty in a spreadsheet sends nothing: no description of two blanks."""
    (row,) = updates_of(f"service_id,ports,description,note\n{A},8081:22,  ,\t\n")
    assert (row.body, row.note) == (ModifyBody(ports=(SSH,)), "")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_header_decides_the_delimiter(delimiter: str) -> None:
    """Spreadsheets of other countries write semicolons; some people paste tabs."""
    lines = [("service_id", "note", "ports"), (A, "x", '"8081:22;8082:23/UDP"')]
    (row,) = updates_of("\n".join(delimiter.join(line) for line in lines))
    assert (row.note, row.body.ports) == ("x", (SSH, TELNET))


def test_a_mark_crlf_comments_and_blank_lines_do_not_count() -> None:
    """What spreadsheets and careful people add around the rows changes nothing but line numbers."""
    text = f"\ufeff# who: ops\r\n\r\nservice_id , ports\r\n  # first\r\n{A},8081:22\r\n \r\n"
    (row,) = updates_of(text)
    assert (row.row, row.place, row.body.ports) == (1, "s.csv:5", (SSH,))


def test_two_files_glued_together_are_seen_by_the_second_header() -> None:
    """Its byte order mark is a blank like others; its words are no id."""
    header = "\ufeffservice_id,ports\n"
    assert told(f"{header}{A},8081:22\n{header}{B},8081:22\n")[0].startswith("s.csv:3:1: service_id: ")


@pytest.mark.parametrize(
    "blank", [c for c in map(chr, range(0x110000)) if c.isspace() or c in "\u200b\u2060\ufeff"]
)
def test_a_blank_is_a_blank_whatever_its_width(blank: str) -> None:
    """Around cells, names, between mappings, alone in a line: the rows are the same. In texts it stays."""
    b = "" if blank in "\n\r" else blank
    text = (
        f"{b}service_id{b},{b}ports,note{b}\n{b}{b}\n{b},{b},{b}\n"
        f"{b}{A}{b},{b}8081:22/TCP{blank if b else ' '}8082:23/UDP{b},a{b}b\n"
    )
    (row,) = updates_of(text)
    assert (row.service_id, row.body.ports, row.note) == (A, (SSH, TELNET), f"a{b}b")


def test_a_quoted_cell_may_span_lines_that_look_like_comments_or_blanks() -> None:
    """Within quotes everything is text; places below still are right."""
    text = f'service_id,note,ports\n{A},"one\n\n# two ""2""",8081:22\n{B},x,80\n'
    first, second = rows_of(text)
    assert isinstance(first, ServiceUpdate)
    assert (first.place, first.note) == ("s.csv:2", 'one\n\n# two "2"')
    assert isinstance(second, InvalidRow)
    assert second.issues[0].place == "s.csv:5:40"


def test_a_problem_in_a_later_line_of_a_record_has_that_line() -> None:
    """The place is where the cell is, not where its record begins."""
    assert told(f'service_id,note,ports\n{A},"one\ntwo",80\n')[0].startswith("s.csv:3:6: ports: ")


def test_an_open_quote_spoils_one_row_only() -> None:
    """After a quote left open, reading goes on with the next line, so that all issues are found at once."""
    text = f'service_id,note,ports\n{A},"open,8081:22\n{B},x,8081:22\n{NIC},x,80\n'
    first, second, third = rows_of(text)
    assert isinstance(first, InvalidRow)
    assert isinstance(second, ServiceUpdate)
    assert isinstance(third, InvalidRow)


def test_a_quote_left_open_is_not_looked_for_at_the_end_of_a_large_file() -> None:
    """A record spans at most 100 lines, so a stray quote cannot swallow a file."""
    rows = "".join(f"4189d3c2-8882-4871-a3c2-{n:012x},x,8081:22\n" for n in range(150))
    found = rows_of(f'service_id,note,ports\n{A},"open,8081:22\n{rows}{B},"closed",1:2\n')
    assert [type(row) for row in found] == [InvalidRow] + [ServiceUpdate] * 151


def test_a_broken_line_within_quotes_ends_the_record() -> None:
    """Bytes that are no text are reported on their own line, and so is the quote they leave open."""
    lines = io.BytesIO(
        f'service_id,note,ports\n{A},"one\n'.encode() + b"\xff\n" + f"{B},x,8081:22\n".encode()
    )
    first, second, third = read_rows(lines, name="s.csv", format=Format.CSV, default=DEFAULT)
    assert [type(row) for row in (first, second, third)] == [InvalidRow, InvalidRow, ServiceUpdate]


def test_an_unknown_column_does_not_hide_the_issues_of_the_rows() -> None:
    """Header and rows are told together; a row is not blamed for what the unknown column may mean."""
    lines = told(f"service_id,prots,note\n{A},8081:22,\n{B},,\nweb,8081:22,\n")
    assert [line.split(": ")[0] for line in lines] == ["s.csv:1:12", "s.csv:3:1", "s.csv:4:1"]


@pytest.mark.parametrize(
    "line", ["{},8081:22", "{},8081:22,", "{},8081:22,,", "{},8081:22,,,, ,\u00a0", '"{}","8081:22","",""']
)
@pytest.mark.parametrize(
    "header", ["service_id,ports", "service_id,ports,,", "service_id,ports,note", "service_id,ports,,note"]
)
def test_empty_cells_at_the_end_of_a_line_may_be_missing_or_too_many(header: str, line: str) -> None:
    """Spreadsheets write delimiters behind the last column, and leave them out where cells are empty."""
    (row,) = updates_of(f"{header}\n{line.format(A)}\n")
    assert (row.body, row.note) == (ModifyBody(ports=(SSH,)), "")


def test_a_long_line_may_have_many_cells_of_which_none_is_long() -> None:
    """The bound is a cell's, not the line's."""
    half = "x" * 70_000
    (row,) = updates_of(f"service_id,ports,note,message\n{A},8081:22,{half},{half}\n")
    assert row.note == half


def test_the_last_line_may_lack_its_end_but_not_its_cells_as_well() -> None:
    """That is what a file looks like that was cut off: its last cell may be a part of what it was."""
    header = "service_id,ports,note\n"
    assert updates_of(f"{header}{A},8081:22,x")
    (line,) = told(f"{header}{A},8081:2")
    assert "the file ends in this line" in line


@pytest.mark.parametrize(
    "sep", ["sep=;", "\ufeffsep=;", "SEP=,", '"sep=;"', "sep=\t", "sep=;;;", "sep=|", "\ufeff\ufeffsep=,,"]
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_line_that_tells_spreadsheets_the_delimiter_is_passed_over(sep: str, delimiter: str) -> None:
    """The header decides."""
    lines = [sep, delimiter.join(("service_id", "ports")), delimiter.join((A, "8081:22"))]
    (row,) = updates_of("\r\n".join(lines))
    assert (row.place, row.body.ports) == ("s.csv:3", (SSH,))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_name_of_a_column_may_go_on_in_further_lines(delimiter: str) -> None:
    """As a cell does in which somebody wrote a line end: its first line is the name. Places are right."""
    names = ('"service_id\n(UUID)"', '"\nports\r\n(all of them)"', '"note\n(optional)"')
    text = f"{delimiter.join(names)}\r\n{delimiter.join((A, '8081:22', 'x'))}\r\n{A}{delimiter}80\r\n"
    first, *_ = rows_of(text)
    assert isinstance(first, ServiceUpdate)
    assert (first.place, first.note, first.body.ports) == ("s.csv:6", "x", (SSH,))
    assert told(text)[0].startswith("s.csv:7:38: ports: ")


def test_a_line_of_delimiters_is_a_blank_line() -> None:
    """A spreadsheet writes so a row without content; in the long layout it parts no service."""
    header = "service_id,client_port,server_port,protocol\n"
    (row,) = updates_of(f'{header},,,\n{A},8081,22,\n,,,\n"",,,\n , ,,\n{A},8082,23,UDP\n,,,\n')
    assert row.body.ports == (SSH, TELNET)


@pytest.mark.parametrize("cell", ["'#N/A", "'=1+1", "'-web", "''x", "'", "''", "' ", "'#x", "'＝1"])
def test_an_apostrophe_in_front_makes_a_text_of_what_is_none(cell: str) -> None:
    """Where a cell would be a formula, an error value or blank without it; else it is part of the text."""
    (row,) = updates_of(f"service_id,ports,description\n{A},8081:22,{cell}\n")
    assert row.body.description == (cell if cell == "''x" else cell[1:])


@pytest.mark.parametrize("note", ["#42", "#urgent!", "# 1", "N/A", "issue #1", "#REF", "Err:1", "#CHG_7"])
def test_a_note_that_is_no_error_value_is_a_note(note: str) -> None:
    """People number tickets with the same character."""
    (row,) = updates_of(f"service_id,ports,note\n{A},8081:22,{note}\n")
    assert row.note == note


def test_a_line_that_cannot_be_told_spoils_the_services_around_it() -> None:
    """It may be one of their mappings, which a PUT without it would delete."""
    header = "service_id,client_port,server_port\n"
    above, below = rows_of(f"{header}{A},8081,22\ntypo,8082,22\n{B},8083,22\n")
    assert isinstance(above, InvalidRow)
    assert (above.row, above.place, above.issues[0].place) == (1, "s.csv:2", "s.csv:3:1")
    assert isinstance(below, InvalidRow)
    assert "line 3" in below.issues[0].message


def test_a_service_goes_on_after_a_line_that_cannot_be_told() -> None:
    """The lines around one typing error stay one row with one issue."""
    header = "service_id,client_port,server_port\n"
    (row,) = rows_of(f"{header}{A},8081,22\ntypo,8082,22\n{A},8083,22\n")
    assert isinstance(row, InvalidRow)
    assert len(row.issues) == 1


def test_lines_that_belong_to_no_service_are_rows_of_their_own() -> None:
    """Every line is accounted for, also where there is no service above it."""
    header = "service_id,client_port,server_port\n"
    rows = rows_of(f"{header}one,8081,22\ntwo,8082,22\n{A},8083,22\n")
    assert [row.row for row in rows if isinstance(row, InvalidRow)] == [1, 2, 3]


def test_very_many_unreadable_lines_are_not_kept_in_one_row() -> None:
    """Memory stays flat however many lines cannot be told."""
    header = "service_id,client_port,server_port\n"
    rows = rows_of(header + f"{A},8081,22\n" + "x,1,2\n" * 1_500)
    counts = [len(row.issues) for row in rows if isinstance(row, InvalidRow)]
    assert sum(counts) == 1_500
    assert max(counts) == 1_000


def test_a_wrong_mapping_on_any_line_spoils_the_whole_service() -> None:
    """All issues of all lines of a service are one row's."""
    (row,) = rows_of(f"service_id,client_port,server_port\n{A},x,22\n{A},8081,22\n{A},8082,y\n")
    assert isinstance(row, InvalidRow)
    assert [issue.place for issue in row.issues] == ["s.csv:2:38", "s.csv:4:43"]


@pytest.mark.parametrize(
    ("text", "position", "place"),
    [
        ("a,b,c\n", 2, (0, 5)),
        ("a,  b,c\n", 1, (0, 5)),
        ('"a,""x""",b\n', 1, (0, 11)),
        ('a,"b"\n', 1, (0, 4)),
        ('"a\nb\n",c\r\n', 1, (2, 3)),
        ("a,,c\n", 1, (0, 3)),
        ("a,b\r\n", 9, (0, 4)),
        ("a,\n", 1, (0, 3)),
    ],
)
def test_the_place_of_a_cell_is_where_its_content_starts(
    text: str, position: int, place: tuple[int, int]
) -> None:
    """Quotes, blanks, and line ends within quotes are counted as an editor counts them."""
    assert place_of_cell(text, ",", position) == place
