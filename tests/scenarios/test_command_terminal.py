"""What others wrote, in a job, in the fleet, at the API or in a file's name, steers no terminal."""

from typing import Any

import orjson
import pytest

from bulk.errors import ExitCode
from tests.scenarios.stage import Stage, fleet_lines, wide
from tests.scenarios.test_command_signals import at_a_terminal
from tests.simulator_caller import mapping, service_id

EVIL = "\x1b]0;pwn\x07\x1b[2J\x9b31m\u202eevil\r\u2028\u061c\nlevel=error"
STEERING = "\x1b\x9b\x07\x08\r\u202e\u2066\u061c\u2028"
FLEET = fleet_lines(10, description=f"d {EVIL}", service_name=f"cn-north-4.{EVIL}.x")


def steers(text: str) -> list[str]:
    """Return the characters of a text that steer a terminal, and the lines that somebody forged."""
    forged = [line for line in text.split("\n") if line.startswith("level=")]
    return sorted(set(STEERING) & set(text)) + forged


def evil_rows() -> str:
    """Return rows with evil notes; the third one is refused by the API."""
    rows = [
        {"service_id": service_id(n), "ports": [mapping(81, 8000 + n)], "note": f"{n} {EVIL}"}
        for n in (1, 2, 3)
    ]
    return "".join(orjson.dumps(row).decode() + "\n" for row in rows)


@pytest.mark.parametrize("stage", [{"fleet": FLEET}], indirect=True)
def test_no_text_from_outside_steers_a_terminal(stage: Stage) -> None:
    """Tables, logs, progress, errors, in every verb; nor does it forge a line."""
    rule: dict[str, Any] = {"kind": "code", "code": f"E{EVIL}", "http": 400, "method": "PUT", "nth": 3}
    stage.order(faults={"rules": [rule]})
    rows = stage.file("services.jsonl", evil_rows())
    endings = [stage.bulk("plan", rows, "--out", "p"), stage.apply("p", "-v"), stage.bulk("plan", "p")]
    endings += [stage.bulk(verb, "p") for verb in ("status", "report", "audit", "rollback")]
    endings += [stage.bulk("why", "p", service_id(n)) for n in (1, 3)]
    assert endings[1].code == ExitCode.SOME_FAILED, endings[1].said
    endings += [stage.bulk("export", "--out", "e.csv"), stage.bulk("rehearse", rows)]
    for ended in endings:
        assert steers(ended.said) == []


def test_the_name_of_a_file_steers_no_terminal(stage: Stage) -> None:
    """Somebody else may have sent the file."""
    bad = stage.file("bad\x1b[2J\u202e\x07.csv", "service_id,ports\nx,y\n")
    for ended in (stage.bulk("check", bad), stage.bulk("plan", bad), stage.bulk("plan", f"{bad}.csv")):
        assert ended.code in {ExitCode.INVALID, ExitCode.USAGE}
        assert steers(ended.said) == []


@pytest.mark.parametrize("stage", [{"fleet": FLEET}], indirect=True)
def test_data_steers_no_terminal_either_and_is_whole_in_a_file(stage: Stage) -> None:
    """JSON and CSV on a screen are for reading; in a pipe they are what was recorded."""
    rows = stage.file("services.jsonl", evil_rows())
    assert stage.bulk("plan", rows, "--out", "p").code == ExitCode.OK
    for form in ("json", "csv", "md", "html", "table"):
        with at_a_terminal("report", "p", "--output", form) as screen:
            assert screen.end() == ExitCode.OK
            text = screen.text.replace("\r\n", "\n")
        allowed = {"\x1b"} if form == "table" else set()  # colours of our own
        assert set(STEERING) & set(text) <= allowed, form
        assert "pwn" in text
        assert "\x1b]" not in text
        assert "\x1b[2J" not in text
    in_pipe = orjson.loads(stage.bulk("report", "p", "--output", "json").out)
    assert in_pipe["rows"][0]["note"] == f"1 {EVIL}"


def test_markup_in_a_name_is_text(stage: Stage) -> None:
    """The library that draws tables has a markup of its own, with links."""
    name = "[bold red]x[/] [link=http://evil]y :smile:"
    stage.order(services=[{**FLEET[0], "description": name, "service_name": f"cn-north-4.{name}.x"}])
    with at_a_terminal("plan", stage.file("services.csv", wide([1]))) as screen:
        assert screen.end() == ExitCode.OK
        assert "[link=http://evil]" in screen.text
        assert "\x1b]8;" not in screen.text
