"""`bulk audit` and `bulk why`: what a ledger proves, and what befell one service."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from bulk.errors import ExitCode
from bulk.ledger.chain import GENESIS, seal
from bulk.ledger.file import records
from tests.scenarios.stage import Json, Stage, wide
from tests.simulator_caller import line, mapping, service_id

PROMISES = ["chain", "plan", "intent", "alone", "number", "outcome", "pause"]
PROMISES += ["stop", "budget", "wave", "window", "session"]
THROTTLE = {"kind": "throttle_429", "method": "PUT", "nth": 1}
FAULTS = {
    "faults": {
        "rules": [
            THROTTLE,
            {"kind": "reset", "after": True, "method": "PUT", "nth": 3},
            {"kind": "code", "code": "EndPoint.3054", "http": 400, "method": "PUT", "nth": 6},
        ]
    }
}


def applied(stage: Stage) -> Path:
    """Apply a job of ten rows to an unruly server and give the ledger."""
    stage.apply(stage.job(wide(range(1, 11))))
    return stage.ledger


@pytest.mark.parametrize("stage", [FAULTS], indirect=True)
def test_a_true_ledger_proves_every_promise(stage: Stage) -> None:
    """A line for each, exit 0, the ledger untouched; the same for machines."""
    ledger = applied(stage)
    content = ledger.read_bytes()
    ended = stage.bulk("audit", str(ledger))
    assert (ended.code, ended.err) == (ExitCode.OK, "")
    assert [told.partition(":")[0] for told in ended.out.splitlines()] == [f"+ {name}" for name in PROMISES]
    assert "10 rows: 9 applied, 1 failed" in ended.out
    told = orjson.loads(stage.bulk("audit", str(ledger), "--output", "json").out)
    assert (told["sound"], told["breach"], told["torn_bytes"]) == (True, None, 0)
    assert [proof["promise"] for proof in told["proofs"]] == PROMISES
    assert ledger.read_bytes() == content


def forged(stage: Stage, edit: Callable[[Json], Json]) -> str:
    """Write the latest ledger anew with records that a forger edited, who makes the sums right again."""
    lines, previous = list[bytes](), GENESIS
    for _, record in records(stage.ledger):
        whole = {name: value for name, value in edit(record).items() if name != "sum"}
        line, previous = seal(whole, previous=previous)
        lines.append(line)
    return stage.file("forged.ledger.jsonl", b"".join(lines).decode())


def test_a_forged_ledger_shows_which_guard_was_passed(stage: Stage) -> None:
    """What the run did is proved; another time, another order, another limit are found, with their line."""
    now = datetime.now(UTC)
    window = f"{now - timedelta(hours=1):%Y-%m-%dT%H:%MZ}..{now + timedelta(hours=5):%Y-%m-%dT%H:%MZ}"
    job = stage.job(wide(range(1, 5)), waves="1", max_failures=1, window=window, spare="1m")
    assert stage.apply(job).code == ExitCode.OK
    proved = stage.bulk("audit", job).out
    assert "+ budget: no PUT left while more than 1 had failed or might have\n" in proved
    assert "+ wave: 1 ruling that let the next wave go; no row of it was sent before\n" in proved
    assert "+ window: no PUT left outside the openings of the window\n" in proved

    def late(record: Json) -> Json:
        return record | {"at": "2030-01-01T00:00:00.000Z"} if record["type"] == "intent" else record

    def unruled(record: Json) -> Json:
        return record | {"ruling": "unsure"} if record["type"] == "decision" else record

    def wider(record: Json) -> Json:
        opening = {"opens_at": "2020-01-01T00:00:00.000Z"}
        return record | {"opening": record["opening"] | opening} if record["type"] == "session" else record

    for edit, found in (
        (late, r"! window is broken: line \d+ shows that row 1 was sent by line \d+ at 2030-.*, outside its"),
        (unruled, r"! wave is broken: line \d+ sends row 2 of wave 2 before wave 1 has passed"),
        (wider, r"! window is broken: line \d+ states an opening that the window .* does not have"),
    ):
        assert re.match(found, stage.bulk("audit", forged(stage, edit)).out)


def test_a_ledger_that_lost_a_line_is_told_by_promise_and_line(stage: Stage) -> None:
    """Exit 1, one line, and what to do; the same for machines."""
    ledger = applied(stage)
    lines = ledger.read_bytes().splitlines(keepends=True)
    lost = next(number for number, line in enumerate(lines) if b'"intent"' in line)
    ledger.write_bytes(b"".join(lines[:lost] + lines[lost + 1 :]))
    ended = stage.bulk("audit", str(ledger))
    assert ended.code == ExitCode.CANNOT_RUN
    message = f"line {lost + 1} does not follow from the lines before it"
    assert ended.out == f"! chain is broken: {message}\n"
    assert "restore it from a copy" in ended.err
    machine = stage.bulk("audit", str(ledger), "--output", "json")
    assert machine.code == ExitCode.CANNOT_RUN
    told = orjson.loads(machine.out)
    assert (told["sound"], told["proofs"]) == (False, [])
    assert told["breach"] == {"promise": "chain", "line": lost + 1, "message": message}


@pytest.mark.parametrize("content", ["service_id,ports\n", '{"service_id": "x"}\n', "nonsense"])
def test_a_file_that_is_no_ledger_is_called_so(content: str, stage: Stage) -> None:
    """By every verb that takes a RUN: a mistyped name is no broken promise, nor a damaged ledger."""
    path = stage.file("other.txt", content)
    for verb in ("audit", "status", "report", "rollback", "watch", "tell", "why"):
        ended = stage.bulk(verb, path, *(["web-1"] if verb == "why" else []))
        assert (ended.code, f"{path} is not a ledger" in ended.err) == (ExitCode.USAGE, True), verb


def test_a_torn_last_line_is_passed_over_and_told(stage: Stage) -> None:
    """A death in the middle of an append breaks no promise."""
    ledger = applied(stage)
    with ledger.open("ab") as file:
        file.write(b'{"n":99')
    ended = stage.bulk("audit", str(ledger))
    assert ended.code == ExitCode.OK
    assert ended.err == "ignored an unfinished last line of 7 bytes\n"


def test_a_ledger_whose_plan_was_cut_short_proves_nothing(stage: Stage) -> None:
    """As is told of an empty file, and of one that is not a ledger."""
    ledger = applied(stage)
    lines = ledger.read_bytes().splitlines(keepends=True)
    short, empty = (
        stage.file("short.jsonl", b"".join(lines[:4]).decode()),
        stage.file("empty.ledger.jsonl", ""),
    )
    assert stage.bulk("audit", short).out.startswith("! plan is broken: the ledger ends after 4 lines")
    assert stage.bulk("audit", empty).code == ExitCode.CANNOT_RUN
    assert stage.bulk("audit", "missing.jsonl").code == ExitCode.USAGE


@pytest.mark.parametrize("stage", [{"faults": {"rules": [THROTTLE]}}], indirect=True)
def test_why_tells_a_service_in_order_from_the_plan_to_its_end(stage: Stage) -> None:
    """Each PUT with its answer and what it waited for; JSON has the records as they are."""
    ledger = applied(stage)
    throttled = stage.records("attempt")[0]
    (change,) = (one for one in stage.records("change") if one["row"] == throttled["row"])
    ended = stage.bulk("why", str(ledger), change["service_id"].upper())
    assert ended.code == ExitCode.OK
    told = ended.out.splitlines()
    assert told[0].startswith(f"~ {change['service_id']}")
    assert "planned from" in told[1]
    assert [line.partition("  +")[2].partition("  ")[2][:14] for line in told[3:6]] == [
        "PUT 1 is sent ",
        "429 APIGW.0308",
        "PUT 2 is sent ",
    ]
    assert "+ applied after 2 PUTs" in told[-1]
    machine = stage.bulk("why", str(ledger), change["service_id"], "--output", "json")
    found = orjson.loads(machine.out)
    assert found["service_id"] == change["service_id"]
    types = [record["type"] for record in found["records"]]
    assert types == ["change", "intent", "attempt", "intent", "outcome"]
    assert found["records"][0] == change


def test_why_takes_the_beginning_of_an_id_that_only_one_has(stage: Stage) -> None:
    """What several have is wrong usage, and the ids to choose from are named."""
    ledger = str(applied(stage))
    assert stage.bulk("why", ledger, service_id(10)).code == ExitCode.OK
    assert stage.bulk("why", ledger, service_id(10)[:-1]).out.startswith(f"~ {service_id(10)}")
    several = stage.bulk("why", ledger, service_id(9)[:-1])
    assert several.code == ExitCode.USAGE
    assert f"did you mean {service_id(9)[:-2]}" in several.err


def named(number: int, name: str) -> Json:
    """Return a service of this name."""
    stored = f"cn-north-4.{name}.{service_id(number)}"
    return line(number, service_name=stored, ports=[mapping(80, 8000 + number), mapping(443, 9000 + number)])


NAMES = [named(1, "web"), named(2, "web"), named(3, "web-b"), named(4, "4189d3c2")]


@pytest.mark.parametrize("stage", [{"fleet": NAMES}], indirect=True)
def test_why_takes_a_name_that_only_one_has(stage: Stage) -> None:
    """Before the beginning of an id; where several have it, the ids are listed, and digits are enough."""
    job = stage.job(wide(range(1, 5)))
    stage.apply(job)
    for given, number in (("web-b", 3), ("4189d3c2", 4), (f"web@{service_id(2)}", 2), (service_id(1), 1)):
        assert stage.bulk("why", job, given).out.startswith(f"~ {service_id(number)}"), given
    assert stage.bulk("why", "web-b").out.startswith(f"~ {service_id(3)}")
    several = stage.bulk("why", job, "web")
    assert (several.code, several.out) == (ExitCode.USAGE, "")
    listed = rf"{service_id(1)} \(.*services.csv:2\), {service_id(2)} \(.*services.csv:3\)\n"
    assert re.search(f"name one by its id: {listed}", several.err)
    assert stage.bulk("why", job, "we").code == ExitCode.USAGE
    assert stage.bulk("why", job, "@4189").code == ExitCode.USAGE


def test_why_of_an_unknown_id_names_the_nearest_or_where_all_are(stage: Stage) -> None:
    """Exit 2, nothing on standard output; a damaged ledger tells no story."""
    ledger = applied(stage)
    near = stage.bulk("why", str(ledger), service_id(99))
    assert (near.code, near.out) == (ExitCode.USAGE, "")
    assert "did you mean" in near.err
    far = stage.bulk("why", str(ledger), "zzz")
    assert "bulk report" in far.err
    content = ledger.read_bytes()
    ledger.write_bytes(content.replace(b'"applied"', b'"failed "', 1))
    damaged = stage.bulk("why", str(ledger), service_id(1))
    assert (damaged.code, damaged.out) == (ExitCode.CANNOT_RUN, "")
    assert "does not follow" in damaged.err


@pytest.mark.parametrize("stage", [FAULTS], indirect=True)
def test_why_of_a_failed_row_ends_with_what_to_do(stage: Stage) -> None:
    """The advice for its error code."""
    ledger = applied(stage)
    (failed,) = (one["row"] for one in stage.records("outcome") if one["outcome"] == "failed")
    last = stage.bulk("why", str(ledger), service_id(failed)).out.splitlines()[-1]
    assert "! failed after" in last
    assert "EndPoint.3054" in last
    assert last.count("; ") >= 2


def test_why_tells_of_a_plan_that_was_cut_short_too(stage: Stage) -> None:
    """The service was planned, and nothing else is known."""
    lines = applied(stage).read_bytes().splitlines(keepends=True)
    ended = stage.bulk("why", stage.file("short.jsonl", b"".join(lines[:4]).decode()), service_id(1))
    assert ended.code == ExitCode.OK
    assert ended.out.endswith("- not ended: no PUT is in flight\n")
