"""Whether a plan may run, and whether a PUT did what was asked and nothing else."""

from dataclasses import dataclass

from bulk.model import SIDE_EFFECT_FIELDS, Issue, ModifyBody, ServiceState, SideEffect
from bulk.plan.footprint import Footprint
from bulk.settings import SEND_WITHIN_S, Guards, Job, flag_of
from bulk.text import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceededLimit:
    """A limit that a plan exceeds, and what to add to the command to allow it."""

    excess: str
    """What the plan would do, with its number: `the plan would remove 100 mappings`."""
    setting: str
    """The setting by its name in job.toml, since its value may come from there, a flag or a variable."""
    limit: int
    remedy: str

    def __str__(self) -> str:
        """Return the line that a person reads."""
        return f"{self.excess}, {self.setting} allows {self.limit or 'none'}; {self.remedy}"


def caps(guards: Guards, footprint: Footprint) -> dict[str, int | None]:
    """Return what a plan may do at most, in figures, by the settings that say so; None for no limit."""
    changes, removed = guards.max_changes, guards.max_removed
    return {
        "max_changes": changes.of(footprint.rows) if changes else None,
        "max_removed": removed.of(footprint.mappings) if removed else None,
        "max_consumers": guards.max_consumers,
        "strict": 0 if guards.strict else None,
    }


def findings(footprint: Footprint, guards: Guards) -> tuple[ExceededLimit, ...]:
    """Return every limit that a plan exceeds; empty where it may run."""
    most = caps(guards, footprint)
    measured = (
        ("max_changes", footprint.changes, "the plan would change", "service"),
        ("max_removed", footprint.removed, "the plan would remove", "mapping"),
        ("max_consumers", footprint.consumers, "the services to change have", "connected consumer"),
        ("strict", footprint.refused, "the plan refuses", "row"),
    )
    return tuple(
        ExceededLimit(
            excess=f"{what} {counted(number, noun)}",
            setting=setting,
            limit=limit,
            remedy=_STRICT_REMEDY if setting == "strict" else f"to allow it: {flag_of(setting)} {number}",
        )
        for setting, number, what, noun in measured
        if (limit := most[setting]) is not None and number > limit
    )


def guard_issues(job: Job) -> tuple[Issue, ...]:
    """Return an issue for each guard that would guard nothing, or that another one contradicts."""
    if job.guards.canary and job.guards.names_waves:
        message = 'it would renumber the waves that the rows name, as waves = "column" has it'
        hint = "leave canary out, and give the rows that go first wave 1"
        return (Issue(place="settings", field="canary", message=message, hint=hint),)
    spare = job.when.spare
    if job.where.via and job.when.window and spare and spare.seconds < SEND_WITHIN_S:
        message = (
            f"through a worker a PUT leaves up to {SEND_WITHIN_S:g} s after its turn: behind the window's end"
        )
        hint = f'write spare = "{SEND_WITHIN_S:g}s" or more, or leave it out'
        return (Issue(place="settings", field="spare", message=message, hint=hint),)
    idle = {
        "soak": bool(job.guards.soak) and not (job.guards.waves or job.guards.canary),
        "must_fit": job.when.must_fit and job.when.calendar is None,
    }
    return tuple(
        Issue(
            place="settings",
            field=setting,
            message=f"it does nothing without {needs}",
            hint=f"write {needs} as well, or leave {setting} out",
        )
        for setting, needs in (("soak", "waves"), ("must_fit", "a window"))
        if idle[setting]
    )


def failures_max(guards: Guards, changes: int) -> int | None:
    """Return how many of the changes may fail: a percentage is of them, and allows at least one."""
    share = guards.max_failures
    if share is None:
        return None
    return max(share.of(changes), 1) if share.is_percent and share.number else share.of(changes)


def waves_in_figures(guards: Guards, changes: int) -> list[int] | str | None:
    """Return the rows of each wave but the last, a percentage as at least one, or what the waves go by.

    None stands for no waves, or for a canary alone.
    """
    if guards.waves is None:
        return None
    return guards.waves.by or [max(share.of(changes), 1) for share in guards.waves.sizes]


_STRICT_REMEDY = "correct each, or add --no-strict to send the others"


def unexpected_differences(
    before: ServiceState, live: ServiceState, body: ModifyBody, allowed: frozenset[SideEffect] = frozenset()
) -> tuple[str, ...]:
    """Return the fields in which a service is not what a PUT with this body was to make of it.

    Side effects that a person `allowed` do not count.
    """
    broken = () if live.is_sound else ("status",)
    unasked = (effect.field for effect in side_effects(before, live, body) if effect not in allowed)
    return (*live.mismatches(body), *unasked, *broken)


def side_effects(before: ServiceState, after: ServiceState, body: ModifyBody) -> tuple[SideEffect, ...]:
    """Return what a PUT changed although its body does not name it.

    `after` is the service as the reply shows it. Names count by the part that a PUT may change, since replies
    give them with or without region and id (API.md, section 1.1).
    """
    return tuple(
        SideEffect(name, getattr(after, name))
        for name in before.differences(after, SIDE_EFFECT_FIELDS)
        if getattr(body, name, None) is None
        and not (name == "service_name" and before.short_name == after.short_name)
    )
