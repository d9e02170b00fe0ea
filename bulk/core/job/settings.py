"""The job itself: every setting with its form, its default and its words."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, PlainValidator, StrictBool, TypeAdapter, WithJsonSchema
from pydantic.dataclasses import dataclass

from bulk.core.job import forms
from bulk.core.job.forms import Rate, Share, Window
from bulk.core.model import Target

CAUTIOUS_RATE = Rate(requests=10, period_s=1)
"""What an estimate counts with while the limit is still to be found: `auto` starts at it."""

_CONFIG = ConfigDict(extra="forbid")
_COUNT_SCHEMA = {"type": ["integer", "string"], "minimum": 0, "pattern": "^[0-9]{1,9}$"}
_CONCURRENCY_SCHEMA = {
    "type": ["integer", "string"],
    "minimum": 1,
    "maximum": forms.CONCURRENCY_MAX,
    "pattern": "^([1-9][0-9]{0,2}|1000|auto)$",
}
_SHARE_SCHEMA = {"type": ["integer", "string"], "minimum": 0, "pattern": "^([0-9]{1,9}|100%|[0-9]{1,2}%)$"}


def _form(read: Callable[[Any], Any]) -> PlainValidator:
    """Give the validation by `read` of what is written; a value that has been read stays as it is."""
    return PlainValidator(lambda raw: raw if isinstance(raw, Rate | Share | Window | None) else read(raw))


Seconds = Annotated[float, Field(gt=0, le=3_600, strict=True, allow_inf_nan=False)]
RateForm = Annotated[
    Rate | None,
    _form(forms.rate),
    WithJsonSchema({"type": "string", "pattern": r"^([1-9][0-9]{0,6} */ *(s|min|m|h)|auto)$"}),
]
ShareForm = Annotated[Share | None, _form(forms.share), WithJsonSchema(_SHARE_SCHEMA)]
CountForm = Annotated[int | None, _form(forms.count), WithJsonSchema(_COUNT_SCHEMA)]
ConcurrencyForm = Annotated[
    int | None,
    _form(forms.concurrency),
    WithJsonSchema(_CONCURRENCY_SCHEMA),
]
WindowForm = Annotated[Window | None, _form(forms.window), WithJsonSchema({"type": "string"})]
EndpointForm = Annotated[str, _form(forms.endpoint), WithJsonSchema({"type": "string"})]


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class SimulatorSettings:
    """What the bundled simulator starts with, where `endpoint` is `simulator`."""

    fleet: str = Field(
        default="fleet.jsonl",
        min_length=1,
        description="File of the fleet before the first run, relative to job.toml.",
        examples=["fleet.jsonl"],
    )


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Job:
    """What a person asks for: which rows, where, how fast and within which limits."""

    rows: str = Field(
        min_length=1,
        description="The job file, relative to job.toml; - for standard input.",
        examples=["services.csv"],
    )
    name: str = Field(
        default="job",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="Name of the job, a part of its ledgers' names; else that of the file or folder.",
        examples=["move-ssh"],
    )
    format: Literal["csv", "jsonl"] | None = Field(
        default=None, description="Form of the job file; else its name tells.", examples=["csv"]
    )
    profile: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9_.@-]{0,64}$",
        description="Credentials profile, for rows that name none.",
        examples=["prod"],
    )
    region: str = Field(
        default="",
        pattern=r"^([a-z][a-z0-9]{0,15}(-[a-z0-9]{1,20}){1,4})?$",
        description="Region, for rows that name none.",
        examples=["cn-north-4"],
    )
    project_id: str = Field(
        default="",
        pattern=r"^([0-9a-f]{32})?$",
        description="Project, for rows that name none; else the region's own is looked up.",
        examples=["6e9dfd51d1124e8d8498dce894923a0d"],
    )
    endpoint: EndpointForm = Field(
        default="",
        description="Address of the API in place of the region's own; simulator for the bundled one.",
        examples=["simulator"],
    )
    rate: RateForm = Field(
        None,
        description="Requests of one kind per account and region; auto finds the API's limit.",
        examples=["20/s"],
    )
    concurrency: ConcurrencyForm = Field(
        default=None,
        description="Requests in flight at most; auto: as many as the rate needs.",
        examples=["auto"],
    )
    attempts: int = Field(
        default=5, ge=1, le=100, strict=True, description="Requests for one row at most.", examples=[5]
    )
    connect_timeout_s: Seconds = Field(default=10.0, description="Seconds to connect.", examples=[10])
    read_timeout_s: Seconds = Field(
        default=30.0, description="Seconds between two parts of a reply.", examples=[30]
    )
    total_timeout_s: Seconds = Field(
        default=60.0, description="Seconds for one request in all.", examples=[60]
    )
    settle_s: Annotated[float, Field(ge=0, le=600, strict=True, allow_inf_nan=False)] = Field(
        default=2.0, description="Seconds to wait before a lost answer is looked up.", examples=[2]
    )
    max_failures: ShareForm = Field(
        default=None, description="The run stops once more rows than this have failed.", examples=["5%"]
    )
    canary: CountForm = Field(
        default=None,
        description="Rows sent first; the others follow only if all of these end as asked.",
        examples=[3],
    )
    window: WindowForm = Field(
        default=None, description="When requests that change may leave.", examples=["02:00-04:00"]
    )
    strict: StrictBool = Field(
        default=False,
        description="One refused or drifted row stops everything before the first PUT.",
        examples=[True],
    )
    skip_invalid: StrictBool = Field(
        default=False, description="Go on without the rows that are invalid.", examples=[True]
    )
    max_changes: ShareForm = Field(
        default=None, description="Most services to change; a percentage is of the rows.", examples=["10%"]
    )
    max_removed: ShareForm = Field(
        default=None,
        description="Most mappings to remove; a percentage is of those there are.",
        examples=["5%"],
    )
    max_consumers: CountForm = Field(
        default=None, description="Most connected endpoints of changed services.", examples=[500]
    )
    allow_parking: StrictBool = Field(
        default=False,
        description="Break a cycle of swapped ports by one intermediate PUT.",
        examples=[True],
    )
    simulator: Annotated[
        SimulatorSettings, Field(description="The bundled simulator.", examples=[{"fleet": "fleet.jsonl"}])
    ] = SimulatorSettings()

    @property
    def target(self) -> Target:
        """Give the target of rows that name none."""
        return Target(region=self.region, project_id=self.project_id, profile=self.profile)


def job_schema() -> dict[str, Any]:
    """Give the JSON Schema of `job.toml` (draft 2020-12)."""
    return TypeAdapter(Job).json_schema()


SETTINGS: dict[str, dict[str, Any]] = job_schema()["properties"]
"""What the schema says of each key of `job.toml`."""
SIMULATOR_SETTINGS: dict[str, dict[str, Any]] = job_schema()["$defs"]["SimulatorSettings"]["properties"]
"""The same for the table `[simulator]`."""
