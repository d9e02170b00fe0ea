"""The job file: raw lines in, ServiceUpdate, InvalidRow and Issue out.

    files -> text_lines -> csv_text -> header -> cells -> csv_layouts --+
                 |                                                      +-> drafts -> row_rules -> duplicates
                 +-------> jsonl ---------------------------------------+

`reading` leads the lines through these steps, and `rows_read` keeps what comes out. `columns` is the
table of every column; `values` and `mappings` say what each may be. Rules of a
value return a Problem without a place; the layouts know the place and make it an Issue. A value that
is not exactly what a rule allows is an issue and never corrected, with three exceptions: blanks
around a CSV cell, and the case of a UUID and of a protocol.
"""

from bulk.jobfile.ids import read_ids
from bulk.jobfile.reading import Row, read_rows
from bulk.jobfile.rows_read import ReadRows, Survey, read_all, survey
from bulk.jobfile.schema import row_schema
from bulk.jobfile.text_lines import LineCount
from bulk.model import Format

__all__ = [
    "Format",
    "LineCount",
    "ReadRows",
    "Row",
    "Survey",
    "read_all",
    "read_ids",
    "read_rows",
    "row_schema",
    "survey",
]
