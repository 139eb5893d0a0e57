"""What the operators mean for every pair of values: `run(left, right, left_origin, right_origin)`.

Rules (Bento): either side float64 makes it float64; else int64, which wraps silently; two unsigned stay unsigned; `/` is
always float64, `%` always int64. `+` also joins text. `==` takes anything, the orders only numbers and text.
"""

from __future__ import annotations

import operator as python
from collections.abc import Callable

from penstock_gateway.document import Float32, Number, Uint64, Value
from penstock_gateway.language.errors import EvaluationError, Mismatch, WrongType
from penstock_gateway.language.sizes import bounded
from penstock_gateway.language.values import (
    equal,
    get_bool,
    get_int,
    get_number,
    get_string,
    is_number,
    restricted,
    sanitize,
    wrap_int64,
)

Binary = Callable[[Value, Value, str, str], Value]


def _pair(verb: str, left: Value, right: Value, lo: str, ro: str) -> tuple[Value, Value]:
    """Both operands as float, as int64 (int), or as Uint64."""
    left, right = sanitize(left), sanitize(right)
    if not (is_number(left) and is_number(right)):
        raise Mismatch(verb, left, lo, right, ro)
    if isinstance(left, float) or isinstance(right, float):
        return get_number(left), get_number(right)
    if type(left) is Uint64 and type(right) is Uint64:
        return left, right
    return get_int(left), get_int(right)


def _arithmetic(verb: str, run: Callable[[Value, Value], Value]) -> Binary:
    def compute(left: Value, right: Value, lo: str, ro: str) -> Value:
        left, right = _pair(verb, left, right, lo, ro)
        if type(left) is Uint64:
            return Uint64(run(int(left), int(right)) & (2**64 - 1))
        if type(left) is float:
            return run(left, right)
        return wrap_int64(run(left, right))

    return compute


_ADDABLE = frozenset((int, float, Uint64, Number))
_add_numbers = _arithmetic("add", python.add)
subtract = _arithmetic("subtract", python.sub)
multiply = _arithmetic("multiply", python.mul)


def add(left: Value, right: Value, lo: str, ro: str) -> Value:
    """Numbers are added; a string or bytes on the left take text on the right."""
    if type(left) is str or type(left) is bytes:
        try:
            return get_string(left) + get_string(right)
        except WrongType:
            raise Mismatch("add", left, lo, right, ro) from None
    if type(left) not in _ADDABLE:  # Bento adds nothing to the small widths, though it subtracts from them
        raise Mismatch("add", left, lo, right, ro)
    return _add_numbers(left, right, lo, ro)


def _zero(origin: str) -> EvaluationError:
    return EvaluationError(f"{origin}: attempted to divide by zero", has_origin=True)


def divide(left: Value, right: Value, lo: str, ro: str) -> float:
    """Always float64."""
    try:
        a, b = get_number(left), get_number(right)
    except WrongType:
        raise Mismatch("divide", left, lo, right, ro) from None
    if b == 0:
        raise _zero(ro)
    return a / b


def modulo(left: Value, right: Value, lo: str, ro: str) -> int:
    """Both as int64; the sign is that of the dividend."""
    try:
        a, b = get_int(left), get_int(right)
    except WrongType:
        raise Mismatch("modulo", left, lo, right, ro) from None
    if b == 0:
        raise _zero(ro)
    rest = abs(a) % abs(b)
    return -rest if a < 0 else rest


def _order(compare: Callable[[Value, Value], bool]) -> Binary:
    def run(left: Value, right: Value, lo: str, ro: str) -> bool:
        if is_number(left):
            a, b = _pair("compare", left, right, lo, ro)
            return compare(a, b)
        narrow = restricted(left)
        if type(narrow) is str:
            try:
                return compare(narrow, get_string(right))
            except WrongType:
                pass
        raise Mismatch("compare", left, lo, right, ro)

    return run


def equals(left: Value, right: Value, lo: str = "", ro: str = "") -> bool:
    """Never fails: values of different kinds are not equal, but a bool on the left takes numbers."""
    if is_number(left):
        if not is_number(right):
            return False
        a, b = _pair("compare", left, right, lo, ro)
        return bool(a == b)
    if type(left) is bool:
        try:
            return left == get_bool(right)
        except WrongType:
            return False
    return equal(bounded(left), right)


def differs(left: Value, right: Value, lo: str = "", ro: str = "") -> bool:
    """The opposite of `equals`."""
    return not equals(left, right, lo, ro)


OPERATORS: dict[str, Binary] = {
    "+": add, "-": subtract, "*": multiply, "/": divide, "%": modulo, "==": equals, "!=": differs,
    "<": _order(python.lt), "<=": _order(python.le), ">": _order(python.gt), ">=": _order(python.ge),
}  # fmt: skip


def plain_number(value: Value) -> Value:
    """A number as exactly int or float where that loses nothing: what the fast paths of closures can work with."""
    if type(value) is Number:
        return value.value
    if type(value) is Float32:
        return float(value)
    return value
