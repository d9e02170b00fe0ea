"""Cycles in a graph of who waits for whom, and the fewest nodes whose going first breaks them all.

A graph maps each node to the nodes that it waits for, all of them nodes of the graph too; its order is the
order of every answer, so that the same plan always comes out the same.
"""

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import combinations
from typing import TypeAlias, TypeVar

N = TypeVar("N")
Graph: TypeAlias = Mapping[N, Collection[N]]

EXACT_NODES_MAX = 12
"""Up to this size every set of nodes is tried: 4,095 at most, each in microseconds."""


def strong_components(graph: Graph[N]) -> Iterator[dict[N, tuple[N, ...]]]:
    """Yield the largest parts in which every node waits, by way of others, for every node of the part.

    These are the strongly connected components of more than one node (Tarjan 1972, without recursion), as
    graphs of their own.
    """
    rank = {node: place for place, node in enumerate(graph)}
    seen: dict[N, int] = {}
    lowest: dict[N, int] = {}
    stack: list[N] = []
    for root in graph:
        visits = [] if root in seen else [(root, iter(graph[root]))]
        while visits:
            node, others = visits[-1]
            if node not in seen:
                seen[node] = lowest[node] = len(seen)
                stack.append(node)
            for other in others:
                if other not in seen:
                    visits.append((other, iter(graph[other])))
                    break
                if other in lowest:
                    lowest[node] = min(lowest[node], seen[other])
            else:
                visits.pop()
                if visits:
                    parent = visits[-1][0]
                    lowest[parent] = min(lowest[parent], lowest[node])
                if lowest[node] == seen[node]:
                    members = _cut(stack, lowest, node)
                    if len(members) > 1:
                        yield _part(graph, sorted(members, key=rank.__getitem__))


def shortest_cycle(graph: Graph[N], start: N, without: Collection[N] = ()) -> tuple[N, ...]:
    """Return a shortest way from `start` back to it, each waiting for the next; empty where there is none.

    Nodes in `without` count as gone.
    """
    came_from: dict[N, N] = {}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        for other in graph[node]:
            if other == start:
                way = [node]
                while way[-1] != start:
                    way.append(came_from[way[-1]])
                return tuple(reversed(way))
            if other not in came_from and other not in without:
                came_from[other] = node
                queue.append(other)
    return ()


def fewest_breakers(component: Graph[N], cost: Mapping[N, int]) -> frozenset[N]:
    """Return the fewest nodes without which no cycle is left, the cheapest where several sets are as small.

    No node of the answer is superfluous. Exact up to `EXACT_NODES_MAX` nodes; beyond, never more than L times
    the fewest, where L is the length of the longest of the disjoint cycles that `_few_breakers` takes: each
    of them needs a node of its own.
    """
    if len(component) > EXACT_NODES_MAX:
        return _few_breakers(component, cost)
    sets = (nodes for size in range(1, len(component)) for nodes in combinations(component, size))
    best = next(nodes for nodes in sets if _breaks(component, nodes))
    as_small = (nodes for nodes in combinations(component, len(best)) if _breaks(component, nodes))
    return frozenset(min(as_small, key=lambda nodes: sum(cost[node] for node in nodes)))


def _few_breakers(component: Graph[N], cost: Mapping[N, int]) -> frozenset[N]:
    """Take every node of disjoint cycles, then do without each that is not needed, the costliest first."""
    breakers: set[N] = set()
    for start in component:
        if start not in breakers:
            breakers.update(shortest_cycle(component, start, breakers))
    for node in sorted((node for node in component if node in breakers), key=lambda node: -cost[node]):
        if not shortest_cycle(component, node, breakers):
            breakers.remove(node)
    return frozenset(breakers)


def _breaks(component: Graph[N], nodes: Collection[N]) -> bool:
    left = {node: [other for other in others if other not in nodes] for node, others in component.items()}
    try:
        TopologicalSorter(left).prepare()
    except CycleError:
        return False
    return True


def _cut(stack: list[N], lowest: dict[N, int], node: N) -> list[N]:
    """Take a finished component, which begins with `node`, off the stack."""
    members = []
    while node in lowest:
        members.append(stack.pop())
        del lowest[members[-1]]
    return members


def _part(graph: Graph[N], members: list[N]) -> dict[N, tuple[N, ...]]:
    inside = frozenset(members)
    return {node: tuple(other for other in graph[node] if other in inside) for node in members}
