"""The documents that the repository holds, as the tests read them."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
API = (ROOT / "bulk" / "vpcep" / "API.md").read_text(encoding="utf-8")
JOBS = (ROOT / "jobs" / "README.md").read_text(encoding="utf-8")


class Code(NamedTuple):
    """One row of the tables of error codes in API.md, sections 3.2 and 3.4."""

    code: str
    http: int
    kind: str
    """Its class."""


def rows(text: str) -> list[list[str]]:
    """Return the cells of every row of every table, headings and rules included."""
    lines = [line.strip() for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def coded(cell: str) -> list[str]:
    """Return what stands in backticks in a cell."""
    return re.findall(r"`([^`]+)`", cell)


def section(text: str, heading: str) -> str:
    """Return what stands under a heading that begins so, up to the next heading of any level."""
    found = re.search(rf"^#+ {re.escape(heading)}\b.*?\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


def file_block(file: str) -> str:
    """Return the fenced block of jobs/README.md that is this file."""
    [text] = re.findall(rf"^```\w+ {re.escape(file)}\n(.*?)^```$", JOBS, re.MULTILINE | re.DOTALL)
    return str(text)


def codes() -> list[Code]:
    """Return every documented code, once for each status that it comes with."""
    found = [Code(row[0], int(row[1]), row[2]) for row in rows(section(API, "3.2")) if row[1].isdigit()]
    _, *parts = re.split(r"^Prefix `(\w+)\.`", section(API, "3.4"), flags=re.MULTILINE)
    for prefix, table in zip(parts[::2], parts[1::2], strict=True):
        for numbers, statuses, kind, _ in rows(table):
            found += [
                Code(f"{prefix}.{number}", int(status), kind)
                for number in re.findall(r"\d+", numbers)
                for status in re.findall(r"\d+", statuses)
            ]
    return found
