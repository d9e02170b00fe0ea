"""The error tree: everything that ends a command, each with its exit code and a hint.

    BulkError
    +-- UsageError            2  the command line asks for something that cannot be
    |   +-- NoRun                a job that has no run yet was named as a run
    +-- JobInvalid            3  the job file or job.toml has issues; nothing was sent
    +-- CannotRun             1  credentials, network, I/O
    |   +-- CredentialsError     no usable credentials, or the cloud does not accept them
    |   +-- FleetUnreadable      the live fleet could not be listed completely
    |       +-- PushedBack    5  the API asks to be left alone for longer than anybody waits
    |   +-- LedgerFailed         an append did not reach the disk: no further PUT may leave
    |   +-- LedgerDamaged        a line is missing, edited or out of order
    +-- Stopped               6  a limit or a person stopped the run for good
    +-- Refused               7  drift, another digest, a guard
    |   +-- UnnamedHost          credentials would go to a host that nobody named
    +-- LedgerBusy            8  another process works on this ledger
    +-- WindowClosed         10  the change window is not open

Expected failure of a single row is a value (`model.Verdict`), never an exception.
"""

from enum import IntEnum
from signal import SIGINT, Signals

from bulk.model import Issue
from bulk.text import counted


class ExitCode(IntEnum):
    """What a command's exit status means; a test compares the README's table with this."""

    OK = 0
    CANNOT_RUN = 1
    USAGE = 2
    INVALID = 3
    SOME_FAILED = 4
    STOPPED_EARLY = 5
    SAFETY_LIMIT = 6
    REFUSED = 7
    BUSY = 8
    WINDOW_ENDED = 10
    IN_DOUBT = 11
    INTERRUPTED = 130
    TERMINATED = 143


class BulkError(Exception):
    """The end of a command: what happened, and in `hint` what to do next."""

    exit_code = ExitCode.CANNOT_RUN

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(BulkError):
    """The command line asks for something that cannot be."""

    exit_code = ExitCode.USAGE


class NoRun(UsageError):
    """A job that has no run yet was named as a run."""


class JobInvalid(BulkError):
    """The job cannot be used; `issues` says why, all at once."""

    exit_code = ExitCode.INVALID

    def __init__(self, issues: tuple[Issue, ...]) -> None:
        problems = counted(len(issues), "issue")
        super().__init__(f"the job is invalid: {problems}; nothing was sent", hint="correct them and repeat")
        self.issues = issues


class CannotRun(BulkError):
    """Something outside the job is in the way: network, disk, a file."""


class CredentialsError(CannotRun):
    """There are no usable credentials, or the cloud does not accept them."""


class FleetUnreadable(CannotRun):
    """The live fleet could not be listed completely."""


class PushedBack(FleetUnreadable):
    """The API asks to be left alone for longer than anybody waits; the same command continues then."""

    exit_code = ExitCode.STOPPED_EARLY


class LedgerFailed(CannotRun):
    """An append did not reach the disk; no further PUT may leave."""


class LedgerDamaged(CannotRun):
    """A line of the ledger is missing, edited or out of order."""

    def __init__(
        self,
        message: str,
        *,
        hint: str = "the ledger was edited or damaged and is not used; restore it from a copy, or plan anew",
    ) -> None:
        super().__init__(message, hint=hint)


class Stopped(BulkError):
    """A limit or a person stopped the run, until a person says otherwise."""

    exit_code = ExitCode.SAFETY_LIMIT


class Refused(BulkError):
    """Drift, another digest or a guard stands against this run."""

    exit_code = ExitCode.REFUSED


class UnnamedHost(Refused):
    """Credentials would go to a host that nobody named for them."""

    def __init__(self, url: str) -> None:
        host = url.partition("://")[2]
        super().__init__(
            f"{host} would get the credentials, and is no host that bulk knows of the cloud that they are of",
            hint=f"if that is right, repeat the command with --endpoint {url}",
        )
        self.url = url


class LedgerBusy(BulkError):
    """Another process works on this ledger."""

    exit_code = ExitCode.BUSY


class WindowClosed(BulkError):
    """The change window is not open; nothing was sent.

    `opens_at` and `closes_at` are of its next opening (UTC, ISO 8601), empty where there is none.
    """

    exit_code = ExitCode.WINDOW_ENDED

    def __init__(self, message: str, *, hint: str = "", opens_at: str = "", closes_at: str = "") -> None:
        super().__init__(message, hint=hint)
        self.opens_at = opens_at
        self.closes_at = closes_at


class Interrupted(Exception):
    """A signal ended the command; what has to be cleaned up has been."""

    def __init__(
        self,
        number: Signals,
        meaning: str = "ended at once. What was recorded is kept; the same command continues from there",
    ) -> None:
        super().__init__(f"{number.name}: {meaning}")
        self.exit_code = ExitCode.INTERRUPTED if number == SIGINT else ExitCode.TERMINATED
        """The exit code that shells have for INT and TERM; HUP counts as TERM."""
