"""Methods on arrays, and those that arrays share with strings and objects: length, contains, index, slice, sort …"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock_gateway.document import Number, Uint64, Value
from penstock_gateway.language.context import Execution
from penstock_gateway.language.errors import EvaluationError, WrongType, annotated, wrapped
from penstock_gateway.language.registry import Param, Query, method
from penstock_gateway.language.sizes import MAX_TEXT, bounded, fitting, too_large
from penstock_gateway.language.values import (
    bytes_of,
    equal,
    get_number,
    get_string,
    is_number,
    text_of,
    to_string,
)


def settled(error: EvaluationError) -> EvaluationError:
    """Give an error that gets no further origin."""
    return EvaluationError(error.text, has_origin=True)


@method("length")
def length(target: Value) -> int:
    """Count bytes of text, elements of an array, keys of an object."""
    kind = type(target)
    if kind is str:
        return len(target) if target.isascii() else len(bytes_of(target))
    if kind is list or kind is dict or kind is bytes:
        return len(target)
    raise WrongType(target, "string", "array", "object")


@method("contains", Param("value", "any"), prepare=True)
def contains(value: Value) -> Callable[[Value], bool]:
    """Tell whether a text holds another, an array an element, or an object a value."""
    text = fitting(to_string(bounded(value)))
    raw = bytes_of(text)
    is_text = type(value) is str

    def run(target: Value) -> bool:
        kind = type(target)
        if kind is str:
            return text in target
        if kind is bytes:
            return raw in target
        if kind is list:
            return (is_text and value in target) or any(equal(value, item) for item in target)
        if kind is dict:
            return any(equal(value, item) for item in target.values())
        raise WrongType(target, "string", "array", "object")

    return run


def _array(target: Value) -> list[Value]:
    if type(target) is list:
        return target
    raise WrongType(target, "array")


@method("append", variadic=True, context=True)
def append(ctx: Execution, target: Value, *items: Value) -> list[Value]:
    """Give the array with the arguments behind its elements."""
    found = [*_array(target), *items]
    ctx.spend(len(found))
    return found


@method("concat", variadic=True, context=True, prepare=True, receives="array", annotate=False)
def concat(*others: Value) -> Callable[[Execution, list[Value]], list[Value]]:
    """Give the array with the elements of other arrays behind its own."""
    tail = [item for other in others for item in _array(other)]

    def run(ctx: Execution, target: list[Value]) -> list[Value]:
        ctx.spend(len(target) + len(tail))
        return target + tail

    return run


@method("zip", variadic=True, prepare=True, receives="array", annotate=False)
def zip_(*others: Value) -> Callable[[list[Value]], list[Value]]:
    """Give an array of rows: the elements of all arrays at each position."""
    for other in others:
        if len(_array(other)) != len(others[0]):
            raise EvaluationError("can't zip different length array values")

    def run(target: list[Value]) -> list[Value]:
        if not others:
            raise EvaluationError("zip requires at least one argument")
        if len(target) != len(others[0]):
            raise EvaluationError("can't zip different length array values")
        return [list(row) for row in zip(target, *others, strict=True)]

    return run


@method("enumerated")
def enumerated(target: Value) -> list[Value]:
    """Give [{index, value}]."""
    return [{"index": index, "value": item} for index, item in enumerate(_array(target))]


@method("flatten", context=True)
def flatten(ctx: Execution, target: Value) -> list[Value]:
    """Put the elements of inner arrays in the place of these arrays, one level deep."""
    found: list[Value] = []
    for item in _array(target):
        if type(item) is list:
            found.extend(item)
        else:
            found.append(item)
    ctx.spend(len(found))
    return found


@method("index", Param("index", "integer"))
def index_(target: Value, index: int) -> Value:
    """Give an element of an array or a byte of bytes; a negative index counts from the end."""
    if type(target) is not list and type(target) is not bytes:
        raise WrongType(target, "array")
    size = len(target)
    position = index + size if index < 0 else index
    if 0 <= position < size:
        return target[position]
    raise EvaluationError(f"index '{position}' was out of bounds for array size: {size}")


@method("slice", Param("low", "integer"), Param("high", "integer", optional=True), prepare=True)
def slice_(low: int, high: int | None) -> Callable[[Value], Value]:
    """Cut out [low, high); negative bounds count from the end, strings are cut by bytes."""
    if high is not None and high > 0 and low >= high:
        raise EvaluationError(f"lower slice bound {low} must be lower than upper ({high})")

    def bounds(size: int) -> tuple[int, int]:
        end = size if high is None else size + high if high < 0 else high
        end = max(min(end, size), 0)
        start = max(size + low, 0) if low < 0 else low
        if start > end:
            raise EvaluationError(
                f"lower slice bound {start} must be lower than or equal to upper bound ({end}) "
                f"and target length ({size})",
            )
        return start, end

    def run(target: Value) -> Value:
        kind = type(target)
        if kind is str and not target.isascii():
            raw = bytes_of(target)
            start, end = bounds(len(raw))
            return text_of(raw[start:end])
        if kind is str or kind is list or kind is bytes:
            start, end = bounds(len(target))
            return target[start:end]
        raise WrongType(target, "array", "string")

    return run


@method("join", Param("delimiter", "string", optional=True), context=True)
def join(ctx: Execution, target: Value, delimiter: str | None) -> str:
    """Join an array of texts."""
    items = _array(target)
    between = delimiter or ""
    texts = items if all(type(item) is str for item in items) else [_joinable(*pair) for pair in enumerate(items)]
    size = sum(map(len, texts)) + len(between) * len(items)
    if size > MAX_TEXT:
        raise too_large()
    ctx.spend(size)
    return between.join(texts)


def _joinable(index: int, item: Value) -> str:
    if type(item) is str:
        return item
    if type(item) is bytes:
        return text_of(item)
    raise wrapped(f"failed to join element {index}: ", WrongType(item, "string"))


@method("find", Param("value", "any"))
def find(target: Value, value: Value) -> int:
    """Give the index of the first equal element, or -1."""
    return next((index for index, item in enumerate(_array(target)) if equal(value, item)), -1)


@method("find_all", Param("value", "any"))
def find_all(target: Value, value: Value) -> list[Value]:
    """Give the indexes of all equal elements."""
    return [index for index, item in enumerate(_array(target)) if equal(value, item)]


@method("unique", Param("emit", "query", optional=True), context=True)
def unique(ctx: Execution, target: Value, emit: Query | None) -> list[Value]:
    """Drop later elements that are equal (or for which the query gives an equal value); numbers and texts only."""
    seen: set[Any] = set()
    found: list[Value] = []
    for index, item in enumerate(_array(target)):
        check = item
        if emit is not None:
            try:
                check = emit(ctx, item)
            except EvaluationError as error:
                raise wrapped(f"index {index}: ", error) from None
        key: Any
        if type(check) is str:
            key = check
        elif is_number(check):
            key = get_number(check)
        else:
            try:
                key = get_string(check)
            except WrongType:
                raise wrapped(f"index {index}: ", WrongType(check, "string", "number")) from None
        if key not in seen:
            seen.add(key)
            found.append(item)
    return found


# --- sorting ----------------------------------------------------------------------------------------------------------


def _class(value: Value) -> str:
    kind = type(value)
    if kind is int or kind is float or kind is Number or kind is Uint64:
        return "number"
    return "string" if kind is str or kind is bytes else ""


def _sort_key(value: Value) -> Any:
    if type(value) is str:
        return value  # the order of code points is the order of their UTF-8 bytes
    return text_of(value) if type(value) is bytes else get_number(value)


def _mixed(name: str, values: list[Value], origin: str) -> EvaluationError:
    """What Bento's sort reports: it compares each element with the largest of those before it."""
    first = _class(values[0])
    at = next(index for index in range(1, len(values)) if not _class(values[index]) or _class(values[index]) != first)
    wanted = _class(values[at])
    if not wanted:
        error, blamed = WrongType(values[at], "number", "string"), at
    else:
        largest = max(values[:at], key=_sort_key) if first else values[0]
        error, blamed = WrongType(largest, wanted), at - 1
    if origin:
        annotated(error, origin)
    return EvaluationError(f"{name} element {blamed}: {error.text}", has_origin=True)


def _ordered(name: str, items: list[Value], keys: list[Value], origin: str) -> list[Value]:
    if len(items) < 2:
        return list(items)
    wanted = _class(keys[0])
    if not wanted or any(_class(key) != wanted for key in keys):
        raise _mixed(name, keys, origin)
    order = sorted(range(len(items)), key=[_sort_key(key) for key in keys].__getitem__)
    return [items[position] for position in order]


class _Comparable:
    """An element whose `<` asks the query of `sort`."""

    __slots__ = ("ask", "item")

    def __init__(self, item: Value, ask: Callable[[Value, Value], bool]) -> None:
        self.item = item
        self.ask = ask

    def __lt__(self, other: _Comparable) -> bool:
        return self.ask(self.item, other.item)


@method("sort", Param("compare", "query", optional=True), context=True)
def sort(ctx: Execution, target: Value, compare: Query | None) -> list[Value]:
    """Sort numbers or texts, or anything by a query over {left, right} that tells whether left comes first."""
    items = _array(target)
    if compare is None:
        return _ordered("sort", items, items, "")

    def ask(left: Value, right: Value) -> bool:
        answer = compare(ctx, {"left": left, "right": right})
        if type(answer) is bool:
            return answer
        raise WrongType(answer, "bool", origin="sort argument")

    try:
        return [wrapper.item for wrapper in sorted(_Comparable(item, ask) for item in items)]
    except EvaluationError as error:
        raise settled(error) from None


@method("sort_by", Param("query", "query"), context=True)
def sort_by(ctx: Execution, target: Value, query: Query) -> list[Value]:
    """Sort by what a query gives for each element: numbers or texts."""
    items = _array(target)
    if len(items) < 2:
        return list(items)
    try:
        keys = [query(ctx, item) for item in items]
    except EvaluationError as error:
        raise settled(error) from None
    return _ordered("sort_by", items, keys, query.annotation)
