"""The pace against servers of every kind, in virtual time: what it uses, what it has refused, what it sees.

Each case gives figures and what they have to be, for a seed. `python -m tests.pacing_table` runs all of them
in about three minutes, each with five seeds: the median has to be at its bar, the worst within a tenth of it.
`--only WORD` runs those that have the word in their name.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from math import inf
from multiprocessing import Pool
from random import Random

from bulk.pacing import Pacing, auto, fixed
from tests.limiters import (
    Answer,
    Bucket,
    Concurrency,
    Noisy,
    Open,
    Path,
    Server,
    Sliding,
    Window,
    run,
    steady,
    stepped,
)

SEARCH_S = 10.0
"""What a search may take before it is measured."""
SEEDS = range(1, 6)
WORST = 0.9

SLOW_S, FAST_S = 300, 90
"""How long a limit of up to 20 a second is tried, and a faster one."""
NOISE_S, SLOW_NOISE_S = 60, 200
"""How long noise lasts, and that on up to 20 requests a second."""
WINDOWS_S = {1: 60, 5: 200, 60: 480}
"""How long a window is tried, by its length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What was measured, and the least or the most that it has to be."""

    name: str
    value: float
    least: float = 0.0
    most: float = inf

    def keeps(self, share: float = 1.0) -> bool:
        """Return whether it is within this share of its bar."""
        return self.least * share <= self.value <= self.most / share


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What is sent where, and how."""

    pacing: Pacing
    server: Server
    seconds: float
    path: Path
    neighbour: Iterable[float] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A server, how it is called, and what has to come of it."""

    name: str
    rate_per_s: float
    """Of the requests, about."""
    run: Callable[[int], Run]
    """By seed."""
    judge: Callable[[list[Answer]], list[Figure]]
    is_goal: bool = False
    """Whether the bar is something to strive for, which is measured and not asserted."""

    def figures(self, seed: int) -> list[Figure]:
        """Return the figures of a run in virtual time."""
        one = self.run(seed)
        answers, _ = run(one.pacing, one.server, seconds=one.seconds, path=one.path, neighbour=one.neighbour)
        return self.judge(answers)


def used(answers: list[Answer], per_s: float, *, since: float, until: float) -> float:
    """Return the share of what could be accepted between two times that was."""
    return sum(a.taken for a in answers if since <= a.at < until) / (per_s * (until - since))


def refused(answers: list[Answer], *, since: float = 0.0, until: float = inf) -> float:
    """Return the share of requests that was refused between two times."""
    late = [a.taken for a in answers if since <= a.at < until]
    return late.count(False) / max(1, len(late))


def most_refused(answers: list[Answer], *, since: float, until: float) -> float:
    """Return the largest share that was refused in a minute between two times."""
    starts = range(int(since), max(int(since) + 1, int(until) - 59), 10)
    return max(refused(answers, since=start, until=start + 60) for start in starts)


def neighbour(per_s: float, *, since: float, until: float, seed: int) -> Iterator[float]:
    """Return the times at which somebody else sends requests, at random."""
    dice, now = Random(seed), since
    while (now := now + dice.expovariate(per_s)) < until:
        yield now


LATE_S = 0.002
"""How late most timers of an event loop ring at most: it counts whole milliseconds."""


def far(latency_s: float, seed: int, *, in_flight: float = inf, late_s: float = 0.0) -> Path:
    """Return a path whose round trips vary by a fifth."""
    return Path(latency_s=latency_s, jitter_s=latency_s / 5, seed=seed, in_flight=in_flight, late_s=late_s)


def limits() -> Iterator[Case]:
    """Return the clean limits, and the same with noise."""
    for rate, burst in ((5, 5), (20, 20), (200, 20), (5, 1), (20, 1)):
        for stated in (False, True):
            for latency_s in (0.005, 0.05, 0.5):
                if burst > 1 or latency_s < 0.5:
                    yield _bucket(rate, burst, latency_s, stated=stated)
        for share in (0.02, 0.06):
            yield _bucket(rate, burst, 0.05, stated=False, share=share)
    for requests, window_s in ((5, 5), (25, 5), (100, 1), (60, 60), (1200, 60), (2000, 60)):
        for kind in (Window, Sliding):
            for refusal in ("hidden", "stated", "when"):
                yield _window(kind, requests, window_s, refusal)
            for share in (0.02, 0.06):
                yield _window(kind, requests, window_s, "hidden", share=share)
    for requests, window_s in ((25, 5), (60, 60), (1200, 60)):
        yield _window(Sliding, requests, window_s, "counts")
    for rate, burst in ((5, 5), (20, 20), (200, 20)):
        for stated in (False, True):
            yield _bucket(rate, burst, 0.05, stated=stated, jitter_s=0.2)
    for in_flight in (13, 15):
        yield _just_over(in_flight)
    for requests, service_s in ((5, (0.1, 0.1)), (5, (0.05, 0.2)), (20, (0.1, 0.1)), (20, (0.05, 0.2))):
        yield _in_flight(requests, service_s)


def _bucket(
    rate: int, burst: int, latency_s: float, *, stated: bool, share: float = 0.0, jitter_s: float = 0.0
) -> Case:
    seconds = SLOW_S if rate <= 20 else FAST_S
    bare = burst == 1
    use = min(0.88 if bare else 0.97, {0.0: 1.0, 0.02: 0.93, 0.06: 0.88}[share])
    most = share + 0.04 if share else 0.05 if bare else 0.015 if stated else 0.03
    path = partial(Path, latency_s=latency_s, jitter_s=jitter_s) if jitter_s else partial(far, latency_s)
    way = f"{latency_s * 1000:g}{f' and up to {jitter_s * 1000:g}' if jitter_s else ''} ms"
    return Case(
        name=f"bucket {rate}/s burst {burst}, {way}{', stated' * stated}{_with(share)}",
        rate_per_s=rate,
        run=lambda seed: Run(
            pacing=auto(),
            server=_noisy(Bucket(rate=steady(rate), burst=burst, states=stated), share, seed),
            seconds=seconds,
            # Where nothing is saved up, two requests that are closer than the rate asks cost a refusal.
            path=path(seed=seed, late_s=LATE_S if bare else 0.0),
        ),
        judge=lambda answers: _figures(answers, rate, share, use, most, since=SEARCH_S, until=seconds),
        is_goal=share > 0 or (jitter_s > 0 and rate < 20),
    )


def _just_over(in_flight: int) -> Case:
    """Return a limit a little below what the requests in flight allow: no rate far above it is used."""
    return Case(
        name=f"bucket 200/s burst 20, {in_flight} in flight allow {in_flight / 0.055:.0f}/s",
        rate_per_s=200,
        run=lambda seed: Run(
            pacing=auto(),
            server=Bucket(rate=steady(200), burst=20),
            seconds=FAST_S,
            path=far(0.05, seed, in_flight=in_flight),
        ),
        judge=lambda answers: _figures(answers, 200, 0.0, 0.97, 0.03, since=SEARCH_S, until=FAST_S),
    )


def _window(
    kind: type[Window | Sliding], requests: int, window_s: int, refusal: str, share: float = 0.0
) -> Case:
    rate_per_s, seconds = requests / window_s, WINDOWS_S[window_s]
    use = 0.9 if refusal == "counts" else {0.0: 0.97, 0.02: 0.93, 0.06: 0.88}[share]
    most = share + 0.04 if share else {"counts": 0.05, "stated": 0.015}.get(refusal, 0.03)
    since = max(SEARCH_S, window_s)

    def server() -> Server:
        says = {"states": refusal == "stated", "tells_when": refusal == "when"}
        if kind is Window:
            return Window(requests=steady(requests), window_s=window_s, began_s=None, **says)
        return Sliding(
            requests=steady(requests), window_s=window_s, counts_refusals=refusal == "counts", **says
        )

    return Case(
        name=f"{kind.__name__.lower()} {requests}/{window_s} s, {refusal}{_with(share)}",
        rate_per_s=rate_per_s,
        run=lambda seed: Run(
            pacing=auto(),
            server=_noisy(server(), share, seed),
            seconds=seconds,
            path=far(0.05, seed, late_s=LATE_S),
        ),
        judge=lambda answers: _figures(answers, rate_per_s, share, use, most, since=since, until=seconds),
        is_goal=share > 0,
    )


def _in_flight(requests: int, service_s: tuple[float, float]) -> Case:
    rate = 2 * requests / sum(service_s)
    return Case(
        name=f"{requests} in flight, {service_s[0] * 1000:g} to {service_s[1] * 1000:g} ms",
        rate_per_s=rate,
        run=lambda seed: Run(
            pacing=auto(),
            server=Concurrency(requests=requests, service_s=service_s, seed=seed),
            seconds=60,
            path=far(0.01, seed),
        ),
        judge=lambda answers: _figures(answers, rate, 0.0, 0.9, 0.05, since=SEARCH_S, until=60),
        is_goal=True,
    )


def changes() -> Iterator[Case]:
    """Return limits that change, and a neighbour who comes and goes."""
    for stated in (False, True):
        for latency_s in (0.005, 0.05):
            yield _change(latency_s, stated=stated, share=0.0)
        yield _neighbour(stated=stated)
    yield _change(0.05, stated=False, share=0.02)


def _change(latency_s: float, *, stated: bool, share: float) -> Case:
    halved, doubled, end = 40, 80, 110
    allowed = (200 * (halved - SEARCH_S) + 100 * (doubled - halved) + 200 * (end - doubled)) / (
        end - SEARCH_S
    )

    def judge(answers: list[Answer]) -> list[Figure]:
        slower = next((a.at - halved for a in answers if a.at >= halved and a.rate_per_s < 110), inf)
        faster = next((a.at - doubled for a in answers if a.at >= doubled and a.rate_per_s > 180), inf)
        return [
            Figure(name="halved_s", value=slower, most=3.0),
            Figure(name="doubled_s", value=faster, most=10.0),
            *_figures(answers, allowed, share, 0.93, share + 0.03, since=SEARCH_S, until=end),
        ]

    return Case(
        name=f"bucket 200, 100, 200/s, {latency_s * 1000:g} ms{', stated' * stated}{_with(share)}",
        rate_per_s=200,
        run=lambda seed: Run(
            pacing=auto(),
            server=_noisy(
                Bucket(rate=stepped((0, 200), (halved, 100), (doubled, 200)), burst=20, states=stated),
                share,
                seed,
            ),
            seconds=end,
            path=far(latency_s, seed),
        ),
        judge=judge,
        is_goal=share > 0,
    )


def _neighbour(*, stated: bool) -> Case:
    began, ended, end = 30, 90, 120
    return Case(
        name=f"a neighbour takes half of 200/s{', stated' * stated}",
        rate_per_s=200,
        run=lambda seed: Run(
            pacing=auto(),
            server=Bucket(rate=steady(200), burst=20, states=stated),
            seconds=end,
            path=far(0.02, seed),
            neighbour=neighbour(100, since=began, until=ended, seed=seed),
        ),
        judge=lambda answers: [
            Figure(name="beside", value=used(answers, 100, since=began + 3, until=ended), least=0.93),
            Figure(name="after", value=used(answers, 200, since=ended + 10, until=end), least=0.97),
            Figure(name="refused", value=refused(answers), most=0.05),
        ],
    )


NOISE = {0.005: 0.95, 0.02: 0.93, 0.06: 0.9, 0.2: 0.8}
"""Least goodput over what the noise lets pass."""


def noise() -> Iterator[Case]:
    """Return servers without a limit that refuse at random."""
    for rate in (5, 20, 200, 500, 2000):
        for share in NOISE:
            yield _fixed(rate, share, 0.03)
    for latency_s in (0.005, 0.5):
        yield _fixed(200, 0.06, latency_s)
    for share in NOISE:
        for in_flight in (8, 50):
            yield _climb(share, in_flight)
    yield _onset()


def _fixed(rate: float, share: float, latency_s: float) -> Case:
    seconds = {5: SLOW_NOISE_S, 20: SLOW_NOISE_S, 2000: 10}.get(int(rate), NOISE_S)
    return Case(
        name=f"noise {share:.1%}, {rate}/s, {latency_s * 1000:g} ms",
        rate_per_s=rate,
        run=lambda seed: Run(
            pacing=fixed(rate),
            server=_noisy(Open(), share, seed),
            seconds=seconds,
            path=far(latency_s, seed),
        ),
        judge=lambda answers: _figures(
            answers, rate * (1 - share), share, NOISE[share], share + 0.05, since=0, until=seconds, cap=rate
        ),
        is_goal=rate > 500,
    )


def _climb(share: float, in_flight: int) -> Case:
    full = in_flight / 0.055

    def reached(answers: list[Answer]) -> float:
        times = [a.at for a in answers]
        first = 0
        for last, at in enumerate(times):
            while times[first] < at - 1:
                first += 1
            if last - first >= 0.9 * full:
                return at
        return inf

    def judge(answers: list[Answer]) -> list[Figure]:
        clean, _ = run(auto(), Open(), seconds=25, path=far(0.05, 1, in_flight=in_flight))
        return [
            Figure(name="reached_s", value=reached(answers), most=1.5 * reached(clean)),
            Figure(name="used", value=used(answers, (1 - share) * full, since=15, until=25), least=0.9),
        ]

    return Case(
        name=f"noise {share:.1%}, auto, {in_flight} in flight",
        rate_per_s=full,
        run=lambda seed: Run(
            pacing=auto(),
            server=_noisy(Open(), share, seed),
            seconds=25,
            path=far(0.05, seed, in_flight=in_flight),
        ),
        judge=judge,
        is_goal=True,
    )


def _onset() -> Case:
    began, ended, end = 20, 50, 80
    return Case(
        name="noise 6.0%, for a while, 200/s",
        rate_per_s=200,
        run=lambda seed: Run(
            pacing=fixed(200),
            server=Noisy(server=Open(), share=stepped((0, 0.0), (began, 0.06), (ended, 0.0)), seed=seed),
            seconds=end,
            path=far(0.03, seed),
        ),
        judge=lambda answers: [
            Figure(name="during", value=used(answers, 200 * 0.94, since=began, until=ended), least=0.9),
            Figure(name="after", value=used(answers, 200, since=ended + 2, until=end), least=0.95),
        ],
    )


def outages() -> Iterator[Case]:
    """Return servers that refuse everything for a time, and then nothing."""
    for rate in (20, 200):
        for spans in ([(20, 21)], [(20, 21), (30, 31)], [(20, 25)], [(20, 25), (40, 45)]):
            yield _outage(rate, spans)
    yield _outage(200, [(20, 23), (40, 43)])
    yield _outage(200, [(20, 25), (40, 45)], share=0.02)
    yield _outage(None, [(20, 25), (40, 45)])


def _outage(rate: float | None, spans: list[tuple[int, int]], share: float = 0.0) -> Case:
    full = rate or 50 / 0.033
    end = spans[-1][1] + 10
    steps = [(0.0, share), *(step for began, ended in spans for step in ((began, 1.0), (ended, share)))]

    def judge(answers: list[Answer]) -> list[Figure]:
        back = max(_back_s(answers, 0.9 * full * (1 - share), ended) for _, ended in spans)
        return [Figure(name="back_s", value=back, most=2.0)]

    lengths = " and ".join(f"{began} to {ended}" for began, ended in spans)
    return Case(
        name=f"outage from {lengths} s, {f'{rate:g}/s' if rate else 'auto'}{_with(share)}",
        rate_per_s=full,
        run=lambda seed: Run(
            pacing=fixed(rate) if rate else auto(),
            server=Noisy(server=Open(), share=stepped(*steps), seed=seed),
            seconds=end,
            path=far(0.03, seed, in_flight=inf if rate else 50),
        ),
        judge=judge,
        is_goal=rate is None,
    )


def _back_s(answers: list[Answer], least_per_s: float, since: float) -> float:
    """Return how long after a time a second begins in which so many requests were sent."""
    starts = (tenth / 10 for tenth in range(100))
    return next(
        (s for s in starts if used(answers, 1, since=since + s, until=since + s + 1) >= least_per_s), inf
    )


def ceilings() -> Iterator[Case]:
    """Return limits below the rate that a person set."""
    for limit in (190, 150, 100, 20):
        for share in (0.0, 0.02, 0.06):
            yield _ceiling(limit, share)
    yield _halved_under_noise()


def _ceiling(limit: int, share: float) -> Case:
    seconds = 60
    allowed = min(limit, 200 * (1 - share))
    return Case(
        name=f"200/s set, bucket {limit}/s{_with(share)}",
        rate_per_s=limit,
        run=lambda seed: Run(
            pacing=fixed(200),
            server=_noisy(Bucket(rate=steady(limit), burst=max(1, limit // 10)), share, seed),
            seconds=seconds,
            path=far(0.03, seed),
        ),
        judge=lambda answers: _figures(
            answers, allowed, share, 0.95, share + 0.05, since=SEARCH_S, until=seconds, cap=200
        ),
        is_goal=share > 0 and limit < 50,
    )


def _halved_under_noise() -> Case:
    halved, end = 40, 80

    def judge(answers: list[Answer]) -> list[Figure]:
        slower = next((a.at - halved for a in answers if a.at >= halved and a.rate_per_s < 115), inf)
        return [
            Figure(name="halved_s", value=slower, most=3.0),
            Figure(name="before", value=used(answers, 190 * 0.94, since=5, until=halved), least=0.9),
            Figure(name="used", value=used(answers, 100, since=halved + 5, until=end), least=0.93),
        ]

    return Case(
        name="190/s set, bucket 200, then 100/s, with noise of 6%",
        rate_per_s=190,
        run=lambda seed: Run(
            pacing=fixed(190),
            server=_noisy(Bucket(rate=stepped((0, 200), (halved, 100)), burst=20), 0.06, seed),
            seconds=end,
            path=far(0.03, seed),
        ),
        judge=judge,
    )


def _noisy(server: Server, share: float, seed: int) -> Server:
    return Noisy(server=server, share=steady(share), seed=seed) if share else server


def _with(share: float) -> str:
    return f", with noise of {share:.0%}" if share else ""


def _figures(
    answers: list[Answer], per_s: float, share: float, use: float, most: float,
    *, since: float, until: float, cap: float = inf,
) -> list[Figure]:  # fmt: skip
    return [
        Figure(name="used", value=used(answers, per_s, since=since, until=until), least=use),
        Figure(name="refused", value=refused(answers, since=since), most=most),
        Figure(name="in_a_minute", value=most_refused(answers, since=since, until=until), most=0.05 + share),
        Figure(name="rate", value=max(a.rate_per_s for a in answers), most=cap),
    ]


def cases() -> list[Case]:
    """Return all of them."""
    return [*limits(), *changes(), *noise(), *outages(), *ceilings()]


def kept(seeds: list[list[Figure]]) -> list[tuple[Figure, Figure, bool]]:
    """Return each figure's median and worst over the seeds, and whether both are good enough."""
    rows = []
    for figures in zip(*seeds, strict=True):
        ordered = sorted(figures, key=lambda figure: figure.value)
        middle, worst = ordered[len(ordered) // 2], ordered[0 if figures[0].least else -1]
        rows.append((middle, worst, middle.keeps() and worst.keeps(WORST)))
    return rows


def measure(name: str) -> tuple[bool, str]:
    """Run one case with all seeds; give whether it is good enough, and a line about it."""
    case = next(case for case in cases() if case.name == name)
    rows = kept([case.figures(seed) for seed in SEEDS])
    is_kept = all(row[-1] for row in rows)
    text = "  ".join(
        f"{'' if good else '!'}{middle.name} {middle.value:.3f} ({worst.value:.3f})"
        for middle, worst, good in rows
        if middle.name != "rate"
    )
    word = "ok" if is_kept else "short" if case.is_goal else "FAILED"
    return is_kept or case.is_goal, f"{word:7}{case.name:52}{text}"


def main() -> int:
    """Run what was asked for, print a line for each; give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.pacing_table")
    parser.add_argument("--only", default="", help="a word of the names")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    names = [case.name for case in cases() if given.only in case.name]
    failed = 0
    with Pool(given.processes) as pool:
        for is_good, line in pool.imap(measure, names):
            failed += not is_good
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{len(names) - failed} of {len(names)}\n")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
