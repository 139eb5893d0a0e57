"""Writes Python source line by line; keeps what the source may name. Text of users gets in only through `literal`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from penstock_gateway.document import Value


class Unfit(Exception):
    """There is no generated form of a construct: the mapping runs through its closures."""


class Doubt(Exception):
    """A guard of generated source met a value it does not know: the closures decide about the message."""


@dataclass(frozen=True, slots=True)
class Atom:
    """An expression of the source, free of effects, to be evaluated once.

    `kind` is the exact type where it is known. `covered`: holds no float that the flag of the input document does not cover
    (`document.is_plain`). `sentinel`: may be DELETED or NOTHING.
    """

    code: str
    kind: type | None = None
    covered: bool = False
    sentinel: bool = False


_PLAIN_LITERALS = frozenset((str, int, bool, type(None)))


class Writer:
    """The lines of one function and its globals."""

    def __init__(self, scope: dict[str, Any]) -> None:
        self.scope = scope
        self.lines: list[str] = []
        self.depth = 1
        self._names = 0

    def line(self, text: str) -> None:
        """One line at the current depth."""
        self.lines.append(" " * self.depth + text)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """A line that opens a block, and the block."""
        self.line(head)
        self.depth += 1
        before = len(self.lines)
        yield
        if len(self.lines) == before:
            self.line("pass")
        self.depth -= 1

    @contextmanager
    def aside(self) -> Iterator[list[str]]:
        """What is written goes to a list of its own, one level deeper."""
        outer, self.lines = self.lines, []
        self.depth += 1
        try:
            yield self.lines
        finally:
            self.lines = outer
            self.depth -= 1

    def fresh(self) -> str:
        """A new local name."""
        self._names += 1
        return f"t{self._names}"

    def bind(self, value: Any) -> str:
        """A global name for an object."""
        self._names += 1
        name = f"k{self._names}"
        self.scope[name] = value
        return name

    def literal(self, value: Value) -> str:
        """A value known from the mapping: as its ASCII repr, or as a global."""
        kind = type(value)
        if kind in _PLAIN_LITERALS or (kind is float and math.isfinite(value)):
            text = ascii(value)
            return f"({text})" if text[0] == "-" else text
        return self.bind(value)

    def store(self, atom: Atom) -> Atom:
        """The same in a local name, so that it may be named several times."""
        if atom.code.isidentifier():
            return atom
        name = self.fresh()
        self.line(f"{name} = {atom.code}")
        return Atom(name, atom.kind, atom.covered, atom.sentinel)
