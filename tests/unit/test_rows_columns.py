"""The one table of columns, and the model whose fields it fills."""

from dataclasses import fields

from bulk.core.model import ModifyBody, PortMapping, ServiceUpdate, Target
from bulk.core.rows.columns import (
    COLUMNS,
    CSV_COLUMNS,
    MAPPING_COLUMNS,
    OUTCOME_COLUMNS,
    ColumnKind,
    names_of,
)

NO_COLUMNS = {"row", "place", "target", "body"}
"""Fields of an update that are made of other things than one cell."""


def test_every_field_of_an_update_is_a_column_and_every_column_a_field() -> None:
    """A column without a field, or a field that no job file can fill, does not pass."""
    own = [field.name for field in fields(ServiceUpdate) if field.name not in NO_COLUMNS]
    body = [f"body.{field.name}" for field in fields(ModifyBody)]
    target = [f"target.{name}" for name in Target._fields]
    assert sorted(column.path for column in COLUMNS.values()) == sorted([*own, *body, *target])


def test_the_columns_of_the_long_layout_are_the_fields_of_a_mapping() -> None:
    """In their order, so that a mapping is written as its cells."""
    assert tuple(MAPPING_COLUMNS) == PortMapping._fields
    optional = {name for name, column in MAPPING_COLUMNS.items() if not column.is_required}
    assert optional == set(PortMapping._field_defaults)


def test_no_name_has_two_meanings() -> None:
    """What a report adds is never taken for what a job asks."""
    names = [*CSV_COLUMNS, *OUTCOME_COLUMNS]
    assert len(set(names)) == len(names)


def test_each_column_is_of_one_kind() -> None:
    """The kinds together are the table, each in its order; the one service is named by one column."""
    assert sorted(name for kind in ColumnKind for name in names_of(kind)) == sorted(COLUMNS)
    assert names_of(*ColumnKind) == tuple(COLUMNS)
    assert names_of(ColumnKind.SERVICE) == ("service_id",)
