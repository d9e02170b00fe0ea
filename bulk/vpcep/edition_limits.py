"""What rows ask that the edition of the cloud they go to does not take, as its documents have it."""

from collections.abc import Iterable, Iterator

from bulk.model import Change, ServiceUpdate, has_udp
from bulk.text import counted
from bulk.vpcep.editions import EDITIONS, HUAWEI_CLOUD, Edition

_USUAL = EDITIONS[HUAWEI_CLOUD]


def beyond_limits(edition: Edition | None, rows: Iterable[ServiceUpdate | Change]) -> Iterator[str]:
    """Yield a warning for each limit of an edition that rows are beyond: how many, and the first one's place.

    Only limits that are narrower than those of Huawei Cloud are looked at, which `check` knows; so most
    plans pass over their rows without a look. It warns and refuses nothing: documents may be behind the API.
    """
    if edition is None or _is_usual(edition):
        return
    udp, description = [], []
    for row in rows:
        update = row.update if isinstance(row, Change) else row
        if not edition.takes_udp and has_udp((*(row.body.ports or ()), *update.add_ports)):
            udp.append(update.place)
        if len(row.body.description or "") > edition.description_chars_max:
            description.append(update.place)
    if udp:
        yield f"{edition.name} takes TCP only, and {_asked(udp)} for UDP; it refuses them with EndPoint.3075"
    if description:
        limit = f"a description of at most {edition.description_chars_max} characters"
        yield f"{edition.name} takes {limit}, and {_asked(description)} for a longer one; it refuses them"


def _is_usual(edition: Edition) -> bool:
    return edition.takes_udp and edition.description_chars_max >= _USUAL.description_chars_max


def _asked(places: list[str]) -> str:
    asks = "asks" if len(places) == 1 else "ask"
    return f"{counted(len(places), 'row')} ({places[0]}{', …' * (len(places) > 1)}) {asks}"
