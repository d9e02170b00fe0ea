"""The limits that earlier runs found, kept in the user's state directory: where the next search starts.

One small JSON file per account, region and kind, so that runs beside each other never overwrite what
another one learned. The account is only in the digest that names the file. Nothing here can fail a run: a
file that cannot be read, makes no sense or is not this user's own is as good as none, and one that cannot be
written is left out.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson

from bulk.errors import UsageError
from bulk.files.new_file import open_own, replace_file
from bulk.ledger.records import limit_of
from bulk.model import LaneName, Limit, RequestKind

AGE_S_MAX = 30 * 86_400.0
"""Older than this, a quota has probably been changed."""
_BYTES_MAX = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """A limit that an earlier run found."""

    limit: Limit
    age_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitOwner:
    """What shares one limit: a lane's requests of one kind."""

    lane: LaneName
    kind: RequestKind

    @property
    def digest(self) -> str:
        """Return a name for it that does not show the account: 32 hex digits."""
        whole = "\0".join((*self.lane, self.kind))
        return blake2b(whole.encode(), digest_size=16).hexdigest()


def state_folder(env: Mapping[str, str], home: Path) -> Path:
    """Return the folder of this program's state (XDG Base Directory Specification, `XDG_STATE_HOME`)."""
    named = Path(env.get("XDG_STATE_HOME", ""))
    return (named if named.is_absolute() else home / ".local" / "state") / "bulk"


class LearnedLimits:
    """The limits below one folder, which need not exist yet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "limits"

    def read(self, budget: LimitOwner, now: float) -> Learned | None:
        """Return the learned limits of a budget at the wall clock `now`, unless they are too old."""
        try:
            with os.fdopen(open_own(self._path(budget), os.O_RDONLY), "rb") as file:
                learned = _parsed(orjson.loads(file.read(_BYTES_MAX)), now)
        except (OSError, UsageError, ValueError, TypeError, KeyError, OverflowError):
            return None
        return learned if 0 <= learned.age_s <= AGE_S_MAX else None

    def write(self, budget: LimitOwner, limit: Limit, now: float) -> None:
        """Keep the limit of a budget, found at the wall clock `now`: whole or not at all."""
        text = orjson.dumps(
            {
                "region": budget.lane.region,
                "kind": budget.kind,
                **asdict(limit),
                "at": now,
            }
        )
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(self._path(budget), text)

    def _path(self, budget: LimitOwner) -> Path:
        return self._folder / f"{budget.digest}.json"


def _parsed(raw: Any, now: float) -> Learned:
    """Return the content of a file; raises ValueError, TypeError or KeyError where it makes no sense."""
    limit = limit_of(raw)
    if limit.requests < 1 or not 0 < limit.window_s <= AGE_S_MAX:
        raise ValueError(limit)
    return Learned(limit=limit, age_s=now - float(raw["at"]))
