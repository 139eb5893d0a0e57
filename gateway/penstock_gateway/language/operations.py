"""Operators as closures: the common pairs of types inline, everything else through `operators`."""

from __future__ import annotations

import operator as python
from collections.abc import Callable

from penstock_gateway.document import INT64_MAX, INT64_MIN, Number, Sentinel, Value
from penstock_gateway.language.context import Execution
from penstock_gateway.language.errors import EvaluationError
from penstock_gateway.language.nodes import Literal, Operation
from penstock_gateway.language.operators import OPERATORS, Binary
from penstock_gateway.language.paths import Closure
from penstock_gateway.language.values import get_bool

_LONG = 4096  # texts beyond this are paid for: doubling a text in a few statements fills any memory
_COMPARISONS: dict[str, Callable[[Value, Value], bool]] = {
    "==": python.eq, "!=": python.ne, "<": python.lt, "<=": python.le, ">": python.gt, ">=": python.ge,
}  # fmt: skip


def closure(node: Operation, left: Closure, right: Closure) -> Closure:
    """The closure of an operator over the closures of its operands."""
    operator = node.operator
    if operator == "|":
        return _coalesce(left, right)
    if operator in ("&&", "||"):
        return _logic(left, right, operator == "||")
    origins = (node.left.annotation, node.right.annotation)
    if operator in _COMPARISONS:
        if isinstance(node.right, Literal) and type(node.right.value) in (int, float, str):
            return _compare_literal(operator, left, node.right.value, origins)
        return _compare(operator, left, right, origins)
    if operator == "+":
        return _add(left, right, origins)
    if operator == "*":
        return _multiply(left, right, origins)
    return _general(operator, left, right, origins)


def _coalesce(left: Closure, right: Closure) -> Closure:
    def run(ctx: Execution, this: Value) -> Value:
        try:
            value = left(ctx, this)
        except EvaluationError:
            return right(ctx, this)
        if value is None or type(value) is Sentinel:
            return right(ctx, this)
        return value

    return run


def _logic(left: Closure, right: Closure, decisive: bool) -> Closure:
    def run(ctx: Execution, this: Value) -> Value:
        value = left(ctx, this)
        if (value if type(value) is bool else get_bool(value)) is decisive:
            return decisive
        value = right(ctx, this)
        return value if type(value) is bool else get_bool(value)

    return run


def _add(left: Closure, right: Closure, origins: tuple[str, str]) -> Closure:
    slow = OPERATORS["+"]
    lo, ro = origins

    def run(ctx: Execution, this: Value) -> Value:
        a, b = left(ctx, this), right(ctx, this)
        kind = type(a)
        if kind is type(b):
            if kind is str:
                text = a + b
                if len(text) > _LONG:
                    ctx.spend(len(text))
                return text
            if kind is float:
                return a + b
            if kind is int and INT64_MIN <= (total := a + b) <= INT64_MAX:
                return total
        return slow(a, b, lo, ro)

    return run


def _multiply(left: Closure, right: Closure, origins: tuple[str, str]) -> Closure:
    slow = OPERATORS["*"]
    lo, ro = origins

    def run(ctx: Execution, this: Value) -> Value:
        a, b = left(ctx, this), right(ctx, this)
        if type(a) is Number:
            a = float(a.text) if "." in a.text else a.value
        if type(b) is Number:
            b = float(b.text) if "." in b.text else b.value
        kind = type(a)
        if kind is int and type(b) is int and INT64_MIN <= (product := a * b) <= INT64_MAX:
            return product
        if kind is float and (type(b) is float or (type(b) is int and INT64_MIN <= b <= INT64_MAX)):
            return a * b
        return slow(a, b, lo, ro)

    return run


def _general(operator: str, left: Closure, right: Closure, origins: tuple[str, str]) -> Closure:
    slow = OPERATORS[operator]
    lo, ro = origins
    return lambda ctx, this: slow(left(ctx, this), right(ctx, this), lo, ro)


def _compare(operator: str, left: Closure, right: Closure, origins: tuple[str, str]) -> Closure:
    slow, fast = OPERATORS[operator], _COMPARISONS[operator]
    lo, ro = origins

    def run(ctx: Execution, this: Value) -> Value:
        a, b = left(ctx, this), right(ctx, this)
        kind = type(a)
        if kind is type(b) and (kind is str or kind is int or kind is float):
            return fast(a, b)
        return slow(a, b, lo, ro)

    return run


def _compare_text(
    left: Closure,
    b: str,
    fast: Callable[[Value, Value], bool],
    slow: Binary,
    origins: tuple[str, str],
) -> Closure:
    lo, ro = origins
    if fast is python.eq:

        def same(ctx: Execution, this: Value) -> Value:
            a = left(ctx, this)
            return a == b if type(a) is str else slow(a, b, lo, ro)

        return same
    if fast is python.ne:

        def other(ctx: Execution, this: Value) -> Value:
            a = left(ctx, this)
            return a != b if type(a) is str else slow(a, b, lo, ro)

        return other

    def run(ctx: Execution, this: Value) -> Value:
        a = left(ctx, this)
        return fast(a, b) if type(a) is str else slow(a, b, lo, ro)

    return run


def _compare_literal(operator: str, left: Closure, b: Value, origins: tuple[str, str]) -> Closure:
    """With a string or number on the right that is known from the text."""
    slow, fast = OPERATORS[operator], _COMPARISONS[operator]
    lo, ro = origins
    if type(b) is str:
        return _compare_text(left, b, fast, slow, origins)
    same, as_float = type(b), float(b)

    def number(ctx: Execution, this: Value) -> Value:
        a = left(ctx, this)
        if type(a) is Number:
            a = float(a.text) if "." in a.text else a.value
        if type(a) is same:
            return fast(a, b)
        return fast(a, as_float) if type(a) is float else slow(a, b, lo, ro)

    return number
