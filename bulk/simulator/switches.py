"""The switches of the simulator: one setting for each point that the API's documents leave open.

The list is that of API.md, section 7.1. Defaults are what the documents say most often, or, where
they say nothing, what hurts a careless client most. A value never changes; a running simulator is handed
another one.
"""

from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

ErrorShape: TypeAlias = Literal["nested", "flat", "gateway", "keystone", "wrapped", "html", "empty"]
"""The forms of an error body (API.md, section 3.3)."""
PortForm: TypeAlias = Literal["integer", "string"]
"""Ports as JSON numbers, or as strings as in both documented GET examples (API.md, section 1.2)."""
SortKeySpelling: TypeAlias = Literal["create_at", "created_at"]
"""How an edition of the API spells the time of creation, and likewise of update (API.md, section 1.3)."""
TimestampForm: TypeAlias = Literal["seconds_z", "milliseconds"]
"""`2026-01-15T08:30:01Z`, or `2026-01-15T08:30:01.174` without a zone (API.md, section 1.1)."""


class Switches(BaseModel):
    """Every choice the simulator makes where the documents are silent or disagree; times are in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    error_shape: ErrorShape = "nested"
    """How VPCEP words an error body; which one the real service uses is not settled."""
    gateway_prefix: Literal["APIGW", "APIG"] = "APIGW"
    failure_fields: Literal["code", "error_code"] = "code"
    """Member names inside the `error` list of a failed service (API.md, section 1.2)."""
    port_form: PortForm = "integer"
    timestamp_form: TimestampForm = "seconds_z"
    modify_omits: frozenset[str] = frozenset()
    """Fields that the answer to a PUT lacks."""
    gateway_spelling: Literal["gateway", "gataway"] = "gateway"
    vip_port_id_shown: bool = False
    """Whether answers have `vip_port_id`, as those of older editions had (API.md, section 1.1)."""
    empty_list: Literal["list", "null"] = "list"
    """How a list without services is written (API.md, section 1.3)."""

    empty_ports: Literal["reject", "clear", "keep"] = "reject"
    """What `"ports": []` does: undocumented (API.md, section 2.2)."""
    empty_body_accepted: bool = True
    duplicates: Literal["client_port", "mapping", "accept"] = "client_port"
    """Which repetition within one `ports` list is refused: no text defines it (API.md, section 2.3)."""
    duplicates_code: str = "EndPoint.3043"
    shared_client_ports_refused: bool = False
    udp_accepted: bool = True
    unknown_port_id_accepted: bool = True
    ports_max: int = Field(default=200, ge=1)
    service_name_chars_max: int = Field(default=16, ge=1)
    """64 on Huawei Cloud Stack (API.md, section 1.1)."""
    services_per_port_id_max: int | None = Field(default=None, ge=1)
    services_quota: int = Field(default=10_000, ge=0)
    tags_max: int = Field(default=20, ge=0)
    missing_service_http: Literal[400, 404] = 404
    sort_key_spelling: SortKeySpelling = "create_at"
    offset_past_end: Literal["empty", "reject"] = "empty"
    """An offset at or beyond the total: an empty page, or EndPoint.0010 (API.md, section 1.3)."""
    delete_http: Literal[200, 204] = 204
    closed_projects: frozenset[str] = frozenset()

    latency_s: float = Field(default=0.0, ge=0)
    jitter_s: float = Field(default=0.0, ge=0)
    read_lag_s: float = Field(default=0.0, ge=0)
    create_delay_s: float = Field(default=0.0, ge=0)
    create_fails: bool = False
    delete_delay_s: float = Field(default=0.0, ge=0)
    clock_skew_s: float = 0.0
    token_life_s: float = Field(default=86_400.0, gt=0)
