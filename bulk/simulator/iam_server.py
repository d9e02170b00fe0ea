"""What hands out credentials: IAM's tokens, project lookup, temporary keys, and a server's metadata service.

Pure but for the random values of new credentials; what is refused is raised as an ErrorAnswer.
Source: API.md, sections 4.1, 4.3 and 4.4.
"""

import secrets
from dataclasses import dataclass, field
from typing import Any

import orjson

from bulk.simulator.auth import FailureLock, IssuedToken, Key, Keyring
from bulk.simulator.error_answers import iam
from bulk.simulator.fleet_lines import derived_id, domain_id
from bulk.simulator.projects import Projects, SimulatedProject
from bulk.simulator.service_json import timestamp

TEMPORARY_KEY_LIFE_S = range(900, 86_401)
METADATA_TOKEN_LIFE_S_MAX = 21_600
METADATA_KEY_LIFE_S = 21_600


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who may come in: one permanent key, one IAM user. The defaults are for practice, not secret."""

    ak: str = "AKSIMULATOR000000001"
    sk: str = "skSimulatorkP3vX8nQ2rT6wY9zB4cF7hJ1mL5dG"
    user: str = "simulator"
    password: str = "simulator-password"  # noqa: S105 -- opens a practice server on loopback
    domain: str = "simulator-domain"
    agency: str = "simulator-agency"
    """What keys and ID tokens may assume."""
    idp_id: str = "simulator-idp"
    id_token: str = "simulator.id.token"  # noqa: S105 -- likewise


@dataclass(slots=True, kw_only=True)
class Iam:
    """The side of the account that knows its user and makes tokens and temporary keys."""

    user: Identity
    keyring: Keyring
    projects: Projects
    _lock: FailureLock = field(default_factory=FailureLock)
    _metadata_tokens: dict[str, float] = field(default_factory=dict)

    def issue_token(self, body: bytes, now_s: float, *, life_s: float) -> tuple[IssuedToken, dict[str, Any]]:
        """Return a new token and the answer's body, as `POST /v3/auth/tokens` does (API.md, section 4.1)."""
        wanted = dig(body, "auth", "identity", "password", "user")
        scope = dig(body, "auth", "scope", "project")
        if not isinstance(wanted, dict):
            raise iam(400, "The request body is invalid: auth.identity.password.user is missing.")
        self._check_password(wanted, now_s)
        project = self._scoped(scope)
        if scope is not None and project is None:
            raise iam(401, "The project of the scope does not exist.")
        token = self.mint_token(project.id if project else "", life_s, now_s)
        return token, self._described(token, project, now_s)

    def temporary_key(self, body: bytes, now_s: float) -> dict[str, Any]:
        """Return a new temporary key, worded as `POST /v3.0/OS-CREDENTIAL/securitytokens` does."""
        method = "assume_role" if dig(body, "auth", "identity", "assume_role") else "token"
        asked = ("auth", "identity", method)
        life_s = dig(body, *asked, "duration_seconds")
        life_s = TEMPORARY_KEY_LIFE_S.start if life_s is None else life_s
        if type(life_s) is not int or life_s not in TEMPORARY_KEY_LIFE_S:
            raise iam(400, "duration_seconds must be from 900 to 86400.", "IAM.0011")
        if method == "assume_role":
            agency, domain = (dig(body, *asked, name) for name in ("agency_name", "domain_name"))
            if (agency, domain) != (self.user.agency, self.user.domain):
                raise iam(403, "The agency does not exist or does not trust you.", "IAM.0003")
        return self.mint_key(life_s, now_s)[1]

    def mint_token(self, project_id: str, life_s: float, now_s: float) -> IssuedToken:
        """Return a new token for a project; with an empty id it is scoped to none and opens nothing."""
        token = IssuedToken(
            value=secrets.token_urlsafe(96), project_id=project_id, expires_at_s=now_s + life_s
        )
        self.keyring.tokens[token.value] = token
        return token

    def mint_key(self, life_s: float, now_s: float) -> tuple[Key, dict[str, Any]]:
        """Return a new temporary key and the `credential` that describes it."""
        key = Key(
            ak=secrets.token_hex(10).upper(),
            sk=secrets.token_hex(20),
            security_token=secrets.token_hex(64),
            expires_at_s=now_s + life_s,
        )
        self.keyring.keys[key.ak] = key
        credential = {
            "access": key.ak,
            "secret": key.sk,
            "securitytoken": key.security_token,
            "expires_at": instant(now_s + life_s),
        }
        return key, {"credential": credential}

    def project_list(self, name: str | None) -> dict[str, Any]:
        """Return the answer of `GET /v3/projects?name=` (API.md, section 4.3)."""
        return {
            "projects": [
                {
                    "id": project.id,
                    "name": project.name,
                    "domain_id": domain_id(),
                    "parent_id": domain_id(),
                    "is_domain": False,
                    "enabled": True,
                    "description": "",
                    "links": {"self": f"/v3/projects/{project.id}"},
                }
                for project in self.projects
                if name in {None, project.name}
            ],
            "links": {"self": "/v3/projects", "previous": None, "next": None},
        }

    def metadata_token(self, life_text: str | None, now_s: float) -> str:
        """Return a metadata token that lives for the stated seconds (API.md, section 4.4)."""
        if life_text is None or not life_text.isdecimal() or len(life_text) > 5:
            raise iam(400, "X-Metadata-Token-Ttl-Seconds is missing or no number.")
        value = secrets.token_urlsafe(32)
        self._metadata_tokens[value] = now_s + min(int(life_text), METADATA_TOKEN_LIFE_S_MAX)
        return value

    def metadata_key(self, token: str | None, now_s: float) -> dict[str, Any]:
        """Return the temporary key of the server's agency; no token at all is the older, open form."""
        if token is not None and self._metadata_tokens.get(token, 0.0) <= now_s:
            raise iam(401, "The metadata token is unknown or has expired.")
        return self.mint_key(METADATA_KEY_LIFE_S, now_s)[1]

    def _check_password(self, wanted: dict[str, Any], now_s: float) -> None:
        if self._lock.is_locked(self.user.user, now_s):
            raise iam(403, "The account is locked.", "IAM.0061")
        if not self._is_user(wanted) or wanted.get("password") != self.user.password:
            self._lock.fail(self.user.user, now_s)
            raise iam(401, "The username or password is wrong.")
        self._lock.succeed(self.user.user)

    def _is_user(self, wanted: dict[str, Any]) -> bool:
        """Return whether a user is named by its id, or by its name and account, this by name or id."""
        if "id" in wanted:
            return wanted == {"id": derived_id("user", self.user.user), "password": wanted.get("password")}
        domain = wanted.get("domain")
        return wanted.get("name") == self.user.user and domain in (
            {"name": self.user.domain},
            {"id": domain_id()},
        )

    def _scoped(self, scope: object) -> SimulatedProject | None:
        if not isinstance(scope, dict):
            return None
        id_, name = scope.get("id"), scope.get("name")
        return next((one for one in self.projects if one.id == id_ or one.name == name), None)

    def _described(
        self, token: IssuedToken, project: SimulatedProject | None, now_s: float
    ) -> dict[str, Any]:
        domain = {"id": domain_id(), "name": self.user.domain}
        described: dict[str, Any] = {
            "methods": ["password"],
            "expires_at": instant(token.expires_at_s),
            "issued_at": instant(now_s),
            "user": {"id": derived_id("user", self.user.user), "name": self.user.user, "domain": domain},
            "roles": [{"id": "0", "name": "vpcep_adm"}],
        }
        if project is not None:
            described["project"] = {"id": project.id, "name": project.name, "domain": domain}
        return {"token": described}


def instant(at_s: float) -> str:
    """Return a moment the way IAM writes it: `2020-01-03T09:05:22.701000Z`."""
    return timestamp(round(at_s * 1000), "milliseconds") + "000Z"


def dig(body: bytes, *names: str) -> object:
    """Return what stands at a path of names in a JSON body, or None."""
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    for name in names:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value
