"""The variables `BULK_…` of the environment: those that mean something are known, the others are named."""

from collections.abc import Iterable, Mapping
from typing import Any

from bulk.cli import output
from bulk.errors import UsageError

BEGIN = "BULK_"
_OTHERS = frozenset(
    {
        "BULK_TRACEBACK",
        "BULK_SIMULATOR_AK",
        "BULK_SIMULATOR_SK",
        "BULK_RUN",
        "BULK_WAVE",
        "BULK_NATS_CREDENTIALS",
    }
)
"""Variables that belong to no flag; `BULK_RUN` and `BULK_WAVE` are for the command that judges a wave."""
_FAMILIES = ("BULK_NOTIFY_", "BULK_SIMULATOR_")
"""Beginnings of variables whose names a person chooses, or that the simulator reads."""
_EDITS_MAX = 2


def must_be_known(env: Mapping[str, str], verbs: Iterable[Any]) -> None:
    """Raise UsageError for a variable that is nearly one of ours; name the others that have no effect.

    Such others need not be mistakes: Kubernetes puts BULK_PORT into pods beside a Service called bulk.
    """
    params = [param for verb in verbs for param in verb.params]
    known = _OTHERS | {param.envvar for param in params if param.envvar}
    spoken = {_variable(opt): opt for param in params if not param.envvar for opt in param.opts}
    for name in sorted(env):
        if not name.upper().startswith(BEGIN) or name in known or name.startswith(_FAMILIES):
            continue
        if opt := spoken.get(name):
            output.notify(f"{name} has no effect: {opt} has to be written on the command line")
        elif near := min((each for each in known if is_near(name, each)), default=""):
            raise UsageError(f"{name} means nothing to bulk", hint=f"did you mean {near}? Rename or unset it")
        else:
            output.notify(f"{name} means nothing to bulk and has no effect")


def _variable(opt: str) -> str:
    """Return the variable that an option without one would have; an argument has no dashes and gives none."""
    return BEGIN + opt[2:].replace("-", "_").upper() if opt.startswith("--") else ""


def is_near(name: str, known: str) -> bool:
    """Return whether a name is that of a known variable but for two letters, and not mostly another one."""
    mine, theirs = name.upper().removeprefix(BEGIN), known.removeprefix(BEGIN)
    longer = max(len(mine), len(theirs))
    return _within(mine, theirs, min(_EDITS_MAX, (longer - 1) // 2))


def _within(left: str, right: str, edits: int) -> bool:
    """Return whether so many edits make one text the other: a letter more, less, changed, or two swapped."""
    if abs(len(left) - len(right)) > edits:
        return False
    same = next((at for at, pair in enumerate(zip(left, right, strict=False)) if len({*pair}) > 1), None)
    if same is None:
        return True
    left, right = left[same:], right[same:]
    return edits > 0 and (
        _within(left[1:], right, edits - 1)
        or _within(left, right[1:], edits - 1)
        or _within(left[1:], right[1:], edits - 1)
        or (left[:2] == right[1::-1] and _within(left[2:], right[2:], edits - 1))
    )
