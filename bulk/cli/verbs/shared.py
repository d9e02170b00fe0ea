"""What several verbs share: words turned into values, and reports shown."""

import os
import re
import shlex
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, assert_never

from bulk.cli import output
from bulk.cli.command import FromVariable, place_of
from bulk.cli.options import flag
from bulk.errors import ExitCode, Refused, UsageError
from bulk.settings.forms import shown
from bulk.settings.job import Group, flag_of
from bulk.text import BYTE_ORDER_MARK, figure

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractContextManager

    from bulk.app.announcing import Announcer
    from bulk.app.environment import Environment
    from bulk.app.forecast import Forecast
    from bulk.app.jobs import JobFileSource
    from bulk.app.overruling import Despite
    from bulk.app.retrying import RetrySource
    from bulk.app.session import Ending
    from bulk.app.sources import ApiAddress, UnreadSource
    from bulk.cli.terminal import Terminal
    from bulk.jobfile import LineCount
    from bulk.model import Issue, ServiceUpdate
    from bulk.reports.report import Commands, Report


class ReportForm(StrEnum):
    """Forms of a report; `show_report` writes each."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MD = "md"
    HTML = "html"


ReportOutput = Annotated[
    ReportForm,
    flag("--output", group=Group.OUTPUT, metavar="|".join(ReportForm), help="Format of the report."),
]


def local_time() -> datetime:
    """Return the present time in this machine's zone."""
    from bulk.clock import SystemClock
    from bulk.settings.zone import local_zone

    return datetime.fromtimestamp(SystemClock().now(), local_zone(os.environ))


def environment(flags: "Mapping[str, Any]", *, can_ask: bool) -> "Environment":
    """Return the environment, with the person who gave the command and the address that they named."""
    from bulk.app.environment import system
    from bulk.cli import terminal

    return replace(
        system(),
        named_endpoint=flags.get("endpoint") or "",
        ask=terminal.answer if can_ask else lambda _: "",
        notify=output.notify,
    )


@contextmanager
def announced(verb: str, argument: str, flags: "Mapping[str, Any]", *, quiet: bool) -> "Iterator[Announcer]":
    """Yield what announces a command to those whom its job names, also where it ends with an error."""
    from bulk.app.announcing import Announcer, announcing

    here = environment(flags, can_ask=False)
    here = replace(here, notify=(lambda _: None) if quiet else here.notify)
    announcer = Announcer(verb, argument, flags, here)
    with announcing(announcer):
        yield announcer


def carried_out(
    use_case: "Coroutine[Any, Any, Ending]", operator: "Terminal", announcer: "Announcer"
) -> ExitCode:
    """Work on a run; show and announce what came of it, and return its exit code."""
    from bulk.cli import running

    applied = running.run(use_case)
    operator.sum_up(applied)
    announcer.ended(applied)
    return applied.exit_code


def ledger_of(run: str, *, must_be_sure: bool = False) -> Path:
    """Return the ledger that a RUN means, and name it on stderr where the RUN does not.

    Where a job has an open run, and a finished one that is later by its stamp, the open one is meant; with
    `must_be_sure` this is refused.
    """
    from bulk.app.finding import run_meant
    from bulk.clock import SystemClock

    path, *others = run_meant(run, SystemClock().now())
    if others and must_be_sure:
        named = " or ".join(f"`bulk rollback {shlex.quote(str(each))}`" for each in (path, *others))
        raise Refused(
            f"{path} is an open run of this job, and another one is later by its stamp; nothing was sent",
            hint=f"name the one that is meant: {named}",
        )
    if not run or path != Path(run):
        output.notify(f"run: {path}")
    for other in others:
        output.notify(f"another one: {other}")
    return path


def show_issues(issues: "tuple[Issue, ...]") -> None:
    """Show on stderr what is wrong with a job."""
    from bulk.reports import issues as issues_report

    if not output.speaks_json():
        output.show(issues_report.lines(issues, rows=0), to_stderr=True)
        return
    for issue in issues_report.as_json(issues, rows=0)["issues"]:
        output.aside("issue", **issue)


def notify_overruled(job: str, flags: Mapping[str, Any], *, quiet: bool) -> None:
    """Write that a variable sends a job elsewhere than its own file does, since nobody typed that now."""
    from bulk.app.finding import own_endpoint

    endpoint = flags.get("endpoint") or ""
    variable = place_of(endpoint, "")
    if quiet or not variable:
        return
    own = own_endpoint(job)
    if own not in {"", endpoint}:
        where = "the bundled simulator" if own == "simulator" else own
        output.notify(f"{variable} sends this job to {endpoint}, not to {where}, which the job itself names")


def notify_read(lines: "LineCount", *, rows: int) -> None:
    """Write on stderr how many lines were read and what they are, so that none is dropped silently."""
    if lines.read:
        output.notify(lines.summary(rows=rows))


def open_job(job: str, flags: Mapping[str, Any], *, limit: str | None, quiet: bool) -> "JobFileSource":
    """Read a job, and say on stderr what was read unless `quiet`."""
    from bulk.app import jobs

    source = jobs.open_job(job, flags, local_time, only=ids_of(limit))
    _notify_source(source, quiet=quiet)
    return source


def unread_job(
    job: str, flags: Mapping[str, Any], *, limit: str | None, quiet: bool
) -> "AbstractContextManager[UnreadSource[ServiceUpdate]]":
    """Open a job; once its rows are read, say on stderr what was read unless `quiet`."""
    from bulk.app import jobs

    on_read = partial(_notify_source, quiet=quiet)
    return jobs.unread_job(job, flags, only=ids_of(limit), on_read=on_read)


def rows_to_retry(
    run: str, flags: Mapping[str, Any], *, limit: str | None, quiet: bool
) -> "RetrySource | None":
    """Return the rows of a RUN that are to be tried again; None, and say so, where there are none."""
    from bulk.app import retrying

    path = ledger_of(run)
    source = retrying.rows_to_retry(path, flags, only=ids_of(limit))
    if source.updates:
        return source
    if not quiet:
        output.notify(f"nothing to do: {path} left no row failed, drifted, in conflict or blocked")
    return None


@contextmanager
def unread_retry(
    run: str, flags: Mapping[str, Any], *, limit: str | None, quiet: bool
) -> "Iterator[UnreadSource[ServiceUpdate] | None]":
    """Yield the rows of a RUN that are to be tried again; None where there are none."""
    source = rows_to_retry(run, flags, limit=limit, quiet=quiet)
    yield source.as_unread() if source else None


def _notify_source(source: "JobFileSource", *, quiet: bool) -> None:
    if quiet:
        return
    notify_read(source.lines, rows=source.rows_read)
    if source.only:
        taken = len(source.rows.updates) + len(source.rows.invalid)
        output.notify(f"--limit takes {figure(taken)} of them")


def ids_of(limit: str | None) -> frozenset[str]:
    """Read the value of `--limit`, ids or a file of ids; none where it is not given.

    One that names nothing is refused: an empty variable or file must not mean the whole fleet.
    """
    from bulk.app.jobs import read_ids_of

    if limit is None:
        return frozenset()
    if limit.startswith("@"):
        ids = read_ids_of(limit[1:], place=f"{place_of(limit, '--limit')} {limit}")
    else:
        ids = frozenset(part.strip().lower() for part in limit.split(",") if part.strip())
    if not ids:
        raise UsageError(
            f"{place_of(limit, '--limit')} {str(limit)!r} names no service",
            hint="name at least one, or leave it out",
        )
    return frozenset(FromVariable.of([*ids], place)) if (place := place_of(limit, "")) else ids


def digest_of(expected: str | None) -> str:
    """Read the value of `--expect-digest`: its hex digits, not one where it is not given.

    A few digits are refused, since too many plans begin with them; an empty variable must not pass as none.
    """
    if expected is None:
        return ""
    from bulk.ledger.digest import DIGITS, DIGITS_MIN, PREFIX

    digest = expected.strip().lower().removeprefix(PREFIX)
    if not re.fullmatch(f"[0-9a-f]{{{DIGITS_MIN},{DIGITS}}}", digest):
        what = f"{shown(expected)} is no digest" if digest else "is empty"
        raise UsageError(
            f"{place_of(expected, '--expect-digest')} {what}",
            hint=f"write the digest that was approved, or at least its first {DIGITS_MIN} hex digits",
        )
    return digest


def despite_of(words: Sequence[str] | None) -> "tuple[Despite, ...]":
    """Read the values of `--despite`."""
    from bulk.app.overruling import Despite

    found = []
    for word in words or ():
        stop, _, reason = (part.strip() for part in word.partition(":"))
        if not stop or not reason:
            raise UsageError(
                f"--despite {word!r} is not ID:REASON",
                hint="write the id of the stop as it was printed, a colon, and why it shall not count",
            )
        found.append(Despite(stop.lower(), reason))
    return tuple(found)


def again(job: str, *more: str, without: Collection[str] = ()) -> str:
    """Return the command that was given, with more words and `without` some flags.

    A job that is a pipe can be read only once.
    """
    is_pipe = not (Path(job).is_file() or Path(job).is_dir())
    words = ["FILE" if is_pipe and word == job else word for word in words_without(output.given(), without)]
    return shlex.join(["bulk", *words, *more]) + (", with the rows in a file" if is_pipe else "")


def must_be_alone(path: str, **words: Any) -> None:
    """Raise UsageError for words that only a job can have: a ledger is used as it is."""
    if given := [place_of(value, flag_of(word)) for word, value in words.items() if value]:
        raise UsageError(
            f"{path} is a ledger, which cannot be combined with {' and '.join(given)}",
            hint=f"leave out {' and '.join(given)}, or name the job",
        )


def show_report(report: "Report", form: ReportForm, *, bom: bool = False, each: bool = False) -> None:
    """Write a report to stdout; in a table every row has a line if `each` is true.

    A CSV begins with a byte order mark if `bom` is true.
    """
    match form:
        case ReportForm.TABLE:
            output.show_report(report, each=each)
        case ReportForm.JSON:
            from bulk.reports import as_json

            output.write(as_json.render(report))
        case ReportForm.CSV:
            from bulk.reports import as_csv

            output.write(chain([BYTE_ORDER_MARK] if bom else [], as_csv.render(report)))
        case ReportForm.MD:
            from bulk.reports import as_markdown

            output.write(as_markdown.render(replace(report, zone=output.zone())))
        case ReportForm.HTML:
            from bulk.reports import as_html

            output.write(as_html.render(replace(report, zone=output.zone())))
        case _:
            assert_never(form)


def showing(
    form: ReportForm,
    commands_of: "Callable[[Report], Commands]",
    *,
    bom: bool,
    each: bool,
    quiet: bool,
) -> "Callable[[Report], None]":
    """Return what writes a report with the commands that belong to it; with `quiet` no table."""

    def write(report: "Report") -> None:
        if not quiet or form is not ReportForm.TABLE:
            show_report(replace(report, commands=commands_of(report)), form, bom=bom, each=each)

    return write


def apply_command(verb: Sequence[str]) -> str:
    """Return the command that does what the one that was given has planned, as a shell takes it.

    `verb` is what stands in place of the verb that was given. What only concerns the output of a plan is left
    out, and so is a yes where somebody can be asked.
    """
    _, *words = output.given()
    without = _OF_A_PLAN | YES if sys.stdin.isatty() else _OF_A_PLAN
    return shlex.join(["bulk", *verb, *words_without(words, without)])


def words_without(words: Sequence[str], flags: Collection[str]) -> list[str]:
    """Return the words of a command without these flags and their values."""
    kept: list[str] = []
    skips = False
    for word in words:
        name, _, value = word.partition("=")
        letters = word[1:] if _IS_CLUSTER.fullmatch(word) else ""
        if skips:
            skips = False
        elif letters:
            left = "".join(letter for letter in letters if f"-{letter}" not in flags)
            kept += [f"-{left}"] if left else []
        elif name in flags:
            skips = not value and name not in _SWITCHES
        else:
            kept.append(word)
    return kept


YES = frozenset({"-y", "--yes"})
_IS_CLUSTER = re.compile("-[nqvy]+")
_OF_A_TABLE = frozenset(
    {"--all", "--bom", "--detailed-exitcode", "-q", "--quiet", "-v", "--verbose", "-n", "--dry-run"}
)
OF_A_RUN = YES | {"--apply", "--new-run", "--despite", "--ledger"}
"""Flags that a command which only shows a plan has no use for, or refuses."""
_SWITCHES = _OF_A_TABLE | YES | {"--apply", "--new-run"}
_OF_A_PLAN = _OF_A_TABLE | {"--apply", "--out", "--output", "--expect-digest", "--log-format"}


def conclude(planned: "Forecast", out: str, endpoint: "ApiAddress", *, quiet: bool) -> ExitCode:
    """Show what stands against applying a plan, and how to apply the one that was saved to `out`."""
    if out and not quiet:
        command = endpoint.apply_command(Path(out))
        way = "" if planned.findings else f"; to run exactly this plan: {command}"
        output.notify(f"the plan is saved{way}")
    for finding in planned.findings:
        output.complain(finding)
    return ExitCode.REFUSED if planned.findings else ExitCode.OK
