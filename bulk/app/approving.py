"""Whether what is about to be done is what was approved, by the digest that somebody keeps."""

from typing import TypeVar

from bulk.app.connections import Connections
from bulk.errors import Refused
from bulk.ledger.digest import PREFIX, digest_for, planned_terms, terms
from bulk.ledger.file import LedgerReader
from bulk.ledger.records import target_of
from bulk.settings import Job
from bulk.vpcep.client import ReadClient

C = TypeVar("C", bound=ReadClient)


def must_be_approved(digest: str, approved: str) -> None:
    """Raise Refused where the digest of a plan does not begin with the hex digits that were approved."""
    if not _is_approved(digest, approved):
        raise Refused(
            f"this plan ({digest}) is not the approved one ({approved}); nothing was sent",
            hint="review it with `bulk plan`, then name its digest",
        )


async def ledger_must_be_approved(
    reader: LedgerReader, approved: str, job: Job, connections: Connections[C]
) -> None:
    """Raise Refused where what is in a ledger, carried out as the job says, is not what was approved.

    The digest that the ledger states proves nothing. It is made anew from the changes, from the guards that
    are in force now, and from the hosts that would be asked.
    """
    if not approved:
        return
    run, changes = reader.progress.run, reader.progress.footprint.changes
    digest = digest_for(run)
    for row in reader.progress.order:
        digest.add(reader.change(row))
    hosts = await connections.hosts(map(target_of, run["targets"]))
    now, planned = terms(job, run, hosts, changes=changes), planned_terms(run, changes=changes)
    present = digest.under(now)
    if not _is_approved(present, approved) and _is_approved(digest.under(planned), approved):
        others = ", ".join(sorted(name for name in now | planned if now.get(name) != planned.get(name)))
        raise Refused(
            f"the plan was approved, but under other terms than those in force now ({others}); "
            "nothing was sent",
            hint=f"run it as it was planned, or have this digest approved: {present}",
        )
    must_be_approved(present, approved)


def _is_approved(digest: str, approved: str) -> bool:
    return digest.removeprefix(PREFIX).startswith(approved)
