"""A ledger looked at closely: whether it keeps its promises, and the history of one service."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo
from itertools import takewhile
from pathlib import Path

import orjson

from bulk.app.ledgers import advice, reader_of
from bulk.errors import LedgerDamaged, UsageError
from bulk.ledger.chain import Chain
from bulk.ledger.file import records, steps
from bulk.ledger.progress import Progress
from bulk.ledger.promises import Promise
from bulk.ledger.proof import Audit, Breach, Proof
from bulk.ledger.records import Json
from bulk.model import is_service_id, state_of
from bulk.reports.history import story
from bulk.reports.id_prefix import service_meant
from bulk.reports.words import Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """What an audit found."""

    proofs: tuple[Proof, ...] = ()
    """Empty where a promise is broken."""
    breach: Breach | None = None
    torn_bytes: int = 0
    """Length of an unfinished last line, which is no part of the ledger (P5)."""


def audit_ledger(path: Path) -> Audited:
    """Prove a ledger, in one pass and without locking it.

    Raises UsageError where it cannot be read.
    """
    chain, audit = Chain(), Audit()
    breach = _first_breach(path, chain, audit) or audit.breach_at_end()
    if breach:
        return Audited(breach=breach)
    torn_bytes = path.stat().st_size - chain.size_bytes
    return Audited(proofs=tuple(audit.proofs()), torn_bytes=torn_bytes)


def _first_breach(path: Path, chain: Chain, audit: Audit) -> Breach | None:
    try:
        breaches = (audit.step(record, offset) for offset, record in records(path, chain))
        return next(filter(None, breaches), None)
    except LedgerDamaged as damaged:
        message = damaged.message.removeprefix(f"{path}: ")
        return Breach(promise=Promise.CHAIN, line=chain.n + 1, message=message)


def find_service(path: Path, given: str) -> str:
    """Return the id in a ledger that is meant by a service's name, by an id, or by the beginning of one.

    Raises LedgerDamaged, and UsageError with the nearest ids where there is no such service or there are
    several.
    """
    called: dict[str, str] = {}
    """The ids of the services of this name, and the places of their rows."""

    def ids() -> Iterator[str]:
        for change in _changes(path, whole=not is_service_id(given)):
            if _is_called(change, given) and len(called) <= _CALLED_SHOWN:
                called.setdefault(change["service_id"], change["place"])
            yield change["service_id"]

    meant = service_meant(given, ids())
    if len(called) > 1:
        shown = [f"{service_id} ({place})" for service_id, place in called.items()][:_CALLED_SHOWN]
        raise UsageError(
            f"{path}: several services are called {given!r}",
            hint=f"name one by its id: {', '.join(shown)}{' …' * (len(called) > _CALLED_SHOWN)}",
        )
    if called:
        return next(iter(called))
    if isinstance(meant, str):
        return meant
    hint = (
        f"did you mean {' or '.join(meant)}?"
        if meant
        else f"`bulk report {shlex.quote(str(path))} --output csv` lists all"
    )
    raise UsageError(f"{path}: {given!r} does not identify one of its services", hint=hint)


_CALLED_SHOWN = 8


def _changes(path: Path, *, whole: bool) -> Iterator[Json]:
    """Return the `change` records of a ledger's plan, or only their heads, without names."""
    plan = takewhile(lambda record: record["type"] != "planned", (r for _, r in records(path, whole=whole)))
    return (record for record in plan if record["type"] == "change")


def _is_called(change: Json, given: str) -> bool:
    """Return whether a service has this name, which may have the first digits of its id: `web@27bf`."""
    name, _, digits = given.partition("@")
    before = change.get("before") or {}
    if not name or name not in (before.get("service_name") or ""):  # as nearly all: the rest takes longer
        return False
    is_its_id = bool(change["service_id"].startswith(digits))
    return state_of(before).short_name == name and is_its_id


def story_of(path: Path, service_id: str, zone: tzinfo) -> tuple[Line, ...]:
    """Return a service's story line by line, its times in a zone; raises LedgerDamaged."""
    return tuple(story(_steps_of(path, service_id), service_id, advice=advice, zone=zone))


def records_of(path: Path, service_id: str) -> tuple[Json, ...]:
    """Return the records of a service's row as they are in the ledger; raises LedgerDamaged."""
    found: list[Json] = []
    for record in _steps_of(path, service_id):
        is_plan = not found and record["type"] == "change" and record["service_id"] == service_id
        if is_plan or (found and record.get("row") == found[0]["row"]):
            found.append(_shallow(path, record))
    return tuple(found)


def _steps_of(path: Path, service_id: str) -> Iterator[Json]:
    """Yield the records of a ledger, each once it was folded; `change` records only as heads.

    The `change` of this service is whole.
    """
    progress = Progress()
    with reader_of(path, progress) as reader:
        for record in steps(path, progress):
            is_its_own = record["type"] == "change" and record["service_id"] == service_id
            yield reader.change_json(record["row"]) if is_its_own else record


def _shallow(path: Path, record: Json) -> Json:
    """Return a record that can be written as JSON again; raise LedgerDamaged for one nested too deeply."""
    try:
        orjson.dumps(record)
    except orjson.JSONEncodeError as error:
        raise LedgerDamaged(f"{path}: line {record['n'] + 1} is nested too deeply") from error
    return record
