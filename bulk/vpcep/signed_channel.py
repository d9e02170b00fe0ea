"""Requests that are signed and sent from here, with the secret in force."""

from functools import cached_property
from math import inf

from bulk.model import Abort, Reply, Retry
from bulk.puts import Put
from bulk.vpcep.addresses import Addresses
from bulk.vpcep.channel import Tell, became_of
from bulk.vpcep.codes import NoReply, refuses_key
from bulk.vpcep.flights import Flights, Spawn
from bulk.vpcep.iam import Project
from bulk.vpcep.identity import Credential, visible_projects
from bulk.vpcep.key_probe import KeyProbe
from bulk.vpcep.keys import Secret, Stamp
from bulk.vpcep.regions import Endpoint
from bulk.vpcep.replies import Answer, Lost, Relayed, as_asked, modified, refused, stated_id, succeeded
from bulk.vpcep.requests import REPLY_BYTES_MAX, Request, Timeouts
from bulk.vpcep.wire import Wire

LATE_S = 2.0
"""How long a PUT may wait for its secret; a look at its service may be too old after that."""
LATE = Retry(
    reply=Reply(code=NoReply.LATE, message="the PUT had to wait for its credentials, and has not left"),
    counts=False,
)


class SignedChannel:
    """The connections to the API of one project, and the credential that its requests are signed with."""

    def __init__(
        self, wire: Wire, where: Addresses, endpoint: Endpoint, credential: Credential, *, project_id: str
    ) -> None:
        self._iam_endpoint = where.iam
        self._sts_endpoint = where.sts
        self._project_id = project_id
        self._wire = wire
        self._route = wire.route(endpoint)
        self._credential = credential
        self._accepted: Secret | None = None
        self._stamp: Stamp | None = None
        self._probe = KeyProbe()

    @property
    def host(self) -> str:
        """Return the API's host, with its port where that is not the usual one."""
        return self._route.endpoint.authority

    @property
    def account(self) -> str:
        """Return the name of the budget that all clients of one account share at the API."""
        return self._credential.account

    async def projects(self) -> tuple[Project, ...]:
        """Return the projects that the credentials may see; none where IAM does not say so at once."""
        return await visible_projects(self._credential, self._wire, self._iam_endpoint)

    async def ask_identity(self, request: Request, *, of_sts: bool) -> Answer | Lost | None:
        """Return the reply of IAM, or of STS, to one read; None where its address is not known."""
        endpoint = self._sts_endpoint if of_sts else self._iam_endpoint
        secret = self._credential.current(self._wire.clock.now())
        if endpoint is None or secret is None:
            return None
        headers = Stamp(secret, {"Host": endpoint.authority}).headers(request, self._wire.clock.now())
        return await self._wire.exchange(
            request, self._wire.route(endpoint), headers, body_bytes_max=REPLY_BYTES_MAX
        )

    async def relay(
        self,
        request: Request,
        body_bytes_max: int,
        *,
        send_by: float = inf,
        timeouts: Timeouts | None = None,
    ) -> Relayed:
        """Send one request with the secret in force and return what came back.

        A PUT that had to wait for its secret does not leave: what it waited for may have taken minutes, and
        the caller has to look at the clock and at the service again.
        """
        began = self._wire.clock.monotonic()
        secret = self._credential.current(self._wire.clock.now()) or await self._credential.renewed()
        if isinstance(secret, Retry | Abort):
            return secret
        stamp, probe = self._stamp_of(secret), self._probe
        async with probe.turn():
            if probe.refusal:
                return await self._renewed(probe.refusal, secret)
            if request.method == "PUT" and self._wire.clock.monotonic() - began > LATE_S:
                return LATE
            headers = stamp.headers(request, self._wire.clock.now())
            got = await self._wire.exchange(
                request,
                self._route,
                headers,
                body_bytes_max=body_bytes_max,
                timeouts=timeouts,
                send_by=send_by,
            )
            refusal = _refused_key(got)
            probe.answered(got, refusal)
        return await self._settled(got, refusal, secret)

    def send(self, request: Request, put: Put, tell: Tell, spawn: Spawn) -> None:
        """Send one PUT; with a secret that the API has accepted before, at once and without a task."""
        secret, stamp = self._secret_at_hand(), self._stamp
        if secret is None or stamp is None:
            spawn(self._send_in_a_task(request, put, tell))
            return
        probe = self._probe
        headers = stamp.headers(request, self._wire.clock.now())

        def recognised(got: Answer) -> bool:
            verdict = as_asked(got, put)
            if verdict is None or self._wire.repeats(stated_id(got), headers):
                return False
            tell(verdict)
            return True

        def arrived(got: Answer | Lost) -> None:
            spawn(self._judge(got, put, secret, probe, tell))

        self._flights.send(request, headers, arrived, spawn, recognised)

    @cached_property
    def _flights(self) -> Flights:
        return Flights(self._wire, self._route, REPLY_BYTES_MAX)

    def _secret_at_hand(self) -> Secret | None:
        """Return the secret in force, where the API has accepted it and a request may leave at once."""
        secret = self._credential.current(self._wire.clock.now())
        is_stamped = self._stamp is not None and self._stamp.secret is secret
        return secret if is_stamped and self._probe.is_passed else None

    async def _send_in_a_task(self, request: Request, put: Put, tell: Tell) -> None:
        tell(await became_of(request, put.service_id, self))

    async def _judge(self, got: Answer | Lost, put: Put, secret: Secret, probe: KeyProbe, tell: Tell) -> None:
        refusal = _refused_key(got)
        probe.answered(got, refusal)
        settled = await self._settled(got, refusal, secret)
        tell(settled if isinstance(settled, Retry | Abort) else modified(settled, put.service_id))

    async def _settled(self, got: Answer | Lost, refusal: Abort | None, secret: Secret) -> Relayed:
        """Return what came back; where it refuses the secret, a retry if that has been renewed."""
        if refusal:
            return await self._renewed(refusal, secret)
        if isinstance(got, Answer):
            self._accepted = secret
        return got

    def _stamp_of(self, secret: Secret) -> Stamp:
        if self._stamp is None or self._stamp.secret is not secret:
            headers = {
                "Content-Type": "application/json",
                "Host": self._route.endpoint.authority,
                "X-Project-Id": self._project_id,
            }
            self._stamp, self._probe = Stamp(secret, headers), self._wire.key_probe(secret)
        return self._stamp

    async def _renewed(self, refusal: Abort, secret: Secret) -> Retry | Abort:
        """Return a retry with a renewed secret; a renewed secret that was refused as well ends the run."""
        fresh = secret is not self._accepted and secret is self._credential.current(self._wire.clock.now())
        if fresh or not self._credential.renewable:
            return refusal
        got = await self._credential.renewed(refused=secret)
        return got if isinstance(got, Retry | Abort) else Retry(reply=refusal.reply, counts=False)


def _refused_key(got: Answer | Lost) -> Abort | None:
    """Return the refusal where the API does not accept the key, or the token, itself."""
    if isinstance(got, Lost) or succeeded(got):
        return None
    refusal = refused(got)
    return refusal if isinstance(refusal, Abort) and refuses_key(refusal.reply) else None
