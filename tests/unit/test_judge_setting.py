"""The judge of a job as it is written: a file with arguments, or a URL; and which file may be run."""

from pathlib import Path

import pytest

from bulk.app.judge_file import judge_issue, judge_must_be_usable, judge_path
from bulk.errors import JobInvalid
from bulk.settings import Job, JudgeSetting, read_settings, settings_json


def read(judge: object) -> JudgeSetting | None:
    """Return the judge of job.toml; None where it cannot be used."""
    job = read_settings(Job, {"rows": "x.csv", "judge": judge}, flags={})
    return job.guards.judge if isinstance(job, Job) else None


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("./probe.sh", ("./probe.sh",)),
        ("./probe.sh 'two words' --all", ("./probe.sh", "two words", "--all")),
        (["./my probe.sh", "$HOME;ls"], ("./my probe.sh", "$HOME;ls")),
    ],
)
def test_a_judge_is_a_file_with_its_arguments(written: object, words: tuple[str, ...]) -> None:
    """A text or a list; what a ledger keeps of it means the same. Nothing in it means anything to a shell."""
    judge = read(written)
    assert judge == JudgeSetting(words=words)
    kept = read_settings(Job, {"rows": "x.csv", "judge": written}, flags={})
    assert isinstance(kept, Job)
    assert read(settings_json(kept)["judge"]) == judge


@pytest.mark.parametrize(
    "url",
    ["https://judge.example/ask?env=prod", "http://127.0.0.1:8080/", "http://[::1]:1", "http://localhost"],
)
def test_a_judge_is_a_url(url: str) -> None:
    """Plain http only to this machine."""
    assert read(url) == JudgeSetting(url=url)
    assert str(read(url)) == url


@pytest.mark.parametrize(
    "written",
    [
        "", " ", [], "./probe.sh 'open", "./a\nb", "https://", "https:///path", "http://judge.example/",
        "http://127.0.0.1.example/", "https://ann:secret@judge.example", "https://token@judge.example",
        "https://judge.example/#part", "https://judge.example:0", "https://judge.example:99999",
        "https://judge.example --all", "https://[::1", 3, True,
    ],
)  # fmt: skip
def test_what_is_no_judge_is_an_issue(written: object) -> None:
    """With what to write; a password in it is not repeated."""
    issues = read_settings(Job, {"rows": "x.csv", "judge": written}, flags={})
    assert not isinstance(issues, Job)
    (issue,) = issues
    assert "is not a judge; write ./probe.sh" in str(issue)
    assert "secret" not in str(issue)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return the folder of a job with a judge in it."""
    folder = tmp_path / "job"
    (folder / "bin").mkdir(parents=True)
    for path in (folder / "probe.sh", folder / "bin" / "deep.sh", tmp_path / "elsewhere.sh"):
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    folder.chmod(0o755)
    return folder


@pytest.mark.parametrize("word", ["probe.sh", "./probe.sh", "bin/deep.sh", "bin/../probe.sh"])
def test_an_executable_file_of_the_job_may_be_run(home: Path, word: str) -> None:
    """Also one in a folder below, or a link within the job's folder."""
    assert judge_issue(JudgeSetting(words=(word,)), home) is None
    (home / "link.sh").symlink_to("bin/deep.sh")
    assert judge_issue(JudgeSetting(words=("link.sh",)), home) is None
    assert judge_path(JudgeSetting(words=(word,)), home).is_absolute()


def test_a_url_or_no_judge_needs_no_file(home: Path) -> None:
    """Nor does a job without one."""
    assert judge_issue(JudgeSetting(url="https://judge.example"), home) is None
    assert judge_issue(None, None) is None


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("gone.sh", "gone.sh: No such file or directory"),
        ("../elsewhere.sh", "../elsewhere.sh lies outside of the job's folder"),
        ("/bin/sh", "/bin/sh lies outside of the job's folder"),
        ("out.sh", "out.sh is a link out of the job's folder"),
        ("circle.sh", "circle.sh: "),
        ("bin", "bin is not a file"),
        ("plain.txt", "plain.txt is not executable"),
        ("shared.sh", "shared.sh may be written by others"),
        ("open/probe.sh", "open/probe.sh may be replaced by others, who may write to its folder"),
    ],
)
def test_a_file_that_must_not_be_run_is_an_issue_of_the_job(home: Path, word: str, why: str) -> None:
    """With 3, and what to do."""
    (home / "out.sh").symlink_to("../elsewhere.sh")
    (home / "circle.sh").symlink_to("circle.sh")
    (home / "plain.txt").touch(0o644)
    (home / "shared.sh").touch(0o755)
    (home / "shared.sh").chmod(0o775)
    (home / "open").mkdir()
    (home / "open" / "probe.sh").touch(0o755)
    (home / "open").chmod(0o777)
    issue = judge_issue(JudgeSetting(words=(word,)), home)
    assert issue is not None
    assert issue.message.startswith(why)
    assert issue.hint


def test_a_job_whose_folder_is_not_known_is_refused(home: Path) -> None:
    """As its judge could be any file."""
    job = read_settings(Job, {"rows": "x.csv", "judge": "./probe.sh"}, flags={})
    assert isinstance(job, Job)
    judge_must_be_usable(job, home)
    with pytest.raises(JobInvalid) as refused:
        judge_must_be_usable(job, None)
    assert "the folder of the job is not known" in str(refused.value.issues[0])
