"""Hashes of many texts, counted in parts."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from bulk.hashes import Hashes


@given(st.lists(st.integers(-200, 200) | st.integers(-(2**63), 2**63 - 1)))
def test_hashes_are_counted_as_a_set_counts_them(hashed: list[int]) -> None:
    """How many different ones there are, and which came more than once."""
    hashes = Hashes()
    for each in hashed:
        hashes.add(each)
    assert hashes.distinct == len(set(hashed))
    assert hashes.repeated == {each for each, times in Counter(hashed).items() if times > 1}
