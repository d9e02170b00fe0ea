"""The answers that say no: codes, their HTTP statuses, and the shapes of their bodies (API.md, section 3.3).

An `ErrorAnswer` is raised where a request turns out to be wrong, as the end of that request, and is worded by
the server. Each operation therefore reads as what it does where all is well.
"""

from base64 import b64encode
from dataclasses import dataclass, replace
from typing import assert_never

import orjson

from bulk.simulator.switches import ErrorShape

# API.md, section 3.2: every EndPoint code answers 400 but for these.
_HTTP_BY_VPCEP_CODE = {
    "0001": 500,
    "0003": 401,
    "0004": 403,
    "0011": 504,
    "0012": 504,
    "0013": 504,
    **dict.fromkeys(("0005", "2006", "2007", "2008", "2030", "4004", "4008", "4012", "4021", "4030"), 404),
}

# API.md, section 3.4; 0201 stands for seven statuses, the plainest is kept here.
_HTTP_BY_GATEWAY_CODE = {
    **dict.fromkeys(("0106", "0201", "0204", "0602", "0607", "1009"), 400),
    **dict.fromkeys(("0301", "0303", "0305", "0307", "0311"), 401),
    **dict.fromkeys(("0302", "0304", "0306", "0310", "0401", "0402", "0404", "0802"), 403),
    "0101": 404,
    **dict.fromkeys(("0501", "0502"), 405),
    "0308": 429,
    "0610": 502,
    "0613": 503,
}

# API.md, section 3.4, last paragraph; all others answer 400.
_HTTP_BY_IAM_CODE = {
    "0012": 429,
    "0020": 410,
    **dict.fromkeys(("0062", "0066", "0067"), 401),
    **dict.fromkeys(("0061", "0080", "0081", "0082"), 403),
}

_KEYSTONE_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
}

_WRAPPERS = {400: "badRequest", 401: "unauthorized", 403: "forbidden", 404: "itemNotFound"}

_MESSAGES = {
    "0001": "Internal fault of the endpoint service.",
    "0002": "A parameter is wrong.",
    "0004": "These credentials may not do this in this project.",
    "0005": "The resource does not exist.",
    "0006": "The limit is not valid.",
    "0010": "The offset is not valid.",
    "0011": "The request has no body.",
    "0012": "The request lacks headers.",
    "0013": "The backend did not answer in time.",
    "0014": "The project id is not valid.",
    "0017": "The sort_key is not valid.",
    "0018": "The sort_dir is not valid.",
    "0019": "The status filter is not valid.",
    "0020": "The vpc_id is not valid.",
    "0022": "Too many requests, try again later.",
    "1003": "The service name is not valid.",
    "1018": "The quota is used up.",
    "2002": "A mandatory input is empty.",
    "2003": "The endpoint service does not exist.",
    "2028": "A service port or protocol is empty.",
    "3003": "The port_id is not valid.",
    "3006": "The endpoint service is in use by endpoints.",
    "3008": "The port was not found.",
    "3010": "The ip is not valid.",
    "3021": "The server_type is not valid.",
    "3042": "The port_id belongs to another VPC.",
    "3043": "A service port is not valid.",
    "3044": "The ports clash with another endpoint service.",
    "3045": "The present status of the endpoint service forbids this.",
    "3048": "The net_type is not valid.",
    "3051": "The vip_port_id is not valid.",
    "3052": "port_id and ip exclude each other.",
    "3053": "vip_port_id and ip exclude each other.",
    "3054": "port_id and vip_port_id of this service cannot be changed.",
    "3055": "The ip of this service cannot be changed.",
    "3056": "Too many endpoint services on one backend.",
    "3057": "The CIDR cannot be changed.",
    "3062": "The id of the endpoint service is not valid.",
    "3066": "A tag is empty.",
    "3067": "A tag key is repeated.",
    "3068": "A tag key or value breaks the rules.",
    "3069": "Too many tags.",
    "3072": "The length of a tag key is not valid.",
    "3073": "The length of a tag value is not valid.",
    "3074": "Too many port mappings.",
    "3075": "The protocol is not valid.",
}


@dataclass(kw_only=True, eq=False)
class ErrorAnswer(Exception):
    """One answer that is not a success: HTTP status, error code with its prefix, message, extra headers."""

    http: int
    code: str
    message: str
    headers: tuple[tuple[str, str], ...] = ()
    shape: ErrorShape | None = None
    """The form of its body; None for VPCEP's own refusals, whose form is a switch."""
    request_id_header: str = "X-Request-Id"
    encoded_authorization_message: str = ""
    """Why a policy denies it, for the cloud alone to decode."""


def vpcep(number: str, detail: str = "") -> ErrorAnswer:
    """Return the refusal `EndPoint.<number>` (API.md, section 3.2), its meaning followed by `detail`."""
    prefix = "Endpoint" if number == "1018" else "EndPoint"
    message = _MESSAGES.get(number, "The request was refused.")
    return ErrorAnswer(
        http=_HTTP_BY_VPCEP_CODE.get(number, 400),
        code=f"{prefix}.{number}",
        message=f"{message} {detail}" if detail else message,
    )


def gateway(
    number: str, message: str, *, http: int | None = None, headers: tuple[tuple[str, str], ...] = ()
) -> ErrorAnswer:
    """Return the refusal `APIGW.<number>` with its own status (API.md, section 3.4), or with `http`."""
    status = http or _HTTP_BY_GATEWAY_CODE.get(number, 500)
    return ErrorAnswer(http=status, code=f"APIGW.{number}", message=message, headers=headers, shape="gateway")


def iam(http: int, message: str, code: str = "") -> ErrorAnswer:
    """Return a refusal of IAM: in Keystone's shape, or in the newer flat one when it has a `code`."""
    shape: ErrorShape = "flat" if code else "keystone"
    return ErrorAnswer(http=http, code=code, message=message, shape=shape, request_id_header="X-IAM-Trace-Id")


def policy(number: str) -> ErrorAnswer:
    """Return the refusal `PAP5.<number>` of an identity policy (API.md, section 3.4)."""
    return ErrorAnswer(
        http=403,
        code=f"PAP5.{number}",
        message="A policy does not allow it.",
        shape="gateway",
        encoded_authorization_message=b64encode(f"simulator {number}".encode()).decode(),
    )


def named(code: str, *, http: int | None = None) -> ErrorAnswer:
    """Return a refusal for any code as a person writes it: `EndPoint.2004`, `APIGW.0613`, `IAM.0012`."""
    family, _, number = code.partition(".")
    match family.casefold():
        case "apigw" | "apig":
            return gateway(number, "The gateway refused the request.", http=http)
        case "pap5":
            denied = policy(number)
            return replace(denied, http=http or denied.http)
        case "iam":
            return iam(http or _HTTP_BY_IAM_CODE.get(number, 400), "IAM refused the request.", code)
        case _:
            known = vpcep(number)
            return replace(known, code=code, http=http or known.http)


def body_of(refusal: ErrorAnswer, *, shape: ErrorShape, prefix: str, request_id: str) -> tuple[bytes, str]:
    """Return (body, content type); `shape` is for VPCEP's own refusals, `prefix` for the gateway's codes."""
    flat = {"error_code": refusal.code.replace("APIGW", prefix, 1), "error_msg": refusal.message}
    match refusal.shape or shape:
        case "nested":
            value: object = {"error": {"message": refusal.message, "code": refusal.code}}
        case "flat":
            value = flat
        case "gateway":
            value = flat | {"request_id": request_id}
            if refusal.encoded_authorization_message:
                value["encoded_authorization_message"] = refusal.encoded_authorization_message
        case "keystone":
            title = _KEYSTONE_TITLES.get(refusal.http, "Error")
            value = {"error": {"code": refusal.http, "message": refusal.message, "title": title}}
        case "wrapped":
            inner = {"code": refusal.code, "message": refusal.message}
            value = {_WRAPPERS.get(refusal.http, "fault"): inner}
        case "html":
            return html_page(refusal.http), "text/html"
        case "empty":
            return b"", "application/json"
        case never:
            assert_never(never)
    return orjson.dumps(value), "application/json"


def html_page(http: int) -> bytes:
    """Return the page that a proxy between client and service would send."""
    return f"<html><head><title>{http}</title></head><body><h1>{http}</h1></body></html>\n".encode()
