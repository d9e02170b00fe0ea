"""What has become of each message that left: lines of a file beside the ledgers of its job.

A message is written down as it leaves, and what came of it when that is known. One of which nothing more is
known may have been lost: the next session of the job writes that into its ledger. Nothing here is secret.
"""

from collections.abc import Iterable
from typing import Any

import orjson

from bulk.model import value

SUFFIX = ".notices.jsonl"
UNKNOWN = "it is not known whether it arrived"


@value
class Sent:
    """A message that left, and why it did not arrive; without that, nothing more is known of it."""

    id: str
    at: str
    """UTC, as in a ledger."""
    to: str
    """The NAME of `[notify.NAME]`."""
    about: str
    """The events, as `person,end`."""
    why: str = UNKNOWN

    @property
    def has_failed(self) -> bool:
        """Return whether it is known that it did not arrive."""
        return self.why != UNKNOWN

    def __str__(self) -> str:
        """Return the words of a note."""
        return f"{self.to} was not notified ({self.about}, {self.at}): {self.why}"


def line(**members: Any) -> bytes:
    """Return a line of the file."""
    return orjson.dumps(members) + b"\n"


def lost(lines: Iterable[bytes]) -> dict[str, Sent]:
    """Return the messages that did not arrive, as far as is known, and are on record nowhere else, by id.

    A line that cannot be read is passed over: its writer was killed.
    """
    known: dict[str, Sent] = {}
    for each in lines:
        match _read(each):
            case {"id": str(id_), "at": str(at), "to": str(to), "about": str(about)}:
                known[id_] = Sent(id=id_, at=at, to=to, about=about)
            case {"id": str(id_), "failed": str(why)} if id_ in known:
                sent = known[id_]
                known[id_] = Sent(id=id_, at=sent.at, to=sent.to, about=sent.about, why=why)
            case {"id": str(id_)}:
                known.pop(id_, None)
            case _:
                pass
    return known


def _read(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except ValueError:
        return None
