"""Announcing what becomes of a command to those whom its job names: when, and in which words.

An announcer belongs to one `apply` or `rollback`. Nothing of it is on the way of a row: while a run is at
work it looks on once a second, and messages leave by processes of their own. Whatever becomes of them changes
neither the run nor its exit code.
"""

import asyncio
import os
import shlex
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from bulk.app.environment import Environment, RunAtWork
from bulk.app.jobs import Flags, settings_of_job, usable_job
from bulk.app.lacking import has_metrics
from bulk.app.ledgers import RunState, run_status_of, status_json
from bulk.app.metrics import EVERY_S as MEASURED_EVERY_S
from bulk.app.metrics import MetricsFile, of_failure
from bulk.app.notifying import Message, Notifier
from bulk.app.outbox_file import outbox_of
from bulk.app.session import NOT_CONFIRMED, Ending
from bulk.app.wave_plans import wave_standings
from bulk.errors import BulkError, CredentialsError, ExitCode, Interrupted, JobInvalid, UsageError
from bulk.ledger.chain import timestamp
from bulk.ledger.file import LedgerFile
from bulk.ledger.progress import Progress
from bulk.ledger.records import DecisionKind, Json, Note, Ruling
from bulk.ledger.stops import BrakeReason
from bulk.model import Hold
from bulk.operations.notices import Event
from bulk.pacing.describe import wait_text
from bulk.reports.notice import (
    NEEDS_PERSON,
    command_after,
    end_parts,
    needs_person,
    next_command,
    notice,
)
from bulk.reports.remarks import reasons_of
from bulk.reports.run_status import run_status
from bulk.reports.words import tallied
from bulk.settings import Job
from bulk.text import duration, moment

if TYPE_CHECKING:
    from bulk.plan.waves import WaveStanding

EVERY_S = 1.0
HOLD_S, PERSON_HOLD_S = 60.0, 600.0
"""How long a run waits for something before that is announced, and before somebody must act."""
_TOLD = frozenset({Hold.OPERATOR, Hold.JUDGE})
"""What a person may end by a word to the run: `bulk tell` shows what is in force or awaited."""
_NO_NEWS = frozenset({Hold.SOAK, Hold.JUDGE})
"""Holds that no person is called for: a soak is planned, and an unsure judge has an event of its own."""
FIT_EVERY_S, UNFIT_TIMES = 30.0, 3
"""How often it is asked whether the run will end within its window, and how often in a row it must not."""


class Announcer:
    """Announces what becomes of one command."""

    def __init__(self, verb: str, argument: str, flags: Flags, environment: Environment) -> None:
        """Take the words of the command: `apply`, its JOB or LEDGER, and its flags."""
        self._verb = verb
        self._argument = argument
        self._flags = flags
        self._environment = environment
        self._notifier: Notifier | None = None
        self._metrics: MetricsFile | None = None
        self._waves: tuple[WaveStanding, ...] = ()
        """The waves of the run, as they stood at the beginning of the session."""
        self._job: Job | None = None
        self._ledger: Path | None = None
        self._folder = Path()
        """Where the outbox is: beside the ledgers of the job."""
        self._progress = Progress()
        self._decided = -1
        """The number of the last decision that was announced."""
        self._is_accepted = True
        """Whether nobody has refused the credentials: too many bad signatures or passwords lock them."""
        self._unsure: set[int | None] = set()
        """The waves of which the judge was unsure."""

    # While a session is at work

    async def began(self, ledger: LedgerFile, job: Job) -> None:
        """Announce that a session began; note in its ledger which earlier messages did not arrive."""
        self._job, self._ledger, self._progress = job, ledger.path, ledger.progress
        self._folder = ledger.path.parent
        if job.metrics:
            self._waves = wave_standings(job.guards, ledger)
            self.measure()
        self._decided = max((each["n"] for each in ledger.progress.decisions), default=-1)
        if job.notify:
            with self.harmless():
                self._notifier = Notifier(job, outbox_of(self._folder, job.name), self._environment)
                for sent in self._notifier.lost():
                    ledger.append(Note(about="notify", message=str(sent)))
                await self._notifier.prepare()
                self.tell({Event.START}, "began", self.counts())

    def onlooker(self, run: RunAtWork) -> Callable[[], object]:
        """Return what is to be called twice a second while the run is at work."""
        is_wanted = self._notifier or (self._job and self._job.metrics)
        return Onlooker(self, run) if is_wanted else lambda: None

    def decisions(self) -> None:
        """Announce what was decided since this was asked last."""
        for record in self._progress.decisions:
            if record["n"] > self._decided:
                self._decided = record["n"]
                if record["what"] == DecisionKind.WAVE:
                    self._wave(record)

    def _wave(self, record: Json) -> None:
        wave, ruling, reason = record.get("wave"), record.get("ruling"), record["reason"]
        if ruling != Ruling.UNSURE:
            self.tell(
                {Event.WAVE}, f"wave {wave} {'passed' if ruling == Ruling.GO else 'was stopped'}", reason
            )
        elif wave not in self._unsure:
            self._unsure.add(wave)
            events = {Event.PERSON, Event.WAVE}
            self.tell(
                events, f"the judge is unsure of wave {wave}", reason, command=f"bulk tell {{}} go {wave}"
            )

    def counts(self) -> str:
        """Return how the rows of the run stand, in figures."""
        return tallied(self._progress.counts())

    def lost(self) -> Iterator[Note]:
        """Yield a note of each message of which it is now known that it did not arrive."""
        if self._notifier and self._notifier.outbox.has_grown():
            for sent in self._notifier.lost(only_failed=True):
                yield Note(about="notify", message=str(sent))

    def tell(self, events: set[Event], *parts: str, command: str = "bulk status {}") -> None:
        """Send a message about a run at work; `{}` in the command to type next stands for its ledger."""
        if self._notifier and self._job and self._ledger:
            status = self._status(alive=True)
            self._send(events, parts, command.format(shlex.quote(str(self._ledger.absolute()))), status)

    # At the end

    def ended(self, ending: Ending) -> None:
        """Announce how a session ended, or that nothing was to be done."""
        if ending.message != NOT_CONFIRMED:
            with self.harmless():
                self._ended(ending)

    def _ended(self, ending: Ending) -> None:
        code, progress, is_session = ending.exit_code, ending.progress, self._job is not None
        self.decisions()
        self._is_accepted = not (progress.ends and BrakeReason.ABORTED in reasons_of(progress.ends[-1]))
        events = {Event.PERSON} if needs_person(code, progress) else set()
        if is_session:
            events |= {Event.END, *({Event.WINDOW} if code is ExitCode.WINDOW_ENDED else ())}
        ledger = ending.ledger.absolute()
        resume = ending.endpoint.apply_command(ledger)
        command = next_command(code, progress, str(ledger), flag=ending.endpoint.flag, resume=resume)
        self._job, self._folder, self._progress = ending.job, ledger.parent, progress
        self._ledger = ledger
        self.measure(alive=False)
        status = self._status(alive=False)
        self._send(events, end_parts(code, progress, ending.message), command, status)

    def failed(self, code: ExitCode, message: str, *, is_accepted: bool = True) -> None:
        """Announce that the command could not do its work; with `is_accepted` its credentials are not why."""
        self._is_accepted = is_accepted
        if code is ExitCode.BUSY:  # the session at work announces how it goes
            return
        with self.harmless():
            if self._job is None:
                self._job, self._folder = usable_job(self._argument, self._flags)
            if self._job.metrics and has_metrics():
                metrics = self._metrics or MetricsFile(self._job, self._environment)
                metrics.write(of_failure(self._job, self._argument, code, message, self._environment))
            if code in NEEDS_PERSON:
                self._failed(self._job, code, message)

    def _failed(self, job: Job, code: ExitCode, message: str) -> None:
        path = Path(self._argument)
        named = str(path.absolute()) if path.exists() else self._argument
        command = command_after(code, self._verb, named)
        status: Json = {"ledger": None, "state": "none", "job": job.name, "exit_code": code.value}
        status["reason"] = message
        self._send({Event.PERSON}, (f"{message} (exit code {code.value})",), command, status)

    def close(self) -> None:
        """Return at once, or, where this process takes its children with it, once all messages have left."""
        if self._notifier and takes_all_along(os.getpid(), os.getppid(), self._environment.env):
            self._notifier.wait()

    def measure(self, *, alive: bool = True) -> None:
        """Write the metrics of the run, where its job wants them; which rows a wave has is not read again."""
        if (job := self._job) and job.metrics:
            with self.harmless():
                now = self._environment.shown_time()
                self._metrics = self._metrics or MetricsFile(job, self._environment)
                self._metrics.write(run_status(self._progress, job, now=now, alive=alive, waves=self._waves))

    def _status(self, *, alive: bool) -> Json:
        """Return what `bulk status --output json` would say now."""
        ledger = (self._ledger or Path()).absolute()
        found = RunState(progress=self._progress, alive=alive, by_summary=False, rolled_back_by=None)
        standing = run_status_of(ledger, found, self._environment.shown_time())
        return status_json(ledger, standing, by_summary=False)

    @contextmanager
    def harmless(self) -> Iterator[None]:
        """Let no mistake of our own in the block end a run, or change how a command ends."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - see above
            self._environment.notify(f"a bug in bulk: not notified: {type(error).__name__}: {error}")

    def _send(self, events: set[Event], parts: tuple[str, ...], command: str, status: Json) -> None:
        job = self._job
        if job is None or not job.notify or not events:
            return
        if self._notifier is None:
            self._notifier = Notifier(job, outbox_of(self._folder, job.name), self._environment)
            if self._is_accepted:
                asyncio.run(self._notifier.prepare())
        ticket = self._progress.ticket or job.ticket
        at = moment(timestamp(self._environment.clock.now()), self._environment.zone, day=False)
        about = {"job": job.name, "ticket": ticket, "host": socket.gethostname(), "at": at}
        text = notice(*parts, command=command, **about)
        message = Message(events=frozenset(events), text=text, status=status)
        self._notifier.notify(message, may_sign=self._is_accepted)


def _test_command(argument: str) -> str:
    """Return the command that sends a test message, for somebody in another folder."""
    return shlex.join(["bulk", "check", str(Path(argument).absolute()), "--notify"])


async def send_test_messages(argument: str, flags: Flags, environment: Environment) -> dict[str, str]:
    """Send a test message to all whom a job names; return why each was not taken, empty where it was.

    Raises UsageError where the job names nobody, and what reading it raises.
    """
    job = settings_of_job(argument, flags)
    if not job.notify:
        raise UsageError(
            f"{argument} names nobody to notify", hint="add a table [notify.NAME] to its job.toml"
        )
    words, command = "a test message", _test_command(argument)
    text = notice(words, command=command, job=job.name, ticket=job.ticket, host=socket.gethostname())
    status = {"ledger": None, "job": job.name, "exit_code": None, "reason": words}
    message = Message(events=frozenset(), text=text, status=status)
    return await Notifier(job, outbox_of(Path(), job.name), environment).test(message)


class Onlooker:
    """Looks on while a run is at work; it announces a hold, and an estimate that no longer fits, once."""

    def __init__(self, announcer: Announcer, run: RunAtWork) -> None:
        self._announcer = announcer
        self._run = run
        self._next_at = -inf
        self._fit_at = run.now() + FIT_EVERY_S
        self._measured_at = run.now()
        self._held: dict[tuple[str, Hold], tuple[float, frozenset[Event]]] = {}
        """Since when something is waited for (monotonic s), and what of it was announced."""
        self._did_fit = False
        self._unfit = 0
        if run.has_waited:
            announcer.tell({Event.WINDOW}, "the window has opened")

    def __call__(self) -> None:
        """Look on, once a second."""
        if (now := self._run.now()) >= self._next_at:
            self._next_at = now + EVERY_S
            with self._announcer.harmless():
                self._look(now)

    def _look(self, now: float) -> None:
        self._announcer.decisions()
        self._holds(now)
        self._fit(now)
        if now - self._measured_at >= MEASURED_EVERY_S:
            self._measured_at = now
            self._announcer.measure()
        for note in self._announcer.lost():
            self._run.append(note)

    def _holds(self, now: float) -> None:
        present = {(who, wait.hold): f"{who} wait for {wait_text(wait)}" for who, wait in self._run.waits()}
        self._held = {key: self._held.get(key, (now, frozenset())) for key in present}
        for key, (since, announced) in self._held.items():
            due = set[Event]()
            if now - since >= HOLD_S:
                due.add(Event.HOLD)
            if now - since >= PERSON_HOLD_S and key[1] not in _NO_NEWS:
                due.add(Event.PERSON)
            if new := due - announced:
                self._held[key] = since, announced | new
                command = "bulk tell {}" if key[1] in _TOLD else "bulk status {}"
                words = f"{present[key]}, for {duration(now - since)}"
                self._announcer.tell(new, words, self._announcer.counts(), command=command)

    def _fit(self, now: float) -> None:
        """Announce that a run which was to end within its window is not any more."""
        if now < self._fit_at:
            return
        self._fit_at = now + FIT_EVERY_S
        left_s, window_s = self._run.left_s(), self._run.window_left_s()
        if left_s <= window_s:
            self._did_fit, self._unfit = True, 0
        elif self._did_fit:
            self._unfit += 1
            if self._unfit == UNFIT_TIMES:
                words = f"it needs about {duration(left_s)} more, and may begin rows for {duration(window_s)}"
                self._announcer.tell({Event.PERSON}, words, self._announcer.counts())


@contextmanager
def announcing(announcer: Announcer) -> Iterator[None]:
    """Announce the error with which a command ends, and raise it again."""
    try:
        yield
    except JobInvalid as error:
        announcer.failed(error.exit_code, f"{error.message}; {error.issues[0]}")
        raise
    except BulkError as error:
        words, is_accepted = f"{error.message}; {error.hint}", not isinstance(error, CredentialsError)
        announcer.failed(error.exit_code, words.removesuffix("; "), is_accepted=is_accepted)
        raise
    except (KeyboardInterrupt, Interrupted):
        raise
    except Exception as error:
        announcer.failed(ExitCode.CANNOT_RUN, f"{type(error).__name__}: {error}")
        raise
    finally:
        announcer.close()


def takes_all_along(pid: int, parent: int, env: Mapping[str, str]) -> bool:
    """Return whether nothing that a process leaves behind survives it, by its id and that of its parent.

    It is all that a container runs, by itself or by a shell that is the first process there, as in the
    pods of `bulk schedule`; or it is the main process of a unit of systemd. What has lost its parent
    elsewhere counts as well.
    """
    return 1 in {pid, parent} or env.get("SYSTEMD_EXEC_PID") == str(pid)
