"""Every bad job file is told off at the right place in the right words, and in no other way."""

import io

import pytest

from bulk.jobfile import Format, read_all, read_rows, survey
from bulk.model import Issue, Target
from tests.scenarios.bad_jobs import BAD_JOBS, BadJob

DEFAULT = Target(region="cn-north-4", project_id="")


def issues_of(job: BadJob) -> tuple[Issue, ...]:
    """Return all issues of a file, as `bulk check` would show them."""
    form = Format(job.file.rpartition(".")[2])
    return read_all(read_rows(io.BytesIO(job.content), name=job.file, format=form, default=DEFAULT)).issues


def test_there_are_at_least_sixty_bad_jobs_each_with_its_own_name() -> None:
    """The corpus is as large as promised, and its names tell its members apart."""
    assert len({job.id for job in BAD_JOBS}) == len(BAD_JOBS) >= 60


@pytest.mark.parametrize("job", BAD_JOBS, ids=lambda job: job.id)
def test_a_bad_job_is_told_where_and_what_is_wrong(job: BadJob) -> None:
    """One of the issues has the expected place and words."""
    told = [str(issue) for issue in issues_of(job)]
    assert any(line.startswith(f"{job.file}:{job.place}: ") and job.words in line for line in told), told


@pytest.mark.parametrize("job", BAD_JOBS, ids=lambda job: job.id)
def test_every_issue_says_what_to_write_and_is_one_printable_line(job: BadJob) -> None:
    """Nothing of a hostile file reaches the terminal as it is, and no issue ends without advice."""
    for issue in issues_of(job):
        assert issue.hint
        assert str(issue).isprintable()
        assert len(str(issue)) < 400


@pytest.mark.parametrize("job", BAD_JOBS, ids=lambda job: job.id)
def test_a_survey_finds_what_reading_finds(job: BadJob) -> None:
    """`bulk check` in little memory tells the same issues."""
    form = Format(job.file.rpartition(".")[2])
    found = survey(io.BytesIO(job.content), name=job.file, format=form)
    assert sorted(map(str, found.issues)) == sorted(map(str, issues_of(job)))
    rows = read_rows(io.BytesIO(job.content), name=job.file, format=form, default=DEFAULT)
    assert found.rows == max((row.row for row in rows if not isinstance(row, Issue)), default=0)
