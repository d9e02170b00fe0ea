"""Numbers and times as a person writes them, and foreign text as a terminal may show it."""

import re
from collections.abc import Sequence
from datetime import datetime, tzinfo

BYTE_ORDER_MARK = "\ufeff"
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)
"""What steers a terminal, reverses text, or is not seen at all."""
_BREAKS = re.compile("[\t\n\r\u2028\u2029]+")


def figure(number: int) -> str:
    """Return `12,345`."""
    return f"{number:,}"


def per_second(rate: float) -> str:
    """Return `2,000/s` or `16.7/s`: three digits, or all in front of the point."""
    return f"{rate:,.0f}/s" if rate >= 100 else f"{rate:.3g}/s"  # noqa: PLR2004 - three digits


def counted(number: int, noun: str) -> str:
    """Return `1 row` or `12,345 rows`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def duration(length_s: float) -> str:
    """Return a length of time as a person writes it: `0.4 s`, `26 s`, `4 min 10 s`, `2 h 05 min`."""
    if length_s < 10:  # noqa: PLR2004 - below ten seconds tenths matter
        return f"{length_s:.1f} s"
    minutes, seconds = divmod(round(length_s), 60)
    hours, minutes_left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes_left:02} min" if minutes_left else f"{hours} h"
    if minutes:
        return f"{minutes} min {seconds:02} s" if seconds else f"{minutes} min"
    return f"{seconds} s"


def listed(noun: str, numbers: Sequence[int]) -> str:
    """Return `row 3`, `rows 3, 7`, or the first ten and how many there are besides."""
    shown = ", ".join(map(str, numbers[:_LISTED_MAX]))
    more = f" and {len(numbers) - _LISTED_MAX:,} more" if len(numbers) > _LISTED_MAX else ""
    return f"{noun if len(numbers) == 1 else f'{noun}s'} {shown}{more}"


_LISTED_MAX = 10


def printable(foreign: str) -> str:
    """Return text from the API or the job on one line, without what steers a terminal or reverses text."""
    return harmless(_BREAKS.sub(" ", foreign))


def harmless(foreign: str) -> str:
    """Return text, which may have several lines, without what steers a terminal or reverses text."""
    return _INVISIBLE.sub("", foreign)


def _utc_and_local(at: str, zone: tzinfo) -> tuple[datetime, datetime]:
    utc = datetime.fromisoformat(at)
    try:
        return utc, utc.astimezone(zone)
    except OverflowError:  # at the end of all years
        return utc, utc


def moment(at: str, zone: tzinfo, *, seconds: bool = True, day: bool = True) -> str:
    """Return the time of a record as a person reads it: `2026-01-15 09:30:00 CET (08:30:00 UTC)`.

    In a zone that shows what UTC shows it is written once, as UTC; where UTC has another day, with that.
    Without `day` it is the time of a day that is known.
    """
    if not at:
        return "a time that is not known"
    form = "%H:%M:%S" if seconds else "%H:%M"
    date = "%Y-%m-%d " if day else ""
    utc, local = _utc_and_local(at, zone)
    if not local.utcoffset():
        return f"{utc:{date}{form}} UTC"
    utc_date = "" if utc.date() == local.date() else date
    return f"{local:{date}{form} %Z} ({utc:{utc_date}{form}} UTC)"


def weekday_moment(at: str, zone: tzinfo, *, year: int, seconds: bool = False) -> str:
    """Return a time as a change ticket has it: `Sat 28 Nov 01:00 CST (Fri 17:00 UTC)`.

    Another year than that of who reads it is shown, and the weekday of UTC where it is another one.
    """
    form = "%H:%M:%S" if seconds else "%H:%M"
    utc, local = _utc_and_local(at, zone)
    day = f"{DAYS[local.weekday()]} {local.day} {_MONTHS[local.month - 1]}"
    day += f" {local.year}" if local.year != year else ""
    if not local.utcoffset():
        return f"{day} {utc:{form}} UTC"
    utc_day = f"{DAYS[utc.weekday()]} " if utc.date() != local.date() else ""
    return f"{day} {local:{form} %Z} ({utc_day}{utc:{form}} UTC)"


# Not those of strftime, which are in the language of the machine.
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
