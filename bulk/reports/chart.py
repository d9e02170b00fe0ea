"""The geometry of the timeline's drawing: bars of replies, a line for the pace, a line for the limit.

Lengths are in a box of 1000 x 100 that the page stretches to its own width, so nothing in it is text.
"""

import math
from dataclasses import dataclass

from bulk.reports.timeline import Timeline
from bulk.text import duration

WIDTH, HEIGHT = 1000.0, 100.0
MINUTE_S = 60
_GAP = 0.12
"""Share of a bar's width that stays empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rect:
    """One bar, or a part of one."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What the page draws."""

    accepted: tuple[Rect, ...]
    refused: tuple[Rect, ...]
    """They stand on top of the accepted ones."""
    pace: str
    """An SVG path; empty where no record states the rate."""
    limit: str
    """An SVG path of the limit believed in; empty where none was."""
    sessions: tuple[float, ...]
    """Where the sessions after the first begin."""
    top_per_s: float
    """What the upper edge stands for."""
    length: str
    bar: str
    """How long one bar lasts."""


def chart_of(timeline: Timeline) -> Chart:
    """Return the drawing of a timeline."""
    bars = timeline.bars()
    length_s = len(bars) * timeline.bar_s
    rates = [point.pace.rate_per_s for point in timeline.pace]
    top = _round_up(max(*rates, *(bar.accepted_per_s + bar.refused_per_s for bar in bars), 0.0))
    step, unit = WIDTH / len(bars), HEIGHT / top

    def rect(index: int, below_per_s: float, per_s: float) -> Rect:
        return Rect(
            x=round((index + _GAP / 2) * step, 2),
            y=round(HEIGHT - (below_per_s + per_s) * unit, 2),
            width=round((1 - _GAP) * step, 2),
            height=round(per_s * unit, 2),
        )

    def steps(points: list[tuple[float, float]]) -> str:
        """Return a staircase: each value holds until the next."""
        if not points:
            return ""
        corners = [
            (round(at_s / length_s * WIDTH, 2), round(HEIGHT - min(v, top) * unit, 2)) for at_s, v in points
        ]
        (x0, y0), rest = corners[0], corners[1:]
        return f"M{x0} {y0}" + "".join(f"H{x}V{y}" for x, y in rest) + f"H{WIDTH}"

    return Chart(
        accepted=tuple(rect(i, 0, bar.accepted_per_s) for i, bar in enumerate(bars) if bar.accepted_per_s),
        refused=tuple(
            rect(i, bar.accepted_per_s, bar.refused_per_s) for i, bar in enumerate(bars) if bar.refused_per_s
        ),
        pace=steps([(point.at_s, point.pace.rate_per_s) for point in timeline.pace]),
        limit=steps([(p.at_s, p.limit_per_s) for p in timeline.pace if p.limit_per_s is not None]),
        sessions=tuple(round(at_s / length_s * WIDTH, 2) for at_s in timeline.sessions[1:]),
        top_per_s=top,
        length=duration(length_s),
        bar=duration(timeline.bar_s) if timeline.bar_s >= MINUTE_S else f"{timeline.bar_s} s",
    )


def _round_up(per_s: float) -> float:
    """Return the next 1, 2 or 5 times a power of ten, the end of an axis."""
    if per_s <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(per_s))
    return next(nice * power for nice in (1, 2, 5, 10) if per_s <= nice * power * (1 + 1e-9))
