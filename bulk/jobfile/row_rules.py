"""The rules that span the fields of one row."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from bulk.jobfile.columns import ColumnKind, names_of
from bulk.jobfile.values import Problem

ASKING = frozenset(names_of(ColumnKind.BODY, ColumnKind.EDIT))
EXCLUSIVE = (("port_id", "ip"), ("vip_port_id", "ip"), ("ports", "add_ports"), ("ports", "remove_ports"))
"""The API refuses the first two (EndPoint.3052, EndPoint.3053); the others would contradict each other."""


@lru_cache(1_024)
def kind_of(columns: tuple[str, ...]) -> tuple[bool, bool]:
    """Return whether a row with values in these columns may break a rule, and whether it asks anything."""
    has = set(columns).issuperset
    return any(map(has, (*EXCLUSIVE, ("add_ports", "remove_ports")))), not ASKING.isdisjoint(columns)


def row_problems(values: dict[str, Any]) -> Iterator[tuple[str, Problem]]:
    """Return (column, problem) of each rule that the valid values of one row break together."""
    for one, other in EXCLUSIVE:
        if one in values and other in values:
            yield other, Problem(message=f"cannot be combined with {one}", hint="keep one of the two")
    if both := set(values.get("add_ports", ())) & set(values.get("remove_ports", ())):
        message = f"{min(both)} is in add_ports and in remove_ports"
        yield "remove_ports", Problem(message=message, hint="keep one of the two")
