"""What holds for whole files: targets, rows against each other, what is read as a whole, limits."""

import io
import time
from collections.abc import Iterator
from itertools import count, repeat
from types import ModuleType

import pytest

from bulk.jobfile import Format, Row, ids, read_all, read_ids, read_rows, reading, rows_read, survey
from bulk.jobfile import duplicates as repeats
from bulk.jobfile import text_lines as lines
from bulk.jobfile.memo import Memo
from bulk.model import Caution, InvalidRow, Issue, ServiceUpdate, Target
from tests.scenarios.bad_jobs import NIC, A, B

PROJECT = "6e9dfd51d1124e8d8498dce894923a0d"
DEFAULT = Target(region="cn-north-4", project_id=PROJECT, profile="prod")


def rows_of(*rows: str, header: str = "service_id,ports") -> list[Row]:
    """Read a CSV file."""
    content = "\n".join((header, *rows)).encode()
    return list(read_rows(io.BytesIO(content), name="s.csv", format=Format.CSV, default=DEFAULT))


def test_a_row_without_target_has_the_jobs_own() -> None:
    """It is the very object, so that a million rows have one target."""
    (row,) = rows_of(f"{A},1:2")
    assert isinstance(row, ServiceUpdate)
    assert row.target is DEFAULT


@pytest.mark.parametrize(
    ("cells", "target"),
    [
        ("cn-north-4,,", DEFAULT),
        ("af-south-1,,", Target(region="af-south-1", project_id="", profile="prod")),
        (",,test", Target(region="cn-north-4", project_id="", profile="test")),
        (f",{'0' * 32},", Target(region="cn-north-4", project_id="0" * 32, profile="prod")),
        (f"af-south-1,{'0' * 32},", Target(region="af-south-1", project_id="0" * 32, profile="prod")),
    ],
)
def test_the_jobs_project_holds_in_its_own_region_and_profile_only(cells: str, target: Target) -> None:
    """A project belongs to one region and account: another row's project is looked up, never guessed."""
    (row,) = rows_of(f"{A},1:2,{cells}", header="service_id,ports,region,project_id,profile")
    assert isinstance(row, ServiceUpdate)
    assert row.target == target


def test_equal_targets_are_one_object() -> None:
    """Rows of one project share what they belong to."""
    first, second = rows_of(f"{A},1:2,af-south-1", f"{B},1:2,af-south-1", header="service_id,ports,region")
    assert isinstance(first, ServiceUpdate)
    assert isinstance(second, ServiceUpdate)
    assert first.target is second.target


def test_a_service_named_twice_is_withdrawn_from_both_rows() -> None:
    """Nothing tells which of the two is meant, so neither may be used."""
    found = read_all(rows_of(f"{A},1:2", f"{B},1:2", f"{A},3:4"))
    assert [update.row for update in found.updates] == [2]
    assert [(row.row, row.place, row.service_id) for row in found.invalid] == [
        (1, "s.csv:2", A),
        (3, "s.csv:4", A),
    ]
    assert "s.csv:4:1" in found.invalid[0].issues[0].message
    assert "s.csv:2:1" in found.invalid[1].issues[0].message


def test_a_row_with_other_issues_still_names_its_service() -> None:
    """All issues are told at once: the bad port and the service named twice."""
    found = read_all(rows_of(f"{A},0:2", f"{A},1:2"))
    assert [len(row.issues) for row in found.invalid] == [2, 1]
    assert len(found.issues) == 3


def test_a_server_port_is_wanted_once_on_each_port_id() -> None:
    """Another port_id, another protocol or another server port is no contest."""
    header = "service_id,ports,port_id"
    assert all(
        isinstance(row, ServiceUpdate) for row in rows_of(f"{A},1:2 3:2,{NIC}", f"{B},1:2,{B}", header=header)
    )
    apart = rows_of(f"{A},1:2,{NIC}", f"{B},1:2/UDP 1:3/TCP,{NIC}", header=header)
    assert all(isinstance(row, ServiceUpdate) for row in apart)


def test_a_service_does_not_stand_against_itself() -> None:
    """A service named twice with the same map has that one issue in each row, not two."""
    found = read_all(rows_of(f"{A},1:2,{NIC}", f"{A},1:2,{NIC}", header="service_id,ports,port_id"))
    assert [len(row.issues) for row in found.invalid] == [1, 1]


def test_many_rows_of_one_service_are_told_in_few_words() -> None:
    """Each row names one other place and says how many more there are."""
    found = read_all(rows_of(*[f"{A},1:2"] * 5))
    assert found.issues[0].message.endswith("at s.csv:3:1, and 3 more")
    assert found.issues[4].message.endswith("at s.csv:2:1, and 3 more")


def test_the_check_for_repeats_keeps_24_bytes_a_row() -> None:
    """A sorted stream of a million rows stays small."""
    found = repeats.Duplicates(key_bytes=16, entry_bytes=24)
    for number in range(1_000):
        found.add(number.to_bytes(16), bytes(8))
    assert sum(map(len, found._buckets)) == 24_000
    assert not list(found.groups())


@pytest.mark.parametrize("spot", [(1, 2, 3), (2**28 - 1, 2**28 - 1, 255), (1, 1, 1)])
def test_a_spot_survives_its_packing(spot: tuple[int, int, int]) -> None:
    """Row, line and column come back from their eight bytes."""
    assert repeats.unpacked_spot(repeats.packed_spot(*spot)) == spot


def test_a_far_column_is_capped() -> None:
    """One byte holds the column: what does not fit must not spill into the line."""
    assert repeats.unpacked_spot(repeats.packed_spot(1, 2, 999)) == (1, 2, 255)


def test_an_issue_of_the_file_comes_before_those_of_its_rows() -> None:
    """The header's fault is the first thing to correct."""
    found = read_all(rows_of("x,1:2", header="service_id,prots"))
    assert found.file_issues == found.issues[:1]
    assert len(found.issues) == 2


def test_a_survey_counts_what_it_does_not_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with millions of issues is told in bounded memory: the first of each kind, and their numbers."""
    monkeypatch.setattr(rows_read, "ISSUES_KEPT_MAX", 3)
    content = b"service_id,ports,region\n" + b"x,y,\n" * 9 + f"{A},1:2,Nowhere\n".encode()
    found = survey(io.BytesIO(content), name="s.csv", format=Format.CSV)
    assert (found.rows, len(found.issues), found.issues_omitted) == (10, 11, 8)
    assert list(found.counts.values()) == [9, 9, 1]
    assert found.issues[-1].field == "region"


COUNTED = (
    (b"service_id,ports\r\n%b,1:2\r\n", "read 2 lines: 1 header line, 1 row"),
    (
        b"# a\n#\n  #\tb\n\nsep=,\nservice_id,ports\n\n%b,1:2\n,,\n \n#\xc2\xa0c\n",
        "read 11 lines: 2 header lines, 1 row, 4 comments, 4 blank",
    ),
    (
        b"service_id,client_port,server_port\n%b,1,2\n%b,3,4\n# x\n%b,5,6",
        "read 5 lines: 1 header line, 1 row on 3 lines, 1 comment",
    ),
    (
        b'service_id,ports,note\n%b,1:2,"a\n# no comment\n\nb"\n',
        "read 5 lines: 1 header line, 1 row on 4 lines",
    ),
    (b'service_id,"ports\n(all)"\n%b,1:2\n', "read 3 lines: 2 header lines, 1 row"),
    (
        b'service_id,ports,note\n%b,1:2,"open\n# a comment after all\n\n',
        "read 4 lines: 1 header line, 1 row, 1 comment, 1 blank",
    ),
    (b"service_id,ports\n# one\n\n#", "read 4 lines: 1 header line, 2 comments, 1 blank"),
    (b"service_id,ports\n#N/A,1:2\n##,1:2\n", "read 3 lines: 1 header line, 2 rows"),
)


@pytest.mark.parametrize(("content", "summary"), COUNTED)
def test_every_line_is_counted_as_what_it_is(content: bytes, summary: str) -> None:
    """Header, rows, comments and blank lines add up to the lines of the file, quotes or not."""
    found = survey(io.BytesIO(content.replace(b"%b", A.encode())), name="s.csv", format=Format.CSV)
    assert found.lines.summary(rows=found.rows) == summary


def test_the_lines_of_json_are_counted_as_well() -> None:
    """There is no header."""
    content = b'# x\n\n{"service_id": 1}\n{}\n\xef\xbb\xbf\n'
    only_a_mark = survey(io.BytesIO(b"\xef\xbb\xbf"), name="s.jsonl", format=Format.JSONL)
    assert (only_a_mark.rows, only_a_mark.lines.blank) == (0, 1)
    found = survey(io.BytesIO(content), name="s.jsonl", format=Format.JSONL)
    assert found.lines.summary(rows=found.rows) == "read 5 lines: 2 rows, 1 comment, 2 blank"


@pytest.mark.parametrize(
    ("file", "content", "place"),
    [
        (Format.CSV, f"service_id,ports,vip_port_id\n{A},1:2,\n{B},1:2/udp,\n{NIC},1:2/UDP,{NIC}\n", "3:1"),
        (Format.CSV, f"service_id,client_port,server_port,protocol\n{A},1,2,\n{A},1,2,UDP\n", "2:1"),
        (
            Format.JSONL,
            f'\n{{"service_id":"{A}","add_ports":[{{"client_port":1,"server_port":2,"protocol":"UDP"}}]}}',
            "",
        ),
        (Format.CSV, f"service_id,remove_ports,expect_ports\n{A},1:2/UDP,1:2/UDP\n", None),
        (Format.CSV, f"service_id,ports\n{A},1:2/SCTP\n", None),
    ],
)
def test_udp_is_warned_of_once_at_its_first_row(file: Format, content: str, place: str | None) -> None:
    """In every layout; what is only taken away or expected is none."""
    found = survey(io.BytesIO(content.encode()), name="s", format=file)
    warned = [warning.place for warning in found.warnings if warning.field == Caution.UDP]
    assert warned == ([] if place is None else [f"s:{place or '2:16'}"])


def test_a_long_name_is_warned_of_and_one_that_is_too_long_is_an_issue() -> None:
    """Only Huawei Cloud Stack takes more than 16 characters, and nobody more than 64."""
    content = f"service_id,service_name\n{A},{'x' * 16}\n{B},{'x' * 64}\n"
    found = survey(io.BytesIO(content.encode()), name="s.csv", format=Format.CSV)
    assert [(one.place, one.field) for one in found.warnings] == [("s.csv:3:1", "service_name")]
    assert "only Huawei Cloud Stack" in found.warnings[0].message
    (row,) = rows_of(f"{A},{'x' * 65}", header="service_id,service_name")
    assert isinstance(row, InvalidRow)


def test_a_warning_counts_its_rows_and_makes_none_invalid() -> None:
    """A file of ten thousand such rows has one line for them."""
    content = f"service_id,vip_port_id\n{A},{NIC}\n{B},{NIC}\n"
    found = survey(io.BytesIO(content.encode()), name="s.csv", format=Format.CSV)
    facts = Caution.VIP_PORT_ID.facts
    message = f"{facts.message} (2 rows)"
    assert found.warnings == (
        Issue(place="s.csv:2:1", field="vip_port_id", message=message, hint=facts.hint),
    )
    assert (found.rows, found.issues) == (2, ())


@pytest.mark.parametrize("limit", [(lines, "LINES_MAX", 3), (reading, "ROWS_MAX", 2)])
def test_what_has_too_many_lines_or_rows_is_refused_as_a_whole(
    limit: tuple[ModuleType, str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No row of it is used, as if the file ended there; what is behind these lines is never asked for."""
    monkeypatch.setattr(*limit)
    asked = 0

    def source() -> Iterator[bytes]:
        nonlocal asked
        for number in count():
            asked += 1
            yield b"service_id,ports\n" if number == 0 else f"{A[:-3]}{number:03},1:{number}\n".encode()

    found = read_all(read_rows(source(), name="s.csv", format=Format.CSV, default=DEFAULT))
    assert len(found.updates) == 2
    assert [(issue.place, issue.message[:10]) for issue in found.file_issues] == [
        (f"s.csv:{asked - (limit[0] is lines)}:1", "more than ")
    ]
    assert asked == 4


def test_a_file_of_exactly_as_many_lines_and_rows_as_may_be_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what goes on behind them is refused."""
    monkeypatch.setattr(lines, "LINES_MAX", 3)
    monkeypatch.setattr(reading, "ROWS_MAX", 2)
    assert all(isinstance(row, ServiceUpdate) for row in rows_of(f"{A},1:2", f"{B},1:2"))


@pytest.mark.parametrize("format_", Format)
def test_a_line_without_end_is_not_read_without_end(format_: Format) -> None:
    """As of a device, or of a program that never ends its line: the file is refused as a whole."""
    asked = 0

    def source() -> Iterator[bytes]:
        nonlocal asked
        while True:
            asked += 1
            yield b"x" * (lines.LINE_BYTES_MAX + 1)

    found = read_all(read_rows(source(), name="s", format=format_, default=DEFAULT))
    assert found.file_issues[-1].place == "s:1:1"
    assert asked <= 65


def test_an_overlong_line_may_come_in_pieces() -> None:
    """However the line is cut, it is one issue, and the next line is read."""
    pieces = [b"service_id,ports\n", b"x" * 1_048_577, b"x" * 1_048_577, b"x\n", f"{A},1:2\n".encode()]
    first, second = read_rows(pieces, name="s.csv", format=Format.CSV, default=DEFAULT)
    assert isinstance(first, InvalidRow)
    assert isinstance(second, ServiceUpdate)
    assert second.place == "s.csv:3"


@pytest.mark.parametrize("piece", [b"x" * (lines.LINE_BYTES_MAX + 1), b"x,x\n", f"{A}\n".encode()])
def test_a_file_of_ids_without_end_is_not_read_without_end(
    piece: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However it goes on: it is an issue behind what was read, so that nothing is planned."""
    monkeypatch.setattr(ids, "ROWS_MAX", 10)
    _, issues = read_ids(repeat(piece), name="ids.txt")
    assert any(word in issues[-1].message for word in ("more than", "no end within"))
    assert len(issues) <= 11


def test_rows_come_as_they_are_read() -> None:
    """The stream is not read ahead: a row is given before the next line is asked for."""
    asked: list[int] = []

    def source() -> Iterator[bytes]:
        for number, line in enumerate([b"service_id,ports\n", f"{A},1:2\n".encode(), f"{B},1:2\n".encode()]):
            asked.append(number)
            yield line

    rows = read_rows(source(), name="s.csv", format=Format.CSV, default=DEFAULT)
    next(rows)
    assert asked == [0, 1]


def test_what_is_known_is_bounded() -> None:
    """A function's results are kept while there is room, those of long arguments never."""
    calls: list[str] = []

    def twice(text: str) -> str:
        calls.append(text)
        return 2 * text

    known, long = Memo(twice, room=1), "x" * 1_000
    assert [known[long], known["a"], known["a"], known["b"], known["b"]] == [2 * long, "aa", "aa", "bb", "bb"]
    assert calls == [long, "a", "b", "b"]


def test_a_file_issue_is_an_issue() -> None:
    """A file that is no text has exactly one thing to say."""
    (row,) = read_rows([b"PK\x03\x04"], name="s.csv", format=Format.CSV, default=DEFAULT)
    assert isinstance(row, Issue)


def test_ids_on_one_line_are_read_in_the_time_that_their_length_takes() -> None:
    """A list that was pasted into one line, and the place of each cell that is no id."""
    began = time.process_time()
    ids, issues = read_ids([b"x, " * 100_000 + A.encode() + b"\n"], name="ids.txt")
    assert time.process_time() - began < 10
    assert (ids, len(issues)) == ({A}, 100_000)
    assert issues[-1].place == "ids.txt:1:299998"
