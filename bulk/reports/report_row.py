"""One row of a report: the change that was planned and what became of it."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from bulk.jobfile.columns import ColumnKind, names_of
from bulk.ledger.records import Json, Left, reply_of
from bulk.model import (
    DISPLAY_FIELDS,
    Action,
    Change,
    ModifyBody,
    Outcome,
    Ports,
    Reply,
    ServiceState,
    state_of,
)
from bulk.reports.kinds import losses
from bulk.reports.words import as_text

TEXTS = names_of(ColumnKind.TEXT)  # the free texts, such as a note, which every report gives back


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """A field of a service in two states, its values as text."""

    field: str
    before: str | None
    """None where the API does not show the field."""
    after: str

    @property
    def was(self) -> str:
        """Return the value before, or `?` where the API does not show it."""
        return "?" if self.before is None else self.before


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the job: what was planned and, after a run, how it ended."""

    change: Change
    outcome: Outcome | None = None
    """None while the plan has not been applied."""
    reply: Reply = field(default_factory=Reply)
    """The last reply; empty where nothing was sent."""
    attempts: int = 0
    """PUTs sent."""
    observed: ServiceState | None = None
    """The service as it was found, where that is not what was expected."""
    unconfirmed: tuple[str, ...] = ()
    """The fields asked for that no reply shows."""

    left: Left | None = None
    """How the outcome left the service, where it does not say so itself."""

    @property
    def result(self) -> Action | Outcome:
        """Return how the row ended or, before the run, what the plan decided."""
        return self.outcome or self.change.action

    @property
    def wrong(self) -> bool:
        """Return whether a person has to look at this row."""
        return self.result.facts.needs_person

    @property
    def expected_ports(self) -> Ports | None:
        """Return the map that the service should have now, and with it alone may be changed again; None: any.

        That of a row that ended as asked is the one that was asked for. A service in doubt has that or the
        former one, and is left alone or sent the row again.
        """
        change, asked = self.change, self.change.update
        before = change.before.ports if change.before else None
        if self.outcome is not None and self.outcome.facts.as_asked:
            return before if change.body.ports is None else change.body.ports
        if self.left is Left.PARKED and change.parking:
            return change.parking.ports
        return before if asked.expect_ports is None else asked.expect_ports

    @property
    def name(self) -> str:
        """Return the service's short name, as far as known."""
        return self.change.before.short_name if self.change.before else ""

    @property
    def texts(self) -> dict[str, str]:
        """Return the row's free texts, such as its note, by column."""
        return {name: getattr(self.change.update, name) for name in TEXTS}

    @property
    def why(self) -> str:
        """Return the reason for the row's end or, before the run, the plan's warning about it."""
        if self.outcome is Outcome.IN_DOUBT:
            return "a PUT was sent and its answer is unknown; the next session finds out by reading"
        if self.reply.encoded_authorization_message:
            return f"{self.reply.message}; `bulk why` says how to decode the reason"
        if self.unconfirmed:
            return f"no reply shows {' and '.join(self.unconfirmed)}: look whether it is as asked"
        is_as_asked = self.outcome is not None and self.outcome.facts.as_asked
        if is_as_asked:
            return self.reply.message
        bare = f"{self.reply.cause} without code and message" if self.reply.http and not self.code else ""
        return self.reply.message or bare or self.warning

    @property
    def warning(self) -> str:
        """Return why the row is refused, or what the plan warns of; before the run also who loses a port."""
        change = self.change
        loss = losses(change) if change.action is Action.UPDATE and self.outcome is None else ""
        return "; ".join(filter(None, (loss, change.reason)))

    @property
    def code(self) -> str:
        """Return the error code, where it adds something to the outcome."""
        return "" if self.reply.code == self.result.value else self.reply.code

    @property
    def turn(self) -> str:
        """Return the rows that it waits for, and the mappings that are out of service while it is parked."""
        change, gap = self.change, as_text(self.change.out_of_service)
        told_parts = (
            f"after row {_listed(change.after)}" if change.after else "",
            f"after row {_listed(change.after_parked)} is parked" if change.after_parked else "",
            f"parked first, so that {gap} is out of service until then" if change.parking else "",
        )
        return "; ".join(filter(None, told_parts))

    @property
    def settings(self) -> tuple[Contrast, ...]:
        """Return the fields besides `ports` that the PUT changes, or perhaps changes."""
        before, body = self.change.before, self.change.body
        if before is None:
            return ()
        unknown = (
            Contrast(field=f, before=None, after=as_text(getattr(body, f))) for f in before.unshown(body)
        )
        found = (Contrast(field=f, before=has, after=wanted) for f, has, wanted in _mismatches(before, body))
        return tuple(contrast for contrast in (*found, *unknown) if contrast.field != "ports")

    @property
    def moved(self) -> tuple[Contrast, ...]:
        """Return the fields found different: from the plan if the row drifted, else from what it asked."""
        before, found = self.change.before, self.observed
        if found is None:
            return ()
        if self.outcome is Outcome.DRIFTED and before:
            return tuple(
                Contrast(field=f, before=as_text(getattr(before, f)), after=as_text(getattr(found, f)))
                for f in before.differences(found, DISPLAY_FIELDS)
            )
        wrong = _mismatches(found, self.change.body)
        return tuple(Contrast(field=f, before=wanted, after=has) for f, has, wanted in wrong)


def _mismatches(state: ServiceState, body: ModifyBody) -> Iterator[tuple[str, str, str]]:
    """Return the fields in which a state is not as asked: name, what it has, what is wanted."""
    for name in state.mismatches(body):
        has = state.short_name if name == "service_name" else as_text(getattr(state, name))
        yield name, has, as_text(getattr(body, name))


def _listed(rows: tuple[int, ...]) -> str:
    return ", ".join(map(str, rows))


def row_of(change: Change, outcome: Outcome | None, ended: Json | None) -> Row:
    """Return a row from its change, its outcome (None before the run) and its `outcome` record, if any."""
    if ended is None:
        return Row(change=change, outcome=outcome)
    return Row(
        change=change,
        outcome=outcome,
        reply=reply_of(ended),
        attempts=ended["attempts"],
        observed=state_of(ended["observed"]) if "observed" in ended else None,
        unconfirmed=tuple(ended.get("unconfirmed", ())),
        left=Left.PARKED if ended.get("left") == Left.PARKED else None,
    )
