"""The estimate counts the requests that a run really makes, whatever the fleets are."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from bulk.app.applying import ApplyRequest, apply_ledger
from bulk.app.comparing import plan_ledger
from bulk.app.environment import Environment
from bulk.app.jobs import Flags, open_job
from bulk.app.planning import plan_from
from bulk.app.rolling_back import run_to_roll_back
from bulk.errors import ExitCode
from bulk.simulator import Simulator
from tests.simulator_caller import line, mapping, service_id
from tests.use_cases import Yes, leading_to, passed_over

SIZES = (0, 1, 1_000, 1_001, 2_500)
"""Services of a project: none, one, and what fits into pages exactly, nearly and not at all."""
FLAGS: Flags = {"region": "cn-north-4", "rate": "1000000/s"}


@dataclass(frozen=True, kw_only=True)
class Project:
    """A project of the simulator, and the services of it that the job names."""

    number: int
    size: int
    changed: int
    kept: int
    unknown: int

    @property
    def id(self) -> str:
        """Its id."""
        return f"{self.number:032x}"

    def service(self, place: int) -> int:
        """Return the number of a service: of one that there is, for places below `size`."""
        return 10_000 * self.number + place

    def fleet(self) -> list[dict[str, object]]:
        """Return its services as the simulator takes them."""
        mappings = [mapping(443, 9000)]
        numbers = map(self.service, range(self.size))
        return [line(number, project_id=self.id, ports=mappings) for number in numbers]

    def rows(self) -> list[str]:
        """Return its lines of a wide CSV: rows to change, rows that are right, rows to refuse."""
        changed, kept = min(self.changed, self.size), min(self.kept, max(0, self.size - self.changed))
        wanted = dict.fromkeys(range(changed), "8443:9000")
        wanted |= dict.fromkeys(range(changed, changed + kept), "443:9000")
        wanted |= {self.size + place: "8443:9000" for place in range(self.unknown)}
        return [f"{self.id},{service_id(self.service(place))},{ports}" for place, ports in wanted.items()]


FEW = st.integers(0, 2)
PROJECTS = st.builds(
    Project,
    number=st.integers(1, 1_000),
    size=st.sampled_from(SIZES),
    changed=FEW,
    kept=FEW,
    unknown=FEW,
).filter(Project.rows)
EVERY_SIZE = [
    Project(number=number, size=size, changed=1, kept=0, unknown=1) for number, size in enumerate(SIZES, 1)
]


@given(st.lists(PROJECTS, min_size=1, max_size=4, unique_by=lambda project: project.number))
@example(EVERY_SIZE)
@settings(max_examples=10, phases=(Phase.explicit, Phase.generate))  # to shrink a fleet takes minutes
def test_a_clean_run_takes_the_requests_that_were_estimated(projects: list[Project]) -> None:
    """Of a fresh plan, of the same plan saved, and of the rollback: each page of each look, and each PUT."""
    with TemporaryDirectory() as folder:
        asyncio.run(_plan_run_and_take_back(projects, Path(folder)))


async def _plan_run_and_take_back(projects: list[Project], folder: Path) -> None:
    plan, back = folder / "run.plan", folder / "back.plan"
    rows = [row for project in projects for row in project.rows()]
    (folder / "rows.csv").write_text("\n".join(["project_id,service_id,ports", *rows]))
    fleet = [service for project in projects for service in project.fleet()]
    places = {f"cn-north-4_{project.number}": project.id for project in projects}
    async with Simulator(fleet=fleet, projects=places) as simulator:
        environment = leading_to(simulator, folder)
        opened = open_job(str(folder / "rows.csv"), FLAGS, environment.local_time)
        fresh = await plan_from(opened, environment=environment, out=plan, shown=passed_over)
        saved = await plan_ledger(plan, {}, environment=environment, shown=passed_over)
        assert saved.estimate == fresh.estimate
        assert await _requests_of_a_run(plan, simulator, environment) == fresh.estimate.requests
        if fresh.changes:
            with run_to_roll_back(plan, {}, only=frozenset(), at_rest=True) as source:
                undone = await plan_from(source, environment=environment, out=back, shown=passed_over)
            assert await _requests_of_a_run(back, simulator, environment) == undone.estimate.requests


async def _requests_of_a_run(plan: Path, simulator: Simulator, environment: Environment) -> int:
    """Apply a plan and return the requests that the simulator counted meanwhile."""
    before = sum(simulator.stats["requests"].values())
    applied = await apply_ledger(plan, {}, ApplyRequest(environment, Yes(), passed_over))
    assert applied.exit_code in {ExitCode.OK, ExitCode.SOME_FAILED}
    return sum(simulator.stats["requests"].values()) - before
