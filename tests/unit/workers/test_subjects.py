"""Subjects of NATS: each name is one part of it, whatever is in the name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulk.model import Issue
from bulk.settings import SETTINGS
from bulk.workers.subjects import Workplace, token

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def test_subjects_stand_as_the_rights_of_a_server_name_them() -> None:
    """Region and profile come before the worker, and what may be asked comes last."""
    place = Workplace("cn-north-4", "prod")
    assert place.hello == "bulk.1.cn-north-4.prod.hello"
    assert place.read("bastion-17-a0") == "bulk.1.cn-north-4.prod.bastion-17-a0.read"
    assert place.write("bastion-17-a0") == "bulk.1.cn-north-4.prod.bastion-17-a0.write"


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("", "%"),
        ("%", "%25"),
        ("a.b", "a%2Eb"),
        ("*", "%2A"),
        (">", "%3E"),
        ("a b\r\nPUB x", "a%20b%0D%0APUB%20x"),
        ("$SYS", "%24SYS"),
        ("web@acme", "web%40acme"),
        ("Prod_1-x~", "Prod_1-x~"),
        ("東", "%E6%9D%B1"),
    ],
)
def test_what_means_something_in_a_subject_is_encoded(name: str, part: str) -> None:
    """A dot, a blank, a wildcard or a line break would else lead to a subject with other rights."""
    assert token(name) == part


@given(NAMES, NAMES)
def test_names_differ_as_their_parts_do(one: str, other: str) -> None:
    """Each part is one token of printable ASCII, and no two names share one."""
    assert (token(one) == token(other)) == (one == other)
    assert token(one).isascii()
    assert token(one).isprintable()
    assert not set(token(one)) & set(".*> \t")


@given(NAMES, NAMES, NAMES)
def test_every_subject_of_a_place_has_the_place_as_its_third_and_fourth_part(
    region: str, profile: str, worker: str
) -> None:
    """So that a right to `bulk.1.REGION.PROFILE.*.read` means what it says."""
    place = Workplace(region, profile)
    for subject in (place.read(worker), place.write(worker)):
        assert subject.split(".")[:-1] == ["bulk", "1", token(region), token(profile), token(worker)]
    assert place.hello.split(".") == ["bulk", "1", token(region), token(profile), "hello"]


def test_a_place_reads_as_it_is_given_to_serve() -> None:
    """What `--serve` takes is what messages show."""
    assert [str(Workplace("cn-north-4")), str(Workplace("cn-north-4", "prod"))] == [
        "cn-north-4",
        "cn-north-4/prod",
    ]


def test_regions_and_profiles_that_the_settings_take_have_no_slash() -> None:
    """`REGION/PROFILE` can be read in one way only."""
    for name in ("region", "profile"):
        assert isinstance(SETTINGS[name].form.read("cn-north-4/b"), Issue)
