"""Which service is meant by what a person typed."""

import pytest

from bulk.reports.id_prefix import NEAREST_MAX, service_meant

A = "4189d3c2-8882-4871-a3c2-d380272eed83"
B = "4189d3c2-8882-4871-a3c2-d380272eed84"
C = "7c1f0c52-3f4b-4d0e-9f2b-6a1f3f0b7d11"
IDS = (A, B, C)


@pytest.mark.parametrize("given", [A, A.upper(), f" {A}\n"])
def test_an_id_means_itself_in_any_case(given: str) -> None:
    """Blanks around it do not count either."""
    assert service_meant(given, iter(IDS)) == A


@pytest.mark.parametrize("given", ["7", "7c1f0c52", "7C1F-"[:2]])
def test_the_beginning_of_one_id_means_that_one(given: str) -> None:
    """As long as no other begins so."""
    assert service_meant(given, IDS) == C


def test_an_id_is_meant_even_where_another_begins_with_it() -> None:
    """Equality goes before beginnings, however many there are."""
    ids = [*(f"row-1{number}" for number in range(10)), "row-1"]
    assert service_meant("row-1", ids) == "row-1"


def test_an_id_that_stands_in_two_rows_is_one_id() -> None:
    """A job with skipped rows may name it twice."""
    assert service_meant("7c1f", [C, A, C]) == C


def test_the_beginning_of_several_ids_gives_them_to_choose_from() -> None:
    """Those that begin so come first."""
    assert service_meant("4189d3c2", IDS) == (A, B)


def test_a_misspelt_id_gives_the_nearest_first() -> None:
    """What agrees at either end counts; what has nothing in common is not named."""
    assert service_meant(A.replace("8882", "8888"), IDS) == (A, B)
    assert service_meant(f"0{A[1:]}", IDS) == (A,)


@pytest.mark.parametrize("given", ["", "zzzz"])
def test_what_is_like_no_id_gives_none(given: str) -> None:
    """Nothing typed means nothing, also where there is one id only."""
    assert service_meant(given, [A]) == ()


def test_at_most_a_few_are_named() -> None:
    """However many begin so."""
    assert len(service_meant("4189", [f"4189{number:04}" for number in range(50)])) == NEAREST_MAX
