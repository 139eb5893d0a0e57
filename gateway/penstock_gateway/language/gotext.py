"""Go's names for types and its %v form of values, where error texts show them."""

from __future__ import annotations

from penstock_gateway.document import (
    DELETED,
    Float32,
    Int8,
    Int16,
    Int32,
    Number,
    Sentinel,
    Timestamp,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Value,
    go_float,
)

_TYPES: dict[type, str] = {
    type(None): "<nil>", bool: "bool", int: "int64", float: "float64", Number: "json.Number", str: "string",
    bytes: "[]uint8", list: "[]interface {}", dict: "map[string]interface {}", Timestamp: "time.Time", Int8: "int8",
    Int16: "int16", Int32: "int32", Uint8: "uint8", Uint16: "uint16", Uint32: "uint32", Uint64: "uint64",
    Float32: "float32",
}  # fmt: skip


def go_type(value: Value) -> str:
    """The type as %T shows it."""
    if type(value) is Sentinel:
        return "value.Delete" if value is DELETED else "value.Nothing"
    return _TYPES[type(value)]


def go_value(value: Value) -> str:
    """The value as %v shows it."""
    kind = type(value)
    if value is None or kind is Sentinel:
        return "<nil>"
    if kind is bool:
        return "true" if value else "false"
    if kind is Number:
        return value.text  # type: ignore[no-any-return]  # checked above
    if kind is list:
        return "[" + " ".join(go_value(item) for item in value) + "]"
    if kind is dict:
        return "map[" + " ".join(f"{key}:{go_value(value[key])}" for key in sorted(value)) + "]"
    if kind is bytes:
        return "[" + " ".join(str(byte) for byte in value) + "]"
    if kind is Timestamp:
        shown: str = value.rfc3339()
        return shown[:10] + " " + shown[11:19] + f" +0000 {value.zone}"
    if isinstance(value, float):
        return go_float(value)
    return int.__repr__(value) if isinstance(value, int) else str(value)
