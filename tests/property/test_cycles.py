"""Cycles in graphs and the fewest nodes that break them, against trying everything."""

from graphlib import CycleError, TopologicalSorter
from itertools import combinations
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bulk.plan import cycles as module
from bulk.plan.cycles import fewest_breakers, shortest_cycle, strong_components

Graph = dict[int, tuple[int, ...]]


@st.composite
def graphs(draw: st.DrawFn, nodes_max: int = 7) -> Graph:
    """Return a graph in which no node waits for itself."""
    nodes = range(draw(st.integers(0, nodes_max)))
    arrows = [(one, other) for one in nodes for other in nodes if one != other]
    chosen = set(draw(st.lists(st.sampled_from(arrows)))) if arrows else set()
    return {node: tuple(other for other in nodes if (node, other) in chosen) for node in nodes}


def reachable(graph: Graph, start: int) -> set[int]:
    """Return every node that a node waits for, in the end."""
    found: set[int] = set()
    queue = list(graph[start])
    while queue:
        if (node := queue.pop()) not in found:
            found.add(node)
            queue.extend(graph[node])
    return found


def has_cycle(graph: Graph, without: set[int]) -> bool:
    """Return whether nodes wait for each other once some are gone."""
    left = {n: [o for o in others if o not in without] for n, others in graph.items() if n not in without}
    try:
        TopologicalSorter(left).prepare()
    except CycleError:
        return True
    return False


def ring(length: int) -> Graph:
    """Return one cycle."""
    return {node: ((node + 1) % length,) for node in range(length)}


@given(graphs())
def test_a_component_is_all_that_waits_for_each_other(graph: Graph) -> None:
    """Two nodes are in one component if and only if each waits for the other."""
    connections = {node: reachable(graph, node) for node in graph}
    expected = {
        frozenset(other for other in connections[node] if node in connections[other])
        for node in graph
        if node in connections[node]
    }
    found = list(strong_components(graph))
    assert {frozenset(component) for component in found} == expected
    assert len(found) == len(expected)


@given(graphs())
def test_a_component_keeps_the_order_of_the_graph_and_its_own_arrows(graph: Graph) -> None:
    """A component is the graph's part, so that what is made of it does not depend on how it was found."""
    for component in strong_components(graph):
        assert list(component) == sorted(component)
        assert component == {node: tuple(o for o in graph[node] if o in component) for node in component}


@given(graphs())
def test_a_component_comes_behind_those_it_waits_for(graph: Graph) -> None:
    """Whoever goes through the components in their order has already seen what each of them waits for."""
    seen: set[int] = set()
    for component in strong_components(graph):
        others = {node for other in strong_components(graph) for node in other} - set(component)
        assert others & reachable(graph, next(iter(component))) <= seen
        seen |= set(component)


@given(graphs(), st.data())
def test_the_shortest_cycle_is_one_and_none_is_shorter(graph: Graph, data: st.DataObject) -> None:
    """The cycle begins at the start and follows arrows back to it, past what is gone."""
    assume(graph)
    start = data.draw(st.sampled_from(sorted(graph)))
    without = data.draw(st.sets(st.sampled_from(sorted(graph)))) - {start}
    cycle = shortest_cycle(graph, start, without)
    left = {n: tuple(o for o in graph[n] if o not in without) for n in graph if n not in without}
    length = next((count for count in range(1, len(left) + 1) if start in walks(left, start, count)), 0)
    assert len(cycle) == length
    if cycle:
        assert cycle[0] == start
        assert all(after in left[node] for node, after in zip(cycle, (*cycle[1:], start), strict=True))


def walks(graph: Graph, start: int, count: int) -> set[int]:
    """Return where so many steps lead."""
    here = {start}
    for _ in range(count):
        here = {other for node in here for other in graph[node]}
    return here


@given(graphs(), st.data())
def test_the_breakers_are_the_fewest_and_of_those_the_cheapest(graph: Graph, data: st.DataObject) -> None:
    """No smaller set of nodes breaks every cycle of the component, and no equally small one costs less."""
    for component in strong_components(graph):
        cost = {node: data.draw(st.integers(0, 3)) for node in component}
        breakers = fewest_breakers(component, cost)
        assert not has_cycle(component, set(breakers))
        for count in range(len(breakers) + 1):
            for some in combinations(component, count):
                if not has_cycle(component, set(some)):
                    assert count == len(breakers)
                    assert sum(map(cost.__getitem__, some)) >= sum(map(cost.__getitem__, breakers))


@given(graph=graphs(10))
def test_in_a_large_component_no_breaker_is_superfluous(graph: Graph) -> None:
    """Beyond what can be tried out, the breakers still break everything, and none of them could stay."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "EXACT_NODES_MAX", 0)
        for component in strong_components(graph):
            breakers = set(fewest_breakers(component, dict.fromkeys(component, 0)))
            assert not has_cycle(component, breakers)
            assert all(has_cycle(component, breakers - {breaker}) for breaker in breakers)


def test_a_large_ring_needs_one_breaker() -> None:
    """The simplest large component is solved exactly, and in time that grows with its size only."""
    assert len(fewest_breakers(ring(20_000), dict.fromkeys(range(20_000), 0))) == 1


def test_in_a_large_component_the_costliest_are_spared() -> None:
    """Of a large ring the cheapest node breaks it."""
    cost = {node: 0 if node == 13 else 5 for node in range(30)}
    assert fewest_breakers(ring(30), cost) == {13}


def test_a_row_of_swaps_needs_at_most_twice_the_fewest() -> None:
    """The stated bound, on a component of 40 nodes in which each swaps with the next."""
    nodes = range(40)
    graph = {n: tuple(o for o in (n - 1, n + 1) if o in nodes) for n in nodes}
    assert 20 <= len(fewest_breakers(graph, dict.fromkeys(nodes, 0))) <= 40


def test_a_long_chain_is_no_component() -> None:
    """No depth of waiting is too deep."""
    assert list(strong_components({node: (node + 1,) for node in range(20_000)} | {20_000: ()})) == []


def test_the_names_of_nodes_do_not_matter() -> None:
    """Nor does the order in which a set has them, where several sets of nodes would do."""
    length = module.EXACT_NODES_MAX
    pairs = {node: ((node - 1) % length, (node + 1) % length) for node in range(length)}
    graph = pairs | {length: (0,), 0: (length, *pairs[0])}
    answers = set()
    for seed in range(20):
        names = dict(zip(graph, Random(seed).sample(range(10**6), len(graph)), strict=True))
        renamed = {names[node]: tuple(names[other] for other in others) for node, others in graph.items()}
        breakers = fewest_breakers(renamed, dict.fromkeys(renamed, 0))
        answers.add(frozenset(node for node in graph if names[node] in breakers))
    assert len(answers) == 1
