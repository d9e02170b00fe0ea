"""Which wave each row of a run belongs to: a part of the rows that is sent, and judged, before the next.

No row is in an earlier wave than one that it waits for, and a cycle of swapped ports is in one wave: what is
waited for comes forward into the earlier wave.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import field
from itertools import repeat
from typing import NamedTuple, Self

from bulk.model import WAVES_MAX, Change, Target, value


@value
class WavePlan:
    """How the rows of a plan fall into waves.

    * names: what each wave is called besides its number: `10%`, `cn-north-4`
    * sizes: how many rows each of the first waves has; the rest is one more
    * of_target: or the rest goes by target: the number, from 1, of the wave of each
    * is_named: or the rest goes by the number that each row names; those that name none are last
    """

    names: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    of_target: Mapping[Target, int] = field(default_factory=dict)
    is_named: bool = False

    def name(self, wave: int) -> str:
        """Return what a wave is called besides its number; nothing where its number says all."""
        return self.names[wave - 1] if wave <= len(self.names) else ""


class Wave(NamedTuple):
    """A wave of a plan: number, name, how many rows it has, and which of them came forward into it."""

    number: int
    name: str
    rows: int
    forward: tuple[int, ...]


class WaveFacts(NamedTuple):
    """What the wave of a row depends on besides its target: what it waits for, and the wave that it names."""

    needed: Collection[int]
    named: int | None

    @classmethod
    def of(cls, change: Change) -> Self:
        """Return the facts of a change."""
        return cls((*change.after, *change.after_parked), change.update.wave)


class WaveStanding(NamedTuple):
    """A wave of a run: number, name, how many rows it has, and how many of them have not ended."""

    number: int
    name: str
    rows: int
    left: int


class Assigned(NamedTuple):
    """The number of the wave of each row, by row, 0 for those in none, and the rows that came forward."""

    of: "array[int]"
    forward: tuple[int, ...]


def assigned(
    plan: WavePlan,
    rows: Iterable[int],
    *,
    rows_max: int,
    target: Callable[[int], Target],
    facts: Callable[[int], WaveFacts],
    is_tied: bool,
    begun: Collection[int] = (),
    passed: Collection[int] = (),
) -> Assigned:
    """Return in which wave each of these rows is, which come in the order of the plan.

    `rows_max` is the highest row there is; `is_tied` is true where a row may wait for one behind it, which
    takes a look at each change. Rows that have `begun` go with the first wave that has not `passed`.
    """
    of = array("H", [0]) * (rows_max + 1)
    is_tied |= plan.is_named
    ordered = tuple(rows) if is_tied else rows
    numbers = (number for number, size in enumerate(plan.sizes, 1) for _ in repeat(None, size))
    for row in ordered:
        of[row] = next(numbers, 0) or len(plan.sizes) + _behind_sizes(plan, row, target, facts)
    if begun:
        due = min({*of} - {0, *passed}, default=0)
        for row in begun:
            of[row] = min(of[row], due)
    forward = set[int]()
    if is_tied:
        for row in ordered:
            forward.update(_brought_forward(of, row, facts))
    return Assigned(of, tuple(sorted(forward.difference(begun))))


def _behind_sizes(
    plan: WavePlan, row: int, target: Callable[[int], Target], facts: Callable[[int], WaveFacts]
) -> int:
    """Return the number, from 1, of the wave of a row behind those that go by size."""
    if plan.is_named:
        return facts(row).named or WAVES_MAX + 1
    return plan.of_target[target(row)] if plan.of_target else 1


def _brought_forward(of: "array[int]", row: int, facts: Callable[[int], WaveFacts]) -> Iterable[int]:
    """Have what a row waits for go in no later wave; yield the rows that came forward."""
    waiting = [row]
    while waiting:
        row = waiting.pop()
        for first in facts(row).needed:
            if of[first] > of[row]:
                of[first] = of[row]
                waiting.append(first)
                yield first


def listed_waves(plan: WavePlan, assigned: Assigned) -> tuple[Wave, ...]:
    """Return the waves that have a row, in their order."""
    counts, forward = Counter(assigned.of), defaultdict[int, list[int]](list)
    for row in assigned.forward:
        forward[assigned.of[row]].append(row)
    return tuple(
        Wave(wave, plan.name(wave), counts[wave], tuple(forward[wave])) for wave in sorted(counts) if wave
    )
