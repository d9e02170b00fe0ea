"""The time zone of this machine, with its changes of the clocks."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

from bulk.errors import UsageError
from bulk.operations.windows import NotReadable, read_zone

_NAME, _OFFSET = r"(?:<[A-Za-z0-9+-]{3,}>|[A-Za-z]{3,})", r"[+-]?\d{1,3}(?::\d{1,2}){0,2}"
_POSIX = re.compile(rf"{_NAME}{_OFFSET}(?:{_NAME}(?:{_OFFSET})?(?:,[^,]+,[^,]+)?)?")
"""A zone by its POSIX rules, such as `CET-1CEST,M3.5.0,M10.5.0/3`."""


class MachineZone(tzinfo):
    """The zone of the C library: that of `TZ`, else that of the machine."""

    def utcoffset(self, at: datetime | None) -> timedelta | None:
        """Return how far the clocks are ahead of UTC at a time that they show."""
        return at.replace(tzinfo=None).astimezone().utcoffset() if at else None

    def tzname(self, at: datetime | None) -> str | None:
        """Return what the zone is called then."""
        return at.replace(tzinfo=None).astimezone().tzname() if at else None

    def dst(self, _: datetime | None) -> None:
        """Return None: nobody needs to know which part of the offset is summer time."""

    def fromutc(self, at: datetime) -> datetime:
        """Return what the clocks show at a time in UTC."""
        moment = at.replace(tzinfo=UTC).timestamp()
        return datetime.fromtimestamp(moment).replace(tzinfo=self)  # noqa: DTZ006 - the machine's zone is meant


def shown_zone(env: Mapping[str, str]) -> tzinfo:
    """Return the zone in which a person reads times; UTC where `TZ` names none."""
    try:
        return local_zone(env)
    except UsageError:
        return UTC


def local_zone(env: Mapping[str, str]) -> tzinfo:
    """Return the zone in which local times are meant.

    Raises UsageError where `TZ` names no zone that is known here: the C library would silently take UTC.
    """
    name = env.get("TZ", "").removeprefix(":")
    if not name or _POSIX.fullmatch(name) or (name.startswith("/") and Path(name).is_file()):
        return MachineZone()
    try:
        return read_zone(name)
    except NotReadable as error:
        raise UsageError(f"TZ: {error}", hint=error.hint) from error
