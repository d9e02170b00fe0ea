"""The column `wave`: each row names one, without a gap, where the waves of the job go by that."""

import io

import orjson
import pytest

from bulk.jobfile import Format, Row, read_all, read_rows, survey
from bulk.model import Target
from tests.scenarios.bad_jobs import A, B

C = "5d2e0c61-3f4b-4d0e-9f2b-6a1f3f0b7d22"
DEFAULT = Target(region="cn-north-4", project_id="6e9dfd51d1124e8d8498dce894923a0d")


def rows_of(content: str, format: Format = Format.CSV, *, names_waves: bool = True) -> list[Row]:  # noqa: A002
    """Read a job file whose waves go by their column."""
    lines = io.BytesIO(content.encode())
    return list(read_rows(lines, name="s", format=format, default=DEFAULT, names_waves=names_waves))


def issues_of(content: str, format: Format = Format.CSV, *, names_waves: bool = True) -> list[str]:  # noqa: A002
    """Return what is wrong with a job file."""
    return [str(issue) for issue in read_all(rows_of(content, format, names_waves=names_waves)).issues]


def waves_of(content: str, format: Format = Format.CSV) -> list[int | None]:  # noqa: A002
    """Return the wave of each row of a job file that is without fault."""
    found = read_all(rows_of(content, format))
    assert not found.issues
    return [update.wave for update in found.updates]


def lines(*rows: dict[str, object]) -> str:
    """Return JSON Lines."""
    return "".join(f"{orjson.dumps(row).decode()}\n" for row in rows)


def test_each_layout_has_a_wave_for_each_row() -> None:
    """In the long one it is on the first line of a service, or on each."""
    assert waves_of(f"service_id,ports,wave\n{A},1:2,2\n{B},1:2, 1 \n") == [2, 1]
    long = f"service_id,client_port,server_port,wave\n{A},1,2,1\n{A},3,4,\n{B},1,2,\n{B},3,4,2\n"
    assert waves_of(long) == [1, 2]
    rows = ({"service_id": A, "description": "", "wave": 1}, {"service_id": B, "description": "", "wave": 1})
    assert waves_of(lines(*rows), Format.JSONL) == [1, 1]


@pytest.mark.parametrize("cell", ["0", "1001", "1.5", "2.0", "-1", "first", "1e0", "99999", "\u0661"])
def test_a_cell_that_is_no_wave_is_an_issue_at_its_place(cell: str) -> None:
    """Nothing is rounded; and no gap is found by what cannot be read."""
    text = f"service_id,ports,wave\n{A},1:2,{cell}\n{B},1:2,3\n"
    found = issues_of(text)
    assert len(found) == 1
    assert found[0].startswith("s:2:42: wave: ")
    assert found[0].endswith(" is not a wave; write a whole number from 1 to 1,000")


@pytest.mark.parametrize("raw", ["1", 1.0, True, 0, 1001])
def test_a_json_value_that_is_no_wave_is_an_issue(raw: object) -> None:
    """A text is no number there, nor is true."""
    (issue,) = issues_of(lines({"service_id": A, "description": "", "wave": raw}), Format.JSONL)
    assert "is not a wave; write a whole number from 1 to 1,000" in issue


def test_a_row_without_a_wave_is_an_issue() -> None:
    """It would have to go first or last, and nobody said which."""
    text = f"service_id,ports,wave\n{A},1:2,1\n{B},1:2,\n"
    assert issues_of(text) == ["s:3:1: wave: the wave is missing; write 1, 2, 3 … in each row"]
    (issue,) = issues_of(lines({"service_id": A, "description": ""}), Format.JSONL)
    assert issue == "s:1:16: wave: the wave is missing; write 1, 2, 3 … in each row"


def test_a_file_without_the_column_has_one_issue() -> None:
    """And not one for each row."""
    hint = 'add it with 1, 2, 3 … in each row, or write other waves than "column"'
    assert issues_of(f"service_id,ports\n{A},1:2\n{B},1:2\n") == [
        f"s:1:1: the column wave is missing; {hint}"
    ]


def test_a_gap_in_the_numbers_is_an_issue_of_the_file() -> None:
    """A wave that is missing was perhaps meant to be there: no row may be used."""
    text = f"service_id,ports,wave\n{A},1:2,5\n{B},1:2,2\n{C},1:2,5\n"
    hint = "number the waves 1, 2, 3 … without a gap"
    assert [str(issue) for issue in read_all(rows_of(text)).file_issues] == [
        f"s:3:1: wave: no row names wave 1, and this one names wave 2; {hint}",
        f"s:2:1: wave: no row names waves 3 to 4, and this one names wave 5; {hint}",
    ]


def test_a_wave_that_the_job_does_not_go_by_is_an_issue() -> None:
    """Passing over it would send at once what was meant to wait; a column of blank cells says nothing."""
    text = f"service_id,ports,wave\n{A},1:2,1\n"
    (issue,) = issues_of(text, names_waves=False)
    assert issue.startswith(
        "s:2:1: wave: the row names a wave, and the waves of the job do not go by that; write waves"
    )
    assert not issues_of(f"service_id,ports,wave\n{A},1:2,\n", names_waves=False)


def test_a_survey_has_the_same_issues() -> None:
    """`check` says what `apply` says."""
    text = f"service_id,ports,wave\n{A},1:2,2\n{B},1:2,\n".encode()
    found = survey(io.BytesIO(text), name="s", format=Format.CSV, names_waves=True)
    assert [issue.message for issue in found.issues] == [
        "the wave is missing",
        "no row names wave 1, and this one names wave 2",
    ]
