"""A plan's snapshot as a fleet of the simulator, and what must have become of it."""

from dataclasses import replace

from bulk.ledger.records import Json
from bulk.model import Action, Change, Outcome, ServiceState, state_json
from bulk.plan.inverse import written


def practised(change: Change) -> Change:
    """Return the change as it can be rehearsed: without a profile, its service in the simulator's own forms.

    The simulator has one account; it shows no empty ids, and a service's name always in its stored form,
    while the API's examples show bare names as well (API.md, sections 1.1 and 1.2).
    """
    before = change.before and _stored(change.before, change.target.region)
    return replace(change, target=change.target._replace(profile=""), before=before)


def _stored(state: ServiceState, region: str) -> ServiceState:
    name = state.service_name
    if name is not None and "." not in name:
        name = f"{region}.{name}.{state.id}" if name else f"{region}.{state.id}"
    return replace(
        state,
        service_name=name,
        port_id=state.port_id or None,
        vip_port_id=state.vip_port_id or None,
        vpc_id=state.vpc_id or None,
        error=None,  # what was wrong is no matter of a rehearsal, and a fleet file has it in another form
    )


def fleet_line(change: Change) -> Json | None:
    """Return a practised change's service as a line of a fleet file; None where no run looks at it."""
    if change.before is None or change.action is Action.REFUSE:
        return None
    return state_json(change.before) | {"project_id": change.target.project_id}


def expected(change: Change, outcome: Outcome) -> ServiceState | None:
    """Return the service as a row that ended so must have left it; None where the outcome does not say.

    A service that somebody else changed meanwhile may be anything.
    """
    if outcome in {Outcome.DRIFTED, Outcome.CONFLICT, Outcome.IN_DOUBT}:
        return None
    return written(change) if outcome.facts.as_asked else change.before
