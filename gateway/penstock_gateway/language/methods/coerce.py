"""Methods that turn a value into another kind or insist on one: string, bytes, number, bool, array, type, not_null …"""

from __future__ import annotations

from collections.abc import Callable

from penstock_gateway.document import Number, Value, kind
from penstock_gateway.language.errors import EvaluationError, WrongType
from penstock_gateway.language.gonumbers import NumberError, parse_bool, parse_float
from penstock_gateway.language.registry import Param, method
from penstock_gateway.language.sizes import bounded, fitting
from penstock_gateway.language.values import bytes_of, is_number, text_of, to_bytes, to_string

Target = Callable[[], Value]


@method("string")
def string(target: Value) -> str:
    """Print any value."""
    if type(target) is str:
        return target
    return fitting(to_string(bounded(target)))


@method("bytes")
def bytes_(target: Value) -> bytes:
    """Print any value as bytes."""
    if type(target) is bytes:
        return target
    return to_bytes(target) if type(target) is str else bytes_of(fitting(to_string(bounded(target))))


@method("type")
def type_(target: Value) -> str:
    """Name the kind of a value."""
    return kind(target)


@method("array")
def array(target: Value) -> list[Value]:
    """Wrap anything that is no array into one."""
    return target if type(target) is list else [target]


def to_float(value: Value) -> float:
    """Give a number, or text that reads as one, as float64.

    Raises EvaluationError.
    """
    if type(value) is str or type(value) is bytes:
        try:
            return parse_float(text_of(value) if type(value) is bytes else str(value))
        except NumberError as error:
            raise EvaluationError(str(error)) from None
    if type(value) is Number:
        return json_float(value.text)
    if is_number(value):
        return float(value)
    raise WrongType(value, "number")


def json_float(text: str) -> float:
    """Give the text of a JSON number as float64.

    Raises EvaluationError where it is too large.
    """
    try:
        return parse_float(text)
    except NumberError as error:
        raise EvaluationError(str(error)) from None


@method("number", Param("default", "float", optional=True), lazy=True)
def number(target: Target, default: float | None) -> float:
    """Read a number; the default stands in for everything that is none."""
    if default is None:
        return to_float(target())
    try:
        return to_float(target())
    except EvaluationError:
        return default


def to_bool(value: Value) -> bool:
    """Give a bool, a number (not zero) or text that reads as a bool.

    Raises WrongType.
    """
    if type(value) is bool:
        return value
    if type(value) is Number:
        return value.text != "0"
    if is_number(value):
        return bool(value != 0)
    found = None
    if type(value) is str:
        found = parse_bool(value)
    elif type(value) is bytes:
        found = parse_bool(text_of(value))
    if found is None:
        raise WrongType(value, "bool")
    return found


@method("bool", Param("default", "bool", optional=True), lazy=True)
def bool_(target: Target, default: bool | None) -> bool:
    """Read a bool; the default stands in for everything that is none."""
    if default is None:
        return to_bool(target())
    try:
        return to_bool(target())
    except EvaluationError:
        return default


@method("not_null")
def not_null(target: Value) -> Value:
    """Insist on a value."""
    if target is None or kind(target) in ("delete", "nothing"):
        raise EvaluationError("value is null")
    return target


_EMPTY: dict[type, str] = {str: "string", list: "array", dict: "object"}


@method("not_empty")
def not_empty(target: Value) -> Value:
    """Insist on a string, array or object that holds something."""
    name = _EMPTY.get(type(target))
    if name is None:
        raise WrongType(target, "string", "array", "object")
    if not target:
        raise EvaluationError(f"{name} value is empty")
    return target
