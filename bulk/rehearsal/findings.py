"""The result of a rehearsal."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bulk.errors import ExitCode
from bulk.model import Change, Outcome
from bulk.plan import Estimate
from bulk.plan.waves import Wave
from bulk.rehearsal.timetable import Timetable
from bulk.reports.timeline import Latency

ANSWER_S = (0.0, 0.1, 1.0)
"""How long an answer of the API is assumed to take: at best, as a rule, at worst."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What the rehearsed run took."""

    duration_s: float
    rate_per_s: float
    """The pace that limited it."""
    puts: int
    """PUTs that had to be brought to their end."""
    sent: int
    """PUTs sent, with those sent again."""
    lists: int
    """List requests: those of the first look and of the last look."""
    requests: int
    """Requests of every kind."""
    refusals: int
    """Requests that were throttled."""
    hold_s: float
    """How long a PUT had its worker on average."""
    latency: Latency | None
    faults: Mapping[str, int]
    """Faults that struck, by their kind."""
    gap_s: Mapping[int, float]
    """How long each parked row was out of order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What the real run would take with answers of `ANSWER_S`: at least, expected, at most."""

    rate_per_s: float
    at_least_s: float
    expected_s: float
    at_most_s: float
    gap_s: Mapping[int, float]
    """How long each parked row is expected to be out of order."""
    gap_s_max: Mapping[int, float]
    """The same with the slowest answers."""
    wave_ends_s: tuple[float, ...] = ()
    """After how long each wave is expected to end."""
    soaked_s: float = 0.0
    """How much of the time the waves are left alone, which a rehearsal does not wait for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedPromise:
    """A promise that was tested."""

    name: str
    held: bool | None
    """None where it could not be tested."""
    detail: str
    exit_code: ExitCode = ExitCode.OK
    """Exit code of the command that tried the promise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """A plan rehearsed."""

    job: str
    digest: str
    """Digest of the plan that was rehearsed."""
    counts: Mapping[Outcome, int]
    trial: Measurement
    limited: bool
    """The trial ran in real time against a limit; else as fast as it could."""
    prediction: Prediction
    waves: tuple[Wave, ...] = ()
    """The waves of the plan; none where all rows go together."""
    window: Estimate | None = None
    """What is known of the window in which the real run would begin; None without one."""
    parked: tuple[Change, ...]
    """Rows whose service is out of order for a while."""
    checks: tuple[TriedPromise, ...]

    @property
    def exit_code(self) -> ExitCode:
        """Return CANNOT_RUN where a promise was broken, else the first exit code that is not OK, if any."""
        if any(check.held is False for check in self.checks):
            return ExitCode.CANNOT_RUN
        return next((check.exit_code for check in self.checks if check.exit_code), ExitCode.OK)


def predicted(
    trial: Measurement, *, rate_per_s: float, timetable: Callable[[float, float], Timetable]
) -> Prediction:
    """Return the expected duration of the real run, as far as a trial on this machine can show.

    `timetable` returns the run on paper for a rate and for the seconds by which answers are slower than
    in the trial. What the trial took is the base: it has all waits in it, for limits, repeats and lost
    answers. Paper adds what the job's rate, where the trial had none, and slower answers cost. PUTs sent
    again take their share of the rate.
    """

    def on_paper(paced_per_s: float, answer_s: float) -> tuple[Timetable, float]:
        effective_per_s = paced_per_s * trial.puts / trial.sent if trial.sent else paced_per_s
        paper = timetable(effective_per_s, answer_s)
        return paper, paper.duration_s + trial.lists * max(1 / paced_per_s, answer_s)

    tried, trial_s = on_paper(trial.rate_per_s, 0.0)
    trial_s -= tried.soaked_s
    papers = [on_paper(rate_per_s, answer_s) for answer_s in ANSWER_S]
    at_least_s, expected_s, at_most_s = (trial.duration_s + total_s - trial_s for _, total_s in papers)
    paper, _ = papers[1]
    last_look_s = trial.lists / 2 * max(1 / rate_per_s, ANSWER_S[1])
    ends_s = (expected_s - last_look_s - (paper.duration_s - end_s) for end_s in paper.wave_ends_s)
    return Prediction(
        rate_per_s=rate_per_s,
        at_least_s=at_least_s,
        expected_s=expected_s,
        at_most_s=at_most_s,
        gap_s=paper.gap_s,
        gap_s_max=papers[2][0].gap_s,
        wave_ends_s=tuple(max(0.0, end_s) for end_s in ends_s) if len(paper.wave_ends_s) > 1 else (),
        soaked_s=paper.soaked_s,
    )
