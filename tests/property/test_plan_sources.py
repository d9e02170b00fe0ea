"""Whatever a plan is made from, its ledger keeps the same laws."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from bulk.app.applying import ApplyRequest, apply_ledger
from bulk.app.jobs import Flags, job_of_ledger, open_job
from bulk.app.ledgers import reading
from bulk.app.planning import plan_from
from bulk.app.rolling_back import run_to_roll_back
from bulk.app.sources import PlanSource, R
from bulk.errors import ExitCode
from bulk.ledger.digest import PlanDigest, planned_terms
from bulk.ledger.file import records
from bulk.ledger.records import Json, change_of, target_of
from bulk.model import Action, Change, Target
from bulk.plan import steps
from bulk.plan.footprint import Footprint
from bulk.simulator import Simulator
from tests.simulator_caller import line, mapping, service_id
from tests.use_cases import Yes, leading_to, passed_over

FLAGS: Flags = {"region": "cn-north-4", "rate": "1000000/s", "skip_invalid": True, "allow_parking": True}
PROJECTS = 3


@dataclass(frozen=True, kw_only=True)
class World:
    """Services that share a port_id in each project, and a job that deals their server ports out anew."""

    sizes: tuple[int, ...]
    """Services of each project."""
    seed: int
    """Of the dice that deal, and that mix the rows of the projects."""
    invalid: int
    """Rows that no service is looked at for."""

    @property
    def services(self) -> list[tuple[int, int]]:
        """Return the project and the number of each service."""
        return [(project, 100 * project + n) for project, size in enumerate(self.sizes) for n in range(size)]

    def fleet(self) -> list[Json]:
        """Return the services as the simulator takes them."""
        return [
            line(n, project_id=project_id(p), port_id=port_id(p), ports=[mapping(80, 1 + n)])
            for p, n in self.services
        ]

    def rows(self) -> list[str]:
        """Return the lines of a wide CSV: some services swap ports, some take free ones, some keep theirs."""
        dice = random.Random(self.seed)
        dealt: list[tuple[int, int, int]] = []
        for project in range(PROJECTS):
            numbers = [n for p, n in self.services if p == project]
            ports = [dice.choice((1 + n, 1 + n, 50 + n)) for n in numbers]
            dice.shuffle(ports)
            dealt += [(project, n, port) for n, port in zip(numbers, ports, strict=True)]
        lines = [f"{project_id(p)},{service_id(n)},80:{port}" for p, n, port in dealt]
        lines += [f",{service_id(9000 + n)},80:0" for n in range(self.invalid)]
        dice.shuffle(lines)
        return ["project_id,service_id,ports", *lines]


def project_id(number: int) -> str:
    """Return the id of a project."""
    return f"{number + 1:032x}"


def port_id(project: int) -> str:
    """Return the port_id that all services of a project share."""
    return f"{project:08}-0000-4000-8000-000000000000"


WORLDS = st.builds(
    World,
    sizes=st.tuples(*[st.integers(0, 4)] * PROJECTS).filter(any),
    seed=st.integers(0, 1_000_000),
    invalid=st.integers(0, 2),
)


@given(WORLDS)
@example(World(sizes=(2, 3, 2), seed=1, invalid=1))
@settings(max_examples=15, phases=(Phase.explicit, Phase.generate))
def test_plans_of_every_source_keep_the_same_laws(world: World) -> None:
    """Of a job file, of the run that it became, and of the rollback of that run, which is a run again."""
    with TemporaryDirectory() as folder:
        asyncio.run(_plan_apply_and_roll_back_twice(world, Path(folder)))


async def _plan_apply_and_roll_back_twice(world: World, folder: Path) -> None:
    (folder / "rows.csv").write_text("\n".join(world.rows()))
    places = {f"cn-north-4_{n}": project_id(n) for n in range(PROJECTS)}
    async with Simulator(fleet=world.fleet(), projects=places) as simulator:
        environment = leading_to(simulator, folder)

        async def applied(source: PlanSource[R], plan: Path, targets: list[Target]) -> bool:
            """Plan, check the laws, apply; return whether anything was changed."""
            ahead = await plan_from(source, environment=environment, out=plan, shown=passed_over)
            _check_laws(plan, source, targets)
            source.release()
            ended = await apply_ledger(plan, {}, ApplyRequest(environment, Yes(), passed_over))
            assert ended.exit_code in {ExitCode.OK, ExitCode.SOME_FAILED}
            return ahead.changes > 0

        job = open_job(str(folder / "rows.csv"), FLAGS, environment.local_time)
        plan, back, again = folder / "plan", folder / "back", folder / "again"
        changed = await applied(job, plan, _targets(update.target for update in job.rows.updates))
        for run, rollback in ((plan, back), (back, again)):
            if changed:
                sent = [change.target for change in reversed(_changes(run)) if change.action is Action.UPDATE]
                with run_to_roll_back(run, {}, only=frozenset(), at_rest=True) as source:
                    changed = await applied(source, rollback, _targets(sent))


def _targets(targets: Iterable[Target]) -> list[Target]:
    """Return each target once, in the order of its first row."""
    return list(dict.fromkeys(targets))


def _changes(ledger: Path) -> list[Change]:
    return [change_of(record) for _, record in records(ledger) if record["type"] == "change"]


def _check_laws(ledger: Path, source: PlanSource[R], targets: list[Target]) -> None:
    run, *written, planned = [record for _, record in records(ledger)]
    changes = [change_of(record) for record in written]
    footprint, digest = Footprint(), PlanDigest()
    for change in changes:
        footprint.add(change)
        digest.add(change)
    terms = planned_terms(run, changes=footprint.changes)
    sent = [change for change in changes if change.action is Action.UPDATE]
    puts = list(steps(sent, lambda _: False))
    looked_at = [change.target for change in changes if change.before is not None]
    laws = {
        "the source names the run": (run["job"], run["job_sha256"]) == (source.name, source.sha256),
        "each row stands once": sorted(c.row for c in changes) == [*range(1, len(changes) + 1)],
        "the digest is that of the changes": planned["digest"] == digest.under(terms),
        "rows are counted": planned["rows"] == len(changes),
        "actions are counted": planned["counts"] == Counter(c.action.value for c in changes),
        "the footprint is added up": planned["footprint"] == asdict(footprint),
        "targets stand in the order of their rows": [*map(target_of, run["targets"])] == targets,
        "changes stand target by target": _runs_of(looked_at) == [t for t in targets if t in looked_at],
        "each list is counted": len(planned["pages"]) == len(targets),
        "each change stands behind those that it waits for": _in_order(changes),
        "each PUT has its place": len(puts) == footprint.changes + footprint.parked,
    }
    assert not [law for law, holds in laws.items() if not holds]
    with reading(ledger) as reader:
        assert job_of_ledger(reader.progress, {}) == (source.job, source.endpoint)


def _runs_of(targets: list[Target]) -> list[Target]:
    """Return the targets without those that repeat the one before."""
    return [target for n, target in enumerate(targets) if n == 0 or targets[n - 1] != target]


def _in_order(changes: list[Change]) -> bool:
    """Return whether no change stands before a row that it waits for; a parked one is sent again later."""
    place = {change.row: n for n, change in enumerate(changes)}
    return all(
        place[row] < place[change.row]
        for change in changes
        for row in (*change.after_parked, *(() if change.parking else change.after))
    )
