"""Log lines on stderr: one event per ledger record, named after its type; never a secret."""

import re
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, assert_never

import structlog

from bulk.cli import output
from bulk.cli.options import LogForm
from bulk.ledger.file import OnRecord
from bulk.ledger.records import Json
from bulk.model import Change
from bulk.reports.remarks import remark
from bulk.reports.words import plain, text, wrapped
from bulk.text import moment, printable

SECRET_NAMES = re.compile(r"(?i)authorization|token|password|secret|^sk$|credential")
SECRET_TEXT = re.compile(r"(?i)(Signature=|X-Security-Token:|X-Auth-Token:|X-Subject-Token:)\s*[^\s,;\"']+")
LOUD = frozenset({"note", "pace", "decision", "session", "end"})
"""Record types logged without -v; the others come once per row."""
IN_WORDS = frozenset({"note", "pace", "decision", "session", "end"})
"""Record types that a person reads as a sentence; as JSON they have their fields."""


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide whatever is named like a secret or quotes one (structlog processor)."""
    for name, value in event.items():
        if SECRET_NAMES.search(name):
            event[name] = "***"
        elif isinstance(value, str):
            event[name] = SECRET_TEXT.sub(r"\1***", value)
    return event


def neutralise(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take out of every text what would steer a terminal (structlog processor); other values are quoted."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = printable(value)
    return event


def as_line(_: Any, __: str, event: MutableMapping[str, Any]) -> str:
    """Return a line for a person: the time, then a sentence, or what happened with its fields (processor).

    Its zone is this machine's. At a terminal the day is known, and nothing is broken inside a word.
    """
    at, what = event.pop("at"), event.pop("event")
    event.pop("level", None)
    message = event.pop("message", "")
    fields = " ".join(f"{name}={_value(value)}" for name, value in event.items())
    said = message or " ".join(filter(None, (f"{what:10}", fields)))
    if not sys.stderr.isatty():
        return f"{moment(at, output.zone())}  {said}"
    lines = wrapped(
        text(f"{moment(at, output.zone(), day=False)}  {said}"), output.width("stderr"), hang=_HANG
    )
    return "\n".join(map(plain, lines))


_HANG = 4


def _value(value: object) -> str:
    is_word = isinstance(value, str) and value and " " not in value
    return str(value) if is_word else printable(repr(value))


def configure(*, form: LogForm, verbose: bool, quiet: bool) -> OnRecord:
    """Set up logging for this process and return what logs a ledger record."""
    last: list[structlog.typing.Processor]
    match form:
        case LogForm.TEXT:
            last = [neutralise, as_line]
        case LogForm.JSON:
            last = [structlog.processors.JSONRenderer()]
        case _:
            assert_never(form)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            redact,
            *last,
        ],
        # Whatever stderr is when a line is logged, so that lines go above a live display.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )

    def log(record: Json, change: Callable[[int], Change]) -> None:
        kind = record["type"]
        if not quiet and (verbose or kind in LOUD):
            row = record.get("row")
            service = _service(change(row)) if row else {}
            if form is LogForm.TEXT and kind in IN_WORDS:
                where = f" ({service['service_id']}, {service['region']})" if service else ""
                structlog.get_logger().info(kind, message=f"{remark(record)}{where}")
            else:
                fields = {name: value for name, value in record.items() if name not in _NOT_LOGGED}
                structlog.get_logger().info(kind, **(fields | service))

    return log


def _service(change: Change) -> Json:
    """Return which service a row is about, so that a line can be read without the ledger."""
    target = change.target
    return {"service_id": change.service_id, "region": target.region, "project_id": target.project_id}


_NOT_LOGGED = frozenset({"type", "at", "sum", "before", "body", "settings", "options", "target"})
