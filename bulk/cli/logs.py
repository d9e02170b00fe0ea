"""Log lines on stderr: one event per ledger record, named after its type; never a secret."""

import re
import sys
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog

SECRET_NAMES = re.compile(r"(?i)authorization|token|password|secret|^sk$|credential")
SECRET_TEXT = re.compile(r"(?i)(Signature=|X-Security-Token:|X-Auth-Token:|X-Subject-Token:)\s*[^\s,;\"']+")
LOUD = frozenset({"note", "session", "end"})
"""Record types logged without -v; the others come once per row."""


class Stderr:
    """Whatever `sys.stderr` is at the moment, so that lines go above a live display."""

    def write(self, text: str) -> int:
        """Write to it."""
        return sys.stderr.write(text)

    def flush(self) -> None:
        """Flush it."""
        sys.stderr.flush()


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blot out whatever is named like a secret or quotes one (structlog processor)."""
    for name, value in event.items():
        if SECRET_NAMES.search(name):
            event[name] = "***"
        elif isinstance(value, str):
            event[name] = SECRET_TEXT.sub(r"\1***", value)
    return event


def configure(*, form: str, verbosity: int, quiet: bool) -> Callable[[dict[str, Any]], None]:
    """Set up logging for this process and give what logs a ledger record; `form` is text or json."""
    last: Any = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=False, pad_event_to=10)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            redact,
            last,
        ],
        logger_factory=structlog.PrintLoggerFactory(Stderr()),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )
    if quiet:
        return _untold
    return _told if verbosity else _told_if_loud


def _told(record: dict[str, Any]) -> None:
    """Log one ledger record, under the name of its type."""
    said = {name: value for name, value in record.items() if name not in _UNSAID}
    structlog.get_logger().info(record["type"], **said)


def _told_if_loud(record: dict[str, Any]) -> None:
    if record["type"] in LOUD:
        _told(record)


def _untold(_: dict[str, Any]) -> None:
    pass


_UNSAID = frozenset({"type", "at", "sum", "before", "body", "settings", "options"})
