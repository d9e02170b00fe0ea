"""The person at the terminal, who sees the plan, is asked, and sees the result."""

import shlex
import sys
from contextlib import AbstractContextManager
from pathlib import Path

from bulk.adapters.signals import raising_signals
from bulk.app.session import NOT_CONFIRMED, Applied, Watched
from bulk.cli import output, progress
from bulk.core.errors import ExitCode, UsageError
from bulk.core.reports import as_table
from bulk.core.reports.model import Report
from bulk.core.reports.stopped import ways_on
from bulk.core.text import counted, printable


class Terminal:
    """An operator who reads stdout and stderr and types."""

    def __init__(self, *, yes: bool, quiet: bool, can_ask: bool, dry_run: str, whole_plan: str) -> None:
        """Take `dry_run`, how to see the plan only, and `whole_plan`, the command that shows every row."""
        if not (yes or can_ask):
            raise UsageError(
                "nobody can be asked here (standard input is not a terminal); nothing was sent",
                hint=f"add --yes to go ahead, or {dry_run} to see the plan only",
            )
        self._whole_plan = whole_plan
        self._yes = yes
        self._quiet = quiet

    def show_plan(self, report: Report) -> None:
        """Show what would be done."""
        if not self._quiet:
            output.show(as_table.lines(report, more=self._whole_plan))

    def show_result(self, report: Report, ledger: Path) -> None:
        """Show how the run went."""
        output.show(as_table.lines(report, more=f"bulk report {shlex.quote(str(ledger))} --output csv"))

    def confirms(self, changes: int) -> bool:
        """Ask whether to do it; only `yes` is a yes."""
        if self._yes:
            return True
        return answer(f"Change {counted(changes, 'service')}? Only yes goes ahead: ").lower() == "yes"

    def watching(self, watched: Watched) -> AbstractContextManager[None]:
        """Show the run while the block runs."""
        return progress.shown(watched, quiet=self._quiet)

    def notify(self, message: str) -> None:
        """Write a message on stderr."""
        if not self._quiet:
            output.notify(message)

    def sum_up(self, applied: Applied) -> None:
        """Show why the run stopped and, where rows are left, the command that goes on."""
        kept = applied.ledger.exists()  # a plan that nobody confirmed is not
        if applied.message:
            output.notify(f"stopped: {applied.message}")
        for line in ways_on(applied.stops, shlex.quote(str(applied.ledger)), applied.endpoint.flag):
            output.notify(line)
        if applied.exit_code not in {ExitCode.OK, ExitCode.SOME_FAILED} and not applied.stops:
            resume = applied.endpoint.apply_command(applied.ledger) + " --yes" * self._yes
            output.notify(f"to continue: {resume if kept else 'run the same command again'}")
        if applied.exit_code is ExitCode.REFUSED:
            output.notify(
                "rows that moved stay drifted in this run; to plan them anew, apply the job with --new-run"
            )
        if kept:
            output.notify(f"ledger: {applied.ledger}")


def answer(question: str) -> str:
    """Return the line that is typed; a signal ends the waiting, of which the loop would only take note."""
    with raising_signals(NOT_CONFIRMED):  # first of all: Ctrl-C may come as soon as the question can be read
        if output.speaks_json():
            output.aside("question", message=question)
        else:
            sys.stderr.write(printable(question))
            sys.stderr.flush()
        return sys.stdin.readline().strip()
