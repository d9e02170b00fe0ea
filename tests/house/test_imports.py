"""Verbs that talk to nobody import nothing that could, so that they answer at once."""

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from bulk.cli.verbs import ALL
from bulk.cli.verbs.shared import ReportForm

ROOT = Path(__file__).parents[2]
LEDGER = ROOT / "tests/ledgers/format-2/finished.ledger.jsonl"
OF_THE_NETWORK = {"aiohttp", "asyncio", "asyncio_throttle", "multidict", "ssl", "uvloop", "yarl"}
HEAVY = OF_THE_NETWORK | {"pydantic", "structlog"}

SERVICE = next(
    record["service_id"]
    for record in map(orjson.loads, LEDGER.read_bytes().splitlines())
    if record["type"] == "change"
)
OFFLINE = [
    ["--version"],
    ["--help"],
    *([verb.__name__, "--help"] for verb in ALL),
    ["check", str(ROOT / "jobs/one-off/services.csv")],
    ["check", str(ROOT / "jobs/one-off")],
    ["status", str(LEDGER)],
    *(["report", str(LEDGER), "--output", form.value] for form in ReportForm),
    ["audit", str(LEDGER)],
    ["why", str(LEDGER), SERVICE],
]
IMPORTED = """
import atexit, sys
atexit.register(lambda: print(*sorted(sys.modules), file=sys.stderr))
from bulk.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize("argv", OFFLINE, ids=" ".join)
def test_a_verb_that_talks_to_nobody_imports_no_network(argv: list[str], tmp_path: Path) -> None:
    """Neither the libraries of the network, nor those that are heavy and of no use to it."""
    ended = subprocess.run(
        [sys.executable, "-c", IMPORTED, *argv],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode in {0, 4}, ended.stderr
    *_, modules = ended.stderr.splitlines()
    assert "bulk.cli.main" in modules.split()
    assert not HEAVY.intersection(modules.split())
