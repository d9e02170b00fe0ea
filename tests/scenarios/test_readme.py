"""README.md, jobs/README.md and bulk/README.md are true: commands run, and tables are what the code says.

A fenced block whose first line names a file (```` ```csv bad.csv ````) is that file. A block marked
`console` is run as one script: each line behind `$ ` is a command, the lines up to the next one are what
it says, with `…` for anything. Blocks marked `sh` need the cloud or the network and are not run; the block
marked `text` is what the demo says.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import pytest
import typer

from bulk.cli.main import app
from bulk.errors import ExitCode
from bulk.jobfile.columns import COLUMNS, MAPPING_COLUMNS
from bulk.ledger import records
from bulk.ledger.stops import BrakeReason
from bulk.model import Outcome, Sigil
from bulk.reports.as_prom import samples
from bulk.reports.run_status import (
    BudgetStatus,
    HoldStatus,
    LaneStatus,
    RunStatus,
    State,
    WaveStatus,
    WindowStatus,
)
from bulk.settings import SETTINGS, Job, NotifySettings, Setting, flag_of, read_job, settings_of
from bulk.vpcep import credentials, unhonoured
from tests.scenarios.stage import Stage
from tests.simulator_caller import PROJECT, mapping

ROOT = Path(__file__).parents[2]
README, JOBS, HOUSE = (
    (ROOT / page).read_text(encoding="utf-8") for page in ("README.md", "jobs/README.md", "bulk/README.md")
)
FOR_USERS = f"{README}\n{JOBS}"
PAGES = f"{FOR_USERS}\n{HOUSE}"
SSH = "4189d3c2-8882-4871-a3c2-d380272eed83"
WEB = "9d4a1b60-5c1f-4f6e-8a53-0f6c2f3c7d11"

_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Block:
    """One fenced block: its mark, the file it is (or nothing), its text."""

    mark: str
    file: str
    text: str


def blocks() -> list[Block]:
    """Return the fenced blocks of all pages in order."""
    found = re.findall(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", PAGES, re.MULTILINE | re.DOTALL)
    return [Block(*parts) for parts in found]


def table(heading: str) -> list[list[str]]:
    """Return the cells of the table whose first line begins so, without that line; it stands once."""
    _, found = PAGES.split(f"\n| {heading} |")
    lines = found.split("\n\n", 1)[0].strip().splitlines()
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def coded(cell: str) -> list[str]:
    """Return what stands in backticks in a cell."""
    return _CODE.findall(cell.replace(r"\|", "|"))


# What is typed


@dataclass(frozen=True)
class Command:
    """A command of a console block, and the pattern of what it says."""

    typed: str
    says: re.Pattern[str]


def pattern(says: str) -> re.Pattern[str]:
    """Return what matches a text in which `…` stands for anything, a line of it for any lines."""
    lines = (".*" if line == "…" else re.escape(line).replace("…", ".*") for line in says.splitlines())
    return re.compile("\n".join(lines), re.DOTALL)


def commands(block: Block) -> Iterator[Command]:
    """Return the commands of a console block."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        typed, _, says = part.partition("\n")
        yield Command(typed, pattern(says))


@pytest.fixture
def checkout(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder as after a clone: the demo, the files that the pages write, `bulk` on the path."""
    folder, path = stage.folder, stage.folder / "path"
    shutil.copytree(ROOT / "jobs", folder / "jobs", ignore=shutil.ignore_patterns("runs"))
    for block in blocks():
        if block.file:
            (folder / block.file).write_text(block.text)
    path.mkdir()
    (path / "bulk").write_text(f'#!/bin/sh\nexec {sys.executable} -m bulk "$@"\n')
    (path / "bulk").chmod(0o755)
    monkeypatch.setenv("PATH", f"{path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("BULK_RATE")
    fleet = ((SSH, "cn-north-4.db-a." + SSH, 22), (WEB, "cn-north-4." + WEB, 443))
    lines = [
        {"id": id_, "project_id": PROJECT, "service_name": name, "ports": [mapping(port, port)]}
        for id_, name, port in fleet
    ]
    stage.order(services=lines)
    return folder


def test_every_console_block_runs_as_it_stands(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command of it, in the order of the pages; what it says on stdout is what stands there."""
    has_jq, ran = shutil.which("jq"), 0
    for block in blocks():
        if block.mark != "console" or ("jq " in block.text and not has_jq):
            continue
        with monkeypatch.context() as environment:
            for name in ("BULK_ENDPOINT", "BULK_REGION", "BULK_PROJECT_ID"):
                if "jobs/demo" in block.text:
                    environment.delenv(name)
            all_said = _run(block, checkout)
        for said, command in zip(all_said, commands(block), strict=True):
            assert command.says.fullmatch(said.strip("\n")), f"$ {command.typed}\n{said}"
            ran += 1
    assert ran >= 12


def _run(block: Block, folder: Path) -> list[str]:
    """Run a block as one script and give what each of its commands says on stdout."""
    script = "echo @@@\n".join(f"{{ {command.typed}\n}} || exit\n" for command in commands(block))
    ended = subprocess.run(
        ["bash", "-c", script],  # noqa: S607
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert ended.returncode == 0, f"{block.text}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout.split("@@@\n")


def test_the_picture_is_what_the_demo_says(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first command of the README, on a terminal of 80 columns, within the first 40 lines."""
    for name in ("BULK_ENDPOINT", "BULK_REGION", "BULK_PROJECT_ID"):
        monkeypatch.delenv(name)
    (picture,) = (block.text for block in blocks() if block.mark == "text")
    assert README.index(picture) + len(picture) < len("".join(README.splitlines(keepends=True)[:40]))
    (said,) = _run(Block("console", "", "$ bulk apply jobs/demo --yes\n"), checkout)
    assert pattern(picture).fullmatch(said.strip("\n")), said


def test_the_readme_is_read_in_one_sitting() -> None:
    """What is looked up stands elsewhere."""
    assert len(README.splitlines()) < 300


def test_the_first_screen_is_the_two_commands_that_ci_knows() -> None:
    """The first installs and runs the demo; the second is the last line of `.ci/run`, quietly.

    The page for who changes the code names the tests by the same command.
    """
    first, second = [block.text.strip() for block in blocks() if "pip install" in block.text]
    assert first == "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/bulk apply jobs/demo --yes"
    ci = (ROOT / ".ci" / "run").read_text().splitlines()[-1]
    assert second == ci.replace(" --quiet", "")
    assert f"`{second.rpartition('&& ')[2]}`" in HOUSE
    assert README.index(second) < README.index("\n## ")


def test_the_commands_that_are_not_run_are_known_to_the_command_line() -> None:
    """Each `bulk VERB --flag` anywhere in the pages exists."""
    verbs = _commands()
    for verb, rest in re.findall(r"`bulk ([a-z]+)([^`]*)`", PAGES):
        assert verb in verbs, verb
        known = {flag for flag, having in _flags().items() if verb in having}
        for flag in re.findall(r"(?<!\S)--?[a-z][a-z-]*", rest):
            assert flag in known | {"--help"}, f"bulk {verb} {flag}"


# What is told


def _commands() -> dict[str, "typer.core.TyperCommand"]:
    group = typer.main.get_command(app)
    return dict(group.commands)


def _flags() -> dict[str, set[str]]:
    """Return every flag of the command line, with the verbs that have it."""
    found: dict[str, set[str]] = {}
    for verb, command in _commands().items():
        for parameter in command.params:
            for flag in (*parameter.opts, *parameter.secondary_opts):
                if flag.startswith("-"):
                    found.setdefault(flag, set()).add(verb)
    return found


def test_the_exit_codes_are_those_of_the_code() -> None:
    """Each once, in order, with the words of every reason to stop that exits so."""
    meanings = {int(code): meaning for code, meaning in table("Exit")}
    assert list(meanings) == [code.value for code in ExitCode]
    for reason in BrakeReason:
        if reason is not BrakeReason.FINISHED:
            assert reason.facts.words in meanings[reason.facts.exit_code], reason


def test_the_order_of_the_exit_codes_is_that_of_the_code() -> None:
    """First what ends the command itself, then the reasons to stop in their order, then what is left."""
    (told,) = re.findall(r"^Where several apply, the first of these counts: (.*?)\. ", README, re.MULTILINE)
    stops = [reason.facts.exit_code for reason in BrakeReason if reason is not BrakeReason.FINISHED]
    left = [ExitCode.IN_DOUBT, ExitCode.SOME_FAILED]
    expected = list(dict.fromkeys(map(int, [*stops, *left])))
    assert [int(code) for code in re.findall(r"\d+", told)] == [1, *expected]


def test_the_columns_are_those_of_a_job_file() -> None:
    """Each row has a column's name, form and meaning: the wide ones, and the three of the long CSV."""
    wide = [[f"`{name}`", column.form.takes, column.meaning] for name, column in COLUMNS.items()]
    long = [
        [f"`{name}`", column.takes, f"long CSV: {column.meaning}"] for name, column in MAPPING_COLUMNS.items()
    ]
    must_hold("Column", [*wide[:2], *long, *wide[2:]])


def test_the_keys_are_the_table_of_settings() -> None:
    """Each row word for word: the key, its flags, its default and what it means."""
    must_hold("Key", [_row(name, setting) for name, setting in SETTINGS.items()])


def test_the_keys_of_who_is_notified_are_those_of_the_table() -> None:
    """Those of `[notify.NAME]`, likewise."""
    rows = [_row(name, setting) for name, setting in settings_of(NotifySettings).items()]
    must_hold("Key of a table", [[key, default, meaning] for key, _, default, meaning in rows])


def test_the_metrics_are_those_that_a_run_has() -> None:
    """By name, with the labels that they have besides `job`, and no other."""
    lane = LaneStatus(
        host="h", region="r", account="a", rows=1, left=1, rate_per_s=1, limit=None, limit_per_s=None,
        why=None, noise=0, left_s=None,
    )  # fmt: skip
    wave = WaveStatus(number=1, of=2, name="3", rows=3, left=3, soak_ends_at=None)
    window = WindowStatus(window="w", is_open=True, left_s=1)
    at = "2026-01-15T08:30:00.000Z"
    run = RunStatus(
        at=at, state=State.FINISHED, exit_code=ExitCode.OK, reason="", ended_at=at, lanes=(lane,), wave=wave,
        window=window,
    )  # fmt: skip
    found = {f"{each.name}_total" if each.is_counter else each.name: each.labels for each in samples(run)}
    rows = {coded(name)[0]: coded(meaning)[:1] for name, meaning in table("Metric")}
    assert set(rows) == set(found)
    for name, (job, *labels) in found.items():
        assert job == "job"
        assert rows[name] == labels


def must_hold(heading: str, rows: list[list[str]]) -> None:
    """Fail unless the table has these rows in this order; name each line to be written or removed."""
    found = table(heading)
    missing = [f"write: | {' | '.join(row)} |" for row in rows if row not in found]
    superfluous = [f"remove: | {' | '.join(row)} |" for row in found if row not in rows]
    assert found == rows, "\n".join([f"the table {heading}:", *superfluous, *missing])


def _row(name: str, setting: Setting) -> list[str]:
    """Return the cells of a setting in jobs/README.md."""
    flags = [setting.short_flag, flag_of(name), f"--no-{flag_of(name)[2:]}" if _is_switch(setting) else ""]
    in_order = [f"`{flag}`" for flag in flags if flag and setting.has_flag]
    default = setting.default_text or _default(setting)
    return [f"`{name}`", ", ".join(in_order), default, f"{setting.help} {setting.details}".strip()]


def _is_switch(setting: Setting) -> bool:
    return setting.form.flag_type is bool


def _default(setting: Setting) -> str:
    """Return a default as job.toml would have it; nothing where nothing is written."""
    value = setting.form.written(setting.default)
    if not isinstance(setting.default, str | int | float | None) or not (value or _is_switch(setting)):
        return ""
    return f"`{value:g}`" if isinstance(value, float) else f"`{str(value).lower()}`"


def test_the_verbs_are_those_of_the_command_line() -> None:
    """In the order of `bulk --help`."""
    told = list(dict.fromkeys(coded(row[0])[0].split()[1] for row in table("Verb")))
    assert told == list(_commands())


def test_the_flags_are_those_of_the_command_line() -> None:
    """Settings stand in the table of job.toml; all others with the verbs that have them."""
    flags = _flags()
    settings = {flag for row in table("Key") for flag in coded(row[1])}
    others = {flag: set(coded(row[1])) for row in table("Flag") for flag in coded(row[0])}
    assert settings | set(others) == set(flags) - {"--help"}
    for flag, verbs in others.items():
        expected = {verb for verb in flags[flag] if flag in others}
        assert verbs == expected, flag


CONSENT = {"--yes", "--apply", "--new-run", "--despite", "--retry"}


def test_the_variable_of_a_flag_is_its_name_and_words_of_consent_have_none() -> None:
    """As jobs/README.md says: `BULK_` and the name; `BULK_EXPORT_` for what others mean otherwise."""
    own = {"export": {"--name", "--port", "--format", "--out"}, "schedule": {"--out"}, "worker": {"--serve"}}
    for verb, command in _commands().items():
        for parameter in command.params:
            *_, flag = parameter.opts
            begins = f"BULK_{verb.upper()}_" if flag in own.get(verb, ()) else "BULK_"
            if flag.startswith("--"):
                variable = begins + flag[2:].replace("-", "_").upper()
                assert parameter.envvar == (None if flag in CONSENT else variable), (verb, flag)


def test_the_members_of_the_status_are_those_of_its_value() -> None:
    """In the order in which they are written, and of each part of it every member is named."""
    rows = table("Member")
    told = [name for row in rows for name in coded(row[0])]
    members = [each.name for each in fields(RunStatus)]
    assert sorted(told) == sorted(["ledger", "by_summary", *members])
    for name, part in {
        "hold": HoldStatus,
        "window": WindowStatus,
        "budget": BudgetStatus,
        "wave": WaveStatus,
        "lanes": LaneStatus,
    }.items():
        [text] = [row[1] for row in rows if name in coded(row[0])]
        head = {name} if name in {"hold", "window"} else set()
        assert {each.name for each in fields(part)} - head == set(coded(text)) - head


def test_each_state_of_a_run_has_its_row() -> None:
    """With what `--check` exits with."""
    told = [state for row in table("State") for state in coded(row[0])]
    assert sorted(told) == sorted([*State, "none"])


def test_the_order_of_credentials_is_that_of_the_code() -> None:
    """Word for word the list at the head of `bulk/vpcep/credentials.py`."""
    listed = re.findall(r"^\d+\. .*$", JOBS, re.MULTILINE)
    documented = re.findall(r"^\d+\. .*$", credentials.__doc__ or "", re.MULTILINE)
    assert len(documented) == len(credentials.SEARCHES) + 2
    told = [line.replace(" (or a row)", "") for line in listed]
    assert all(line in told for line in documented)


def test_the_variables_are_those_that_the_code_reads() -> None:
    """Each one named is read somewhere, and each one of the credentials is named."""
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "bulk").rglob("*.py"))
    variables = {parameter.envvar for command in _commands().values() for parameter in command.params}
    named = set(re.findall(r"\b(?:BULK|HW|HUAWEICLOUD|HC|OS)_[A-Z_]*[A-Z]\b", FOR_USERS)) - variables
    prefixes = ("HUAWEICLOUD_SDK_REGION_VPCEP_", "BULK_SERVICE_HOST", "BULK_YES")
    for name in named:
        assert name in source or name.startswith(prefixes), name
    read = set()
    for path in Path(credentials.__file__).parent.glob("*.py"):
        read |= set(re.findall(r'"((?:HW|HUAWEICLOUD|HC|OS)_[A-Z_]*[A-Z])"', path.read_text()))
    assert read <= named | {"HUAWEICLOUD_SDK_REGION_VPCEP"}


def test_the_variables_that_are_refused_are_those_of_the_code() -> None:
    """Those of other tools, by name and by beginning."""
    named = {name for row in table("Variable of other tools") for name in coded(row[0])}
    refused = {*unhonoured.NAMES, *unhonoured.LAST_NAMES}
    refused |= {f"{prefix}..." for prefix in (*unhonoured.PREFIXES, *unhonoured.LAST_PREFIXES)}
    assert named == refused


def test_the_ledger_is_told_type_by_type_and_outcome_by_outcome() -> None:
    """Every type of record and every outcome, and no other."""
    types = {kind.type for kind in vars(records).values() if isinstance(kind, type) and hasattr(kind, "type")}
    assert {coded(row[0])[0] for row in table("Record (`type`)")} == types | {"change"}
    assert {coded(row[0])[0] for row in table("Outcome")} == {outcome.value for outcome in Outcome}


def test_the_sigils_are_those_of_the_reports() -> None:
    """Each with a meaning, and no other."""
    assert {coded(row[0])[0] for row in table("Sigil")} == set(Sigil)


def test_the_job_toml_of_the_pages_is_a_job(checkout: Path) -> None:
    """Every key of it is one."""
    (toml,) = (block for block in blocks() if block.file == "job.toml")
    job = read_job(toml.text.encode(), name="job.toml", flags={})
    assert isinstance(job, Job)
    assert job.name == "move-ssh"
    assert (checkout / "job.toml").is_file()


def test_links_lead_somewhere() -> None:
    """Each to a file, from where the page stands, and to a heading of it if one is named."""
    for page in (ROOT / "README.md", ROOT / "jobs" / "README.md", ROOT / "bulk" / "README.md"):
        links = re.findall(r"\]\(([^)#:]*)#?([^):]*)\)", page.read_text(encoding="utf-8"))
        assert links
        for file, heading in links:
            target = page.parent / file if file else page
            assert target.is_file(), (page, file)
            assert not heading or heading in _anchors(target), (page, file, heading)


def _anchors(page: Path) -> set[str]:
    """Return what a link can name of a page: its headings, as they stand in an address."""
    return {
        re.sub(r"[^a-z0-9 -]", "", heading.lower()).strip().replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    }
