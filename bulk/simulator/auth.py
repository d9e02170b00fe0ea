"""Who is calling: AK/SK signatures and tokens, verified as the gateway does (API.md, sections 4.1 and 4.2).

Everything is rebuilt from what arrived: the raw path, the raw query, the headers named in SignedHeaders,
and the body. No clock and no dice in here; a `Keyring` remembers keys, tokens and failures.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from urllib.parse import quote, unquote

from bulk.simulator.error_answers import ErrorAnswer, gateway, vpcep

ALGORITHM = "SDK-HMAC-SHA256"
CLOCK_TOLERANCE_S = 900
FAILURES_MAX = 5
LOCK_S = 300
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"

_AUTHORIZATION = re.compile(
    r"SDK-HMAC-SHA256 "
    r"(?:Access=(?P<ak>[^,\s]+)|Credential=(?P<scoped_ak>[^/,\s]+)"
    r"/(?P<scope>\d{8}(?:/[^/,\s]*){2}/sdk_request)), ?"
    r"SignedHeaders=(?P<signed>[^,\s]+), ?Signature=(?P<hmac>[0-9a-f]{64})"
)
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._~-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRequest:
    """One request as it came over the wire: header names in lower case, values untouched."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """An access key pair; a temporary one has its security token and the second of its end."""

    ak: str
    sk: str
    security_token: str | None = None
    expires_at_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What an Authorization header states; `scope` is empty but in the older form (API.md, section 4.2)."""

    signed: str
    hmac: str
    scope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken:
    """An IAM token: the project it is scoped to, and the second of its end."""

    value: str
    project_id: str
    expires_at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Someone who proved who they are; `project_id` is None where the proof is bound to no project."""

    name: str
    project_id: str | None


@dataclass(slots=True, kw_only=True)
class FailureLock:
    """More than five failures in a row shut a name out for five minutes (API.md, section 4.2, AK lock)."""

    failures: dict[str, int] = field(default_factory=dict)
    locked_until_s: dict[str, float] = field(default_factory=dict)

    def is_locked(self, name: str, now_s: float) -> bool:
        """Return whether `name` is shut out at this moment."""
        return now_s < self.locked_until_s.get(name, 0.0)

    def fail(self, name: str, now_s: float) -> None:
        """Count one failure; the sixth in a row locks and starts the count anew."""
        count = self.failures.get(name, 0) + 1
        if count > FAILURES_MAX:
            self.locked_until_s[name] = now_s + LOCK_S
            count = 0
        self.failures[name] = count

    def succeed(self, name: str) -> None:
        """Forget the failures of `name`."""
        self.failures.pop(name, None)


@dataclass(slots=True, kw_only=True)
class Keyring:
    """Every key and token that opens this simulator, and who failed how often."""

    keys: dict[str, Key] = field(default_factory=dict)
    tokens: dict[str, IssuedToken] = field(default_factory=dict)
    lock: FailureLock = field(default_factory=FailureLock)

    def authenticate(self, request: RawRequest, now_s: float) -> Caller:
        """Return the caller that the request's signature or token proves; raises ErrorAnswer."""
        if "authorization" in request.headers:
            return self._by_signature(request, now_s)
        if "x-auth-token" in request.headers:
            return self._by_token(request.headers["x-auth-token"], now_s)
        raise _denied("x-auth-token not found")

    def expire_tokens(self) -> None:
        """End the life of every token and temporary key now, as a change of password would."""
        for value, token in self.tokens.items():
            self.tokens[value] = replace(token, expires_at_s=0.0)
        for ak, key in self.keys.items():
            if key.expires_at_s is not None:
                self.keys[ak] = replace(key, expires_at_s=0.0)

    def _by_token(self, value: str, now_s: float) -> Caller:
        token = self.tokens.get(value)
        if token is None:
            raise _denied("decrypt token fail")
        if token.expires_at_s <= now_s:
            raise gateway("0307", "The token must be updated: the token has expired")
        return Caller(name="token", project_id=token.project_id)

    def _by_signature(self, request: RawRequest, now_s: float) -> Caller:
        match = _AUTHORIZATION.fullmatch(request.headers["authorization"])
        if match is None:
            raise _denied(f"the Authorization header is not of the form {ALGORITHM} Access=..., ...")
        ak = match["ak"] or match["scoped_ak"]
        key = self.keys.get(ak)
        if key is None:
            raise _denied(f"AK {ak} not exist")
        if self.lock.is_locked(key.ak, now_s):
            raise _denied(f"AK access failed to reach the limit, forbidden: {key.ak}")
        proof = Proof(signed=match["signed"], hmac=match["hmac"], scope=match["scope"] or "")
        problem = signature_problem(request, key, proof, now_s)
        if problem is not None:
            self.lock.fail(key.ak, now_s)
            raise _denied(problem)
        self.lock.succeed(key.ak)
        return Caller(name=key.ak, project_id=None)


def signature_problem(request: RawRequest, key: Key, proof: Proof, now_s: float) -> str | None:
    """Return why a signature by `key` does not hold, or None; a mismatch shows the canonical request."""
    names = proof.signed.split(";")
    problem = _header_problem(request, names, now_s) or _key_problem(request, key, now_s)
    if problem is not None:
        return problem
    sdk_date = request.headers["x-sdk-date"].strip()
    if proof.scope and not sdk_date.startswith(proof.scope[:8]):
        return "the scope of the signature is of another day than the x-sdk-date"
    canonical = canonical_request(request, names)
    if not hmac.compare_digest(signature(key.sk, sdk_date, canonical, proof.scope), proof.hmac):
        return f"verify aksk signature fail, canonical request: {canonical}"
    return None


def _header_problem(request: RawRequest, names: list[str], now_s: float) -> str | None:
    """Return which signed header is missing, or that the date is unsigned or too far off, or None."""
    missing = [name for name in names if name not in request.headers]
    if missing:
        return f"signed header not found: {missing[0]}"
    if "x-sdk-date" not in names:
        return "x-sdk-date is not signed"
    stated_at_s = parse_sdk_date(request.headers["x-sdk-date"].strip())
    if stated_at_s is None or abs(now_s - stated_at_s) > CLOCK_TOLERANCE_S:
        return "verify aksk signature fail, the x-sdk-date is more than 15 minutes off the server's clock"
    return None


def _key_problem(request: RawRequest, key: Key, now_s: float) -> str | None:
    """Return that a temporary key is over, or that the security token is not the key's, or None."""
    if key.expires_at_s is not None and key.expires_at_s <= now_s:
        return "security token expires"
    if request.headers.get("x-security-token", "").strip() != (key.security_token or ""):
        return "the x-security-token does not belong to the AK"
    return None


def signature(sk: str, sdk_date: str, canonical: str, scope: str = "") -> str:
    """Return the hex HMAC-SHA256 of the text to sign, in the older form where there is a scope.

    Source: API.md, section 4.2, steps 9 and 10, and the older form below them.
    """
    key, lines = sk.encode(), [ALGORITHM, sdk_date]
    if scope:
        key = b"SDK" + key
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        lines.append(scope)
    lines.append(hashlib.sha256(canonical.encode()).hexdigest())
    return hmac.digest(key, "\n".join(lines).encode(), "sha256").hex()


def canonical_request(request: RawRequest, signed_names: list[str]) -> str:
    """Return the canonical request (API.md, section 4.2, steps 3 to 8) over the named headers."""
    names = sorted(signed_names)
    lines = "".join(f"{name}:{request.headers[name].strip()}\n" for name in names)
    content_hash = request.headers.get("x-sdk-content-sha256", "") if "x-sdk-content-sha256" in names else ""
    if content_hash != UNSIGNED_PAYLOAD:
        content_hash = hashlib.sha256(request.body).hexdigest()
    return "\n".join(
        (
            request.method,
            _canonical_path(request.path),
            _canonical_query(request.query),
            lines,
            ";".join(names),
            content_hash,
        )
    )


def parse_sdk_date(text: str) -> float | None:
    """Return the UTC seconds of `YYYYMMDDTHHMMSSZ`, or None when it is not one."""
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def check_project(caller: Caller, project_id: str, stated: str | None) -> None:
    """Refuse a request whose token's project or X-Project-Id header is not the path's."""
    if caller.project_id is not None and caller.project_id != project_id:
        raise gateway("0307", "The token must be updated: it is scoped to another project")
    if stated is not None and stated.strip() != project_id:
        raise vpcep("0004", "The X-Project-Id header names another project than the path.")


def _canonical_path(raw: str) -> str:
    if not _PLAIN_PATH.fullmatch(raw):
        raw = "/".join(quote(segment, safe="~") for segment in unquote(raw).split("/"))
    return raw if raw.endswith("/") else raw + "/"


def _canonical_query(raw: str) -> str:
    if not raw:
        return ""
    pairs = (pair.partition("=") for pair in raw.split("&"))
    decoded = sorted((unquote(name), unquote(value)) for name, _, value in pairs)
    return "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in decoded)


def _denied(reason: str) -> ErrorAnswer:
    return gateway("0301", f"Incorrect IAM authentication information: {reason}")
