"""How long a window is open: by it a spare that leaves nothing is found without a clock."""

from math import inf

import pytest

from bulk.operations.windows import read_window


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("01:00-05:00 UTC", 4),
        ("22:00-04:00 UTC", 6),
        ("Sat,Sun 01:00-05:00 UTC; 01:00-02:00 UTC", 4),
        ("2026-12-01T01:00Z..2026-12-01T05:00Z", 4),
        ("2026-12-01T01:00Z", inf),
    ],
)
def test_a_window_is_as_long_as_the_longest_of_its_spans(text: str, hours: float) -> None:
    """Across midnight as well; a deadline has no beginning."""
    assert read_window(text).length_s == hours * 3600
