"""The list of runs as a table and as CSV."""

import csv
from zoneinfo import ZoneInfo

from bulk.errors import ExitCode
from bulk.reports.run_list import ListedRun, as_csv, lines
from bulk.reports.run_status import State
from bulk.reports.words import plain

DIGEST = "sha256:" + "ab" * 32
RUN = ListedRun(
    began_at="2026-01-15T23:30:00.000Z",
    job="move-ssh",
    by="ann",
    ticket="CHG1",
    rows=12_000,
    applied=11_990,
    not_as_asked=10,
    state=State.FINISHED,
    exit_code=ExitCode.SOME_FAILED,
    digest=DIGEST,
    ledger="a.ledger.jsonl",
)
PLANNED = ListedRun(began_at=RUN.began_at, job="b", by="ann", rows=3, state=State.PLANNED, ledger="p")
KILLED = ListedRun(began_at=RUN.began_at, job="c", by="ann", state=State.DIED, ledger="c", remark="odd")


def test_each_run_is_one_line_in_columns() -> None:
    """Its time is local; what is not known is `?`, what is not there is `-`, and a remark comes last."""
    shown = [
        plain(line)
        for line in lines([RUN, PLANNED, KILLED, ListedRun(ledger="x")], ZoneInfo("Asia/Shanghai"))
    ]
    assert [" ".join(line.split()) for line in shown] == [
        "began job by ticket rows applied not as asked state exit digest ledger",
        f"2026-01-16 07:30 CST move-ssh ann CHG1 12,000 11,990 10 finished 4 {'ab' * 8} a.ledger.jsonl",
        "2026-01-16 07:30 CST b ann - 3 - - planned - - p",
        "2026-01-16 07:30 CST c ann - ? ? ? died - - c odd",
        "? ? ? ? ? ? ? ? ? ? x",
    ]
    assert len({line.index("  ", line.index("ann")) for line in shown[1:3]}) == 1
    assert len({line.rindex("  ") for line in shown[:3]}) == 1


def test_what_a_person_made_of_a_run_stands_for_its_state() -> None:
    """A run that was rolled back is not simply finished."""
    for words, run in {
        "rolled back": ListedRun(state=State.FINISHED, is_rolled_back=True, is_left=True, ledger="a"),
        "left": ListedRun(state=State.STOPPED, is_left=True, ledger="a"),
    }.items():
        assert f" {words} " in plain([*lines([run])][1])


def test_the_csv_has_the_members_as_columns_and_starts_no_formula() -> None:
    """What is not known is a blank cell."""
    [titles, first, second] = csv.reader(as_csv([RUN, ListedRun(job="=1+1", ledger="x", remark="a\nb")]))
    found = dict(zip(titles, first, strict=True))
    assert (found["rows"], found["exit_code"], found["is_left"], found["state"]) == (
        "12000",
        "4",
        "false",
        "finished",
    )
    odd = dict(zip(titles, second, strict=True))
    assert (odd["job"], odd["rows"], odd["exit_code"]) == ("'=1+1", "", "")
    assert "\n" not in odd["remark"]
