"""The switches of the simulator: one setting for each point that the API's documents leave open.

The list is that of API.md, section 7.1. Defaults are what the documents say most often, or, where
they say nothing, what hurts a careless client most. A value never changes; a running simulator is handed
another one.
"""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class ErrorShape(StrEnum):
    """How VPCEP words an error body; which one the real service uses is not settled (API.md, section 3.3)."""

    NESTED = "nested"
    FLAT = "flat"
    GATEWAY = "gateway"
    KEYSTONE = "keystone"
    HTML = "html"
    EMPTY = "empty"


class PortForm(StrEnum):
    """Ports as JSON numbers, or as strings as in both documented GET examples (API.md, section 1.2)."""

    INTEGER = "integer"
    STRING = "string"


class TimestampForm(StrEnum):
    """`2026-01-15T08:30:01Z`, or `2026-01-15T08:30:01.174` without a zone (API.md, section 1.1)."""

    SECONDS_Z = "seconds_z"
    MILLISECONDS = "milliseconds"


class EmptyPorts(StrEnum):
    """What `"ports": []` does: undocumented (API.md, section 2.2)."""

    REJECT = "reject"
    CLEAR = "clear"
    KEEP = "keep"


class Duplicates(StrEnum):
    """Which repetition within one `ports` list is refused: no text defines it (API.md, section 2.3)."""

    CLIENT_PORT = "client_port"
    MAPPING = "mapping"
    ACCEPT = "accept"


class OffsetPastEnd(StrEnum):
    """An offset at or beyond the total: an empty page, or EndPoint.0010 (API.md, section 1.3)."""

    EMPTY = "empty"
    REJECT = "reject"


class FailureFields(StrEnum):
    """Member names inside the `error` list of a failed service (API.md, section 1.2)."""

    CODE = "code"
    ERROR_CODE = "error_code"


class Switches(BaseModel):
    """Every choice the simulator makes where the documents are silent or disagree; times are in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    error_shape: ErrorShape = ErrorShape.NESTED
    gateway_prefix: str = Field(default="APIGW", pattern="^(APIGW|APIG)$")
    failure_fields: FailureFields = FailureFields.CODE
    port_form: PortForm = PortForm.INTEGER
    timestamp_form: TimestampForm = TimestampForm.SECONDS_Z
    modify_omits: frozenset[str] = frozenset()
    gateway_spelling: str = Field(default="gateway", pattern="^(gateway|gataway)$")

    empty_ports: EmptyPorts = EmptyPorts.REJECT
    empty_body_accepted: bool = True
    duplicates: Duplicates = Duplicates.CLIENT_PORT
    duplicates_code: str = "EndPoint.3043"
    shared_client_ports_refused: bool = False
    udp_accepted: bool = True
    unknown_port_id_accepted: bool = True
    ports_max: int = Field(default=200, ge=1)
    services_per_port_id_max: int | None = Field(default=None, ge=1)
    services_quota: int = Field(default=10_000, ge=0)
    tags_max: int = Field(default=20, ge=0)
    missing_service_http: int = Field(default=404, json_schema_extra={"enum": [400, 404]})
    offset_past_end: OffsetPastEnd = OffsetPastEnd.EMPTY
    delete_http: int = Field(default=204, json_schema_extra={"enum": [200, 204]})
    closed_projects: frozenset[str] = frozenset()

    latency_s: float = Field(default=0.0, ge=0)
    jitter_s: float = Field(default=0.0, ge=0)
    read_lag_s: float = Field(default=0.0, ge=0)
    create_delay_s: float = Field(default=0.0, ge=0)
    create_fails: bool = False
    delete_delay_s: float = Field(default=0.0, ge=0)
    clock_skew_s: float = 0.0
    token_life_s: float = Field(default=86_400.0, gt=0)
