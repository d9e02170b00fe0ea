"""Rows as a job file again: long CSV, wide CSV or JSON Lines, to be edited and applied.

Names from the API stand in the column `note`; a CSV cell that a spreadsheet would take for a formula is
made text as in the CSV report, and reads back as what it was.
"""

import csv
import io
from collections.abc import Iterator
from typing import Any

import orjson

from bulk.core.exports import Layout
from bulk.core.model import ServiceUpdate, ports_json
from bulk.core.reports.as_csv import neutral
from bulk.core.reports.words import told
from bulk.core.rows.columns import MAPPING_COLUMNS

_PORTS = {Layout.LONG: MAPPING_COLUMNS, Layout.WIDE: ("ports",)}
_OTHERS = ("expect_ports", "region", "project_id", "profile", "note")


def head(layout: Layout) -> str:
    """Give what stands before the first row: the header of a CSV."""
    return "" if layout is Layout.JSONL else _line(("service_id", *_PORTS[layout], *_OTHERS))


def row(update: ServiceUpdate, layout: Layout) -> str:
    """Give the lines of one row, which names its ports and nothing else to change."""
    if layout is Layout.JSONL:
        return orjson.dumps(row_json(update)).decode() + "\n"
    target = update.target
    texts = (told(update.expect_ports), target.region, target.project_id, target.profile, update.note)
    others = tuple(map(neutral, texts))
    return "".join(_line((update.service_id, *cells, *others)) for cells in _port_cells(update, layout))


def row_json(update: ServiceUpdate) -> dict[str, Any]:
    """Give one row as the object of a line of JSON Lines: what is not said is left out."""
    target = update.target
    json = {
        "service_id": update.service_id,
        "ports": ports_json(update.body.ports or ()),
        "expect_ports": None if update.expect_ports is None else ports_json(update.expect_ports),
        "region": target.region,
        "project_id": target.project_id,
        "profile": target.profile,
        "note": update.note,
    }
    return {name: value for name, value in json.items() if value not in (None, "")}


def _port_cells(update: ServiceUpdate, layout: Layout) -> Iterator[tuple[str | int, ...]]:
    ports = update.body.ports or ()
    if layout is Layout.WIDE:
        yield (told(ports),)
    else:
        yield from ((m.client_port, m.server_port, m.protocol.value) for m in ports)


def _line(cells: tuple[str | int, ...]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
