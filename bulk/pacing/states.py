"""The states and events of pacing; every time is in monotonic seconds."""

from math import inf
from typing import NamedTuple, TypeAlias

from bulk.model import Limit, Throttled, Why, value

START_PER_S = 10.0
"""First rate of a search: slow enough for anybody, and doubled each second past 1,000/s within seven."""
RAMP = 1.0
"""Growth a round until the first cut: doubling."""
GROWTH_MIN = 0.01
"""Growth in the first round of a climb."""
WINDOW_S_MIN = 2.0
"""Length from which on a window is kept to as one; of a shorter one a rate says as much."""


class Trial(NamedTuple):
    """What a slower rate is compared with: the rate before, its growth, and what was refused of it."""

    rate_per_s: float
    growth: float
    answers: int
    refused: int


class Pacing(NamedTuple):
    """A rate that finds the server's limit and stays just under it; a new one comes of every answer."""

    rate_per_s: float = START_PER_S
    cap_per_s: float = inf
    """The rate that a person gave, never exceeded; infinite where it is to be found."""
    given_per_s: float = inf
    """The rate of the job alone, without a person's later ceiling; `cap_per_s` is the lower of the two."""
    before_cap_per_s: float = 0.0
    """The rate that a person's ceiling keeps from being used; 0 where it keeps none."""
    pushed_back_until_s: float = -inf
    """Until when nothing may leave since nothing would be accepted."""
    paused_until_s: float = -inf
    """Until when the server, not at its limit but not available, asked to be left alone."""
    limit: Limit | None = None
    """The limit believed in as a window; None where only a rate is known."""
    why: Why = Why.FOUND
    stated: Limit | None = None
    """The limit that a refusal stated last, whether believed or not."""
    noise: float = 0.0
    """Share of requests that is refused whatever the rate; forgotten at `noise_until_s`, since it changes."""
    noise_until_s: float = inf

    excess: float = 0.0
    """Refusals lately beyond what noise and tolerance explain."""
    answers: int = 0
    """Answers since that last left 0, or in the trial, and those of them that refused."""
    refused: int = 0
    trial: Trial | None = None

    cycle_at: float = -inf
    """When the present window opened, or the first answer came, as far as is known."""
    cycle_accepted: int = 0

    round_at: float = -inf
    round_answers: int = 0
    growth: float = RAMP
    """Share by which the next round is faster."""
    ground_per_s: float = 0.0
    """Rate that the present climb started from; 0 where there is none to go back to."""
    below_per_s: float = 0.0
    """Rate before the latest step; 0 where it is not known."""
    used_per_s: float = inf
    """Rate at which requests left in the last round, `START_PER_S` at least, where they left steadily and
    well below the rate; else infinite."""
    owed: float = 0.0
    """Refusals still to be made good by acceptances before the next climb."""

    refusals: int = 0
    """Refusals in a row, echoes not counted; the first of them was granted at `shut_at`."""
    cut_at: float = -inf
    """Requests granted until then knew nothing of the latest cut."""
    shut_at: float = -inf
    refused_at: float = -inf
    """When the last of the refusals in a row was granted."""
    suspected: Limit | None = None
    """The window that the last shut spell of some length would be, if another one is like it."""
    spacing_s: float = 0.0
    """Least time between two requests while nothing is accepted, since probes leave one by one; else 0."""

    @property
    def is_shut(self) -> bool:
        """Return whether nothing is accepted any more, as far as is known."""
        return self.spacing_s > 0

    @property
    def window(self) -> Limit | None:
        """Return the limit believed in, if it is long enough to be seen as a window."""
        return self.limit if self.limit and self.limit.window_s >= WINDOW_S_MIN else None

    @property
    def is_calm(self) -> bool:
        """Return whether an acceptance only counts, so that several may be learned as one."""
        return not (self.is_shut or self.trial or self.excess or self.refusals)

    @property
    def held_until_s(self) -> float:
        """Return when the next request may leave, as far as that is the server's wish."""
        return max(self.pushed_back_until_s, self.paused_until_s)

    def settled(self, at: float) -> "Pacing":
        """Return the state that tries neither more nor less, and counts answers anew from then on."""
        return self._replace(
            trial=None, ground_per_s=0.0, below_per_s=0.0, excess=0.0, answers=0, refused=0, round_at=at,
            round_answers=0, used_per_s=inf,
        )  # fmt: skip


@value
class Accepted:
    """The server took the request that was granted at `granted_at`.

    Where the state is calm, several may be one event: `count` of them, the last one granted then.
    """

    granted_at: float
    count: int = 1


@value
class Throttling:
    """The server refused the request that was granted at `granted_at` for going too fast."""

    granted_at: float
    throttled: Throttled


@value
class Paused:
    """The server, not at its limit but not available, asks to be left alone for so long."""

    wait_s: float


@value
class Capped:
    """A person says how fast requests may leave at most from now on; infinity is the job's own rate again."""

    most_per_s: float


Event: TypeAlias = Accepted | Throttling | Paused | Capped
