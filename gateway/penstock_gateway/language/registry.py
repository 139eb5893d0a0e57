"""The table of built-in functions and methods: one decorator per built-in, everything else is derived from it.

A method is a Python function of its receiver and its arguments, both already checked and converted:

    @method("trim_prefix", Param("prefix", "string"), receives="string")
    def trim_prefix(target: str, prefix: str) -> str:
        return target.removeprefix(prefix)

With `prepare=True` the decorated function takes only the arguments and returns the function of the receiver. It runs once
when all arguments are literal (its errors are then errors of the mapping's text), else once per call:

    @method("re_match", Param("pattern", "string"), receives="string", prepare=True)
    def re_match(pattern: str) -> Callable[[str], bool]:
        search = compiled(pattern).search
        return lambda target: search(target) is not None

A `query` parameter arrives as a `Query`: `query(ctx, value)` evaluates it with `this` = value; `query.annotation` is its
origin for error texts. A method that has one says `context=True` and gets the `Execution` first:

    @method("filter", Param("test", "query"), context=True)
    def filter_(ctx: Execution, target: Value, test: Query) -> Value: ...

(with prepare: `prepare(*args)` returns a function of `(ctx, target)`). In *functions* a Query ignores its value argument and
sees the caller's `this`: `query(ctx, None)`.

Parameters: `Param(name, type, default=…, optional=…)`; types

    string     str (bytes are decoded)          integer    int, exactly (int64)        float   float
    bool       bool (numbers: not zero)         array      list                        object  dict
    timestamp  Timestamp (RFC 3339, seconds)    any        the value as it is          query   Query, unevaluated

An argument that was left out arrives as its default, or as None when `optional`. `variadic=True` (no params) passes any
number of values: `(target, *args)`.

Receivers: `receives=` one of

    any        (default) the value as it is, sentinels and null included
    string     str; bytes and timestamps are converted            bytes      bytes; str and timestamps are converted
    number     int or float (or Uint64): JSON numbers and small widths are converted
    timestamp  Timestamp: RFC 3339 text and numbers are converted   bool · array · object
    ("string", "bytes", "array")    a tuple: exactly these kinds (`document.kind`), nothing is converted

`expected=("array",)` names other kinds in the error text than `receives` accepts. Anything else raises
`WrongType(value, "string", …)` itself; its text becomes ``expected string value, got null from field `this.x` ``.

Errors: raise `EvaluationError(text)`. The caller puts the origin of the receiver in front (``field `this.x`: text``), once,
unless the method says `annotate=False` (older Bento methods such as sort and sum do not). When a query fails inside an
iteration: `raise wrapped(f"failed to process element {i}: ", annotated(error, query.annotation)) from None`.

Flags: `static=True` folds a call with literal receiver and arguments when the mapping is compiled (its error is then an
error of the text); `impure=True` marks what reads the world (lint); `exact=True` marks the few that can tell a JSON integer
from an int64 (`format`): the mapping then gets documents from `decode_exact`. `lazy=True` (methods): instead of the receiver
the function gets a callable `target() -> Value`, which raises when the receiver fails. `context=True` passes the `Execution`
first: clock, random bytes, env and files are in `ctx.environment`; pay for multiplying work with `ctx.spend(amount)`.

Values are never changed in place: a method that changes a list or dict copies it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from penstock_gateway.document import Value, kind
from penstock_gateway.language.errors import EvaluationError, WrongType
from penstock_gateway.language.values import (
    bytes_of,
    get_bool,
    get_int,
    get_number,
    get_string,
    get_timestamp,
    is_number,
    sanitize,
)

if TYPE_CHECKING:
    from penstock_gateway.language.context import Execution

__all__ = ["FUNCTIONS", "METHODS", "Builtin", "Param", "ParamType", "Query", "function", "method"]

ParamType = Literal["string", "integer", "float", "bool", "array", "object", "timestamp", "any", "query"]
Receives = str | tuple[str, ...]
_F = TypeVar("_F", bound=Callable[..., Any])
_MISSING: Any = object()


class Query(Protocol):
    """An argument that is evaluated by the built-in: `query(ctx, value)` with `this` = value."""

    annotation: str

    def __call__(self, ctx: Execution, value: Value, /) -> Value: ...


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter. Neither `default` nor `optional`: required."""

    name: str
    type: ParamType = "any"
    default: Value = _MISSING
    optional: bool = False

    @property
    def required(self) -> bool:
        """Whether a call must give it."""
        return self.default is _MISSING and not self.optional

    @property
    def absent(self) -> Value:
        """What the built-in gets when the call does not give it."""
        return None if self.default is _MISSING else self.default

    def convert(self, value: Value) -> Value:
        """The value as the built-in gets it. Raises EvaluationError."""
        return _CONVERSIONS[self.type](value)


def _wrong_argument(wanted: str, value: Value) -> EvaluationError:
    return EvaluationError(f"wrong argument type, expected {wanted}, got {kind(value)}")


def _string_argument(value: Value) -> str:
    if type(value) is str:
        return value
    if type(value) is bytes:
        return get_string(value)
    raise _wrong_argument("string", value)


def _container_argument(wanted: type, name: str) -> Callable[[Value], Value]:
    def convert(value: Value) -> Value:
        if type(value) is wanted:
            return value
        raise _wrong_argument(name, value)

    return convert


_CONVERSIONS: dict[str, Callable[[Value], Value]] = {
    "string": _string_argument,
    "integer": get_int,
    "float": get_number,
    "bool": get_bool,
    "array": _container_argument(list, "array"),
    "object": _container_argument(dict, "object"),
    "timestamp": get_timestamp,
    "any": lambda value: value,
    "query": lambda value: value,
}


@dataclass(frozen=True, slots=True)
class Builtin:
    """A registered function or method: see the module's text for every field."""

    name: str
    run: Callable[..., Any]
    params: tuple[Param, ...] = ()
    variadic: bool = False
    receives: Receives = "any"
    expected: tuple[str, ...] = ()
    prepare: bool = False
    context: bool = False
    static: bool = False
    impure: bool = False
    annotate: bool = True
    lazy: bool = False
    exact: bool = False

    def receiver(self) -> Callable[[Value], Value] | None:
        """The check and conversion of the receiver; None: there is nothing to check."""
        return _receiver(self.receives, self.expected)


FUNCTIONS: dict[str, Builtin] = {}
METHODS: dict[str, Builtin] = {}


def function(
    name: str,
    *params: Param,
    variadic: bool = False,
    prepare: bool = False,
    context: bool = False,
    static: bool = False,
    impure: bool = False,
    exact: bool = False,
) -> Callable[[_F], _F]:
    """Register a function of its arguments."""

    def register(run: _F) -> _F:
        _add(FUNCTIONS, Builtin(name, run, params, variadic, "any", (), prepare, context, static, impure, exact=exact))
        return run

    return register


def method(
    name: str,
    *params: Param,
    receives: Receives = "any",
    expected: tuple[str, ...] = (),
    variadic: bool = False,
    prepare: bool = False,
    context: bool = False,
    static: bool = False,
    impure: bool = False,
    annotate: bool = True,
    lazy: bool = False,
    exact: bool = False,
) -> Callable[[_F], _F]:
    """Register a method of its receiver and its arguments."""

    def register(run: _F) -> _F:
        flags = (prepare, context, static, impure, annotate, lazy, exact)
        _add(METHODS, Builtin(name, run, params, variadic, receives, expected, *flags))
        return run

    return register


def _add(table: dict[str, Builtin], builtin: Builtin) -> None:
    if builtin.name in table:
        raise ValueError(f"{builtin.name} is registered twice")
    if builtin.variadic and builtin.params:
        raise ValueError(f"{builtin.name}: a variadic built-in has no parameters")
    if builtin.lazy and builtin.receives != "any":
        raise ValueError(f"{builtin.name}: a lazy receiver cannot be checked beforehand")
    table[builtin.name] = builtin


def _bytes_receiver(value: Value) -> bytes:
    if type(value) is bytes:
        return value
    try:
        return bytes_of(get_string(value))
    except WrongType:
        raise WrongType(value, "bytes") from None


def _bool_receiver(value: Value) -> bool:
    return get_bool(value)


def _number_receiver(value: Value) -> Value:
    if is_number(value):
        return sanitize(value)
    raise WrongType(value, "number")


_RECEIVERS: dict[str, Callable[[Value], Value]] = {
    "string": get_string,
    "bytes": _bytes_receiver,
    "number": _number_receiver,
    "bool": _bool_receiver,
    "timestamp": get_timestamp,
}


def _receiver(receives: Receives, expected: tuple[str, ...]) -> Callable[[Value], Value] | None:
    if receives == "any":
        return None
    if isinstance(receives, str) and receives in _RECEIVERS:
        convert = _RECEIVERS[receives]
        return _renamed(convert, expected) if expected else convert
    kinds = frozenset((receives,) if isinstance(receives, str) else receives)
    names = expected or ((receives,) if isinstance(receives, str) else receives)

    def check(value: Value) -> Value:
        if kind(value) in kinds:
            return value
        raise WrongType(value, *names)

    return check


def _renamed(convert: Callable[[Value], Value], expected: tuple[str, ...]) -> Callable[[Value], Value]:
    def check(value: Value) -> Value:
        try:
            return convert(value)
        except WrongType:
            raise WrongType(value, *expected) from None

    return check
