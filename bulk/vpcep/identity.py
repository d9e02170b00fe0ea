"""Credentials that are renewed before they end, and the project that they are for."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from bulk.errors import BulkError, CannotRun, CredentialsError
from bulk.model import Abort, Reply, Retry
from bulk.pacing.backoff import backoff_s
from bulk.vpcep import iam
from bulk.vpcep.codes import NoReply, advice_for, refuses_key
from bulk.vpcep.exchanges import Renewal, Servers, named, renewal_of, role_key
from bulk.vpcep.found import Found
from bulk.vpcep.keys import KeyPair, Secret, Stamp, Token
from bulk.vpcep.logins import Agency, AssumedRole
from bulk.vpcep.regions import Endpoint
from bulk.vpcep.requests import REPLY_BYTES_MAX, list_projects
from bulk.vpcep.wire import Wire

RENEWED_AFTER = 0.8
"""The share of its life after which a secret is renewed (API.md, section 4.1)."""

RENEWAL_PAUSE_S = 30.0
"""How long the old secret serves on after a renewal that failed, before the next try."""

NAMES_S = 3.0
"""How long the names of projects are waited for; a plan is as good without them."""

TRIES = 6
"""Requests for one secret or look-up, with up to a quarter of a minute of waits between them."""

PATIENCE_S = 60.0
"""How long one secret or look-up may be asked for altogether: a run or a person waits for it."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginPatience:
    """What a repeated request needs: a stopwatch and a sleep, in seconds, and dice, from 0 to below 1."""

    monotonic: Callable[[], float]
    sleep: Callable[[float], Awaitable[object]]
    roll: Callable[[], float]


async def patiently(ask: Callable[[], Awaitable[T]], patience: LoginPatience, *, is_there: bool = True) -> T:
    """Ask until there is an answer worth having, `TRIES` times and `PATIENCE_S` at most.

    Without `is_there` it is not sure that anybody is there to answer: silence is an answer then.
    """
    began = patience.monotonic()
    for tries in range(1, TRIES):
        got = await ask()
        if not isinstance(got, Retry) or not (is_there or got.reply.http):
            return got
        wait_s = max(backoff_s(tries, patience.roll()), got.retry_after_s or 0.0)
        if got.shut_until or patience.monotonic() - began + wait_s > PATIENCE_S:
            return got
        await patience.sleep(wait_s)
    return await ask()


class Credential:
    """The secret in force for one target, renewed before it ends; one renewal serves all that wait."""

    def __init__(
        self,
        *,
        account: str,
        now: Callable[[], float],
        secret: Secret,
        renew: Renewal | None,
        patience: LoginPatience,
    ) -> None:
        self.account = account
        self.renewable = renew is not None
        self._now = now
        self._renew = renew
        self._patience = patience
        self._latest: Secret | Retry | Abort = secret
        self._flights = 0
        self._lock = asyncio.Lock()
        self._take(secret)

    def current(self, now: float) -> Secret | None:
        """Return the secret in force; None when it is due for renewal."""
        return self._secret if now < self._renew_at else None

    async def renewed(self, refused: Secret | None = None) -> Secret | Retry | Abort:
        """Return another secret than the one that was refused, or why there is none.

        A caller that comes during a renewal gets its result. A renewal that the cloud refuses is the
        last one: wrong passwords lock the account. Where the old secret is of no use any more, IAM is asked
        again while it is out of reach; else the old one serves on.
        """
        flight = self._flights
        async with self._lock:
            if refused is not None and refused is not self._secret:
                return self._secret
            if self._renew and flight == self._flights and not isinstance(self._latest, Abort):
                is_over = refused is not None or self._has_ended()
                ask = patiently(self._renew, self._patience) if is_over else self._renew()
                self._latest = self._weighed(await ask, refused)
                self._flights += 1
            return self._latest

    def _weighed(self, got: Secret | Retry | Abort, refused: Secret | None) -> Secret | Retry | Abort:
        """Put a new secret in force; where IAM is only out of reach, let the old one serve to its end."""
        if isinstance(got, Abort):
            return got
        if isinstance(got, Retry):
            if refused or self._has_ended():
                return _unreached(got)
            self._renew_at = self._now() + RENEWAL_PAUSE_S
            return self._secret
        self._take(got)
        return got

    def _has_ended(self) -> bool:
        end = self._secret.expires_at
        return end is not None and end <= self._now()

    def _take(self, secret: Secret) -> None:
        now = self._now()
        self._secret = secret
        self._renew_at = float("inf")
        if self._renew and secret.expires_at is not None:
            self._renew_at = now + RENEWED_AFTER * (secret.expires_at - now)


def _unreached(got: Retry) -> Retry:
    """Return what a failed renewal is to a request that needs the secret: it has not left."""
    message = f"the credentials cannot be renewed: {got.reply.words}"
    return Retry(reply=Reply(code=NoReply.NOT_RENEWED, message=message))


async def open_credential(
    found: Found, *, wire: Wire, servers: Servers, patience: LoginPatience
) -> Credential:
    """Return a credential that has its first secret.

    Tokens are for the project of `servers`. Raises CredentialsError where the cloud does not accept what was
    found, where there is nothing, or where nobody is known to exchange it; CannotRun where IAM cannot be
    reached.
    """
    wire.echoes.add(*found.source.confidential)
    renew = await _renewal(found, wire, servers, patience)
    if isinstance(renew, KeyPair | Token):
        first: Secret | Retry | Abort = renew
    else:
        first = await patiently(renew, patience, is_there=not isinstance(found.source, Agency))
    if isinstance(first, Retry | Abort):
        raise _unusable(found, first)
    return Credential(
        account=found.account,
        now=wire.clock.now,
        secret=first,
        renew=None if isinstance(renew, KeyPair | Token) else renew,
        patience=patience,
    )


async def _renewal(found: Found, wire: Wire, servers: Servers, patience: LoginPatience) -> Secret | Renewal:
    """Return the exchange of what was found, or the secret that it is."""
    source = found.source
    if isinstance(source, KeyPair | Token):
        return source
    if not isinstance(source, AssumedRole):
        return renewal_of(source, wire, servers)
    assume = role_key(wire, servers, source.role)
    base = await open_credential(
        replace(found, source=source.base), wire=wire, servers=servers, patience=patience
    )

    async def renew() -> Secret | Retry | Abort:
        secret = base.current(wire.clock.now()) or await base.renewed()
        if isinstance(secret, Retry | Abort):
            return secret
        got = await assume(secret)
        if base.renewable and isinstance(got, Abort) and refuses_key(got.reply):  # it ended before its time
            again = await base.renewed(refused=secret)
            return again if isinstance(again, Retry | Abort) else await assume(again)
        return got

    return renew


async def find_project(
    credential: Credential,
    *,
    wire: Wire,
    iam_endpoint: Endpoint | None,
    region: str,
    patience: LoginPatience,
    unplaced: str = "",
    name: str = "",
) -> iam.Project:
    """Return the project of a region that has this name, or the region's own (API.md, section 4.3).

    `unplaced` is the id of a project whose region is not known: where it is in this one, it is the
    answer. Raises CredentialsError where there is none, where there are several, or where IAM does not
    accept the credentials; CannotRun where it cannot be reached.
    """
    asked = "" if unplaced else name or region
    got = await every_project(credential, wire=wire, iam_endpoint=iam_endpoint, patience=patience, name=asked)
    if unplaced:
        got = _of_region(got, region, unplaced)
    if len(got) == 1:
        return got[0]
    raise CredentialsError(
        f"region {region} has {len(got) or 'no'} projects for these credentials"
        + ": " * bool(got)
        + ", ".join(f"{project.name} ({project.id})" for project in got),
        hint="name one with --project-id"
        if got
        else "check the region and the account, or name a project with --project-id",
    )


async def every_project(
    credential: Credential,
    *,
    wire: Wire,
    iam_endpoint: Endpoint | None,
    patience: LoginPatience,
    name: str = "",
) -> tuple[iam.Project, ...]:
    """Return the projects that IAM lists for these credentials, or those of one name (API.md, section 4.3).

    Raises CredentialsError where IAM does not accept them or is not known, CannotRun where it cannot be
    reached.
    """
    iam_known = named(iam_endpoint, "a project that is looked up", "name the project with --project-id; or ")
    secret = credential.current(wire.clock.now()) or await credential.renewed()
    got = (
        secret
        if isinstance(secret, Retry | Abort)
        else await patiently(partial(_projects, secret, wire, iam_known, name), patience)
    )
    if isinstance(got, Retry | Abort):
        region = name.partition("_")[0]
        what = f"look up the project of region {region}" if name else "list the projects"
        raise _no_answer(f"cannot {what}", got)
    return got


async def visible_projects(
    credential: Credential, wire: Wire, iam_endpoint: Endpoint | None
) -> tuple[iam.Project, ...]:
    """Return the projects that IAM lists for these credentials, to name them to a person.

    Nothing depends on it: there are none where IAM is not known, refuses, or does not answer at once.
    """
    secret = credential.current(wire.clock.now())
    if iam_endpoint is None or secret is None:
        return ()
    try:
        async with asyncio.timeout(NAMES_S):
            got = await _projects(secret, wire, iam_endpoint, "")
    except TimeoutError:
        return ()
    return () if isinstance(got, Retry | Abort) else got


def _of_region(every: tuple[iam.Project, ...], region: str, unplaced: str) -> tuple[iam.Project, ...]:
    """Return the unplaced project where it is in the region, else those that are named like the region."""
    known = next((project for project in every if project.id == unplaced), None)
    if known is None:
        raise CredentialsError(
            f"the job has several regions, project {unplaced} of the variable or profile is of one of them "
            "only, and IAM does not list it, so that it is not known of which",
            hint="add a column `project_id`, or take the project out of the variable or profile",
        )
    return (known,) if known.region == region else tuple(one for one in every if one.name == region)


async def _projects(
    secret: Secret, wire: Wire, iam_endpoint: Endpoint, name: str
) -> tuple[iam.Project, ...] | Retry | Abort:
    stamp = Stamp(secret, {"Host": iam_endpoint.authority})
    request = list_projects(name)
    return iam.projects(
        await wire.exchange(
            request,
            wire.route(iam_endpoint),
            stamp.headers(request, wire.clock.now()),
            body_bytes_max=REPLY_BYTES_MAX,
        )
    )


def _unusable(found: Found, verdict: Retry | Abort) -> BulkError:
    if isinstance(found.source, Agency):
        return CredentialsError(
            f"no credentials found in {found.place}",
            hint="set HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK, or name a profile with --profile",
        )
    return _no_answer(f"the credentials in {found.place} give no token or key", verdict)


def _no_answer(what: str, verdict: Retry | Abort) -> BulkError:
    said = " ".join(filter(None, (verdict.reply.code, verdict.reply.message))) or f"HTTP {verdict.reply.http}"
    if isinstance(verdict, Abort):
        return CredentialsError(f"{what}: {said}", hint=verdict.hint)
    return CannotRun(f"{what}: {said}", hint=advice_for(verdict.reply.code, verdict.reply.http))
