"""The settings in force for a ledger: of its plan, over them those of its last session, then the flags."""

from dataclasses import asdict, replace

import pytest

from bulk.app.jobs import job_of_ledger
from bulk.app.ledgers import settle_s
from bulk.app.sources import ApiAddress
from bulk.errors import UsageError
from bulk.ledger.progress import Progress
from bulk.settings import SEND_WITHIN_S, Guards, Job, WhereSettings, settings_json

PLANNED = Job(rows="services.csv", where=WhereSettings(region="cn-north-4"))
SIMULATED = ApiAddress(url="simulator", seed="seed.jsonl", fleet="fleet.jsonl")


def ledger_of(endpoint: ApiAddress, *sessions: Job) -> Progress:
    """Return what a ledger adds up to that was planned for an endpoint, with the settings of its sessions."""
    progress = Progress()
    options = settings_json(PLANNED) | {"endpoint": asdict(endpoint), "limit": []}
    progress.run = {"job": "job", "options": options}
    progress.sessions = [{"settings": settings_json(session)} for session in sessions]
    progress.first_settings = progress.sessions[0]["settings"] if sessions else {}
    return progress


def test_a_limit_that_a_session_was_given_holds_in_the_next_one() -> None:
    """The printed way on names no flags; a run that was strict must not go on without it."""
    guarded = replace(PLANNED, guards=Guards(strict=True, canary=3))
    job, _ = job_of_ledger(ledger_of(ApiAddress(), PLANNED, guarded), {})
    assert job.guards == guarded.guards
    job, _ = job_of_ledger(ledger_of(ApiAddress(), guarded), {"strict": False})
    assert job.guards == Guards(strict=False, canary=3)


def test_what_a_run_was_approved_with_is_what_its_first_session_had() -> None:
    """Of a plan that never ran: what it was made with, and the flags."""
    guarded, allowed = (replace(PLANNED, guards=Guards(canary=canary)) for canary in (1, 2))
    assert job_of_ledger(ledger_of(ApiAddress(), guarded, allowed), {}, at_first=True)[0] == guarded
    assert job_of_ledger(ledger_of(ApiAddress()), {"canary": 2}, at_first=True)[0] == allowed


def test_what_follows_a_session_goes_where_that_session_went() -> None:
    """A rollback that asked another endpoint would find everything right already."""
    elsewhere = replace(PLANNED, where=replace(PLANNED.where, endpoint="http://127.0.0.1:9"))
    planned_for = ApiAddress(url="http://127.0.0.1:8")
    job, endpoint = job_of_ledger(ledger_of(planned_for, elsewhere), {})
    assert endpoint == ApiAddress(url="http://127.0.0.1:9")
    _, third = job_of_ledger(ledger_of(planned_for, elsewhere, job), {})
    assert third == endpoint
    assert job_of_ledger(ledger_of(planned_for), {})[1] == planned_for


def test_the_simulator_of_a_plan_keeps_its_fleet() -> None:
    """However it is named; a ledger of another endpoint has no fleet for it."""
    assert job_of_ledger(ledger_of(SIMULATED), {})[1] == SIMULATED
    assert job_of_ledger(ledger_of(SIMULATED, PLANNED), {"endpoint": "simulator"})[1] == SIMULATED
    with pytest.raises(UsageError, match="no fleet"):
        job_of_ledger(ledger_of(ApiAddress(url="http://127.0.0.1:8")), {"endpoint": "simulator"})


def test_a_member_of_the_endpoint_that_a_later_version_adds_is_passed_over() -> None:
    """As it is in every record."""
    ledger = ledger_of(SIMULATED)
    ledger.run["options"]["endpoint"]["account"] = "a"
    assert job_of_ledger(ledger, {})[1] == SIMULATED


THROUGH = replace(PLANNED, where=replace(PLANNED.where, via="tls://nats.example.com"))


@pytest.mark.parametrize(
    ("sessions", "job", "waits"),
    [
        ((), PLANNED, False),
        ((PLANNED, PLANNED), PLANNED, False),
        ((), THROUGH, True),
        ((THROUGH,), PLANNED, True),
        ((THROUGH, PLANNED, PLANNED), PLANNED, True),
        ((PLANNED, THROUGH, PLANNED), PLANNED, True),
        ((THROUGH, THROUGH), THROUGH, True),
    ],
)
def test_a_run_that_ever_went_through_workers_waits_longer_for_a_lost_request(
    sessions: tuple[Job, ...],
    job: Job,
    waits: bool,  # noqa: FBT001 - a case
) -> None:
    """One of an earlier session may still lie at a worker that was frozen; it is waited for once."""
    assert settle_s(job, ledger_of(ApiAddress(), *sessions)) == 2 + (SEND_WITHIN_S if waits else 0)
