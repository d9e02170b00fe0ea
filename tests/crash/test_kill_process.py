"""Real processes, killed by SIGKILL at every effect of a run and somewhere in its resume."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_processes_killed_at_every_effect_leave_a_ledger_that_ends_the_job(tmp_path: Path) -> None:
    """P1 to P5 with the kernel's own kill, the ledger's own thread, and a fleet that outlives them."""
    driven = subprocess.run(
        [sys.executable, "-m", "tests.crash.driver", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert driven.returncode == 0, driven.stderr
    assert int(driven.stdout) > 80
