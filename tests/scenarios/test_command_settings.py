"""Settings on the command line: flag, variable and key of job.toml mean the same, in every verb."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import typer

from bulk.cli import options
from bulk.cli.command import Verb, Verbs
from bulk.cli.main import app, main
from bulk.errors import ExitCode, UsageError
from bulk.settings import SETTINGS, Group, Job, flag_of, read_job
from tests.scenarios.stage import Stage, clear_settings, wide

SWITCHES = [name for name in options.ALL if SETTINGS[name].form.flag_type is bool]


@pytest.fixture
def flags_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Callable[..., dict[str, Any]]:
    """Return what a verb is given that takes every setting, for these words on its command line."""
    clear_settings(monkeypatch, tmp_path / "home")
    given: list[dict[str, Any]] = []

    @options.takes(*options.ALL)
    def verb(**flags: Any) -> None:
        given.append(flags)

    probe = typer.Typer(cls=Verbs)
    probe.command("verb", cls=Verb)(verb)
    probe.command("other", cls=Verb)(verb)

    def flags_of(*argv: str) -> dict[str, Any]:
        probe(["verb", *argv], standalone_mode=False)
        return given.pop()

    return flags_of


def job_of(toml: str = "", flags: dict[str, Any] | None = None) -> Job:
    """Read a job that has no issue."""
    job = read_job(f'rows = "x.csv"\n{toml}\n'.encode(), name="job.toml", flags=flags or {})
    assert isinstance(job, Job), job
    return job


@pytest.mark.parametrize("name", options.ALL)
def test_flag_variable_and_key_of_a_setting_mean_the_same(
    name: str, flags_of: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given the same value, each makes the same job, and another than that without it."""
    example = SETTINGS[name].example
    stored = job_of(f"{name} = {orjson.dumps(example).decode()}")
    assert stored != job_of(flags=flags_of())
    words = [flag_of(name)] if name in SWITCHES else [flag_of(name), str(example)]
    assert job_of(flags=flags_of(*words)) == stored
    monkeypatch.setenv(f"BULK_{name.upper()}", str(example))
    assert job_of(flags=flags_of()) == stored


@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_that_job_toml_sets_is_undone_by_flag_and_variable(
    name: str, flags_of: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--no-strict` wins over the variable, which wins over job.toml."""
    toml = f"{name} = true"
    assert job_of(toml, flags_of(f"--no-{flag_of(name)[2:]}")) == job_of()
    for off in ("0", "false", "No", " off "):
        monkeypatch.setenv(f"BULK_{name.upper()}", off)
        assert job_of(toml, flags_of()) == job_of()
        assert job_of("", flags_of(flag_of(name))) == job_of(toml)


def test_a_variable_that_no_switch_understands_is_named(
    flags_of: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is wrong usage, whatever the flag would have been."""
    monkeypatch.setenv("BULK_STRICT", "maybe")
    with pytest.raises(UsageError, match='BULK_STRICT: "maybe" is not one of true, false'):
        flags_of()


def test_a_message_names_the_variable_of_a_setting_or_the_flag_that_wins_over_it(
    flags_of: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader corrects what was set; the flag, which wins, is named where it was given."""
    monkeypatch.setenv("BULK_RATE", "foo")
    with pytest.raises(UsageError, match=r'^BULK_RATE: "foo" is not a rate$'):
        flags_of()
    with pytest.raises(UsageError, match=r'^--rate: "bar" is not a rate$'):
        flags_of("--rate", "bar")


@pytest.mark.parametrize(
    ("verb", "variable", "value", "message"),
    [
        ("check", "BULK_REGION", "Beijing", 'BULK_REGION: "Beijing" is not a region'),
        ("plan", "BULK_LIMIT", ",", "BULK_LIMIT ',' names no service"),
        ("plan", "BULK_LIMIT", "4189d3c2,x", "BULK_LIMIT: 4189d3c2, x are in no row"),
        ("plan", "BULK_LIMIT", "@none", "BULK_LIMIT @none: no such file"),
        ("apply", "BULK_EXPECT_DIGEST", " ", "BULK_EXPECT_DIGEST is empty"),
        ("export", "BULK_EXPORT_PORT", "x", "BULK_EXPORT_PORT: 'x' is not a port"),
        ("export", "BULK_ADD_PORTS", "x", 'BULK_ADD_PORTS: "x" is not a mapping'),
        ("export", "BULK_MAP", "x=1", "BULK_MAP: 'x' is not a port"),
        ("plan", "BULK_OUTPUT", "xml", 'BULK_OUTPUT: "xml" is not one of table'),
        ("apply", "BULK_DRY_RUN", "2", 'BULK_DRY_RUN: "2" is not one of true, false'),
        ("apply", "BULK_ATTEMPTS", "0", 'BULK_ATTEMPTS: "0" is not a number of attempts'),
    ],
)
def test_a_message_names_the_variable_that_a_value_came_from(
    verb: str, variable: str, value: str, message: str, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command line has no such flag, so that its name would lead nowhere."""
    monkeypatch.setenv(variable, value)
    job = stage.job(wide([1]))
    ended = stage.bulk(verb, *([] if verb == "export" else [job]), *(["--yes"] if verb == "apply" else []))
    assert message in ended.err
    assert ended.code == (ExitCode.INVALID if "in no row" in message else ExitCode.USAGE)


VARIABLES = sorted(
    {
        (verb, parameter.envvar)
        for verb, command in typer.main.get_command(app).commands.items()
        for parameter in command.params
        if parameter.envvar
    }
)


@pytest.mark.parametrize(("verb", "variable"), VARIABLES)
def test_an_empty_variable_is_refused_as_an_empty_flag_is(
    verb: str,
    variable: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Any,
) -> None:
    """An input that a pipeline left empty would else mean the whole fleet, no digest, no limit."""
    clear_settings(monkeypatch, tmp_path / "home")
    params = commands()[verb].params
    (option,) = (parameter for parameter in params if parameter.envvar == variable)
    required = [each for each in params if each.required and each is not option]
    words = [word for each in required for word in (*(each.opts if each.envvar else ()), "x")]
    takes_text = option.metavar
    for place in (variable, option.opts[-1]) if takes_text else (variable,):
        if place == variable:
            monkeypatch.setenv(variable, "")
        else:
            monkeypatch.delenv(variable)
        assert main([verb, *words, *([] if place == variable else [place, ""])]) == ExitCode.USAGE
        assert f"{place} is empty" in capsys.readouterr().err


def test_an_argument_that_is_empty_is_refused(stage: Stage) -> None:
    """`bulk apply "$JOB"` must not take the folder in which it is given for the job."""
    stage.job(wide([1]))
    for verb in ("plan", "apply", "check", "status", "report", "rollback", "audit"):
        ended = stage.bulk(verb, "")
        assert ended.code == ExitCode.USAGE
        assert " is empty" in ended.err


def test_a_name_that_is_no_text_is_refused(stage: Stage) -> None:
    """It could stand neither in a ledger nor in a report; the shell gives it as bytes."""
    name = os.fsdecode(os.fsencode(stage.folder) + b"/\xff.csv")
    Path(name).write_text(wide([1]))
    for words in (["check", name], ["apply", name, "--yes"], ["plan", stage.job(wide([1])), "--out", name]):
        ended = stage.bulk(*words)
        assert ended.code == ExitCode.USAGE
        assert "has bytes that are no text in this locale" in ended.err
    assert stage.applied == []


def test_a_folder_whose_name_is_no_text_is_refused(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each path below it would be none either, however it is given."""
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    folder.mkdir()
    (folder / "services.csv").write_text(wide([1]))
    monkeypatch.chdir(folder)
    for words in (["apply", "services.csv", "--yes"], ["status"], ["runs", "--output", "json"]):
        ended = stage.bulk(*words)
        assert ended.code == ExitCode.USAGE
        assert "the current folder: " in ended.err
        assert "has bytes that are no text in this locale" in ended.err
    assert stage.applied == []


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("BULK_LIMT", "BULK_LIMIT"),
        ("BULK_MAXFAILURES", "BULK_MAX_FAILURES"),
        ("BULK_REGOIN", "BULK_REGION"),
        ("BULK_RAET", "BULK_RATE"),
        ("BULK_rate", "BULK_RATE"),
        ("bulk_window", "BULK_WINDOW"),
        ("BULK_DRYRUNN", "BULK_DRY_RUN"),
        ("BULK_RUNS", "BULK_RUN"),
    ],
)
def test_a_variable_that_is_nearly_known_is_refused(
    name: str, near: str, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is read or sent, in every verb; the value is not shown."""
    monkeypatch.setenv(name, "a value")
    for words in (["apply", stage.job(wide([1])), "--yes"], ["check", str(stage.folder)], ["export"]):
        ended = stage.bulk(*words)
        assert ended.code == ExitCode.USAGE
        assert f"did you mean {near}?" in ended.err
        assert "a value" not in ended.said
    assert stage.applied == []
    assert stage.bulk("plan", "--help").code == ExitCode.OK


KUBERNETES = (
    "BULK_PORT",
    "BULK_PORT_80_TCP",
    "BULK_PORT_80_TCP_ADDR",
    "BULK_SERVICE_HOST",
    "BULK_SERVICE_PORT",
)


def test_other_variables_are_named_once_and_stop_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kubernetes puts them into pods beside a Service called bulk; words of consent have no variable."""
    for name in (*KUBERNETES, "BULK_YES", "BULK_NEW_RUN", "BULK_NOTIFY_OPS", "BULK_RUN", "BULK_WAVE"):
        monkeypatch.setenv(name, "1")
    ended = stage.bulk("plan", stage.job(wide([1])))
    assert ended.code == ExitCode.OK
    for name in KUBERNETES:
        assert ended.err.count(f"{name} means nothing to bulk") == 1
    assert "BULK_YES has no effect: --yes has to be written on the command line" in ended.err
    assert "BULK_NEW_RUN has no effect: --new-run has to be written" in ended.err
    for name in ("BULK_NOTIFY_OPS", "BULK_RUN", "BULK_WAVE"):
        assert name not in ended.err


@pytest.mark.parametrize("value", ["1", "true", "Yes", "on"])
def test_a_dry_run_by_its_variable_sends_nothing(
    value: str, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither an apply nor a rollback, whatever consent is written."""
    job = stage.job(wide([1]))
    monkeypatch.setenv("BULK_DRY_RUN", value)
    assert stage.apply(job).code == ExitCode.OK
    assert stage.applied == []
    monkeypatch.setenv("BULK_DRY_RUN", "off")
    assert stage.apply(job).code == ExitCode.OK
    monkeypatch.setenv("BULK_DRY_RUN", value)
    assert stage.bulk("rollback", str(stage.ledger), "--apply", "--yes").code == ExitCode.OK
    assert len(stage.applied) == 1


@pytest.mark.parametrize("verb", ["plan", "apply", "rehearse"])
def test_a_verb_that_plans_takes_every_setting_that_has_a_flag(verb: str) -> None:
    """But for the window of a rehearsal, which may be at any time of day."""
    missing = set(options.ALL) - {parameter.name for parameter in commands()[verb].params}
    assert missing == ({"window"} if verb == "rehearse" else set())


def test_panels_stand_in_one_order_in_every_verb() -> None:
    """Arguments, what to change, where, pace and limits, output; no flag stands outside."""
    order = [None, *Group]
    for verb, command in commands().items():
        places = [order.index(parameter.rich_help_panel) for parameter in command.params]
        flags = [parameter for parameter in command.params if isinstance(parameter, typer.core.TyperOption)]
        assert places == sorted(places), verb
        assert all(parameter.rich_help_panel and parameter.help for parameter in flags), verb


@pytest.mark.parametrize(
    "verb", ["check", "plan", "apply", "status", "report", "rollback", "rehearse", "export"]
)
def test_help_fits_into_80_columns(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No flag, choice or word is cut; a switch shows both of its forms in one."""
    monkeypatch.setenv("COLUMNS", "80")
    assert app([verb, "--help"], standalone_mode=False) == ExitCode.OK
    out = capsys.readouterr().out
    assert "…" not in out.replace("runs/….ledger.jsonl", "")
    assert "As above" not in out
    assert ("--[no-]strict" in out) == (verb in {"plan", "apply", "rollback", "rehearse"})


def test_a_switch_of_job_toml_can_be_undone_for_one_run(stage: Stage) -> None:
    """One row is refused; strictly nothing is sent, otherwise the other row is."""
    job = stage.job(wide([1, 99]), strict=True)
    assert stage.apply(job).code == ExitCode.REFUSED
    assert stage.applied == []
    assert stage.apply(job, "--no-strict").code == ExitCode.SOME_FAILED
    assert len(stage.applied) == 1


def test_a_dry_run_takes_every_flag_of_the_plan_that_it_shows(stage: Stage) -> None:
    """Also by its variable: nothing is sent."""
    job = stage.job(wide([1]))
    assert stage.apply(job, "--dry-run", "--canary", "1", "--max-failures", "0").code == ExitCode.OK
    assert stage.apply(job, "-n", "--max-changes", "0").code == ExitCode.REFUSED
    assert stage.applied == []


def commands() -> dict[str, typer.core.TyperCommand]:
    """Return the verbs, but for the simulator, whose words are its own."""
    group = typer.main.get_command(app)
    return {verb: command for verb, command in group.commands.items() if verb != "simulator"}
