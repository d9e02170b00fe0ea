"""What the command says of itself: its version, and how it is used."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import bulk
from bulk.cli import verbs
from bulk.cli.examples import EXAMPLES
from bulk.cli.main import main
from bulk.settings import Group
from tests.nats_servers import nats_server
from tests.scenarios.stage import Ended, Stage
from tests.simulator_caller import PROJECT, mapping

PYPROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_version_is_shown_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """`bulk --version` writes it to stdout and ends with 0."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"bulk {bulk.__version__}\n"


def test_the_version_stands_in_one_place() -> None:
    """The build reads it from the package, so that pyproject.toml has none of its own."""
    assert "version" in PYPROJECT["project"]["dynamic"]
    assert "version" not in PYPROJECT["project"]
    assert PYPROJECT["tool"]["hatch"]["version"]["path"] == "bulk/__init__.py"


@pytest.mark.parametrize("verb", ["", *(verb.__name__ for verb in verbs.ALL)])
def test_dash_h_is_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """On the command itself and on every verb it shows what `--help` shows, and ends with 0."""
    words = [verb] if verb else []
    assert main([*words, "--help"]) == 0
    long = capsys.readouterr().out
    assert main([*words, "-h"]) == 0
    assert capsys.readouterr().out == long
    assert " ".join(["Usage: bulk", *words]) in long


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_of_the_simulator_is_its_own(flag: str) -> None:
    """`bulk simulator` hands its words on, so that its flags are listed and not those of the verb."""
    ended = subprocess.run(
        [sys.executable, "-m", "bulk", "simulator", flag],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "80"},
    )
    assert ended.stdout.startswith("usage: bulk simulator")
    assert "--seed-fleet" in ended.stdout


VERBS = [verb.__name__ for verb in verbs.ALL]


def help_of(verb: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the help of a verb."""
    assert main([verb, "--help"]) == 0
    return capsys.readouterr().out


def test_the_verbs_stand_in_the_phases_of_a_change(capsys: pytest.CaptureFixture[str]) -> None:
    """Every verb once, beneath when it is used; on 80 columns."""
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    found = re.findall(r"^(\w+):$|^  (\w+)  +[A-Z]", text, re.MULTILINE)
    heads = ["Before", "During", "After", "Practice"]
    assert [head for head, _ in found if head] == ["Options", *heads]
    listed = [verb for _, verb in found if verb]
    assert listed == [*VERBS, "simulator"]
    assert [line for line in text.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("verb", VERBS)
def test_help_has_one_order_and_fits_on_a_terminal(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Usage, examples, then the groups that the verb has, in the order of all verbs; 80 columns."""
    text = help_of(verb, capsys)
    heads = re.findall(r"^(Usage|Examples|[A-Z][a-z ]+):", text, re.MULTILINE)
    assert heads == [head for head in ("Usage", "Examples", *Group) if head in heads]
    assert heads[:2] == ["Usage", "Examples"]
    assert [line for line in text.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("columns", ["40", "60", "200", "many"])
def test_a_flag_keeps_its_default_and_variable_on_one_line(
    columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the width of the terminal."""
    monkeypatch.setenv("COLUMNS", columns)
    text = help_of("apply", capsys)
    for facts in ("[default: 5; BULK_ATTEMPTS]", "[default: auto; BULK_RATE]", "[BULK_CANARY]"):
        assert facts in text
    assert "--rate N/s|auto" in text


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_three_to_five_examples(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each with what it is for, as a comment of the shell."""
    assert 3 <= len(EXAMPLES[verb]) <= 5
    text = help_of(verb, capsys)
    for command, meaning in EXAMPLES[verb]:
        assert command.startswith(f"bulk {verb}")
        assert re.search(rf"^  {re.escape(command)} +# {re.escape(meaning)}$", text, re.MULTILINE)


SSH, WEB = "4189d3c2-8882-4871-a3c2-d380272eed83", "9d4a1b60-5c1f-4f6e-8a53-0f6c2f3c7d11"
TWO = [
    {
        "id": id_,
        "project_id": PROJECT,
        "service_name": f"cn-north-4.{name}.{id_}",
        "ports": [mapping(443, port)],
    }
    for id_, name, port in ((SSH, "web-a", 22), (WEB, "web-b", 80))
]


@pytest.mark.parametrize("stage", [{"fleet": TWO}], indirect=True)
def test_every_example_of_the_help_works(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """In their order, by a person who says yes; each ends with 0, but a `tell` after the end."""
    folder = stage.folder
    shutil.copytree(
        Path(__file__).parents[2] / "jobs", folder / "jobs", ignore=shutil.ignore_patterns("runs")
    )
    stage.file("move.csv", f"service_id,ports\n{SSH},8443:22\n{WEB},8443:80\n")
    stage.file("path/bulk", f'#!/bin/sh\nexec {sys.executable} -m bulk "$@"\n')
    (folder / "path" / "bulk").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'path'}{os.pathsep}{os.environ['PATH']}")
    with nats_server(folder / "nats") as nats:
        _try_every_example(stage, monkeypatch, nats)


def _try_every_example(stage: Stage, monkeypatch: pytest.MonkeyPatch, nats: str) -> None:
    examples = [command.replace("tls://nats:4222", nats) for verb in VERBS for command, _ in EXAMPLES[verb]]
    for command in examples:
        if command.startswith("bulk apply move"):  # as it was before the last example
            stage.order(services=[{"id": each["id"], "ports": each["ports"]} for each in TWO])
        asks = any(command.startswith(f"bulk {verb}") for verb in ("apply", "rollback"))
        consent = " --yes" if asks and "--yes" not in command else ""
        with monkeypatch.context() as patch:
            for name in [*os.environ] if "jobs/demo" in command else []:
                if name.startswith(("BULK_", "HUAWEI")):
                    patch.delenv(name)
            ended = by_a_shell(stage, command + consent)
        is_too_late = re.match(r"bulk tell \S+ \w", command)
        assert ended.code == (7 if is_too_late else 0), f"{command}\n{ended.said}"


def by_a_shell(stage: Stage, command: str) -> Ended:
    """Run a command as a shell does, and by a shell where it redirects something or does not end."""
    words = shlex.split(command)
    if words[1] == "worker":
        return until_it_serves(stage, *words[1:])
    if "--serve" in words:
        command = f"timeout --preserve-status 8 {command}"
    elif not {"<", ">"} & {*words}:
        return stage.bulk(*words[1:])
    ended = subprocess.run(
        ["bash", "-c", command],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return Ended(code=ended.returncode, out=ended.stdout, err=ended.stderr)


def until_it_serves(stage: Stage, *words: str) -> Ended:
    """Run a worker until it says that it serves, and stop it as systemd does."""
    with stage.child(*words) as worker:
        assert worker.stderr
        said = ""
        while " serves " not in said and (line := worker.stderr.readline()):
            said += line
        worker.terminate()
        out, err = worker.communicate(timeout=60)
    return Ended(code=worker.returncode, out=out, err=said + err)


def offered(words: str, shell: str, home: Path) -> str:
    """Return what a shell is offered behind these words."""
    at = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" ")), "_TYPER_COMPLETE_ARGS": words}
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "_TYPER_COMPLETE_FISH_ACTION": "get-args", **at}
    return subprocess.run(
        [sys.executable, "-c", "from bulk.cli.main import main; main()"],
        env=env | {"_BULK_COMPLETE": f"complete_{shell}"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("bulk ro", "rollback"),
        ("bulk plan --output h", "html"),
        ("bulk plan --region cn-north-4", "cn-north-4"),
        ("bulk export --region cn-east-3,ap-southeast-1", "cn-east-3,ap-southeast-1"),
        ("bulk apply --profile pr", "prod"),
        ("bulk worker --serve cn-north-4/p", "cn-north-4/prod"),
    ],
)
def test_shells_are_offered_the_values_of_a_flag(words: str, value: str, shell: str, tmp_path: Path) -> None:
    """Verbs, closed sets, regions and the profiles of the credentials file; a secret is not among them."""
    folder = tmp_path / ".huaweicloud"
    folder.mkdir()
    (folder / "credentials").write_text("[prod]\nak = AK\nsk = hidden-word\n")
    (folder / "credentials").chmod(0o600)
    found = offered(words, shell, tmp_path)
    assert value in found
    assert "hidden-word" not in found


def test_without_a_usable_credentials_file_nothing_is_offered(tmp_path: Path) -> None:
    """And nothing is complained of."""
    assert offered("bulk apply --profile p", "bash", tmp_path).strip() == ""
