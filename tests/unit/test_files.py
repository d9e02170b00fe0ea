"""What a JOB argument means, and what is said where it means nothing."""

import hashlib
import io
import os
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import NoReturn

import pytest

from bulk.errors import BulkError, CannotRun, UsageError
from bulk.jobfile.files import JOB_TOML_BYTES_MAX, RowsFile, find_job, format_of, ledger_path, open_rows
from bulk.model import Format


def said(failure: pytest.ExceptionInfo[BulkError]) -> str:
    """Return what a person reads."""
    return f"{failure.value.message}; {failure.value.hint}"


def test_a_job_file_is_a_job_named_after_it(tmp_path: Path) -> None:
    """Its folder is where its runs go."""
    (tmp_path / "move ssh.csv").touch()
    found = find_job(str(tmp_path / "move ssh.csv"))
    assert (found.name, found.folder, found.rows, found.toml) == ("move-ssh", tmp_path, "move ssh.csv", b"")


def test_a_folder_is_the_job_toml_in_it(tmp_path: Path) -> None:
    """Both arguments mean the same job, named after the folder."""
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "job.toml").write_bytes(b'rows = "x.csv"')
    by_folder, by_file = find_job(str(folder)), find_job(str(folder / "job.toml"))
    assert by_folder == by_file
    assert (by_folder.name, by_folder.toml, by_folder.rows) == ("demo", b'rows = "x.csv"', "")
    assert by_folder.toml_name == str(folder / "job.toml")


def test_a_toml_of_another_name_names_the_job(tmp_path: Path) -> None:
    """One folder may hold several jobs."""
    (tmp_path / "night.toml").touch()
    assert find_job(str(tmp_path / "night.toml")).name == "night"


def test_a_name_keeps_its_letters_in_every_script(tmp_path: Path) -> None:
    """Two jobs of one folder have runs of their own; the name fits into that of a ledger."""
    for name, expected in (
        ("作业.csv", "作业"),
        ("端口 变更.csv", "端口-变更"),
        ("für später.csv", "für-später"),
    ):
        (tmp_path / name).touch()
        assert find_job(str(tmp_path / name)).name == expected
    (tmp_path / f"{'业' * 80}.csv").touch()
    long = find_job(str(tmp_path / f"{'业' * 80}.csv")).name
    assert len(ledger_path(tmp_path, long, datetime(2026, 1, 15, tzinfo=UTC)).name.encode()) < 240


def test_a_name_without_any_usable_character_is_job(tmp_path: Path) -> None:
    """A run needs a name all the same."""
    (tmp_path / "!!.csv").touch()
    assert find_job(str(tmp_path / "!!.csv")).name == "job"


def test_a_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its runs go to the current folder."""
    found = find_job("-")
    assert (found.name, found.rows, found.folder) == ("stdin", "-", Path())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\nb\n")))
    with open_rows("-", folder=found.folder) as file:
        assert (file.name, list(file.lines())) == ("stdin", [b"a\n", b"b\n"])


def test_a_missing_file_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    """A typing error costs one look at the message."""
    (tmp_path / "services.csv").touch()
    with pytest.raises(UsageError) as failure:
        find_job(str(tmp_path / "servces.csv"))
    assert f"did you mean {tmp_path / 'services.csv'}?" in said(failure)


def test_a_missing_file_is_told_with_what_there_is(tmp_path: Path) -> None:
    """Where no name is near, the job files of the folder are listed, and not too many."""
    for number in range(7):
        (tmp_path / f"file{number}.jsonl").touch()
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UsageError) as failure:
        find_job(str(tmp_path / "zz"))
    assert "file0.jsonl, file1.jsonl, file2.jsonl, file3.jsonl, file4.jsonl and 2 more" in said(failure)


def test_a_folder_that_cannot_be_listed_is_no_second_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file that is missing is told all the same."""

    def refuse(_: Path) -> NoReturn:
        raise PermissionError

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(UsageError, match="no such file"):
        find_job(str(tmp_path / "a.csv"))


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    """The part of the path that does not exist is named."""
    with pytest.raises(UsageError) as failure:
        find_job(str(tmp_path / "no" / "x.csv"))
    assert f"no such folder: {tmp_path / 'no'}" in said(failure)


def test_a_folder_without_job_toml_is_told(tmp_path: Path) -> None:
    """With the job files it has, or with what could be named instead."""
    with pytest.raises(UsageError) as failure:
        find_job(str(tmp_path))
    assert "name a .csv or .jsonl file" in said(failure)
    (tmp_path / "a.csv").touch()
    with pytest.raises(UsageError) as failure:
        find_job(str(tmp_path))
    assert "has a.csv" in said(failure)


def test_a_job_toml_that_is_a_job_file_by_mistake_is_refused(tmp_path: Path) -> None:
    """It is not read into memory whatever its size."""
    (tmp_path / "big.toml").write_bytes(b"#" * (JOB_TOML_BYTES_MAX + 1))
    with pytest.raises(UsageError, match="longer than 1 MiB"):
        find_job(str(tmp_path / "big.toml"))


@pytest.mark.parametrize(
    ("rows", "form"), [("a.csv", Format.CSV), ("a.JSONL", Format.JSONL), ("a.ndjson", Format.JSONL)]
)
def test_the_name_of_a_job_file_shows_its_format(rows: str, form: Format) -> None:
    """In upper and lower case."""
    assert format_of(rows) is form


def test_a_pipe_has_its_runs_in_the_current_folder() -> None:
    """Beside `/dev/stdin` or what a shell makes of `<(…)` there is no place for them."""
    for rows in ("/dev/stdin", f"/proc/{os.getpid()}/fd/0"):
        found = find_job(rows)
        assert (found.folder, found.rows, found.name) == (Path(), rows, Path(rows).name)


@pytest.mark.parametrize("rows", ["a.txt", "a", "-"])
def test_a_format_that_the_name_does_not_show_has_to_be_given(rows: str) -> None:
    """It is never guessed from the content."""
    with pytest.raises(UsageError) as failure:
        format_of(rows)
    assert "--format" in said(failure)


@pytest.mark.parametrize("suffix", ["XLSX", "xls", "xlsm", "xlsb", "ods", "numbers"])
def test_a_workbook_is_to_be_saved_as_csv(suffix: str) -> None:
    """What a spreadsheet program saves by itself is no text, whatever --format could say."""
    with pytest.raises(UsageError) as failure:
        format_of(f"fleet.{suffix}")
    assert said(failure) == f'fleet.{suffix} is a workbook; save the sheet as "CSV UTF-8" and name that file'


@pytest.mark.parametrize("suffix", ["gz", "zip", "zst"])
def test_a_compressed_file_is_to_be_unpacked(suffix: str) -> None:
    """Also where the name within its name would be one of a job file."""
    with pytest.raises(UsageError, match="is compressed"):
        format_of(f"fleet.csv.{suffix}")


def test_the_digest_is_of_all_bytes_however_they_are_read(tmp_path: Path) -> None:
    """Before, in the middle of and after reading the lines it is that of the file."""
    content = b"one\ntwo\n" * 100_000
    (tmp_path / "a.csv").write_bytes(content)
    expected = hashlib.sha256(content).hexdigest()
    with open_rows("a.csv", folder=tmp_path) as file:
        lines = file.lines()
        assert next(lines) == b"one\n"
        assert file.sha256() == expected == file.sha256()
    with open_rows("a.csv", folder=tmp_path) as file:
        assert sum(1 for _ in file.lines()) == 200_000
        assert file.sha256() == expected


def test_a_line_without_end_is_read_in_pieces(tmp_path: Path) -> None:
    """A file of one endless line does not fill the memory."""
    (tmp_path / "a.csv").write_bytes(b"x" * 3_000_000)
    with open_rows("a.csv", folder=tmp_path) as file:
        assert max(map(len, file.lines())) == 1_048_577


ROWS = b"service_id,ports\n" + b"4189d3c2-8882-4871-a3c2-d380272eed83,1:2\n" * 20_000


@pytest.mark.parametrize("change", ["appended", "cut", "cut and written anew", "edited"])
def test_a_file_that_is_changed_while_it_is_read_is_not_used(tmp_path: Path, change: str) -> None:
    """Some rows would be the former ones, some the new ones, some gone."""
    path = tmp_path / "a.csv"
    path.write_bytes(ROWS)
    os.utime(path, ns=(0, 0))
    with open_rows("a.csv", folder=tmp_path) as file:
        lines = file.lines()
        next(lines)
        with path.open("r+b") as other:
            match change:
                case "appended":
                    other.seek(0, os.SEEK_END)
                    other.write(b"x")
                case "cut":
                    other.truncate(len(ROWS) // 2)
                case "cut and written anew":
                    other.truncate(0)
                    other.write(ROWS)
                case _:
                    other.write(b"S")
        with pytest.raises(CannotRun, match="was changed while it was read; nothing was sent"):
            list(lines)


def test_a_file_that_another_takes_the_place_of_is_read_to_its_end(tmp_path: Path) -> None:
    """Editors save so: what was opened stays whole."""
    path = tmp_path / "a.csv"
    path.write_bytes(ROWS)
    with open_rows("a.csv", folder=tmp_path) as file:
        lines = file.lines()
        first = next(lines)
        (tmp_path / "b.csv").write_bytes(b"other\n")
        (tmp_path / "b.csv").replace(path)
        assert b"".join([first, *lines]) == ROWS


def test_a_pipe_that_does_not_wait_is_made_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program may leave standard input so: an empty pipe would be taken for one that has ended."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with open(reader) as stdin, open(writer, "wb"):  # noqa: PTH123 - descriptors
        monkeypatch.setattr(sys, "stdin", stdin)
        with open_rows("-", folder=Path()):
            assert os.get_blocking(reader)


@pytest.mark.parametrize(
    ("rows", "words"), [("b.csv", "did you mean"), ("folder", "a folder, not a job file")]
)
def test_rows_that_are_no_file_are_told(tmp_path: Path, rows: str, words: str) -> None:
    """Also where job.toml names them."""
    (tmp_path / "a.csv").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError) as failure, open_rows(rows, folder=tmp_path):
        pass
    assert words in said(failure)


class Unreadable(io.BytesIO):
    """A file on a disk that fails."""

    def readline(self, size: int | None = -1) -> NoReturn:
        """Fail."""
        raise OSError(5, "Input/output error", size)


def test_a_disk_that_fails_while_reading_is_told() -> None:
    """An I/O error is no traceback and is not taken for the end of the file."""
    with pytest.raises(CannotRun, match=r"a\.csv: Input/output error"):
        list(RowsFile(Unreadable(), name="a.csv").lines())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_rights_is_told(tmp_path: Path) -> None:
    """What the system says is passed on."""
    (tmp_path / "a.csv").touch(mode=0)
    with pytest.raises(CannotRun, match="Permission denied"), open_rows("a.csv", folder=tmp_path):
        pass


def test_a_path_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    """A socket or a loop of links is no job file."""
    (tmp_path / "a.csv").symlink_to(tmp_path / "a.csv")
    with pytest.raises(BulkError), open_rows("a.csv", folder=tmp_path):
        pass


def test_a_ledger_is_named_after_the_job_and_its_start(tmp_path: Path) -> None:
    """The start is in UTC, so that names sort as runs followed each other."""
    started_at = datetime(2026, 1, 15, 10, 30, 0, 12_345, tzinfo=timezone(timedelta(hours=8)))
    expected = tmp_path / "runs" / "move-ssh-20260115T023000.012Z.ledger.jsonl"
    assert ledger_path(tmp_path / "runs", "move-ssh", started_at) == expected
