"""The tree of a ChatGPT conversation, cut into the line that is shown and its branches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from threads.sources.times import moment


@dataclass(slots=True)
class Node:
    """One place in the tree. `at` is its message's time in Unix seconds, 0 when it has none."""

    id: str
    item: dict[str, Any]
    parent: str
    at: float
    order: int  # in the file
    children: list[str] = field(default_factory=list)


def nodes_of(mapping: Any) -> dict[str, Node] | None:
    """Return the nodes by id; None when `mapping` is none.

    Children are worked out from the parents, and only where a node names none the other way
    round: the two may contradict each other.
    """
    if not isinstance(mapping, dict):
        return None
    nodes: dict[str, Node] = {}
    for order, (name, item) in enumerate(mapping.items()):
        if isinstance(item, dict):
            parent = item.get("parent")
            nodes[name] = Node(
                name, item, parent if isinstance(parent, str) else "", _time(item), order
            )
    for node in list(nodes.values()):
        listed = node.item.get("children")
        for child in listed if isinstance(listed, list) else []:
            if isinstance(child, str) and child in nodes and not nodes[child].parent:
                nodes[child].parent = node.id
    for node in nodes.values():
        if node.parent in nodes and node.parent != node.id:
            nodes[node.parent].children.append(node.id)
    return nodes


def _time(item: dict[str, Any]) -> float:
    message = item.get("message")
    value = message.get("create_time") if isinstance(message, dict) else None
    when = moment(value)
    return when.timestamp() if when else 0.0


def branches_of(nodes: Mapping[str, Node], current: str) -> list[list[Node]]:
    """Return the shown line first, then what hangs off it; every node once, parents first.

    The shown line ends at `current`, or, where that leads nowhere, at the newest leaf. Cycles
    and parents that do not exist end a line.
    """
    if not nodes:
        return []
    leaves = [node for node in nodes.values() if not node.children]
    if current not in nodes:
        newest = max(leaves or nodes.values(), key=lambda node: (node.at, node.order))
        current = newest.id
    taken: set[str] = set()
    branches = [_line_to(nodes[current], nodes, taken)]
    # Below the shown line the conversation may go on: an answer that was not chosen.
    others = sorted(leaves, key=lambda node: (node.at, node.order))
    # What is in no line to a leaf is part of a cycle.
    others += sorted(nodes.values(), key=lambda node: (node.at, node.order))
    for node in others:
        if node.id not in taken:
            branches.append(_line_to(node, nodes, taken))  # noqa: PERF401 - it changes `taken`
    return [branch for branch in branches if branch]


def _line_to(node: Node, nodes: Mapping[str, Node], taken: set[str]) -> list[Node]:
    """Return the nodes from the root, or from the first one that is taken, down to `node`."""
    line: list[Node] = []
    step: Node | None = node
    while step is not None and step.id not in taken:
        taken.add(step.id)
        line.append(step)
        step = nodes.get(step.parent)
    line.reverse()
    return line
