"""Methods that read and write MessagePack: parse_msgpack, format_msgpack."""

from __future__ import annotations

import msgspec

from penstock_gateway.document import INT64_MAX, Number, Sentinel, Timestamp, Uint64, Value
from penstock_gateway.language.errors import EvaluationError
from penstock_gateway.language.registry import method
from penstock_gateway.language.sizes import bounded


def _plain(value: object) -> object:
    """Give what the encoder does not know in other terms."""
    if isinstance(value, Number):
        return value.value
    if isinstance(value, Timestamp):
        return value.rfc3339()
    if isinstance(value, Sentinel):
        return None
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    raise TypeError(type(value).__name__)


_encoder = msgspec.msgpack.Encoder(enc_hook=_plain, order="sorted")
_decoder = msgspec.msgpack.Decoder()


@method("format_msgpack", annotate=False)
def format_msgpack(target: Value) -> bytes:
    """Write a value as MessagePack."""
    try:
        return _encoder.encode(bounded(target))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise EvaluationError(f"failed to convert to msgpack: {error}") from None


@method("parse_msgpack", receives="bytes", annotate=False)
def parse_msgpack(target: bytes) -> Value:
    """Read one MessagePack value."""
    try:
        return _valued(_decoder.decode(target))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise EvaluationError(f"failed to parse msgpack: {error}") from None


def _valued(value: object) -> Value:
    if isinstance(value, dict):
        return {key if type(key) is str else str(key): _valued(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_valued(item) for item in value]
    if type(value) is int:
        return value if value <= INT64_MAX else Uint64(value)
    if value is None or isinstance(value, str | bytes | bool | float):
        return value
    return str(value)
