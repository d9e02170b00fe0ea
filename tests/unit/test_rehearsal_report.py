"""A rehearsal in words."""

from dataclasses import replace

from bulk.model import ModifyBody, Outcome
from bulk.plan import Estimate
from bulk.plan.waves import Wave
from bulk.rehearsal import Measurement, Prediction, Rehearsal, TriedPromise
from bulk.rehearsal.rehearsal_report import as_json, lines
from bulk.reports.timeline import Latency
from bulk.reports.words import plain
from tests.values import change, ports, service_id

PARKED = replace(change(1), parking=ModifyBody(ports=ports(9001)))


def rehearsal() -> Rehearsal:
    """Return a rehearsal of three PUTs with a bit of everything."""
    return Rehearsal(
        job="move-ssh",
        digest="sha256:ab",
        counts={Outcome.APPLIED: 2, Outcome.FAILED: 0},
        trial=Measurement(
            duration_s=1.5,
            rate_per_s=1e6,
            puts=3,
            sent=4,
            lists=2,
            requests=7,
            refusals=1,
            hold_s=0.1,
            latency=Latency(replies=4, p50_ms=1, p90_ms=2, p99_ms=3, max_ms=3),
            faults={"reset": 1, "error_500": 2},
            gap_s={1: 0.2},
        ),
        limited=False,
        prediction=Prediction(
            rate_per_s=10,
            at_least_s=2.0,
            expected_s=30.0,
            at_most_s=90.0,
            gap_s={1: 0.6},
            gap_s_max={1: 4.0},
        ),
        parked=(PARKED,),
        checks=(
            TriedPromise(name="run", held=True, detail="2 applied"),
            TriedPromise(name="kill and resume", held=False, detail="1 PUT sent again after taking effect"),
            TriedPromise(name="rollback", held=None, detail="nothing\nwas applied"),
        ),
    )


def test_the_table_tells_the_prediction_with_its_range() -> None:
    """Duration, rate, range, what was rehearsed, each gap, each promise behind its sigil."""
    assert [plain(line) for line in lines(rehearsal())] == [
        "move-ssh: rehearsal of the plan sha256:ab",
        "Predicted duration: 30 s at 10/s (2.0 s to 1 min 30 s; answers taken to last 0.1 s, 0 to 1 s)",
        (
            "Rehearsed: 1.5 s at full speed, 7 requests, 4 PUTs for 3, throttled 1 time, "
            "faults: error_500 2, reset 1"
        ),
        "Rows: 2 applied",
        (
            f"~ parked {service_id(1)}: 1001:1/TCP out of service for 0.6 s, at most 4.0 s; "
            "0.2 s in the rehearsal"
        ),
        "",
        "+ run: held; 2 applied",
        "! kill and resume: DID NOT HOLD; 1 PUT sent again after taking effect",
        "- rollback: not rehearsed; nothing was applied",
    ]


def test_what_was_not_seen_is_not_told() -> None:
    """Without faults, a measured gap and rows the words are fewer."""
    made = rehearsal()
    bare = replace(
        made, counts={}, limited=True, trial=replace(made.trial, faults={}, gap_s={}, latency=None)
    )
    told = "\n".join(plain(line) for line in lines(bare))
    assert "against the limit" in told
    assert "Rows: none" in told
    assert "faults" not in told
    assert "in the rehearsal" not in told
    assert as_json(bare)["rehearsed"]["latency"] is None


def test_the_json_tells_the_same() -> None:
    """The figures of the table, in seconds, and the exit code."""
    told = as_json(rehearsal())
    assert told["predicted"] == {
        "rate_per_s": 10,
        "at_least_s": 2.0,
        "expected_s": 30.0,
        "at_most_s": 90.0,
        "soaked_s": 0.0,
    }
    assert (told["waves"], told["window"]) == ([], None)
    assert told["gaps"] == [
        {
            "service_id": service_id(1),
            "out_of_service": ["1001:1/TCP"],
            "expected_s": 0.6,
            "at_most_s": 4.0,
            "rehearsed_s": 0.2,
        }
    ]
    assert [check["held"] for check in told["checks"]] == [True, False, None]
    assert told["rehearsed"]["latency"]["p99_ms"] == 3
    assert told["exit_code"] == 1


def test_waves_and_window_are_shown_with_what_fits() -> None:
    """When each wave is over, and whether the run fits with the slowest answers, as expected, or not."""
    made = rehearsal()
    waved = replace(
        made,
        waves=(Wave(1, "", 1, ()), Wave(2, "50%", 2, ())),
        prediction=replace(made.prediction, wave_ends_s=(4.0, 29.0), soaked_s=20.0),
    )

    def shown(**window: float | None) -> list[str]:
        known = Estimate(requests=5, duration_s=1.0, rate_per_s=10, window="01:00-04:00 UTC", **window)
        return [plain(line) for line in lines(replace(waved, window=known))]

    known = shown(window_s=200.0, spare_s=60.0)
    assert (
        "Waves: 1: 1 service, over after 4.0 s; 2: 2 services, over after 29 s; 20 s of it between waves"
        in known
    )
    fits = "the 2 min 20 s in which it may send"
    assert f"Window: 01:00-04:00 UTC; the run fits {fits}" in known
    tight, short = shown(window_s=60.0), shown(window_s=20.0)
    assert any(
        "the run fits as expected, and not with the slowest answers, the 1 min in" in line for line in tight
    )
    assert any("the run does not fit the 20 s in which it may send" in line for line in short)
    assert "Window: 01:00-04:00 UTC; it has no end" in shown(window_s=None)
    json = as_json(
        replace(waved, window=Estimate(requests=5, duration_s=1, rate_per_s=1, window="w", window_s=60))
    )
    assert [wave["expected_end_s"] for wave in json["waves"]] == [4.0, 29.0]
    assert (json["window"]["fits"], json["window"]["fits_at_most"]) == (True, False)
