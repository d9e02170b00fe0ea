"""What a plan is made from.

Planning and applying (`planning`, `applying`) know a PlanSource and nothing of where its changes come from.
There are three: a job file (`jobs`), the ledger of a run that is rolled back (`rolling_back`), and the rows
that a run left not as asked (`retrying`). Another one is one class more. An UnreadSource is one whose rows
have not been read: it is all that it takes to find its open run and to go on with that.
"""

import shlex
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Generic, NamedTuple, TypeVar

from bulk.jobfile.files import JOB_TOML
from bulk.ledger.records import Json
from bulk.model import Change, PlannedChange, ServiceState, ServiceUpdate, Target
from bulk.plan import Live, plan_target
from bulk.settings import SIMULATOR, Job
from bulk.vpcep.regions import must_be_named, parse_endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiAddress:
    """Where the API is: a URL, the region's own (empty), or the simulator with its fleet files.

    `seed` is the simulator's fleet before the first run, `fleet` is the fleet as the runs leave it.
    """

    url: str = ""
    seed: str = ""
    fleet: str = ""

    @property
    def flag(self) -> str:
        """Return the flag of a command that sends credentials here, where a person has to name the host."""
        is_foreign = self.url not in {"", SIMULATOR} and must_be_named(parse_endpoint(self.url))
        return f" --endpoint {self.url}" if is_foreign else ""

    def apply_command(self, ledger: Path) -> str:
        """Return the command that runs a plan or continues its run."""
        return f"bulk apply {shlex.quote(str(ledger))}{self.flag}"


class JobRuns(NamedTuple):
    """The runs of one job: two files of one stem in one folder are two jobs, whatever their names.

    * folder: where their ledgers are kept
    * job: the name of the job
    * file: the name of the file by which the job is given, such as `services.csv`, `job.toml` or `-`; empty
      for what a ledger of version 0.1.0 began
    """

    folder: Path
    job: str
    file: str

    @property
    def lock(self) -> str:
        """Return the name of the lock that keeps a second run of this job away."""
        return self.job if self.file == JOB_TOML else f"{self.job}{Path(self.file).suffix}"

    def has(self, run: Json) -> bool:
        """Return whether the first record of a ledger is that of a run of this job; {} is of none.

        Version 0.1.0 named no file but that of the rows, and took what a job.toml names for one job with it.
        """
        if run.get("job") != self.job:
            return False
        if file := run.get("file"):
            return self.file in {"", file}
        rows = run["options"].get("rows")
        return Path(self.file).suffix in {"", ".toml"} or rows == self.file


# A row of a source: what is wanted of a service, or a change that the live fleet only puts in order.
R = TypeVar("R", ServiceUpdate, Change)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSource(ABC, Generic[R]):
    """Where the changes of a plan come from, and the settings under which they are planned and sent.

    * runs: where those of the same job are found, of which one is at work at a time
    * sha256: digest of what the rows are read from, to tell whether an open run was planned from the same
    * rows_sha256: that of the job in the end, for what is made of a run of it; empty for a job itself
    * given: the settings that a person gave as flags or variables
    * only: the service ids that the plan is limited to, sorted; empty where it is not limited
    * settle_s: seconds to wait before the fleet is read, because a PUT may still take effect
    * takes_back: the run that is taken back, as `Run.takes_back` has it
    * moved: changes, by their row, whose service is not what they start from, with what it is; None for gone.
      They are known once the plan is made
    * release: lets go of what was held while the source was read, once a session begins on its plan

    And for messages: `origin` is what `sha256` is the digest of, and `way_out` is what can be done, besides
    finishing it, about an open run of something else.
    """

    job: Job
    endpoint: ApiAddress
    runs: JobRuns
    sha256: str
    rows_sha256: str = ""
    given: frozenset[str]
    only: tuple[str, ...] = ()
    settle_s: float = 0.0
    takes_back: Json | None = None
    moved: dict[int, ServiceState | None] = field(default_factory=dict)
    release: Callable[[], None] = lambda: None

    origin: ClassVar[str]
    way_out: ClassVar[str] = ""

    @property
    def name(self) -> str:
        """Return the name of the job."""
        return self.runs.job

    def is_of(self, run: Json) -> bool:
        """Return whether the first record of a ledger is of the same rows at the same API, by any name."""
        endpoint = run.get("options", {}).get("endpoint")
        return run.get("job_sha256") == self.sha256 and endpoint == asdict(self.endpoint)

    @abstractmethod
    def usable_rows(self) -> Mapping[Target, Collection[R]]:
        """Return the rows to plan by the target that they name, both in the order of the source.

        Raises JobInvalid, Refused or UsageError where no plan may be made from this source.
        """

    @abstractmethod
    def changes(self, target: Target, rows: Collection[R], live: Live) -> Iterator[PlannedChange]:
        """Return one change for each row of a target, each behind those that it waits for."""

    def targets(self) -> Iterable[tuple[int, Target]]:
        """Return the number and the target of each row that goes where the job's settings say, or its own."""
        return ()

    def unusable(self) -> Iterable[Change]:
        """Return a refused change for each row that is planned without looking at its service."""
        return ()

    def as_unread(self) -> "UnreadSource[R]":
        """Return what its open run is found by."""
        return UnreadSource(
            job=self.job,
            endpoint=self.endpoint,
            runs=self.runs,
            given=self.given,
            only=self.only,
            origin=self.origin,
            way_out=self.way_out,
            release=self.release,
            digest=lambda: self.sha256,
            read=lambda: self,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsSource(PlanSource[ServiceUpdate]):
    """A source whose rows say what is wanted of each service, which is then compared with the live one."""

    way_out: ClassVar[str] = ", or leave it as it is with --new-run"

    def changes(self, target: Target, rows: Collection[ServiceUpdate], live: Live) -> Iterator[PlannedChange]:
        """Return what each row asks of its live service, each change behind those that it waits for."""
        return plan_target(target, rows, live, allow_parking=self.job.allow_parking)


@dataclass(frozen=True, kw_only=True)
class UnreadSource(Generic[R]):
    """A source whose rows are read only where they are needed; see PlanSource for what its members mean.

    `digest` is that of what the rows are read from. Either of the two may be called, and once, since a pipe
    can be read only once; `sha256` and `whole` see to that where `whole` is asked for first.
    """

    job: Job
    endpoint: ApiAddress
    runs: JobRuns
    given: frozenset[str]
    only: tuple[str, ...]
    origin: str
    way_out: str
    release: Callable[[], None] = lambda: None
    digest: Callable[[], str]
    read: Callable[[], PlanSource[R]]

    @property
    def name(self) -> str:
        """Return the name of the job."""
        return self.runs.job

    @cached_property
    def whole(self) -> PlanSource[R]:
        """Return the source with its rows."""
        return self.read()

    @property
    def sha256(self) -> str:
        """Return the digest of what the rows are read from."""
        return self.whole.sha256 if "whole" in vars(self) else self.digest()
