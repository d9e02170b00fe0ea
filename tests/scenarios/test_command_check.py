"""`bulk check`, and what the command line itself takes and refuses."""

import io
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from bulk.errors import ExitCode
from tests.scenarios.stage import Stage, wide
from tests.simulator_caller import service_id

BAD = "service_id,ports\nx,80:80\n" + f"{service_id(1)},80:80/SCTP\n"


def test_check_answers_without_credentials_and_without_network(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is offline: with nothing known of the cloud it still says that the file is right."""
    for name in ("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK", "BULK_ENDPOINT", "BULK_REGION"):
        monkeypatch.delenv(name)
    ended = stage.bulk("check", stage.file("services.csv", wide(range(1, 4))))
    assert (ended.code, ended.out) == (ExitCode.OK, "3 rows, no issues\n")
    assert ended.err == "read 4 lines: 1 header line, 3 rows\n"


def test_check_tells_every_issue_at_once_with_its_place(stage: Stage) -> None:
    """Two rows, two places; exit 3."""
    path = stage.file("services.csv", BAD)
    ended = stage.bulk("check", path)
    assert ended.code == ExitCode.INVALID
    assert f"{path}:2:1: " in ended.out
    assert f"{path}:3:38: " in ended.out
    assert "nothing was sent" in ended.out


def test_check_tells_machines_in_json(stage: Stage) -> None:
    """Rows, validity and issues are members; the exit code is the same."""
    ended = stage.bulk("check", stage.file("services.csv", BAD), "--output", "json")
    report = orjson.loads(ended.out)
    assert (ended.code, report["rows"], report["valid"], len(report["issues"])) == (3, 2, False, 2)
    assert report["lines"] == {"read": 3, "header": 1, "comments": 0, "blank": 0}


def test_ten_thousand_bad_rows_of_one_kind_are_one_line(stage: Stage) -> None:
    """In the check, the plan and the run, with their number; the one of another kind is not buried."""
    rows = [f"web-{n},80:80\n" for n in range(10_000)]
    path = stage.file("services.csv", "service_id,ports\n" + "".join(rows) + f"{service_id(1)},80:80/SCTP\n")
    for argv in (["check", path], ["plan", path], ["apply", path, "--yes"]):
        ended = stage.bulk(*argv)
        assert ended.code == ExitCode.INVALID
        assert len(ended.said.splitlines()) == 4
        assert "(10,000 times: also at 3:1, " in ended.said
        assert f"{path}:10002:38: ports: " in ended.said
        assert "10,001 issues" in ended.said


def test_rows_beyond_those_that_are_kept_are_counted(stage: Stage) -> None:
    """The sum is that of all, and the last kind is named however late it comes."""
    rows = "service_id,ports\n" + "x,y\n" * 20_000 + f"{service_id(1)},80:80/SCTP\n"
    ended = stage.bulk("check", stage.file("services.csv", rows))
    assert "(20,000 times: " in ended.out
    assert '"SCTP" is not a protocol' in ended.out
    assert "40,001 issues in 20,001 rows" in ended.out


def test_check_warns_of_what_the_api_may_not_take_and_says_that_the_file_is_right(stage: Stage) -> None:
    """A line with its place for each kind, exit code 0; members of their own for machines."""
    rows = f"service_id,ports,vip_port_id\n{service_id(1)},53:53/UDP,\n{service_id(2)},,{service_id(9)}\n"
    path = stage.file("services.csv", rows)
    ended = stage.bulk("check", path)
    assert ended.code == ExitCode.OK
    first, second, last = ended.out.splitlines()
    assert first.startswith(f"{path}:2:1: warning: UDP: not every region takes it (1 row); ")
    assert second.startswith(
        f"{path}:3:1: warning: vip_port_id: it is in no current document of the API (1 row); "
    )
    assert last == "2 rows, no issues, 2 warnings"
    report = orjson.loads(stage.bulk("check", path, "--output", "json").out)
    assert (report["valid"], [each["line"] for each in report["warnings"]]) == (True, [2, 3])


@pytest.mark.parametrize(("which", "member"), [("row", "service_id"), ("job", "max_failures")])
def test_check_prints_the_schemas_for_editors(which: str, member: str, stage: Stage) -> None:
    """Without a job; what comes out is a JSON Schema with the members that one may write."""
    ended = stage.bulk("check", "--schema", which)
    assert ended.code == ExitCode.OK
    assert member in orjson.loads(ended.out)["properties"]


def test_check_tells_issues_of_job_toml_and_of_flags(stage: Stage) -> None:
    """A misspelt key stands with its line; a bad flag is wrong usage and stands with its name."""
    job = stage.job(wide([1]), rat="1/s")
    assert "job.toml:4:1: rat: unknown key; did you mean rate?" in stage.bulk("check", job).out
    ended = stage.bulk("check", stage.job(wide([1])), "--region", "Nowhere!")
    assert ended.code == ExitCode.USAGE
    assert ended.err.startswith('bulk: --region: "Nowhere!" is not a region')


def test_check_reads_standard_input(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which has no name that tells the format, so one says it."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(wide([1, 2]).encode())))
    assert stage.bulk("check", "-", "--format", "csv").out == "2 rows, no issues\n"
    assert stage.bulk("check", "-").code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["check"], "JOB is missing"),
        (["check", "nowhere.csv"], "nowhere.csv: no such file"),
        (["check", "services.csv", "--output", "yaml"], '--output: "yaml" is not one of table, json'),
        (["check", "--schema", "ledger"], '--schema: "ledger" is not one of row, job'),
        (["check", "services.csv", "--fromat", "csv"], "No such option"),
        (
            ["plan", "services.csv", "--output", "pdf"],
            '--output: "pdf" is not one of table, json, csv, md, html',
        ),
        (["plan", "services.csv", "--log-format", "xml"], '--log-format: "xml" is not one of text, json'),
        (["plan", "services.csv", "--format", "xml"], '--format: "xml" is not one of csv, jsonl'),
        (["plan", "services.csv", "--limit", "@ids.txt"], "--limit @ids.txt: "),
        (
            ["apply", "services.csv", "--log-format", "xml"],
            '--log-format: "xml" is not one of text, json',
        ),
        (["report", "services.csv"], "found no run of services.csv"),
        (["report", "services.csv", "--output", "pdf"], '--output: "pdf" is not one of table, json, csv'),
        (["status"], "found no run of any job below this folder"),
        (["status", "nowhere.ledger.jsonl"], "no such file"),
        (["no-such-verb"], "No such command"),
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2_and_says_what_is_right(argv: list[str], words: str, stage: Stage) -> None:
    """On stderr, with nothing on stdout."""
    stage.file("services.csv", wide([1]))
    ended = stage.bulk(*argv)
    assert (ended.code, ended.out) == (ExitCode.USAGE, "")
    assert words in ended.err


@pytest.mark.parametrize("argv", [[], ["plan"], ["apply"]], ids=" ".join)
def test_a_verb_without_words_shows_its_help(argv: list[str], stage: Stage) -> None:
    """Who asks nothing is told what can be asked."""
    ended = stage.bulk(*argv)
    assert ended.code == ExitCode.USAGE
    assert "Usage: bulk" in " ".join(ended.said.split())


def test_help_says_what_the_command_is_for_and_loads_nothing_heavy() -> None:
    """No event loop, no HTTP client, no validation library: `--help` answers at once."""
    out = loads_none_of(
        {"aiohttp", "asyncio", "pydantic", "rich", "structlog", "tomllib", "bulk.app"}, "--help"
    )
    assert "Nothing changes without" in out


def loads_none_of(heavy: set[str], *argv: str) -> str:
    """Return what a command says on stdout, having run it in a process that loads none of these modules."""
    code = (
        f"import sys; from bulk.cli.main import main; assert main({list(argv)}) == 0; "
        f"print(sorted({heavy} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *out, loaded = ended.stdout.splitlines()
    assert loaded == "[]"
    return "\n".join(out)


@pytest.mark.parametrize("verb", ["check", "status", "report", "audit"])
def test_an_offline_verb_loads_no_network_and_no_validation_library(verb: str, stage: Stage) -> None:
    """It answers in the time of a `--help`."""
    job = stage.job(wide([1]))
    assert stage.bulk("plan", job, "--out", "p").code == ExitCode.OK
    assert loads_none_of({"aiohttp", "pydantic", "uvloop", "yarl"}, verb, job if verb == "check" else "p")


def test_a_bug_is_told_in_two_lines_and_shows_its_traceback_on_request(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 1; the hint names the variable that shows more."""
    from bulk.cli.main import main  # noqa: PLC0415 - the unchecked one

    def breaks(*_: object) -> None:
        raise RuntimeError("the sky has fallen")

    monkeypatch.setattr("bulk.app.jobs.survey_job", breaks)
    path = stage.file("services.csv", wide([1]))
    assert main(["check", path]) == ExitCode.CANNOT_RUN
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "bulk: a bug in bulk: RuntimeError: the sky has fallen"
    assert "BULK_TRACEBACK=1" in told[1]
    monkeypatch.setenv("BULK_TRACEBACK", "1")
    with pytest.raises(RuntimeError):
        main(["check", path])


def test_a_reader_that_has_gone_is_no_error() -> None:
    """`bulk check --schema row | head -1` ends quietly."""
    command = f"{sys.executable} -m bulk check --schema row | head -c 1"
    ended = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.stdout, ended.stderr) == ("{", "")


def test_a_job_that_cannot_be_read_ends_with_1(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is there and its disk is not: the message names it."""
    path = Path(stage.file("services.csv", wide([1])))

    def torn(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "open", torn)
    ended = stage.bulk("check", str(path))
    assert ended.code == ExitCode.CANNOT_RUN
    assert f"{path}: Input/output error" in ended.err
