"""The requests as values: method, path, query and body, ready to be signed and sent as they are."""

from urllib.parse import quote

from bulk.model import ServiceId, value
from bulk.vpcep.signing import canonical_query

METADATA_TOKEN_LIFE_S = 21_600
"""How long the metadata service's own token shall live; the official SDK asks for the same."""

LIST_BYTES_MAX = 16 * 1024 * 1024
"""A page of 1,000 services with 200 mappings each has about 13 MB."""

REPLY_BYTES_MAX = 1024 * 1024
"""Any other reply: one service, a token, the projects of an account."""


@value
class Request:
    """One request; path and query are encoded, the body is the bytes that are sent."""

    method: str
    path: str
    query: str = ""
    body: bytes = b""

    @property
    def url_tail(self) -> str:
        """Return what follows the endpoint's address in the URL."""
        return f"{self.path}?{self.query}" if self.query else self.path


@value
class Timeouts:
    """How long one request may take; the official SDK waits 60 s to connect and 120 s to read."""

    connect_s: float = 10.0
    """Seconds until the connection stands, TLS included."""
    read_s: float = 60.0
    """Seconds between two pieces of the reply."""
    total_s: float = 120.0
    """Seconds from asking for a connection to the last byte."""


def services_path(project_id: str) -> str:
    """Return the path under which all services of a project are; the requests below begin with it."""
    return f"/v1/{quote(project_id, safe='')}/vpc-endpoint-services"


def list_services(path: str, *, offset: int, limit: int) -> Request:
    """Return `GET …/vpc-endpoint-services`, oldest first, so that a creation meanwhile shifts nothing.

    The time of creation is the default everywhere, while `sort_key` is spelled in two ways: it is not sent.
    Source: API.md, section 1.3 (`limit` 1-1000, `offset` below the total).
    """
    query = [("limit", str(limit)), ("offset", str(offset)), ("sort_dir", "asc")]
    return Request(method="GET", path=path, query=canonical_query(query))


def show_service(path: str, service_id: ServiceId) -> Request:
    """Return `GET …/vpc-endpoint-services/{id}` (API.md, section 1.2)."""
    return Request(method="GET", path=f"{path}/{service_id}")


def quotas_of(project_id: str) -> Request:
    """Return `GET /v1/{project_id}/quotas` (API.md, section 1.7)."""
    return Request(method="GET", path=f"/v1/{quote(project_id, safe='')}/quotas")


def modify_service(path: str, service_id: ServiceId, content: bytes) -> Request:
    """Return `PUT …/vpc-endpoint-services/{id}` with this body, as JSON (API.md, section 1.1)."""
    return Request(method="PUT", path=f"{path}/{service_id}", body=content)


def list_projects(name: str = "") -> Request:
    """Return `GET /v3/projects?name={name}` of IAM, or without a name that of all (API.md, section 4.3)."""
    query = canonical_query([("name", name)]) if name else ""
    return Request(method="GET", path="/v3/projects", query=query)


METADATA_TOKEN = Request(method="PUT", path="/meta-data/latest/api/token")
SECURITY_KEY = Request(method="GET", path="/openstack/latest/securitykey")
VERSIONS = Request(method="GET", path="/")
"""Of the API: it needs no credentials (API.md, section 1.7)."""
ACCOUNTS = Request(method="GET", path="/v3/auth/domains")
"""Of IAM: the accounts of the caller, as the official SDK asks for them."""
CALLER_IDENTITY = Request(method="GET", path="/v5/caller-identity")
"""Of STS: the identity of the caller."""
