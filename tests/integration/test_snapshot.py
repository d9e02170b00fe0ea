"""The snapshot that a plan is made against gives back what was added, from memory and from its file alike."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulk.model import Listed, ServiceId, ServiceState
from bulk.plan import snapshot
from bulk.plan.snapshot import Snapshot
from tests.values import LiveList, state, states


@pytest.fixture(autouse=True)
def small_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all but two services go into the file."""
    monkeypatch.setattr(snapshot, "KEPT_MAX", 2)


@given(services=st.lists(states, max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_snapshot_is_the_list_that_it_was_made_of(services: list[ServiceState]) -> None:
    """Every service as it was last added, in order, and by its id; every port_id that is shared."""
    plain = LiveList(services)
    with Snapshot() as live:
        for one in services:
            live.add(Listed.of(one))
        assert {one.id: one for one in live} == {one.id: one for one in plain}
        assert all(live.get(one.id) == plain.get(one.id) for one in services)
        assert live.shared >= plain.shared
        assert live.get(ServiceId("nobody")) is None


def test_services_may_be_added_after_others_were_read() -> None:
    """What is read is never what has not been written yet."""
    with Snapshot() as live:
        for row in range(50):
            live.add(Listed.of(state(row, row + 1)))
            assert live.get(state(row).id) == state(row, row + 1)
        assert list(live) == [state(row, row + 1) for row in range(50)]


def test_a_service_that_is_listed_twice_is_one() -> None:
    """A list that moves while it is read names one again; the later word holds."""
    with Snapshot() as live:
        for server_port in (1, 2):
            for row in range(4):
                live.add(Listed.of(state(row, server_port)))
        assert list(live) == [state(row, 2) for row in range(4)]


class SameHash(str):
    """A text that no hash tells from another."""

    __slots__ = ()

    def __hash__(self) -> int:
        """Return the same for all."""
        return 7


def test_services_whose_ids_have_one_hash_are_different_services() -> None:
    """A hash finds a service, its id says whether it is the one."""
    with Snapshot() as live:
        for server_port in (1, 2):
            for row in range(5):
                one = Listed.of(state(row, server_port))
                live.add(one._replace(id=ServiceId(SameHash(one.id))))
        assert list(live) == [state(row, 2) for row in range(5)]
        assert [live.get(ServiceId(SameHash(state(row).id))) for row in range(5)] == list(live)
        assert live.get(ServiceId(SameHash("nobody"))) is None
