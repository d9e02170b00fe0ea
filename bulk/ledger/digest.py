"""The plan's digest: what will be done, where, and under which guards, and nothing else.

A reviewer approves a plan by its digest. It is SHA-256 over the terms of the plan as canonical JSON (compact,
UTF-8, keys sorted) and the SHA-256 of each change as canonical JSON, these in the order of their bytes, since
the order of the job file does not count. Port mappings are a set. What a change waits for is named by the
hashes of those changes, and one that waits adds a further hash.

Not covered are names, paths, places, notes and row numbers, the state of a service besides the fields that
its PUT names, and the pace.
"""

from array import array
from collections.abc import Collection, Iterable, Iterator
from hashlib import sha256
from typing import Protocol

import orjson

from bulk.errors import LedgerDamaged
from bulk.ledger.format2 import LineDigest
from bulk.ledger.records import FORMAT, Json, settings_of_run
from bulk.model import Change, ServiceId
from bulk.plan.guards import failures_max, waves_in_figures
from bulk.settings import Job, read_settings

PREFIX = "sha256:"
DIGITS, DIGITS_MIN = 64, 16
"""Hex digits of a digest, and those of its beginning by which a plan may be named."""
_BYTES = 32


def terms(job: Job, run: Json, hosts: Iterable[str], *, changes: int) -> Json:
    """Return where a plan is carried out and under which guards, as far as its digest covers it.

    `run` is its first record, `hosts` are those of the API for each of its targets, and `changes` are the
    services that it changes, since a share of failures is of them. A guard that is not used is left out, so
    that the guards of later versions leave the digests of today as they are.
    """
    endpoints = {
        (host, target["region"], target["project_id"])
        for host, target in zip(hosts, run["targets"], strict=True)
    }
    used = {
        "allow_parking": job.allow_parking or None,
        "canary": job.guards.canary or None,
        "endpoints": sorted(endpoints),
        "judge": str(job.guards.judge) if job.guards.judge else None,
        "judge_within": job.guards.judge_within.seconds if job.guards.judge else None,
        "limit": sorted(run["options"].get("limit", ())) or None,
        "max_failures": failures_max(job.guards, changes),
        "skip_invalid": job.skip_invalid or None,
        "soak": job.guards.soak.seconds if job.guards.soak else None,
        "strict": job.guards.strict or None,
        "waves": waves_in_figures(job.guards, changes),
        "blackout": str(job.when.blackout) if job.when.blackout else None,
        "window": str(job.when.window) if job.when.window else None,
    }
    return {name: value for name, value in used.items() if value is not None}


def planned_terms(run: Json, *, changes: int) -> Json:
    """Return the terms that a plan was made under; raise LedgerDamaged where its settings cannot be read."""
    job = read_settings(Job, settings_of_run(run), flags={})
    if not isinstance(job, Job):
        raise LedgerDamaged(
            f"line 1 has settings that cannot be read: {'; '.join(map(str, job))}",
            hint="the ledger was edited; restore it from a copy, or plan anew",
        )
    return terms(job, run, (target.get("host", "") for target in run["targets"]), changes=changes)


class Digest(Protocol):
    """Takes in the changes of a plan one by one, and returns their digest under any terms."""

    def add(self, change: Change) -> None:
        """Take in the next change."""
        ...

    def under(self, terms: Json) -> str:
        """Return the digest of the changes so far."""
        ...


def digest_for(run: Json) -> Digest:
    """Return what makes the digest of a plan of the format that its first record states."""
    return PlanDigest() if run["format"] >= FORMAT else LineDigest()


class PlanDigest:
    """The digest of a plan of format 3; about 40 bytes a row."""

    def __init__(self) -> None:
        self._hashes = bytearray()
        """The hash of each change, at row - 1."""
        self._rows = [array("I") for _ in range(256)]
        """The rows of each first byte of a hash: short lists are sorted in less memory than one."""
        self._waiting: list[tuple[int, tuple[int, ...], tuple[int, ...]]] = []
        """Rows that wait for others, the rows they wait for, and those whose parking they wait for."""

    def add(self, change: Change) -> None:
        """Take in the next change."""
        self.add_one_like(covered(change), change.row, change.service_id)
        if change.after or change.after_parked:
            self._waiting.append((change.row, change.after, change.after_parked))

    def add_one_like(self, like: bytes, row: int, service_id: ServiceId) -> None:
        """Take in the next change, which is like one of which `covered` returned `like`."""
        hashed = sha256(b"%b%b}" % (like, orjson.dumps(service_id))).digest()
        end = row * _BYTES
        if end > len(self._hashes):
            self._hashes.extend(bytes(end - len(self._hashes)))
        self._hashes[end - _BYTES : end] = hashed
        self._rows[hashed[0]].append(row)

    def under(self, terms: Json) -> str:
        """Return the digest of the changes so far."""
        total = sha256(_json(terms))
        for rows in self._rows:
            total.update(b"".join(sorted(map(self._hash_of, rows))))
        total.update(b"".join(sorted(self._dependencies())))
        return f"{PREFIX}{total.hexdigest()}"

    def _dependencies(self) -> Iterator[bytes]:
        for row, after, after_parked in self._waiting:
            waits = {
                "after": self._named(after),
                "after_parked": self._named(after_parked),
                "change": self._hash_of(row).hex(),
            }
            yield sha256(_json(waits)).digest()

    def _named(self, rows: Collection[int]) -> list[str]:
        return sorted(self._hash_of(row).hex() for row in set(rows))

    def _hash_of(self, row: int) -> bytes:
        return bytes(self._hashes[(row - 1) * _BYTES : row * _BYTES])


def covered(change: Change) -> bytes:
    """Return what the digest covers of a change as canonical JSON, up to the service_id, which is its end."""
    before, parking, asked = change.before, change.parking, change.body.given()
    content: Json = {
        "action": change.action._value_,
        "before": before and _canonical({name: getattr(before, name) for name in asked}),
        "body": _canonical(asked),
        "parking": parking and _canonical(parking.given()),
        "project_id": change.target.project_id,
        "region": change.target.region,
    }
    if change.update.wave is not None:
        content["wave"] = change.update.wave
    return b'%b,"service_id":' % _json(content)[:-1]


def _canonical(fields: Json) -> Json:
    """Return fields of a service, in place, as JSON; ports are a set."""
    if (ports := fields.get("ports")) is not None:
        fields["ports"] = [*map(tuple, sorted(set(ports)))]
    return fields


def _json(json: Json) -> bytes:
    return orjson.dumps(json, option=orjson.OPT_SORT_KEYS)
