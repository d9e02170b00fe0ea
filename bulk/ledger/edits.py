"""What a person changed of a job's settings while a run of it is open, and what becomes of that.

A run keeps what its plan was approved with: where, and under which guards (`digest.py`). Another pace is
taken from the next session on. Two ways of writing one thing are no change, nor are two ways of saying one
figure: of 40 changes, `5%` are 2.
"""

from collections.abc import Collection
from typing import Any

from bulk.model import value
from bulk.plan.footprint import Footprint
from bulk.plan.guards import caps, failures_max, waves_in_figures
from bulk.settings import (
    SETTINGS,
    Job,
    SimulatorSettings,
    WhereSettings,
    WhileOpen,
    settings_of,
    values_of,
    with_values,
)

WHERE = frozenset(settings_of(WhereSettings)) | {"simulator"}
"""Settings that count only where they lead elsewhere: a row may name its own region, a host has two names."""


@value
class EditedSetting:
    """A setting that is not what it was."""

    setting: str
    now: str
    was: str

    def __str__(self) -> str:
        """Return `rate: 20/s, was auto`."""
        return f"{self.setting}: {self.now}, was {self.was}"


@value
class Edits:
    """The settings of a job that differ from those of its open run, and those with which it continues."""

    job: Job
    taken: tuple[EditedSetting, ...]
    refused: tuple[EditedSetting, ...]
    kept: frozenset[str]
    """Settings that differ and do not count: those that are refused, and those that lead nowhere else."""


def edits(
    asked: Job,
    in_force: Job,
    began: Job,
    footprint: Footprint,
    *,
    elsewhere: Collection[str],
    may_fail_more: bool,
) -> Edits:
    """Return what becomes of the settings that are asked for now.

    Those of `in_force` are the last session's; a job with those of the first one (`began`) changes
    nothing. `elsewhere` names the settings among `WHERE` that lead elsewhere, and `may_fail_more` is true
    where a person lifts a stop: they may allow more failures with the same word.
    """
    now, was, at_first = (_in_figures(job, footprint) for job in (asked, in_force, began))
    taken = [
        name
        for name, setting in SETTINGS.items()
        if setting.while_open is WhileOpen.TAKEN and now[name] != was[name]
    ]
    kept = [
        name
        for name, setting in SETTINGS.items()
        if setting.while_open is WhileOpen.REFUSED and now[name] not in (was[name], at_first[name])
    ]
    followed = {"endpoint"}.intersection(kept).difference(elsewhere)  # another name of the same host
    if may_fail_more and _is_more(now["max_failures"], was["max_failures"]):
        followed.add("max_failures")
    asked_values = values_of(asked)
    return Edits(
        job=with_values(in_force, {name: asked_values[name] for name in (*taken, *followed)}),
        taken=tuple(_edit(name, asked, in_force) for name in taken),
        refused=tuple(
            _edit(name, asked, in_force)
            for name in kept
            if name not in followed and (name in elsewhere or name not in WHERE)
        ),
        kept=frozenset(kept) - followed,
    )


def _in_figures(job: Job, footprint: Footprint) -> dict[str, Any]:
    """Return the values of settings, those of guards as what they come to for a plan."""
    figures: dict[str, Any] = caps(job.guards, footprint)
    figures["max_failures"] = failures_max(job.guards, footprint.changes)
    figures["canary"] = job.guards.canary or None
    figures["waves"] = waves_in_figures(job.guards, footprint.changes)
    return values_of(job) | figures


def _is_more(most: int | None, before: int | None) -> bool:
    return before is None or (most is not None and most > before)


def _edit(name: str, now: Job, was: Job) -> EditedSetting:
    return EditedSetting(setting=name, now=_text(name, now), was=_text(name, was))


def _text(name: str, job: Job) -> str:
    """Return a setting as a person would write it."""
    match values_of(job)[name]:
        case None | "":
            return SETTINGS[name].form.unset or "not set"
        case bool(value):
            return str(value).lower()
        case float(value):
            return f"{value:g}"
        case SimulatorSettings(fleet=value):
            return value
        case tuple(tables):  # those of [notify.NAME]
            return ", ".join(f"{name} ({table})" for name, table in tables) or "not set"
        case value:
            return str(value)
