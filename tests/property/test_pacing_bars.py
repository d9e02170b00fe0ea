"""The search against servers of every kind: what it uses, what it has refused, how soon it sees a change.

The cases and their bars stand in `tests/pacing_table.py`. Here a sample of them is run with one seed each,
which takes some seconds; the slow test runs all of them with five seeds, as `python -m tests.pacing_table`.
"""

from itertools import chain
from random import Random
from typing import TYPE_CHECKING

import pytest

from bulk.pacing import auto, fixed
from tests.limiters import Answer, Bucket, Path, Server, Sliding, Window, run, steady, stepped
from tests.pacing_table import SEEDS, WORST, Case, cases, kept, refused, used

if TYPE_CHECKING:
    from collections.abc import Callable

CASES = {case.name: case for case in cases()}
SAMPLE = (
    "bucket 5/s burst 5, 50 ms",
    "bucket 5/s burst 1, 5 ms",
    "bucket 20/s burst 20, 5 ms, stated",
    "bucket 200/s burst 20, 5 ms",
    "bucket 200/s burst 20, 500 ms",
    "window 5/5 s, hidden",
    "window 25/5 s, stated",
    "window 60/60 s, when",
    "window 100/1 s, hidden",
    "window 1200/60 s, hidden",
    "sliding 25/5 s, hidden",
    "sliding 60/60 s, stated",
    "sliding 1200/60 s, hidden",
    "sliding 25/5 s, counts",
    "sliding 60/60 s, counts",
    "bucket 200, 100, 200/s, 5 ms",
    "noise 0.5%, 200/s, 30 ms",
    "noise 2.0%, 20/s, 30 ms",
    "noise 6.0%, 5/s, 30 ms",
    "noise 6.0%, 200/s, 30 ms",
    "noise 6.0%, 200/s, 500 ms",
    "noise 20.0%, 20/s, 30 ms",
    "noise 20.0%, 200/s, 30 ms",
    "noise 2.0%, auto, 8 in flight",
    "noise 6.0%, auto, 50 in flight",
    "noise 20.0%, auto, 50 in flight",
    "noise 6.0%, for a while, 200/s",
    "outage from 20 to 21 s, 20/s",
    "outage from 20 to 25 and 40 to 45 s, 20/s",
    "outage from 20 to 21 and 30 to 31 s, 200/s",
    "outage from 20 to 25 and 40 to 45 s, 200/s",
    "200/s set, bucket 190/s",
    "200/s set, bucket 100/s",
    "200/s set, bucket 20/s",
    "200/s set, bucket 150/s, with noise of 2%",
    "200/s set, bucket 190/s, with noise of 6%",
)


def longest_silence_s(answers: list[Answer], *, until: float) -> float:
    """Return the longest time without an accepted request."""
    times = [answer.at for answer in answers if answer.taken]
    return max(after - before for before, after in zip(times, [*times[1:], until], strict=True))


@pytest.mark.parametrize("name", SAMPLE)
def test_a_server_of_this_kind_is_used_and_hardly_refuses(name: str) -> None:
    """Each figure of a case is within a tenth of its bar."""
    figures = CASES[name].figures(SEEDS[0])
    assert all(figure.keeps(WORST) for figure in figures), figures


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", [case for case in CASES.values() if not case.is_goal], ids=lambda case: case.name
)
def test_every_bar_is_reached(case: Case) -> None:
    """Over five seeds the median is at the bar and the worst within a tenth of it."""
    rows = kept([case.figures(seed) for seed in SEEDS])
    assert all(is_kept for _, _, is_kept in rows), rows


def test_refusals_that_count_do_not_keep_the_window_shut() -> None:
    """Where refused requests count as well, the probes are so few that the window opens all the same."""
    server = Sliding(requests=steady(60), window_s=60, counts_refusals=True)
    answers, _ = run(auto(), server, seconds=360)
    assert used(answers, 1, since=66, until=360) >= 0.85
    assert longest_silence_s(answers, until=360) <= 70


@pytest.mark.parametrize("told", ["nothing", "when"])
def test_a_window_that_began_before_the_run_is_learned_too(told: str) -> None:
    """Whatever the phase of a window of 1,200 a minute, at least 90 % of the later windows is used."""
    for began_s in (-5.0, -18.0, -42.0):
        server = Window(requests=steady(1200), window_s=60, began_s=began_s, tells_when=told == "when")
        answers, _ = run(auto(), server, seconds=360)
        assert used(answers, 20, since=began_s + 180, until=began_s + 360) >= 0.9  # whole windows
        assert refused(answers) <= 0.03


@pytest.mark.parametrize("kind", [Window, Sliding])
@pytest.mark.parametrize(
    ("requests", "window_s"),
    [(12, 3), (30, 7), (90, 13), (7, 15), (50, 23), (40, 30), (33, 33), (200, 45), (100, 90), (100, 250)],
)
def test_a_window_of_any_length_is_learned(
    kind: type[Window | Sliding], requests: int, window_s: float
) -> None:
    """From the third window on nine tenths of what it allows are used, and few requests refused."""
    seconds = max(60.0, 8 * window_s)
    answers, state = run(auto(), kind(requests=steady(requests), window_s=window_s), seconds=seconds)
    assert used(answers, requests / window_s, since=2 * window_s, until=seconds) >= 0.9
    assert refused(answers, since=2 * window_s) <= 0.1
    assert state.limit is not None


@pytest.mark.parametrize("kind", [Window, Sliding])
@pytest.mark.parametrize("requests", [600, 1200])
def test_answers_that_overtake_each_other_do_not_hide_a_window(
    kind: type[Window | Sliding], requests: int
) -> None:
    """Acceptances come between the first refusals then, so that a slower rate is tried as it shuts."""
    for seed in (1, 2, 3):
        path = Path(latency_s=0.05, jitter_s=0.1, seed=seed)
        answers, _ = run(auto(), kind(requests=steady(requests), window_s=60), seconds=240, path=path)
        assert used(answers, requests / 60, since=60, until=240) >= 0.9
        assert refused(answers, since=60) <= 0.05


@pytest.mark.parametrize(("requests", "window_s"), [(500, 15), (700, 23), (1200, 60)])
def test_a_window_below_the_rate_that_a_person_set_is_learned_too(requests: int, window_s: float) -> None:
    """The first shut spell may be an outage; the second one is like it."""
    answers, state = run(fixed(100.0), Window(requests=steady(requests), window_s=window_s), seconds=360)
    assert used(answers, requests / window_s, since=2 * window_s, until=360) >= 0.9
    assert refused(answers, since=3 * window_s) <= 0.05
    assert state.limit is not None


def test_who_sends_little_does_not_make_the_rate_grow() -> None:
    """Requests that never use the rate prove nothing: it stays where it was last tried."""
    answers, state = run(
        auto(), Bucket(rate=steady(1000), burst=1000), seconds=60, path=Path(demand_per_s=4.0)
    )
    assert all(answer.taken for answer in answers)
    assert state.rate_per_s == auto().rate_per_s


@pytest.mark.parametrize("rate", [1, 2, 4])
@pytest.mark.parametrize("burst", [1, 2, 6])
@pytest.mark.parametrize("latency_s", [0.002, 0.03, 0.2])
def test_a_limit_far_below_the_first_rate_is_found(rate: int, burst: int, latency_s: float) -> None:
    """Whatever it takes at once: that is no window, and half a second without more is no outage."""
    path = Path(latency_s=latency_s, jitter_s=0.01, seed=1)
    answers, _ = run(auto(), Bucket(rate=steady(rate), burst=burst), seconds=180, path=path)
    assert used(answers, rate, since=60, until=180) >= 0.93
    assert refused(answers, since=60) <= 0.1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_no_server_is_ever_left_unused(seed: int) -> None:
    """Over random servers, paths and changes, no stretch that allows requests goes by without one."""
    dice = Random(seed)
    rate = dice.choice([2, 5, 20, 80, 200])
    path = Path(latency_s=dice.choice([0.002, 0.03, 0.2]), jitter_s=0.01, seed=seed)
    change = stepped((0, rate), (60, rate * dice.choice([0.25, 0.5, 2, 4])), (120, rate))
    servers: list[Callable[[], Server]] = [
        lambda: Bucket(rate=change, burst=max(2, rate * dice.random() * 3)),
        lambda: Window(requests=lambda now: change(now) * 10, window_s=10, began_s=-10 * dice.random()),
        lambda: Sliding(requests=lambda now: change(now) * 10, window_s=10),
    ]
    for server in servers:
        answers, _ = run(auto(), server(), seconds=240, path=path)
        assert longest_silence_s(answers, until=240) <= 35
        assert used(answers, rate, since=180, until=240) >= 0.2
        assert refused(answers) <= 0.3


def test_the_same_run_is_the_same_every_time() -> None:
    """Nothing in the search depends on anything but its events and their times."""
    runs = [run(auto(), Bucket(rate=steady(20), burst=20), seconds=30) for _ in range(2)]
    assert runs[0] == runs[1]
    assert list(chain.from_iterable(answers for answers, _ in runs))
