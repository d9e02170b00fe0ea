"""The command `bulk`: from words to a use case, from its end to an exit code."""

import errno
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated

import typer

from bulk import __version__
from bulk.cli import output, verbs
from bulk.cli.command import EPILOG, Verb, Verbs
from bulk.cli.options import LogForm
from bulk.cli.verbs.shared import show_issues
from bulk.cli.verbs.simulator import simulator
from bulk.errors import BulkError, ExitCode, Interrupted, JobInvalid, UnnamedHost, WindowClosed

HELP = """Change the port maps of many Huawei Cloud VPC endpoint services at once, safely.

Nothing changes without `apply` and a yes. The same command again continues a run that stopped.
"""

_LOG_FORMAT, _LOG_FORMAT_VARIABLE = "--log-format", "BULK_LOG_FORMAT"

app = typer.Typer(
    name="bulk",
    cls=Verbs,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # the help is plain text: rich would take it 80 ms longer
    epilog="Try it: bulk apply jobs/demo. Help of a verb: bulk VERB --help.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        output.write([f"bulk {__version__}\n"])
        raise typer.Exit


@app.callback(help=HELP)
def _options_before_the_verb(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Take the options that stand before the verb; `_show_version` acts on the only one."""


for phase, its_verbs in verbs.PHASES.items():
    for verb in its_verbs:
        needs_words = verb not in verbs.ANSWER_WITHOUT_WORDS
        app.command(cls=Verb, epilog=EPILOG, no_args_is_help=needs_words, rich_help_panel=phase)(verb)
# Its flags are the simulator's own to read.
app.command(
    cls=Verb,
    add_help_option=False,
    context_settings={"ignore_unknown_options": True},
    rich_help_panel="Practice",
)(simulator)


def speak(words: Sequence[str], *, json: bool) -> None:
    """Choose the form of the lines on stderr before anything is said."""
    output.speak(words, json=json)
    if json:
        from bulk.cli import logs

        logs.configure(form=LogForm.JSON, verbose=False, quiet=False)


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code; no traceback reaches the user."""
    words = sys.argv[1:] if argv is None else argv
    speak(words, json=_asks_for_json(words, os.environ))
    try:
        return int(app(argv, prog_name="bulk", standalone_mode=False) or ExitCode.OK)
    except (typer.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except Interrupted as signal:
        output.notify(str(signal))
        return signal.exit_code
    except Exception as error:  # noqa: BLE001 - the last line of defence
        return _explained(error, words)


def _asks_for_json(words: Sequence[str], env: Mapping[str, str]) -> bool:
    """Return whether log lines are to be JSON, as then a message about the words themselves has to be."""
    form = env.get(_LOG_FORMAT_VARIABLE, "")
    for word, following in pairwise([*words, ""]):
        flag, _, value = word.partition("=")
        if flag == _LOG_FORMAT:
            form = value or following
    return form == LogForm.JSON


def _explained(error: Exception, words: Sequence[str]) -> int:
    """Write on stderr what ended the command and what to do next; return its exit code."""
    match error:
        case typer.TyperException():
            if output.speaks_json():
                output.complain(str(error), "see bulk --help")
            else:
                error.show()  # type: ignore[attr-defined]  # its subclasses have it
            return ExitCode.USAGE
        case JobInvalid():
            show_issues(error.issues)
            return error.exit_code
        case UnnamedHost():
            command = shlex.join(["bulk", *words, "--endpoint", error.url])
            output.complain(error.message, f"if that is right: {command}")
            return error.exit_code
        case WindowClosed():
            output.complain(error.message, error.hint, opens_at=error.opens_at, closes_at=error.closes_at)
            return error.exit_code
        case BulkError():
            output.complain(error.message, error.hint)
            return error.exit_code
        case FileNotFoundError(filename=None):  # of `os.getcwd` alone
            output.complain("the folder that this command was begun in is gone", "change to one that exists")
            return ExitCode.CANNOT_RUN
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            is_full = error.errno in {errno.ENOSPC, errno.EDQUOT}
            hint = "free some space and repeat" if is_full else "check the path and its permissions"
            output.complain(f"{where}{error.strerror or error}", hint)
            return ExitCode.CANNOT_RUN
        case _ if os.environ.get("BULK_TRACEBACK"):
            raise error
        case _:
            output.complain(
                f"a bug in bulk: {type(error).__name__}: {error}",
                "what was recorded is safe; run it again with BULK_TRACEBACK=1 and report what it prints",
            )
            return ExitCode.CANNOT_RUN
