"""Rows as a job file again: long CSV, wide CSV or JSON Lines, to be edited and applied.

Names from the API stand in the column `note`, which comes first: it is what people look for. A CSV cell that
a spreadsheet would take for a formula is made text as in the CSV report, and reads back as what it was.
"""

import csv
from io import StringIO
from operator import attrgetter
from typing import Any

import orjson

from bulk.jobfile.columns import COLUMNS, MAPPING_COLUMNS, ColumnKind, names_of
from bulk.jobfile.values import as_cell
from bulk.model import ServiceUpdate, value_json
from bulk.reports.fleet_rows import Layout
from bulk.reports.words import as_text

_PORTS = {Layout.LONG: MAPPING_COLUMNS, Layout.WIDE: ("ports",)}
_FIRST = (*names_of(ColumnKind.TEXT), "service_id")
_OTHERS = names_of(ColumnKind.EXPECTATION, ColumnKind.TARGET)
"""The columns of an exported row behind its name, its id and its ports; it names nothing else to change."""
_first, _others = (attrgetter(*(COLUMNS[name].path for name in names)) for names in (_FIRST, _OTHERS))


def head(layout: Layout) -> str:
    """Return the text before the first row: the header of a CSV."""
    return "" if layout is Layout.JSONL else _line((*_FIRST, *_PORTS[layout], *_OTHERS))


def row(update: ServiceUpdate, layout: Layout) -> str:
    """Return the lines of one row, which names its ports and nothing else to change."""
    if layout is Layout.JSONL:
        return orjson.dumps(row_json(update)).decode() + "\n"
    ports = update.body.ports or ()
    mappings: tuple[tuple[str | int, ...], ...] = ((as_text(ports),),) if layout is Layout.WIDE else ports
    first, others = (
        tuple(as_cell(as_text(value)) for value in values) for values in (_first(update), _others(update))
    )
    return "".join(_line((*first, *cells, *others)) for cells in mappings)


def row_json(update: ServiceUpdate) -> dict[str, Any]:
    """Return one row as the object of a line of JSON Lines; empty fields are left out."""
    values = (*_first(update), update.body.ports or (), *_others(update))
    said = zip((*_FIRST, "ports", *_OTHERS), values, strict=True)
    return {name: value_json(value) for name, value in said if value not in (None, "")}


def _line(cells: tuple[str | int, ...]) -> str:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
