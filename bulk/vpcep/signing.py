"""The AK/SK signature `SDK-HMAC-SHA256` (API.md, section 4.2), computed and nothing else."""

import hmac
from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import sha256
from time import gmtime, strftime
from urllib.parse import quote

ALGORITHM = "SDK-HMAC-SHA256"

DATE_HEADER = "X-Sdk-Date"

BODY_HASH_HEADER = "X-Sdk-Content-Sha256"
"""Where it is sent, its value stands in the signature in place of the body's hash."""


class Signer:
    """Signs requests whose headers, apart from the date, are always the same.

    What does not change from request to request is computed once, so that signing costs a few
    microseconds. `headers` are those that will be sent, `Host` included and `X-Sdk-Date` not.
    """

    __slots__ = ("_access", "_before_date", "_body_hash", "_end", "_key")

    def __init__(self, *, ak: str, sk: str, headers: Mapping[str, str]) -> None:
        signed = sorted((name.lower(), value.strip()) for name, value in headers.items() if "_" not in name)
        date = DATE_HEADER.lower()
        names = ";".join(sorted([date, *(name for name, _ in signed)]))
        after = "".join(f"{name}:{value}\n" for name, value in signed if name > date)
        self._before_date = "".join(f"{name}:{value}\n" for name, value in signed if name < date) + f"{date}:"
        self._end = f"\n{after}\n{names}\n"
        self._body_hash = dict(signed).get(BODY_HASH_HEADER.lower())
        self._access = f"{ALGORITHM} Access={ak}, SignedHeaders={names}, Signature="
        self._key = sk.encode()

    def authorization(self, *, method: str, path: str, query: str, date: str, body: bytes) -> str:
        """Return the `Authorization` header of one request.

        `path` is that which is sent, with a slash at its end, `query` what `canonical_query` returns, `date`
        the value of `X-Sdk-Date`, `body` exactly the bytes that are sent.
        """
        body_hash = self._body_hash or sha256(body).hexdigest()
        canonical = f"{method}\n{path}\n{query}\n{self._before_date}{date}{self._end}{body_hash}"
        to_sign = f"{ALGORITHM}\n{date}\n{sha256(canonical.encode()).hexdigest()}"
        return self._access + hmac.digest(self._key, to_sign.encode(), "sha256").hex()


def canonical_query(pairs: Iterable[tuple[str, str]]) -> str:
    """Return the query as it is signed and sent: sorted by name, then value, and fully encoded."""
    return "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in sorted(pairs))


def sdk_date(now: float) -> str:
    """Return `X-Sdk-Date` (`20260115T083000Z`) of a wall clock in seconds since 1970."""
    return _sdk_date(int(now))


@lru_cache(maxsize=4)
def _sdk_date(second: int) -> str:
    return strftime("%Y%m%dT%H%M%SZ", gmtime(second))
