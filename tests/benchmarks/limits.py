"""`--rate auto` against limits that it has to find: the simulator's, each beside the others in one run.

From `SEARCH_S` after the first PUT on, for `LOOK_S`: the share of what the server allows that was taken,
and the share of PUTs that it refused, both as the ledger has them.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

import orjson

from bulk.adapters.ledger import records
from tests.benchmarks.bars import Row, at_least, at_most
from tests.benchmarks.fleet import BEFORE, project_id, service_id, write_job
from tests.benchmarks.measure import Child, ChildFailed, environment, python, serving, start

SEARCH_S, LOOK_S = 10.0, 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """A limit of the simulator."""

    spec: str
    allowed_per_s: float
    refused_max: float


LIMITS = (
    Hidden(spec="token:20/s,burst=2,policy=none", allowed_per_s=20, refused_max=0.01),
    Hidden(spec="token:100/s,burst=10,policy=none", allowed_per_s=100, refused_max=0.01),
    Hidden(spec="token:100/s,burst=10", allowed_per_s=100, refused_max=0.005),
    Hidden(spec="fixed:100/5s,policy=none", allowed_per_s=20, refused_max=0.03),
    Hidden(spec="fixed:100/5s", allowed_per_s=20, refused_max=0.015),
)
"""Windows whose length goes into `LOOK_S`, so that the phase of the first one does not matter."""


def found(home: Path) -> Iterator[Row]:
    """Give the row of each limit; all are run at the same time, which takes about half a minute."""
    with ExitStack() as stack:
        runs = [_begin(stack, limit, home / str(number)) for number, limit in enumerate(LIMITS)]
        for limit, (child, said, folder) in zip(LIMITS, runs, strict=True):
            spent = child.wait(said)
            if spent.code:
                raise ChildFailed(f"{limit.spec}: ended with {spent.code}: {spent.said[-2000:]}")
            yield _row(limit, next(folder.glob("runs/*.ledger.jsonl")))


def _begin(stack: ExitStack, limit: Hidden, folder: Path) -> tuple[Child, IO[bytes], Path]:
    folder.mkdir()
    rows = round(limit.allowed_per_s * (SEARCH_S + LOOK_S + 3))
    job = write_job(folder / "job.csv", rows, services_per_project=rows)
    fleet = folder / "fleet.jsonl"
    fleet.write_bytes(b"".join(_line(number) for number in range(rows)))
    env = environment(folder)
    access = {"BULK_SIMULATOR_AK": env["HUAWEICLOUD_SDK_AK"], "BULK_SIMULATOR_SK": env["HUAWEICLOUD_SDK_SK"]}
    simulator = python("bulk.simulator", "--fleet", str(fleet), "--limit", f"{limit.spec},for=writes")
    server = stack.enter_context(serving([*simulator, "--stop-with-stdin"], home=folder, env=access))
    said = stack.enter_context((folder / "said").open("w+b"))
    command = python("bulk", "apply", str(job), "--endpoint", server.url, "--rate", "auto", "--yes", "-q")
    return stack.enter_context(start(command, home=folder, out=said)), said, folder


def _line(number: int) -> bytes:
    service = {"id": service_id(number), "project_id": project_id(0), "ports": orjson.loads(BEFORE)}
    return orjson.dumps(service) + b"\n"


def _row(limit: Hidden, ledger: Path) -> Row:
    taken, refused, begin = 0, 0, None
    for _, record in records(ledger):
        at = datetime.fromisoformat(record["at"]).timestamp()
        if begin is None and record["type"] == "intent":
            begin = at + SEARCH_S
        if begin is not None and begin <= at < begin + LOOK_S:
            taken += record["type"] == "outcome"
            refused += record["type"] == "attempt" and record["verdict"] == "throttled"
    used = taken / (limit.allowed_per_s * LOOK_S)
    figures = {"used": used, "refused": refused / max(1, taken + refused)}
    bars = (at_least("used", 0.97), at_most("refused", limit.refused_max))
    return Row(section="auto", name=limit.spec, figures=figures, bars=bars)
