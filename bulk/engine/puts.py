"""The PUTs that one change may take: what is sent, what must be true before, what it comes to."""

from dataclasses import replace
from typing import assert_never

from bulk.core.ledger.records import Purpose
from bulk.core.model import Change, ModifyBody, ServiceState, noun


@noun
class Put:
    """One PUT of a change."""

    change: Change
    purpose: Purpose
    body: ModifyBody
    before: ServiceState | None
    """The service while this PUT has not been applied."""


def put_for(change: Change, purpose: Purpose) -> Put:
    """Give the PUT that serves a purpose of a change."""
    match purpose:
        case Purpose.CHANGE:
            return Put(change=change, purpose=purpose, body=change.body, before=before_last(change))
        case Purpose.PARK:
            body = change.parking or change.body
            return Put(change=change, purpose=purpose, body=body, before=change.before)
        case Purpose.RESTORE:
            ports = change.before.ports if change.before else None
            return Put(
                change=change, purpose=purpose, body=ModifyBody(ports=ports), before=before_last(change)
            )
        case _:
            assert_never(purpose)


def before_last(change: Change) -> ServiceState | None:
    """Give the service as the last PUT of a change finds it."""
    if change.before and change.parking and change.parking.ports is not None:
        return replace(change.before, ports=change.parking.ports)
    return change.before
