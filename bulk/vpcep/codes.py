"""What an error code asks for: its class, its meaning and what a person does about it.

A known code decides; an unknown one goes by its HTTP status (API.md, section 3.1). Codes are
matched without regard to case, `APIG.` and `APIGW.` are the same prefix.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import NewType

from bulk.model import Reply
from bulk.vpcep.code_table import (
    AUTH,
    CONFLICT,
    DENIED,
    NOT_FOUND,
    PERMANENT,
    RETRYABLE,
    ROWS,
    THROTTLED,
    CodeClass,
)

CodeKey = NewType("CodeKey", str)
"""A code in the form in which codes are compared."""


class NoReply(StrEnum):
    """The code on record where no usable reply came, or where the request did not even leave."""

    LOCAL_LIMIT = "local_limit"
    CONNECT_FAILED = "connect_failed"
    CONNECT_TIMEOUT = "connect_timeout"
    DNS_FAILED = "dns_failed"
    TLS_FAILED = "tls_failed"
    CERTIFICATE_REFUSED = "certificate_refused"
    PROXY_REFUSED = "proxy_refused"
    INVALID_URL = "invalid_url"
    TIMEOUT = "timeout"
    CONNECTION_LOST = "connection_lost"
    MALFORMED_REPLY = "malformed_reply"
    UNREADABLE_REPLY = "unreadable_reply"
    REPLY_TOO_LARGE = "reply_too_large"
    NOT_RENEWED = "not_renewed"
    LATE = "late"
    NO_WORKER = "no_worker"
    WORKER_SILENT = "worker_silent"
    WORKER_LATE = "worker_late"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorCode:
    """One documented error code."""

    code: str
    http: int
    """The status it is documented with."""
    kind: CodeClass
    meaning: str
    advice: str
    """What a person does about it."""
    ends_run: bool
    """Whether every other request would be refused likewise."""


def known(code: str) -> ErrorCode | None:
    """Return what is documented about a code; None for an unknown one."""
    return CODES.get(_key(code))


def classify(code: str, http: int) -> CodeClass:
    """Return the class of a refusal: by its code where that is known, else by its HTTP status."""
    found = known(code)
    return found.kind if found else _BY_STATUS.get(http, RETRYABLE if http >= _SERVER_ERROR else PERMANENT)


def ends_run(code: str, http: int) -> bool:
    """Return whether every other request would be refused like this one."""
    found = known(code)
    if found and http != _UNAUTHORIZED:
        return found.ends_run
    return classify("", http) is AUTH or http // 100 == _REDIRECT_CLASS


def refuses_key(reply: Reply) -> bool:
    """Return whether a refusal means the key, or the token, itself: repeated ones lock it."""
    return reply.http == _UNAUTHORIZED or _key(reply.code) in _KEY_CODES


def advice_for(code: str, http: int | None) -> str:
    """Return one sentence on what to do about a refusal, or about the lack of a reply."""
    if code in _NO_REPLY_ADVICE:
        return _NO_REPLY_ADVICE[code]
    if found := known(code):
        return found.advice
    status = http or 0
    return _REDIRECT_ADVICE if status // 100 == _REDIRECT_CLASS else _CLASS_ADVICE[classify(code, status)]


def decoding(encoded: str) -> str:
    """Return how to learn what an `encoded_authorization_message` says (API.md, section 3.1)."""
    return f"STS decodes the reason, POST /v5/decode-authorization-message with encoded_message {encoded}"


def _key(code: str) -> CodeKey:
    upper = code.upper()
    return CodeKey(f"APIGW.{upper[5:]}" if upper.startswith("APIG.") else upper)


_REDIRECT_CLASS = 3
"""Something sends us elsewhere, which the API never does and we never follow."""
_UNAUTHORIZED, _SERVER_ERROR = 401, 500

_REDIRECT_ADVICE = "check --endpoint and HTTPS_PROXY: something redirects, which the API never does"

_BY_STATUS = MappingProxyType(
    {
        401: AUTH,
        403: DENIED,
        404: NOT_FOUND,
        408: RETRYABLE,
        409: CONFLICT,
        425: RETRYABLE,
        429: THROTTLED,
        501: PERMANENT,
    }
)

_CLASS_ADVICE = MappingProxyType(
    {
        RETRYABLE: "run the same command again later; if it stays, give the request id to the support",
        PERMANENT: "correct the row; if it looks right, give the request id to the support",
        NOT_FOUND: "check the id, the region and the project",
        CONFLICT: "look at the service as it is now and plan again",
        THROTTLED: "nothing, the pace adapts; a lower --rate avoids it",
        AUTH: "check the credentials, their permissions (vpcep:epservices:*), the project and the region",
        DENIED: "give the user vpcep:epservices:list, get and update; a policy may deny single services, "
        "by their tags or enterprise project",
    }
)

_NO_REPLY_ADVICE: Mapping[str, str] = MappingProxyType(
    {
        NoReply.LOCAL_LIMIT: "raise the limit of open files (ulimit -n) where requests leave, or lower -j",
        NoReply.CONNECT_FAILED: "check the network, the endpoint's address and HTTPS_PROXY",
        NoReply.CONNECT_TIMEOUT: "check the network, the firewall and HTTPS_PROXY",
        NoReply.DNS_FAILED: "check the region, the endpoint's name and the resolver",
        NoReply.TLS_FAILED: "check the endpoint's address and what stands before it",
        NoReply.CERTIFICATE_REFUSED: "check the endpoint's name and this machine's clock; "
        "for a private authority set SSL_CERT_FILE",
        NoReply.PROXY_REFUSED: "check HTTPS_PROXY, the proxy's user name and password, and NO_PROXY",
        NoReply.INVALID_URL: "check the endpoint's address and the proxy's",
        NoReply.TIMEOUT: "run the same command again; with many of them, lower -j",
        NoReply.CONNECTION_LOST: "run the same command again",
        NoReply.MALFORMED_REPLY: "run the same command again; check what stands before the endpoint",
        NoReply.UNREADABLE_REPLY: "run the same command again; check what stands before the endpoint",
        NoReply.REPLY_TOO_LARGE: "check the endpoint's address: this is not the API's answer",
        NoReply.NOT_RENEWED: "check that IAM can be reached, then run the same command again",
        NoReply.LATE: "nothing, it is sent again",
        NoReply.NO_WORKER: "start `bulk worker` where the region can be reached, and check that NATS is up",
        NoReply.WORKER_SILENT: "run the same command again; check the worker's host and NATS",
        NoReply.WORKER_LATE: "nothing, it is sent again; with many of them, check the way to the worker",
    }
)

_WHOLE_RUN = frozenset({"ENDPOINT.0014", "APIGW.0101", "APIGW.0310"})
"""Refusals that are permanent for every row of the target, though no matter of credentials."""

_ADVICE = MappingProxyType(
    {
        "ENDPOINT.0009": "call from an address that the account allows",
        "ENDPOINT.0014": "check --project-id: 32 hex digits, and of this region",
        "ENDPOINT.1003": "write up to 16 letters, digits, _ and -",
        "ENDPOINT.2003": "check the id, the region and the project; the service may have been deleted",
        "ENDPOINT.2004": "wait until the service is available, then run the same command again",
        "ENDPOINT.2028": "give every mapping its client_port, server_port and protocol",
        "ENDPOINT.3003": "check port_id",
        "ENDPOINT.3004": "write ports from 1 to 65535",
        "ENDPOINT.3008": "check port_id: the backend's port is gone",
        "ENDPOINT.3042": "name a port_id of the service's own VPC",
        "ENDPOINT.3043": "write ports from 1 to 65535 and complete mappings",
        "ENDPOINT.3044": "find who else holds the server_port and protocol on the port_id, then plan again",
        "ENDPOINT.3045": "wait until the service is available, then plan again",
        "ENDPOINT.3046": "find who else holds the ip, and plan again",
        "ENDPOINT.3052": "name port_id or ip, not both",
        "ENDPOINT.3053": "name vip_port_id or ip, not both",
        "ENDPOINT.3054": "leave port_id and vip_port_id out of the row",
        "ENDPOINT.3055": "leave ip out of the row",
        "ENDPOINT.3056": "use another backend, or have the limit raised",
        "ENDPOINT.3063": "check port_id",
        "ENDPOINT.3074": "write at most 200 mappings",
        "ENDPOINT.3075": "write TCP; UDP is not accepted in every region",
        "ENDPOINT.3076": "write up to 16 letters, digits, _ and -",
        "ENDPOINT.4012": "check port_id: the port is gone",
        "APIGW.0101": "check the region and --endpoint: this server does not have the API",
        "APIGW.0301": "check the access key, its secret (copy both again) and, for temporary keys, the "
        "security token; five failures in a row lock a key for 5 minutes",
        "APIGW.0303": "check the key and this machine's clock",
        "APIGW.0307": "get a new token, for the project and region of the job",
        "APIGW.0310": "check --project-id and that the project is enabled",
        "IAM.0061": "wait until the account is unlocked; do not try the password again before",
        "IAM.0062": "check HW_USER_NAME, HW_USER_PASSWORD and HW_DOMAIN_NAME; failures lock the account",
    }
)


CODES = MappingProxyType(
    {
        key: ErrorCode(
            code=code,
            http=http,
            kind=kind,
            meaning=meaning,
            advice=_ADVICE.get(key, _CLASS_ADVICE[kind]),
            ends_run=kind is AUTH or key in _WHOLE_RUN,
        )
        for code, http, kind, meaning in ROWS
        for key in [_key(code)]
    }
)
"""Every documented code by the form in which codes are compared."""

_KEY_CODES = frozenset(
    {
        *(key for key, found in CODES.items() if found.kind is AUTH and found.http == _UNAUTHORIZED),
        *map(_key, ("APIGW.1009", "IAM.0061", *(f"IAM.{number}" for number in range(1104, 1110)))),
    }
)
"""Refusals of the key itself, whatever status they come with."""
