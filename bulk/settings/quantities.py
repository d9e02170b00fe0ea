"""The values that settings hold: a rate, a share, a judge."""

import shlex
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A number of requests in each period."""

    requests: int
    period_s: int
    """Length of the period: 1, 60 or 3600."""

    @property
    def per_s(self) -> float:
        """Return requests per second."""
        return self.requests / self.period_s

    def __str__(self) -> str:
        """Return the written form: `20/s`, `100/m`, `5/h`."""
        return f"{self.requests}/{ {1: 's', 60: 'm', 3600: 'h'}[self.period_s] }"


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A count, or a percentage of something that is known later."""

    number: int
    is_percent: bool = False

    def of(self, total: int) -> int:
        """Return the count that this is of `total`, rounded down."""
        return total * self.number // 100 if self.is_percent else self.number

    def __str__(self) -> str:
        """Return the written form: `10` or `5%`."""
        return f"{self.number}%" if self.is_percent else str(self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    """A length of time."""

    seconds: int

    def __str__(self) -> str:
        """Return the written form: `90s`, `2m` or `1h`."""
        for unit, length_s in (("h", 3600), ("m", 60)):
            if self.seconds % length_s == 0:
                return f"{self.seconds // length_s}{unit}"
        return f"{self.seconds}s"


class WavesBy(StrEnum):
    """What the rows of one wave have in common, where waves do not go by number."""

    REGION = "region"
    ACCOUNT = "account"
    COLUMN = "column"
    """The number in the row's column `wave`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waves:
    """The parts in which the rows of a run go, one after the other."""

    sizes: tuple[Share, ...] = ()
    """The rows of each wave, percentages of the services that change; the rest is the last wave."""
    by: WavesBy | None = None

    def __str__(self) -> str:
        """Return the written form: `3,10%,50%` or `region`."""
        return self.by or ",".join(map(str, self.sizes))


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeSetting:
    """Who rules on each wave: a file to be run, with its arguments, or a URL to be asked."""

    words: tuple[str, ...] = ()
    """The file, relative to the job's folder, and its arguments."""
    url: str = ""

    def __str__(self) -> str:
        """Return the written form: `./probe.sh --all` or `https://judge.example/ask`."""
        return self.url or shlex.join(self.words)
