"""Figures and durations as a person says them, and the listing of issues."""

import sys
import unicodedata
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from bulk.model import Action, Issue, Outcome
from bulk.reports import issues
from bulk.reports.words import Style, as_text, plain, style_of, text
from bulk.text import counted, duration, moment, printable

ISSUE = Issue(place="a.csv:18:5", field="client_port", message="70000 is no port", hint="write 1 to 65535")


@pytest.mark.parametrize(
    ("length_s", "said"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (26.4, "26 s"),
        (59.6, "1 min"),
        (3600, "1 h"),
        (250, "4 min 10 s"),
        (7500, "2 h 05 min"),
    ],
)
def test_a_duration_has_the_units_a_person_would_use(length_s: float, said: str) -> None:
    """Tenths matter below ten seconds, seconds below an hour."""
    assert duration(length_s) == said


@pytest.mark.parametrize(
    ("at", "zone", "said"),
    [
        ("2026-01-15T08:30:05.123Z", "UTC", "2026-01-15 08:30:05 UTC"),
        ("2026-01-15T08:30:05.123Z", "Europe/London", "2026-01-15 08:30:05 UTC"),
        ("2026-07-15T08:30:05.123Z", "Europe/Berlin", "2026-07-15 10:30:05 CEST (08:30:05 UTC)"),
        ("2026-01-15T16:30:05.123Z", "Asia/Shanghai", "2026-01-16 00:30:05 CST (2026-01-15 16:30:05 UTC)"),
        ("9999-12-31T23:59:59.999Z", "Asia/Shanghai", "9999-12-31 23:59:59 UTC"),
        ("", "Asia/Shanghai", "a time that is not known"),
    ],
)
def test_a_moment_is_local_with_utc_beside_it(at: str, zone: str, said: str) -> None:
    """With the day of UTC where it is another one, and once where the clocks show UTC."""
    assert moment(at, ZoneInfo(zone)) == said


def test_one_is_singular_and_thousands_are_grouped() -> None:
    """Counts read as a sentence."""
    assert [counted(n, "row") for n in (0, 1, 12345)] == ["0 rows", "1 row", "12,345 rows"]


def test_text_from_outside_is_one_line_without_what_steers_a_terminal() -> None:
    """C0, C1, zero-width and bidirectional controls go; breaks and tabs become one blank."""
    overrides = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    steering = {
        code
        for code, char in enumerate(map(chr, range(sys.maxunicode + 1)))
        if unicodedata.category(char) == "Cc" or unicodedata.bidirectional(char) in overrides
    }
    unseen = {0xAD, 0x61C, 0x180E, *range(0x200B, 0x2010), 0x2060, 0x2028, 0x2029, 0xFEFF, 0xE0001, 0xE0041}
    for code in steering | unseen:
        assert printable(f"a{chr(code)}b") == ("a b" if code in {9, 10, 13, 0x2028, 0x2029} else "ab")
    assert printable("tab\there\r\nthere — schön") == "tab here there — schön"


@pytest.mark.parametrize("result", [*Action, *Outcome])
def test_every_action_and_outcome_has_sigil_phrase_and_style(result: Action | Outcome) -> None:
    """What a person has to look at stands out, and nothing else does."""
    assert len(result.facts.sigil) == 1
    assert result.facts.phrase
    assert (style_of(result) is Style.BAD) == result.facts.needs_person


def test_values_are_told_as_the_job_file_would_write_them() -> None:
    """Booleans in lower case, nothing for what is missing."""
    assert [as_text(value) for value in (None, True, False, "x", 7)] == ["", "true", "false", "x", "7"]


def test_issues_are_lines_that_an_editor_can_jump_to() -> None:
    """`file:line:column: field: message; hint`, hostile text made harmless, and a sum at the end."""
    whole = Issue(place="b.csv:2", field="", message="not UTF-8\x1b[2J", hint="")
    assert [plain(line) for line in issues.lines([ISSUE, whole], rows=7)] == [
        "a.csv:18:5: client_port: 70000 is no port; write 1 to 65535",
        "b.csv:2: not UTF-8[2J",
        "2 issues in 7 rows; nothing was sent",
    ]


def test_warnings_are_lines_too_and_make_nothing_invalid() -> None:
    """They are counted apart, for people and for machines."""
    warning = Issue(place="a.csv:2:1", field="UDP", message="not everywhere", hint="try one")
    assert [plain(line) for line in issues.lines([], rows=7, warnings=[warning])] == [
        "a.csv:2:1: warning: UDP: not everywhere; try one",
        "7 rows, no issues, 1 warning",
    ]
    json = issues.as_json([], rows=7, warnings=[warning])
    assert (json["valid"], json["issues"]) == (True, [])
    assert [each["field"] for each in json["warnings"]] == ["UDP"]


def test_issues_found_before_rows_were_counted_name_no_count() -> None:
    """A file that cannot be read at all has issues but no rows."""
    assert [plain(line) for line in issues.lines([ISSUE], rows=0)][1] == "1 issue; nothing was sent"


def many(number: int, *, cause: str = "") -> list[Issue]:
    """Return issues of one kind, each with its place and value, and its own hint where they have a cause."""
    return [
        Issue(
            place=f"s.csv:{line}:1",
            field="service_id",
            message=f'"{line}" is no id',
            hint=f"write {line}" if cause else "write one",
            cause=cause,
        )
        for line in range(2, number + 2)
    ]


@pytest.mark.parametrize("cause", ["", "no id"])
def test_many_issues_of_one_kind_are_one_line_with_their_number_and_first_places(cause: str) -> None:
    """Ten thousand bad rows must not bury the one that is bad in another way."""
    other = Issue(place="s.csv:7777:9", field="ports", message="no ports", hint="write one")
    found = many(10_000, cause=cause)
    first, second, last = [
        plain(line) for line in issues.lines([*found[:9_000], other, *found[9_000:]], rows=10_000)
    ]
    assert first.startswith('s.csv:2:1: service_id: "2" is no id; write ')
    assert first.endswith(" (10,000 times: also at 3:1, 4:1, 5:1, 6:1 …)")
    assert second.startswith("s.csv:7777:9: ports: ")
    assert last == "10,001 issues in 10,000 rows; nothing was sent"


def test_few_issues_of_one_kind_are_a_line_each() -> None:
    """Each with its place and its value; parts of a list are one kind."""
    few = [replace(issue, field=f"ports[{number}]") for number, issue in enumerate(many(3))]
    assert len(list(issues.lines(few, rows=3))) == 4
    five = [replace(issue, field=f"ports[{number}]") for number, issue in enumerate(many(5))]
    assert plain(next(issues.lines(five, rows=3))).endswith(" (5 times: also at 3:1, 4:1, 5:1, 6:1)")


def test_the_number_of_issues_is_that_of_all_where_only_some_were_kept() -> None:
    """A survey of a very large file counts the others."""
    some = many(5)
    first, last = [plain(line) for line in issues.lines(some, rows=9, counts={some[0].kind: 1_000_000})]
    assert first.endswith(" (1,000,000 times: also at 3:1, 4:1, 5:1, 6:1 …)")
    assert last.startswith("1,000,000 issues in 9 rows")


def test_a_clean_job_says_so() -> None:
    """No issue is one green line."""
    assert [plain(line) for line in issues.lines([], rows=1)] == ["1 row, no issues"]
    assert text()[0].text == ""


@pytest.mark.parametrize(
    ("place", "taken_apart"),
    [
        ("a.csv:18:5", ("a.csv", 18, 5)),
        ("a.csv:18", ("a.csv", 18, None)),
        ("--rate", ("--rate", None, None)),
        ("C:/a b.csv:3:1", ("C:/a b.csv", 3, 1)),
        ("odd\nname:4", ("odd\nname", 4, None)),
    ],
)
def test_issues_for_machines_have_their_place_taken_apart(
    place: str, taken_apart: tuple[str, int | None, int | None]
) -> None:
    """Line and column are numbers where they are known."""
    issue = Issue(place=place, field="f", message="m", hint="h")
    json = issues.as_json([issue], rows=1)
    assert json["valid"] is False
    (only,) = json["issues"]
    assert (only["file"], only["line"], only["column"]) == taken_apart
