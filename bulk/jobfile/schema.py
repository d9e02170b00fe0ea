"""The JSON Schema of one line of JSON Lines, for editors and for programs that write job files.

What each field may be stands in `columns`; a test holds readings and schema together.
"""

from collections.abc import Mapping
from typing import Any

from bulk.jobfile.columns import COLUMNS, MAPPING_COLUMNS, Column, MappingColumn
from bulk.jobfile.row_rules import ASKING, EXCLUSIVE


def row_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a row: what a schema can say of its rules.

    It cannot say that no (client_port, protocol) comes twice, nor that add_ports and remove_ports
    have nothing in common, nor anything that concerns two rows.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "row",
        "description": "What one endpoint service is to become; a field that is omitted stays as it is.",
        "type": "object",
        "properties": {name: _described(column.form.schema, column) for name, column in COLUMNS.items()},
        "required": ["service_id"],
        "additionalProperties": False,
        "anyOf": [{"required": [name]} for name in sorted(ASKING)],
        "allOf": [{"not": {"required": list(pair)}} for pair in EXCLUSIVE],
        "$defs": {
            "mapping": {
                "type": "object",
                "properties": {
                    name: _described(column.schema, column) for name, column in MAPPING_COLUMNS.items()
                },
                "required": [name for name, column in MAPPING_COLUMNS.items() if column.is_required],
                "additionalProperties": False,
            }
        },
    }


def _described(schema: Mapping[str, Any], column: Column | MappingColumn) -> dict[str, Any]:
    """Return a schema with the column's meaning as a sentence."""
    return {**schema, "description": f"{column.meaning[0].upper()}{column.meaning[1:]}."}
