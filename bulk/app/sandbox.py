"""A sandbox to rehearse a plan in: a copy of the plan, its snapshot as a fleet, a simulator of its own."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import orjson

from bulk.app.environment import Environment
from bulk.app.ledgers import plan_of
from bulk.app.sources import ApiAddress
from bulk.ledger.chain import Chain
from bulk.ledger.digest import PlanDigest, planned_terms
from bulk.ledger.records import FORMAT, Json, change_of, record_json
from bulk.model import LONG_NAME_CHARS_MAX, ServiceId, ServiceState
from bulk.plan.footprint import footprint_of
from bulk.rehearsal import fleet_line, practised
from bulk.rehearsal.children import bare
from bulk.rehearsal.simulator_process import RunningSimulator, run_simulator
from bulk.settings import Job, WhenSettings, settings_json
from bulk.vpcep.regions import parse_endpoint
from bulk.vpcep.services import service

_TAKES_LONG_NAMES = ("--switches", f'{{"service_name_chars_max": {LONG_NAME_CHARS_MAX}}}')
"""The simulator takes long names, as Huawei Cloud Stack does; the plan warns of such names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """The place where one stage of a rehearsal runs: a ledger, a simulator, an environment."""

    ledger: Path
    """The plan, with the simulator as its endpoint."""
    practice: RunningSimulator
    environment: Environment
    """It has the credentials of the simulator alone, and a home folder of its own."""
    _fleet: Path

    def fleet(self) -> dict[ServiceId, ServiceState]:
        """Return every service as it is now."""
        with self._fleet.open("rb") as lines:
            states = (service(orjson.loads(line)) for line in lines)
            return {state.id: state for state in states}  # the last line of a service counts


@asynccontextmanager
async def staged(
    plan: Path, folder: Path, job: Job, environment: Environment, *, flags: Sequence[str]
) -> AsyncIterator[Sandbox]:
    """Prepare a stage in a new folder; `flags` are the simulator's. Raises UsageError for a wrong one."""
    ledger, fleet = folder / "rehearsal.ledger.jsonl", folder / "fleet.jsonl"
    places = _sow(plan, fleet)
    async with run_simulator(fleet, fleet, flags=(*places, *_TAKES_LONG_NAMES, *flags)) as practice:
        _copy(plan, ledger, job, practice.url)
        yield Sandbox(
            ledger=ledger, practice=practice, environment=_alone(environment, practice, folder), _fleet=fleet
        )


def _sow(plan: Path, fleet: Path) -> Iterator[str]:
    """Write the plan's snapshot as a fleet file; return the flags that name the region of its projects."""
    regions: dict[str, str] = {}
    fleet.parent.mkdir()
    with fleet.open("xb") as file:
        for record in plan_of(plan):
            if record["type"] == "change":
                change = practised(change_of(record))
                if line := fleet_line(change):
                    file.write(orjson.dumps(line) + b"\n")
                    regions[change.target.project_id] = change.target.region
    return _places(regions)


def _places(regions: Mapping[str, str]) -> Iterator[str]:
    """Return the region of most projects as the default, and by name only those of other regions."""
    for default, _ in Counter(regions.values()).most_common(1):
        yield from ("--region", default)
        for project_id, region in regions.items():
            if region != default:
                yield from ("--project", f"{region}_{project_id}={project_id}")


def _copy(plan: Path, copy: Path, job: Job, url: str) -> None:
    """Write the plan anew for the simulator: at any time of day, without soak, judge, notices and workers."""
    chain, digest, run = Chain(), PlanDigest(), Json()
    guards = replace(job.guards, soak=None, judge=None)
    where = replace(job.where, via="")
    free = replace(job, where=where, when=WhenSettings(), guards=guards, notify=(), metrics="")
    options = settings_json(free) | {"endpoint": asdict(ApiAddress(url=url))}
    with copy.open("xb") as file:
        for record in plan_of(plan):
            bare = {name: value for name, value in record.items() if name != "sum"}
            match record["type"]:
                case "run":
                    there = {"profile": "", "host": parse_endpoint(url).authority}
                    targets = [target | there for target in record["targets"]]
                    bare = run = bare | {"format": FORMAT, "options": options, "targets": targets, "runs": ""}
                case "change":
                    change = practised(change_of(record))
                    digest.add(change)
                    bare |= record_json(change)
                case "planned":
                    terms = planned_terms(run, changes=footprint_of(record["footprint"]).changes)
                    bare["digest"] = digest.under(terms)
                case _:
                    pass
            file.write(chain.add(bare))


def _alone(environment: Environment, practice: RunningSimulator, home: Path) -> Environment:
    """Return an environment that leads to the simulator only and has a home folder of its own."""
    env = bare(environment.env) | {"HOME": str(home), "XDG_STATE_HOME": str(home)} | practice.variables
    return replace(environment, env=env, home=home, announcer=None)
