"""JSON inside of strings: reading with float64 numbers as `parse_json` does, writing indented and HTML-escaped."""

from __future__ import annotations

import re

import orjson

from penstock_gateway.document import DocumentError, Number, Value, decode_exact, encode
from penstock_gateway.language.gonumbers import NumberError, parse_float
from penstock_gateway.language.sizes import Sink

_CHANGING = frozenset((int, dict, list))
_ESCAPED = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+', re.DOTALL)
_SCALAR = re.compile(
    r'"(?:[^"\\]|\\.)*"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null',
    re.DOTALL,
)
_STARTS = re.compile(r"[ \t\r\n]*")
_FIRST_END = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)


def parse(raw: bytes, *, use_number: bool) -> Value:
    """Read the first JSON value of a text and ignore what follows it, as Go's Decoder does.

    Raises DocumentError.
    """
    if not use_number and b"-0" not in raw:
        try:
            return _in_place(orjson.loads(raw))
        except (orjson.JSONDecodeError, OverflowError, RecursionError):
            pass  # broken, followed by something, or with a number or nesting beyond bounds: the exact reader decides
    value = decode_exact(_first(raw))
    return value if use_number else _floats(value)


def _in_place(value: Value) -> Value:
    """Turn the integers of a document that nobody else has seen yet into floats."""
    if type(value) is int:
        return float(value)
    if type(value) is dict:
        for key, item in value.items():
            if type(item) in _CHANGING:
                value[key] = _in_place(item)
    elif type(value) is list:
        for index, item in enumerate(value):
            if type(item) in _CHANGING:
                value[index] = _in_place(item)
    return value


def _first(raw: bytes) -> bytes:
    """Cut behind the first value where its end is clear; a broken text stays whole and is complained about later."""
    text = raw.decode("utf-8", "surrogateescape")
    start = _STARTS.match(text)
    at = start.end() if start else 0
    if text[at : at + 1] not in ("{", "["):
        return _first_scalar(text, at)
    depth = 0
    for match in _FIRST_END.finditer(text, at):
        if match[0] in "[{":
            depth += 1
        elif match[0] in "]}":
            depth -= 1
            if depth == 0:
                return text[: match.end()].encode("utf-8", "surrogateescape")
    return raw


def _first_scalar(text: str, at: int) -> bytes:
    match = _SCALAR.match(text, at)
    first = text[: match.end()] if match else text
    return first.encode("utf-8", "surrogateescape")


def _floats(value: Value) -> Value:
    if type(value) is Number:
        try:
            return parse_float(value.text)
        except NumberError:
            raise DocumentError(
                f"json: cannot unmarshal number {value.text} into Go value of type float64",
            ) from None
    if type(value) is list:
        return [_floats(item) for item in value]
    if type(value) is dict:
        return {key: _floats(item) for key, item in value.items()}
    return value


def write(value: Value, indent: str | None, *, escape_html: bool) -> bytes:
    """Write JSON as Go's json.Marshal or MarshalIndent: sorted keys, `<>&` escaped if asked.

    Raises DocumentError.
    """
    text = encode(value)
    if not text:
        raise DocumentError("json: unsupported value: NaN")
    shown = text.decode()
    if escape_html:
        shown = shown.translate(_ESCAPED)
    return (shown if indent is None else _indented(shown, indent)).encode("utf-8", "surrogateescape")


def _indented(text: str, indent: str) -> str:
    """Lay out compact JSON: one element a line; empty containers stay on theirs."""
    out = Sink()
    depth = 0
    opened = False
    for match in _WORD.finditer(text):
        word = match[0]
        if word in ("}", "]"):
            depth -= 1
            if not opened:
                out.append("\n" + indent * depth)
            out.append(word)
            opened = False
            continue
        if opened:
            out.append("\n" + indent * depth)
        opened = word in ("{", "[")
        if opened:
            depth += 1
            out.append(word)
        elif word == ",":
            out.append(",\n" + indent * depth)
        elif word == ":":
            out.append(": ")
        else:
            out.append(word)
    return out.text()
