"""JSONPath expressions as PaesslerAG/jsonpath evaluates them: paths over a document, with filters and scripts.

A path without wildcard, range, filter or `..` gives one value and fails where it leads nowhere; any other gives an array.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from penstock_gateway.document import Value
from penstock_gateway.language.gofmtverbs import Flags, format_value
from penstock_gateway.language.gonumbers import NumberError, parse_float
from penstock_gateway.language.gotext import go_type
from penstock_gateway.language.values import get_number, is_number, to_string

MAX_VISITS = 1_000_000
"""Values that one evaluation may look at."""


class PathFailure(ValueError):
    """A path that leads nowhere, or an expression that does not fit its values."""


class Scope(NamedTuple):
    """What `$` and `@` stand for, and how many values may still be visited (a list, so that it is shared)."""

    root: Value
    current: Value
    budget: list[int]


Expression = Callable[[Scope], Value]
Selector = Callable[[Scope, Value], Iterator[Value]]


def evaluate(expression: Expression, document: Value) -> Value:
    """Evaluate an expression over a document.

    Raises PathFailure.
    """
    return expression(Scope(document, document, [MAX_VISITS]))


class Path:
    """A path from `$` or `@`: selectors in order, and whether the result is a single value."""

    def __init__(self, from_root: bool) -> None:
        self.from_root = from_root
        self.plain = True
        self.steps: list[tuple[bool, Selector]] = []

    def add(self, selector: Selector, *, plain: bool) -> None:
        """Append a selector; a plain one gives exactly one value or raises."""
        self.steps.append((plain, selector))
        self.plain = self.plain and plain

    def __call__(self, scope: Scope) -> Value:
        start = scope.root if self.from_root else scope.current
        if self.plain:
            for _, selector in self.steps:
                start = next(selector(scope, start))
            return start
        found = [start]
        for plain, selector in self.steps:
            found = [hit for value in found for hit in _hits(scope, value, selector, plain)]
        return found


def _hits(scope: Scope, value: Value, selector: Selector, plain: bool) -> list[Value]:
    """What a selector gives for one of many values: where a plain one fails, nothing."""
    _spend(scope)
    if not plain:
        return list(selector(scope, value))
    try:
        return [next(selector(scope, value))]
    except PathFailure:
        return []


def _spend(scope: Scope) -> None:
    scope.budget[0] -= 1
    if scope.budget[0] < 0:
        raise OverflowError


def _inside(scope: Scope, value: Value) -> Scope:
    return Scope(scope.root, value, scope.budget)


def direct(key: Expression) -> Selector:
    """Select one key or index."""

    def select(scope: Scope, value: Value) -> Iterator[Value]:
        wanted = key(_inside(scope, value))
        if type(value) is list:
            index = _index(wanted)
            if not 0 <= index < len(value):
                raise PathFailure(f"index {index} out of bounds")
            yield value[index]
        elif type(value) is dict:
            name = wanted if type(wanted) is str else to_string(wanted)
            if name not in value:
                raise PathFailure(f"unknown key {name}")
            yield value[name]
        else:
            raise PathFailure(
                f"unsupported value type {go_type(value)} for select, "
                "expected map[string]interface{} or []interface{}",
            )

    return select


def _index(wanted: Value) -> int:
    try:
        return int(number(wanted))
    except (PathFailure, ValueError, OverflowError):
        shown = format_value(wanted, "v", Flags())
        raise PathFailure(
            f"could not select value, invalid key: expected number but got {shown} ({go_type(wanted)})",
        ) from None


def several(keys: list[Expression]) -> Selector:
    """Select several keys or indexes; those that lead nowhere are left out."""
    selectors = [direct(key) for key in keys]

    def select(scope: Scope, value: Value) -> Iterator[Value]:
        for selector in selectors:
            yield from _hits(scope, value, selector, plain=True)

    return select


def children(value: Value) -> list[Value]:
    """List what is directly inside of a container."""
    if type(value) is list:
        return value
    return list(value.values()) if type(value) is dict else []


def star(scope: Scope, value: Value) -> Iterator[Value]:
    """Select everything directly inside."""
    for item in children(value):
        _spend(scope)
        yield item


def descend(scope: Scope, value: Value) -> Iterator[Value]:
    """Select the value and everything inside of it, at any depth."""
    pending = [value]
    while pending:
        item = pending.pop()
        _spend(scope)
        yield item
        pending.extend(reversed(children(item)))


def between(low: Expression, high: Expression, step: Expression) -> Selector:
    """Select [low:high:step] of an array."""

    def select(scope: Scope, value: Value) -> Iterator[Value]:
        if type(value) is not list:
            return
        inner = _inside(scope, value)
        first, last, by = (_index(bound(inner)) for bound in (low, high, step))
        if first > last:
            return
        first, last = _clamped(first, len(value)), _clamped(last, len(value))
        by = by or 1
        yield from value[first:last:by] if by > 0 else value[first:last][::by]

    return select


def _clamped(bound: int, size: int) -> int:
    return max(size + bound, 0) if bound < 0 else min(bound, size)


def where(test: Expression) -> Selector:
    """Select what is directly inside and passes a test; a test that fails or gives no bool does not pass."""

    def select(scope: Scope, value: Value) -> Iterator[Value]:
        for item in children(value):
            _spend(scope)
            try:
                passed = test(_inside(scope, item))
            except PathFailure:
                continue
            if passed is True:
                yield item

    return select


def script(expression: Expression) -> Selector:
    """Replace the value by what an expression makes of it."""

    def select(scope: Scope, value: Value) -> Iterator[Value]:
        yield expression(_inside(scope, value))

    return select


def number(value: Value) -> float:
    """Give a number, or a text that reads as one.

    Raises PathFailure.
    """
    if is_number(value):
        return get_number(value)
    if type(value) is str:
        try:
            return parse_float(value)
        except NumberError:
            pass
    raise PathFailure(f"expected number but got {format_value(value, 'v', Flags())} ({go_type(value)})")
