"""The one table of columns, and the model whose fields it fills."""

from dataclasses import fields, replace

import pytest

from bulk.jobfile.columns import (
    COLUMNS,
    CSV_COLUMNS,
    MAPPING_COLUMNS,
    OUTCOME_COLUMNS,
    ColumnKind,
    names_of,
)
from bulk.ledger.progress import Progress
from bulk.model import ModifyBody, PortMapping, ServiceUpdate, Target
from bulk.reports import as_csv, as_html, as_json
from bulk.reports.report import Report
from bulk.reports.report_row import Row
from tests.values import OneByOne, change

NO_COLUMNS = {"row", "place", "target", "body"}
"""Fields of an update that are made of other things than one cell."""


def test_every_field_of_an_update_is_a_column_and_every_column_a_field() -> None:
    """A column without a field, or a field that no job file can fill, does not pass."""
    own = [field.name for field in fields(ServiceUpdate) if field.name not in NO_COLUMNS]
    body = [f"body.{field.name}" for field in fields(ModifyBody)]
    target = [f"target.{name}" for name in Target._fields]
    columns, model = {column.path for column in COLUMNS.values()}, {*own, *body, *target}
    assert columns == model, (
        f"columns without a field in bulk/model.py: {sorted(columns - model)}; "
        f"fields without a column in bulk/jobfile/columns.py: {sorted(model - columns)}"
    )


def test_a_free_text_that_is_not_given_is_empty() -> None:
    """Reports write it as it is, and a cell that is blank says nothing."""
    defaults = {field.name: field.default for field in fields(ServiceUpdate)}
    assert {defaults[COLUMNS[name].path] for name in names_of(ColumnKind.TEXT)} == {""}


@pytest.mark.parametrize("name", names_of(ColumnKind.TEXT))
def test_a_free_text_comes_back_in_the_reports(name: str) -> None:
    """With its value, in CSV, JSON and on the page; a kind that no report takes would lose it."""
    planned = change(1)
    update = replace(planned.update, **{name: "brought back"})
    progress = Progress()
    progress.run = {**dict.fromkeys(("job", "job_sha256", "run_id", "version"), ""), "targets": []}
    rows = OneByOne([Row(change=replace(planned, update=update))])
    report = Report(progress=progress, rows=rows, advice=str)  # type: ignore[arg-type]
    for render in (as_csv.render, as_json.render, as_html.render):
        assert "brought back" in "".join(render(report))


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
