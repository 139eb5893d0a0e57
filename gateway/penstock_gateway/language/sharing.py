"""Which mappings can make a document that is much larger written out than in memory, because its parts are shared.

`range(0, 60).fold({"x": 1}, t -> {"a": t.tally, "b": t.tally})` holds sixty objects and would be written as 2^60. Only
mappings that can do so pay for a look at what they made (`sizes.bounded`); everything else is small in proportion to its input.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from penstock_gateway.language.nodes import (
    Apply,
    Array,
    Call,
    Field,
    Lambda,
    Literal,
    Node,
    Not,
    Object,
    Operation,
    Program,
    Variable,
)

_REPEATING = frozenset(("bloblang", "fold"))  # may use their own result again, any number of times
_COMBINING = frozenset(("append", "assign", "concat", "merge", "with"))
_ASKING = frozenset(
    ("all", "any", "filter", "find_all_by", "find_by", "sort", "sort_by", "unique")
)  # give what was there
_FEW = 64  # copies of one part that a mapping may make without being looked at


def inside(value: Any) -> Iterator[Node]:
    """All nodes of a tree of nodes and statements."""
    if isinstance(value, tuple):
        for item in value:
            yield from inside(item)
    elif is_dataclass(value) and not isinstance(value, type):
        if isinstance(value, Node):
            yield value
        for part in fields(value):
            if part.name != "builtin":
                yield from inside(getattr(value, part.name))


def _parts(nodes: tuple[Node, ...]) -> int:
    """How many of these may be large."""
    return max(1, sum(not isinstance(node, Literal) for node in nodes))


def _copies(node: Node) -> int:
    """How often a value that goes in may come out."""
    if isinstance(node, Array):
        return _parts(node.items)
    if isinstance(node, Object):
        return _parts(tuple(value for _, value in node.pairs))
    if isinstance(node, Field) and node.base == "root":
        return 2
    if isinstance(node, Call) and node.builtin.name in _COMBINING:
        return 1 + len(node.arguments)
    return 1


def _repeats(node: Node) -> bool:
    """Whether a node may use one value again and again: per element, or by calling itself."""
    if isinstance(node, Apply):
        return True
    if not isinstance(node, Call):
        return False
    if node.builtin.name in _REPEATING:
        return True
    if node.target is None or node.builtin.name in _ASKING:
        return False
    return any(_from_outside(argument) for argument in node.arguments if isinstance(argument, Node))


def _from_outside(query: Node) -> bool:
    """Whether a query may give more than a part of what it is asked about: something that stands around it."""
    own = {"this"}
    while isinstance(query, Lambda):
        own, query = {query.name}, query.body
    parts = list(_given(query))
    own |= {part.name for part in parts if isinstance(part, Lambda)}
    outside = (part for part in parts if isinstance(part, Field) and part.base not in own)
    return any(outside) or any(isinstance(part, Variable) or _reads_message(part) for part in parts)


def _given(value: Any) -> Iterator[Node]:
    """The nodes whose values may be parts of what a tree gives: not what numbers, bools and order are made of."""
    if isinstance(value, Not) or (isinstance(value, Operation) and value.operator != "|"):
        return
    if isinstance(value, Call) and value.target is not None and value.builtin.name in _ASKING:
        yield from _given(value.target)
    elif isinstance(value, tuple):
        for item in value:
            yield from _given(item)
    elif is_dataclass(value) and not isinstance(value, type):
        if isinstance(value, Node):
            yield value
        for part in fields(value):
            if part.name != "builtin":
                yield from _given(getattr(value, part.name))


def _reads_message(node: Node) -> bool:
    return isinstance(node, Call) and node.target is None and node.builtin.name in ("json", "metadata")


def multiplies(program: Program) -> bool:
    """Whether a mapping may make very many copies of one part."""
    copies = 1
    try:
        for node in inside(program.statements):
            copies *= _copies(node)
            if copies > _FEW or _repeats(node):
                return True
    except RecursionError:
        return True
    return False
