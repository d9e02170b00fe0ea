"""The opening of a job's window that a session works in, with the spare at its end."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from bulk.errors import JobInvalid
from bulk.model import Issue
from bulk.operations.windows import Calendar, Opening
from bulk.settings import Job
from bulk.text import duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """An opening, and the time at its end in which nothing new begins."""

    opening: Opening
    spare_s: float

    @property
    def stops_at(self) -> float:
        """Return the first second (UTC) from which on nothing new begins."""
        return self.opening.closes_at - self.spare_s

    def is_open(self, now: float) -> bool:
        """Return whether a run may begin something at a moment."""
        return self.opening.opens_at <= now < self.stops_at


def next_shift(job: Job, local_time: Callable[[], datetime], *, pages: int = 1) -> Shift | None:
    """Return the opening of a job's window in which something may begin, now or next.

    None where none comes any more, or the job has no window. `local_time` returns the time with the machine's
    zone, and is asked where there is a window; `pages` is how long the last look is. Raises JobInvalid where
    a blackout leaves nothing of the window, or no opening is longer than its spare.
    """
    calendar = job.when.calendar
    if calendar is None:
        return None
    now, spare_s = local_time(), job.spare_s(pages)
    at, zone = now.timestamp(), now.tzinfo or UTC
    longest_s = 0.0
    for opening in calendar.openings(at, zone):
        shift = Shift(opening=opening, spare_s=spare_s)
        longest_s = max(longest_s, opening.length_s)
        if opening.length_s > spare_s and at < shift.stops_at:
            return shift
    if not longest_s and calendar.blackout and Calendar(window=calendar.window).next_opening(at, zone):
        why = f"it leaves nothing of the window {calendar.window}"
        hint = "leave some days out of it, or write another window"
        raise JobInvalid((Issue(place="settings", field="blackout", message=why, hint=hint),))
    if 0 < longest_s <= spare_s:
        raise JobInvalid((_too_short(longest_s, spare_s),))
    return None


def window_must_be_usable(job: Job) -> None:
    """Raise JobInvalid for a window that is never longer than its spare."""
    window, spare_s = job.when.window, job.spare_s(pages=1)
    if window and window.length_s <= spare_s:
        raise JobInvalid((_too_short(window.length_s, spare_s),))


def _too_short(length_s: float, spare_s: float) -> Issue:
    last, longest = duration(spare_s), duration(length_s)
    message = f"the last {last} are for finishing, and the window is open for {longest} at most"
    hint = 'write a longer window, or a shorter time, such as spare = "30s"'
    return Issue(place="settings", field="spare", message=message, hint=hint)
