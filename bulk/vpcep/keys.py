"""What proves who asks: an access key or a token, and the headers it puts on a request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from bulk.vpcep.requests import Request
from bulk.vpcep.signing import DATE_HEADER, Signer, sdk_date


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """An access key (AK) with its secret (SK), perhaps temporary."""

    ak: str
    sk: str = field(repr=False)
    security_token: str = field(default="", repr=False)
    """The token that belongs to a temporary key; empty for lasting ones."""
    expires_at: float | None = None
    """Seconds since 1970; None where that is not known."""

    @property
    def confidential(self) -> tuple[str, ...]:
        """Return the texts that nobody may see."""
        return tuple(text for text in (self.sk, self.security_token) if text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An IAM token of one project."""

    value: str = field(repr=False)
    expires_at: float | None = None
    """Seconds since 1970; None where that is not known."""

    @property
    def confidential(self) -> tuple[str, ...]:
        """Return the texts that nobody may see."""
        return (self.value,)


Secret: TypeAlias = KeyPair | Token


class Stamp:
    """Puts the proof on each request to one host; what does not change is computed once."""

    __slots__ = ("_headers", "_signer", "secret")

    def __init__(self, secret: Secret, headers: Mapping[str, str]) -> None:
        self.secret = secret
        self._signer: Signer | None = None
        if isinstance(secret, Token):
            self._headers = {**headers, "X-Auth-Token": secret.value}
            return
        token = {"X-Security-Token": secret.security_token} if secret.security_token else {}
        self._headers = {**headers, **token}
        self._signer = Signer(ak=secret.ak, sk=secret.sk, headers=self._headers)

    def headers(self, request: Request, now: float) -> dict[str, str]:
        """Return all headers of one request that leaves at `now` (wall clock, seconds since 1970).

        A signature is good for 15 minutes around its date, so it is made when the request leaves and
        again on every attempt (API.md, section 4.2).
        """
        if self._signer is None:
            return self._headers
        date = sdk_date(now)
        signature = self._signer.authorization(
            method=request.method, path=f"{request.path}/", query=request.query, date=date, body=request.body
        )
        return {**self._headers, DATE_HEADER: date, "Authorization": signature}
