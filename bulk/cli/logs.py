"""Log lines on stderr: one event per ledger record, named after its type; never a secret."""

import re
import sys
from collections.abc import MutableMapping
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


def configure(*, form: str, verbosity: int, quiet: bool) -> None:
    """Set up logging for this process: `form` is text or json."""
    last: Any = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=False, pad_event_to=10)
    )
    level = "error" if quiet else "debug" if verbosity else "info"
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            redact,
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(Stderr()),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )


def told(record: dict[str, Any]) -> None:
    """Log one ledger record, under the name of its type."""
    kind = record["type"]
    said = {
        name: value for name, value in record.items() if name not in {"type", "at", "sum", "before", "body"}
    }
    log = structlog.get_logger()
    if kind in LOUD:
        log.info(kind, **said)
    else:
        log.debug(kind, **said)
