"""What a server shows before it gets any credentials: that it answers, its certificate, its clock."""

import ssl
from datetime import UTC, datetime

from bulk.model import value
from bulk.vpcep.aiohttp_inside import tls_of
from bulk.vpcep.refusals import server_clock
from bulk.vpcep.regions import Endpoint
from bulk.vpcep.replies import Answer, Lost
from bulk.vpcep.requests import REPLY_BYTES_MAX, VERSIONS
from bulk.vpcep.wire import LOSSES, Wire


@value
class Contact:
    """The first reply of a server."""

    http: int
    ms: int
    proxy: bool
    """Whether a proxy led there."""
    clock_off_s: float | None
    """How far its clock is ahead of this machine's; None where it states no time."""
    tls: str = ""
    """`TLSv1.3`; empty without TLS."""
    issuer: str = ""
    """Who issued its certificate."""
    ends: str = ""
    """When its certificate ends: `2027-01-31`."""


async def first_contact(wire: Wire, endpoint: Endpoint) -> Contact | Lost:
    """Return what a server answers to a request without credentials, or how that was lost.

    Raises what `Wire.route` raises.
    """
    route = wire.route(endpoint)
    began = wire.clock.monotonic()
    try:
        connection = await wire.connect(route)
    except LOSSES as error:
        return wire.lost(error, began, {}, has_left=False)
    version, certificate = tls_of(connection)
    connection.close()
    got = await wire.exchange(VERSIONS, route, {"Host": endpoint.authority}, body_bytes_max=REPLY_BYTES_MAX)
    if isinstance(got, Lost):
        return got
    names = dict(pair for part in certificate.get("issuer", ()) for pair in part)
    return Contact(
        http=got.http,
        ms=got.ms,
        proxy=route.proxy is not None,
        clock_off_s=_off(got),
        tls=version,
        issuer=str(names.get("organizationName") or names.get("commonName") or ""),
        ends=_day(str(certificate.get("notAfter", ""))),
    )


def _off(got: Answer) -> float | None:
    """Return how far the server's clock, which states whole seconds, is ahead of ours."""
    server = server_clock(got.headers)
    return None if server is None else server - got.now


def _day(text: str) -> str:
    """Return the day of a time as a certificate has it; empty where it has none."""
    return f"{datetime.fromtimestamp(ssl.cert_time_to_seconds(text), UTC):%Y-%m-%d}" if text else ""
