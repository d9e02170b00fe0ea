"""The search against servers of every kind: what it uses, what it has refused, how soon it sees a change."""

from collections.abc import Callable, Iterator
from itertools import chain
from random import Random

import pytest

from bulk.core.pacing import auto
from tests.limiters import Answer, Bucket, Concurrency, Path, Server, Sliding, Window, run, steady, stepped

PATHS = [Path(latency_s=0.005, jitter_s=0.001), Path(latency_s=0.05, jitter_s=0.01)]
TOLD = ["hidden", "stated"]
SEARCH_S = 10.0
"""What the search may take before it is measured."""


def used(answers: list[Answer], allowed_per_s: float, *, since: float, until: float) -> float:
    """Give the share of what the server allows that was taken between two times."""
    taken = sum(answer.taken for answer in answers if since <= answer.at < until)
    return taken / (allowed_per_s * (until - since))


def refused(answers: list[Answer], *, since: float = 0.0) -> float:
    """Give the share of requests that were refused from a time on."""
    late = [answer for answer in answers if answer.at >= since]
    return sum(not answer.taken for answer in late) / len(late)


def other(per_s: float, *, since: float, until: float, seed: int = 1) -> Iterator[float]:
    """Give the times at which somebody else sends requests, at random."""
    dice, now = Random(seed), since
    while (now := now + dice.expovariate(per_s)) < until:
        yield now


def longest_silence_s(answers: list[Answer], *, until: float) -> float:
    """Give the longest time without an accepted request."""
    times = [answer.at for answer in answers if answer.taken]
    return max(after - before for before, after in zip(times, [*times[1:], until], strict=True))


@pytest.mark.parametrize("path", PATHS, ids=["near", "far"])
@pytest.mark.parametrize("rate", [5, 20, 200])
def test_a_hidden_bucket_is_used_and_hardly_ever_refuses(rate: int, path: Path) -> None:
    """After the search, at least 97 % of the rate is used and at most 1 % is refused."""
    for burst in (max(2, rate / 10), rate):
        answers, _ = run(auto(), Bucket(rate=steady(rate), burst=burst), seconds=300, path=path)
        assert used(answers, rate, since=SEARCH_S, until=300) >= 0.97
        assert refused(answers, since=SEARCH_S) <= 0.01


@pytest.mark.parametrize("path", PATHS, ids=["near", "far"])
@pytest.mark.parametrize("rate", [5, 20, 200])
def test_a_stated_rate_is_refused_half_as_often(rate: int, path: Path) -> None:
    """A server that states its rate is used as well, and refuses at most 0.5 % after the search."""
    answers, _ = run(auto(), Bucket(rate=steady(rate), burst=rate, states=True), seconds=120, path=path)
    assert used(answers, rate, since=SEARCH_S, until=120) >= 0.97
    assert refused(answers, since=SEARCH_S) <= 0.005


@pytest.mark.parametrize("path", PATHS, ids=["near", "far"])
@pytest.mark.parametrize(("requests", "window_s"), [(5, 5), (60, 60), (1200, 60), (2000, 60)])
@pytest.mark.parametrize("told", TOLD)
def test_a_fixed_window_is_learned_at_its_first_turn(
    requests: int, window_s: int, told: str, path: Path
) -> None:
    """From the second window on, at least 97 % is used; at most 3 % is refused, 1.5 % where it is stated."""
    server = Window(requests=steady(requests), window_s=window_s, began_s=None, states=told == "stated")
    answers, _ = run(auto(), server, seconds=600, path=path)
    assert used(answers, requests / window_s, since=max(SEARCH_S, window_s), until=600) >= 0.97
    assert refused(answers, since=SEARCH_S) <= (0.015 if told == "stated" else 0.03)


@pytest.mark.parametrize("told", TOLD)
@pytest.mark.parametrize("path", PATHS, ids=["near", "far"])
def test_halving_is_seen_within_3_s_and_doubling_within_10_s(path: Path, told: str) -> None:
    """A bucket of 200/s that is halved and doubled back is followed, and hardly refuses on the way."""
    limit = stepped((0, 200), (60, 100), (120, 200))
    answers, _ = run(auto(), Bucket(rate=limit, burst=20, states=told == "stated"), seconds=180, path=path)
    slowed = next(a.at for a in answers if a.at >= 60 and a.rate_per_s < 110)
    grown = next(a.at for a in answers if a.at >= 120 and a.rate_per_s > 180)
    assert slowed - 60 <= 3.0
    assert grown - 120 <= 10.0
    assert refused(answers) <= 0.01
    assert used(answers, (200 * 110 + 100 * 60) / 170, since=SEARCH_S, until=180) >= 0.95


def test_a_sliding_window_is_followed() -> None:
    """A sliding window of 60 a minute, and one of 300, is used to 95 % after its first turn."""
    for requests in (60, 300):
        answers, _ = run(auto(), Sliding(requests=steady(requests), window_s=60), seconds=360)
        assert used(answers, requests / 60, since=60, until=360) >= 0.95


def test_refusals_that_count_do_not_keep_the_window_shut() -> None:
    """Where refused requests count as well, the knocks are so few that the window opens all the same."""
    server = Sliding(requests=steady(60), window_s=60, counts_refusals=True)
    answers, _ = run(auto(), server, seconds=360)
    assert used(answers, 1, since=66, until=360) >= 0.85
    assert longest_silence_s(answers, until=360) <= 70


def test_a_limit_of_concurrent_requests_is_a_rate_too() -> None:
    """Ten at a time of 100 ms each are 100 a second: most of them are used."""
    answers, _ = run(auto(), Concurrency(requests=10, service_s=0.1), seconds=60)
    assert used(answers, 100, since=SEARCH_S, until=60) >= 0.9
    assert refused(answers, since=SEARCH_S) <= 0.02


@pytest.mark.parametrize("told", TOLD)
def test_a_neighbour_gets_his_half_and_leaves_it_again(told: str) -> None:
    """While somebody else sends 100/s to a bucket of 200/s, the rest is used; later all of it is."""
    neighbour = other(100, since=30, until=90)
    answers, _ = run(
        auto(), Bucket(rate=steady(200), burst=20, states=told == "stated"), seconds=120, neighbour=neighbour
    )
    assert used(answers, 100, since=35, until=90) >= 0.93
    assert used(answers, 200, since=100, until=120) >= 0.97
    assert refused(answers) <= 0.01


@pytest.mark.parametrize("told", ["nothing", "when"])
def test_a_window_that_began_before_the_run_is_learned_too(told: str) -> None:
    """Whatever the phase of a window of 1,200 a minute, at least 90 % of the later windows is used."""
    for began_s in (-5.0, -18.0, -42.0):
        server = Window(requests=steady(1200), window_s=60, began_s=began_s, tells_when=told == "when")
        answers, _ = run(auto(), server, seconds=360)
        assert used(answers, 20, since=120, until=360) >= 0.9
        assert refused(answers) <= 0.03


def test_who_sends_little_does_not_make_the_rate_grow() -> None:
    """Requests that never use the rate prove nothing: it stays where it was last tried."""
    answers, state = run(
        auto(), Bucket(rate=steady(1000), burst=1000), seconds=60, path=Path(demand_per_s=4.0)
    )
    assert all(answer.taken for answer in answers)
    assert state.rate_per_s == auto().rate_per_s


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
        assert used(answers, rate, since=180, until=240) >= 0.25
        assert refused(answers) <= 0.12


def test_the_same_run_is_the_same_every_time() -> None:
    """Nothing in the search depends on anything but its events and their times."""
    runs = [run(auto(), Bucket(rate=steady(20), burst=20), seconds=30) for _ in range(2)]
    assert runs[0] == runs[1]
    assert list(chain.from_iterable(answers for answers, _ in runs))
