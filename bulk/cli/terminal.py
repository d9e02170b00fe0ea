"""The person at the terminal, who sees the plan, is asked, and sees the result."""

import os
import shlex
import sys
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from bulk.app.continuing import without_variables
from bulk.app.session import NOT_CONFIRMED, Ending
from bulk.app.signals import raising_signals
from bulk.app.watched import Watched
from bulk.cli import display as progress
from bulk.cli import output
from bulk.errors import ExitCode, UsageError
from bulk.reports.headline import says_all
from bulk.reports.report import Commands, Report
from bulk.reports.words import plain, text, wrapped
from bulk.text import printable


class Terminal:
    """An operator who reads stdout and stderr and types."""

    def __init__(
        self, *, yes: bool, quiet: bool, can_ask: bool, dry_run: str, each_row: str, each: bool = False
    ) -> None:
        """Take `dry_run`, how to see the plan only, and `each_row`, the command that shows every row."""
        if not (yes or can_ask):
            raise UsageError(
                "nobody can be asked here (standard input is not a terminal); nothing was sent",
                hint=f"add --yes to go ahead, or {dry_run} to see the plan only",
            )
        self.can_ask = can_ask and not yes
        """Whether somebody would answer a question, and wants to be asked."""
        self._each_row = each_row
        self._each = each
        self._yes = yes
        self._resume_flags = " --yes" if yes and not can_ask else ""
        self._quiet = quiet
        self._said_all = False
        """Whether the plan was one sentence, to which a run has nothing to add."""

    def show_plan(self, report: Report) -> None:
        """Show what would be done."""
        self._said_all = says_all(report)
        if not self._quiet:
            output.show_report(replace(report, commands=Commands(each=self._each_row)), each=self._each)

    def show_result(self, report: Report, ledger: Path) -> None:
        """Show how the run went."""
        if not self._quiet and not (self._said_all and report.progress.finished):
            rows = f"bulk report {shlex.quote(str(ledger))} --output csv"
            output.show_report(replace(report, commands=Commands(rows=rows)))

    def confirms(self, question: str) -> bool:
        """Ask whether to do it; only `yes` is a yes."""
        if self._yes:
            return True
        width = output.width("stderr")
        lines = [*map(plain, wrapped(text(question), width, hang=0))]
        rest = "Only yes goes ahead: "
        joint = " " if len(lines[-1]) + len(rest) < width else "\n"
        return answer("\n".join(lines) + joint + rest).lower() == "yes"

    def watching(self, watched: Watched) -> AbstractContextManager[None]:
        """Show the run while the block runs."""
        return progress.shown(watched, quiet=self._quiet)

    def notify(self, message: str) -> None:
        """Write a message on stderr."""
        if not self._quiet:
            output.notify(message)

    def sum_up(self, applied: Ending) -> None:
        """Show why the run stopped and what to do next; with `quiet` only the former."""
        kept = applied.ledger.exists()  # a plan that nobody confirmed is not
        if applied.message:
            is_run = applied.message != NOT_CONFIRMED
            ticket = f" (ticket {applied.ticket})" if applied.ticket else ""
            output.notify(f"stopped: {applied.message}{ticket}" if is_run else applied.message)
        if self._quiet:
            return
        for line in applied.ways_on:
            output.notify(line)
        goes_on = applied.exit_code not in {ExitCode.OK, ExitCode.SOME_FAILED, ExitCode.REFUSED}
        if goes_on and not applied.ways_on:
            unset = without_variables((), os.environ)
            resume = unset + applied.endpoint.apply_command(applied.ledger) + self._resume_flags
            ended = applied.exit_code is ExitCode.WINDOW_ENDED and applied.has_window
            when = ", in the next window or with another --window" if ended else ""
            output.notify(f"to continue{when}: {resume if kept else 'run the same command again'}")
        if applied.exit_code is ExitCode.REFUSED:
            output.notify(
                "rows that moved stay drifted in this run; to plan them anew, apply the job with --new-run"
            )
        if kept and applied.wrong and not applied.ways_on:
            only = ",".join(applied.wrong)
            ledger = shlex.quote(str(applied.ledger))
            output.notify(f"the rows that need a person: bulk report {ledger} --only {only} --output csv")
            if applied.may_retry:
                retry = f"bulk apply {ledger} --retry failed{applied.endpoint.flag}"
                output.notify(f"to try what failed again: {retry}")
        if kept:
            output.notify(f"ledger: {applied.ledger}")


def answer(question: str) -> str:
    """Return the line that is typed; a signal ends the waiting, of which the loop would only take note."""
    with raising_signals(NOT_CONFIRMED):  # first of all: Ctrl-C may come as soon as the question can be read
        if output.speaks_json():
            output.aside("question", message=question)
        else:
            sys.stderr.write("\n".join(map(printable, question.split("\n"))))
            sys.stderr.flush()
        return sys.stdin.readline().strip()
