"""Every bar measured on this machine: `python -m tests.benchmarks`, in about seven minutes.

`--only speed,pace` measures some sections, `--rows 1000000` makes the long run (a quarter of an hour),
`--rates` takes other fixed rates. The table goes to stdout, the same as JSON to `build/benchmarks.json` or
`--json`. Each ratio comes from one run in which the contenders took turns, as the median of three. Ends with
4 if a bar was missed.

The machine may be busy with other things: the load average stands above and below the table, and the
ratios bear it better than the absolute figures do.
"""

import argparse
import os
import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from tests.benchmarks import limits, pace, scale, speed, watchers
from tests.benchmarks.bars import Row, show

MISSED = 4

SECTIONS: dict[str, Callable[[argparse.Namespace, Path], Iterator[Row]]] = {
    "speed": lambda given, home: speed.measured(given.speed_rows, home),
    "pace": lambda given, _: pace.held(given.rates),
    "watch": lambda _, home: watchers.measured(home),
    "auto": lambda _, home: limits.found(home),
    "start": lambda _, home: scale.started(home),
    "check": lambda given, home: scale.checked(given.check_rows, home),
    "scale": lambda given, home: scale.run(given.rows, given.projects, home),
    "resume": lambda given, home: scale.resumed(given.rows, home),
    "runs": lambda _, home: scale.listed(home),
}


def main() -> int:
    """Measure, print, write; give the exit code."""
    given = _parser().parse_args()
    rows, loads = [], [_load()]
    for name in given.only:
        with TemporaryDirectory() as folder:
            for row in SECTIONS[name](given, Path(folder)):
                show(row)
                rows.append(row)
    loads.append(_load())
    report = {"machine": _machine(), "load_average_1_min": loads, "rows": [row.json() for row in rows]}
    given.json.parent.mkdir(parents=True, exist_ok=True)
    given.json.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    return MISSED if any(row.kept is False for row in rows) else 0


def _load() -> float:
    load = os.getloadavg()[0]
    sys.stdout.write(f"load average {load:.2f} on {os.cpu_count()} cores\n")
    return load


def _machine() -> dict[str, object]:
    return {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add(
        "--only",
        type=_sections,
        default=list(SECTIONS),
        metavar=",".join(SECTIONS),
        help="sections to measure",
    )
    add("--rows", type=int, default=20_000, help="of plan, apply and resume (20000)")
    add("--projects", type=int, default=1, help="that these rows are spread over (1)")
    add("--check-rows", type=int, default=1_000_000, help="of check (1000000)")
    add("--speed-rows", type=int, default=20_000, help="of the pipeline and the bare loop beside it (20000)")
    add("--rates", type=_rates, default=[20.0, 500.0, 2000.0], help="fixed rates a second (20,500,2000)")
    add("--json", type=Path, default=Path("build/benchmarks.json"), help="where the figures are written")
    return parser


def _sections(text: str) -> list[str]:
    if unknown := set(text.split(",")) - set(SECTIONS):
        raise argparse.ArgumentTypeError(
            f"no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}"
        )
    return text.split(",")


def _rates(text: str) -> list[float]:
    return [float(rate) for rate in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
