"""What was measured, the bar it is held to, and the table of it."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """What one figure must reach."""

    figure: str
    at_least: float = float("-inf")
    at_most: float = float("inf")

    def kept(self, value: float) -> bool:
        """Return whether a value reaches it."""
        return self.at_least <= value <= self.at_most

    def __str__(self) -> str:
        """Return `ratio 0.75..`, `refused ..0.01`."""
        low = "" if self.at_least == float("-inf") else f"{self.at_least:,g}"
        high = "" if self.at_most == float("inf") else f"{self.at_most:,g}"
        return f"{self.figure} {low}..{high}"


def at_least(figure: str, value: float) -> Bar:
    """Return the bar for a figure that must not be lower."""
    return Bar(figure=figure, at_least=value)


def at_most(figure: str, value: float) -> Bar:
    """Return the bar for a figure that must not be higher."""
    return Bar(figure=figure, at_most=value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table: what was looked at, its figures (the unit last in their names), its bars."""

    section: str
    name: str
    figures: Mapping[str, float] = field(default_factory=dict)
    bars: tuple[Bar, ...] = ()
    note: str = ""

    @property
    def kept(self) -> bool | None:
        """Return whether every bar is kept; None where there is none."""
        return all(bar.kept(self.figures[bar.figure]) for bar in self.bars) if self.bars else None

    def json(self) -> dict[str, object]:
        """Return the row for machines."""
        return {
            "section": self.section,
            "name": self.name,
            **self.figures,
            "bars": [str(bar) for bar in self.bars],
            "kept": self.kept,
            "note": self.note,
        }


_VERDICT = {True: "kept", False: "MISSED", None: ""}


def show(row: Row) -> None:
    """Print one line of the table."""
    figures = "  ".join(f"{name} {value:,.4g}" for name, value in row.figures.items())
    bars = f"  [{', '.join(map(str, row.bars))}: {_VERDICT[row.kept]}]" if row.bars else ""
    sys.stdout.write(f"{row.section:<8} {row.name:<44} {figures}{bars}{row.note}\n")
    sys.stdout.flush()
