"""What a mapping reads and writes, as paths: enough to see which of two mappings must run first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from penstock_gateway.language.arguments import Static
from penstock_gateway.language.nodes import (
    Assignment,
    Branching,
    Call,
    Field,
    Lambda,
    Literal,
    Metadata,
    Node,
    Program,
    Statement,
    Within,
    path_segments,
)

Target = tuple[str, ...]
"""`("this", …)` below the document, `("meta", key)` in the metadata."""


def reads(program: Program) -> set[Target]:
    """The parts of message and metadata that the mapping looks at."""
    return {target for value in _values(program.statements) for target in _read(value, ())}


def writes(program: Program) -> set[Target]:
    """The parts of message and metadata that the mapping assigns."""
    return set(_written(program.statements))


def _written(statements: tuple[Statement, ...]) -> Iterator[Target]:
    for statement in statements:
        if isinstance(statement, Branching):
            for _, body in statement.branches:
                yield from _written(body)
        elif statement.where != "let":
            yield ("this" if statement.where == "root" else "meta", *statement.path)


def _values(statements: tuple[Statement, ...]) -> Iterator[Node]:
    for statement in statements:
        if isinstance(statement, Assignment):
            yield statement.value
            continue
        for test, body in statement.branches:
            if test is not None:
                yield test
            yield from _values(body)


def _read(node: object, above: Target | None) -> Iterator[Target]:
    """`above`: what `this` stands for in the document; None where that is not known."""
    if isinstance(node, Field):
        if node.base == "this" and above is not None:
            yield ("this", *above, *node.path)
    elif isinstance(node, Metadata):
        yield ("meta", node.key) if node.key else ("meta",)
    elif isinstance(node, Within):
        yield from _read(node.target, above)
        known = isinstance(node.target, Field) and node.target.base == "this" and above is not None
        inner = (*(above or ()), *node.target.path) if known and isinstance(node.target, Field) else None
        yield from _read(node.body, inner)
    elif isinstance(node, Lambda):
        yield from _read(node.body, None)
    elif isinstance(node, Call):
        yield from _called(node, above)
    elif isinstance(node, tuple):
        for item in node:
            yield from _read(item, above)
    elif isinstance(node, Node):
        for part in fields(node):  # type: ignore[arg-type]  # every node is a dataclass
            yield from _read(getattr(node, part.name), above)


def _called(node: Call, above: Target | None) -> Iterator[Target]:
    argument = node.arguments[0] if node.arguments else None
    text = argument.value if isinstance(argument, Literal | Static) else argument
    if node.target is None and node.builtin.name in ("meta", "root_meta", "metadata"):
        yield ("meta", text) if isinstance(text, str) else ("meta",)
    elif node.target is None and node.builtin.name == "json":
        yield ("this", *path_segments(text)) if isinstance(text, str) and text else ("this",)
    yield from _read(node.target, above)
    for item in node.arguments:
        yield from _read(item, above if node.target is None else None)
