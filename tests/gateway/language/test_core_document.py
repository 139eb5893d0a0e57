"""Documents: JSON in and out as Bento reads and writes it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock_gateway.document import (
    DELETED,
    DocumentError,
    Float32,
    Int8,
    Number,
    Timestamp,
    Uint64,
    decode,
    decode_exact,
    encode,
    go_float,
    go_float_json,
    is_plain,
    kind,
)

_FLOATS = [
    # value, in text, in JSON
    (0.0, "0", "0"),
    (-0.0, "-0", "-0"),
    (5.0, "5", "5"),
    (0.1, "0.1", "0.1"),
    (100000.0, "100000", "100000"),
    (1000000.0, "1e+06", "1000000"),
    (1234567.0, "1.234567e+06", "1234567"),
    (123456789.123, "1.23456789123e+08", "123456789.123"),
    (0.0001, "0.0001", "0.0001"),
    (0.00001, "1e-05", "0.00001"),
    (0.000001, "1e-06", "0.000001"),
    (0.0000001, "1e-07", "1e-7"),
    (1e20, "1e+20", "100000000000000000000"),
    (1e21, "1e+21", "1e+21"),
    (-1.5e300, "-1.5e+300", "-1.5e+300"),
    (5e-324, "5e-324", "5e-324"),
    (1e100, "1e+100", "1e+100"),
]


@pytest.mark.parametrize(("value", "text", "in_json"), _FLOATS)
def test_floats_print_as_in_go(value: float, text: str, in_json: str) -> None:
    assert go_float(value) == text
    assert go_float_json(value) == in_json
    assert encode([value, None]) == f"[{in_json},null]".encode()


def test_numbers_keep_their_text() -> None:
    body = b"[1.0,1e3,-0,-0.0,123456789012345678901234567890,18446744073709551615,1E5,5]"
    assert encode(decode(body)) == body
    assert decode(b"5") == 5
    assert decode_exact(b'{"a":[5]}') == {"a": [Number("5")]}
    assert [Number(text).value for text in ("5", "5.0", "1e3", "9223372036854775808")] == [5, 5.0, 1000.0, 2.0**63]


def test_other_values_in_documents() -> None:
    document: dict[str, Any] = {
        "bytes": b"x",
        "time": Timestamp(1709208309123456789, 7200, ""),
        "utc": Timestamp(0),
        "small": Int8(-5),
        "large": Uint64(2**64 - 1),
        "single": Float32(0.10000000149011612),
        "gone": DELETED,
    }
    assert json.loads(encode(document)) == {
        "bytes": "eA==",
        "time": "2024-02-29T14:05:09.123456789+02:00",
        "utc": "1970-01-01T00:00:00Z",
        "small": -5,
        "large": 2**64 - 1,
        "single": 0.1,
        "gone": None,
    }
    assert [kind(value) for value in document.values()] == [
        "bytes", "timestamp", "timestamp", "number", "number", "number", "delete",
    ]  # fmt: skip


def test_text_is_written_as_go_writes_it() -> None:
    assert encode({"b": "<&>\u2028é\x01\x7f", "a": "\ud800"}) == '{"a":"\ufffd","b":"<&>\\u2028é\\u0001\x7f"}'.encode()
    assert encode(decode(b'["\\ud800\\u00e9\\ud83d\\ude00", "\xff\xc3("]')) == '["\ufffdé😀","\ufffd\ufffd("]'.encode()


def test_what_json_cannot_hold_leaves_an_empty_body() -> None:
    assert encode({"a": float("nan")}) == encode([None, float("inf")]) == encode(float("-inf")) == b""


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "message is empty"),
        (b" \n", "unexpected end of JSON input"),
        (b"foo", "invalid character 'o' in literal false (expecting 'a')"),
        (b"nope", "invalid character 'o' in literal null (expecting 'u')"),
        (b"<a>", "invalid character '<' looking for beginning of value"),
        (b'{"a":', "unexpected end of JSON input"),
        (b'{"a" 1}', "invalid character '1' after object key"),
        (b'{"a":1 "b"}', "invalid character '\"' after object key:value pair"),
        (b"{a:1}", "invalid character 'a' looking for beginning of object key string"),
        (b'{"a":1,}', "invalid character '}' looking for beginning of object key string"),
        (b"[1 2]", "invalid character '2' after array element"),
        (b"[1,]", "invalid character ']' looking for beginning of value"),
        (b'"a\nb"', "invalid character '\\n' in string literal"),
        (b'"\\x"', "invalid character 'x' in string escape code"),
        (b'"\\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"),
        (b"-a", "invalid character 'a' in numeric literal"),
        (b"1.a", "invalid character 'a' after decimal point in numeric literal"),
        (b"1ea", "invalid character 'a' in exponent of numeric literal"),
        (b"1 x", "invalid character 'x' after top-level value"),
        (b'{"a":1}{"b":2}', "message contains multiple valid documents"),
        (b"NaN", "invalid character 'N' looking for beginning of value"),
        (b"'a'", "invalid character '\\'' looking for beginning of value"),
        (b"[" * 100_000, "exceeded max depth"),
    ],
)
def test_what_is_no_json_is_told_in_gos_words(body: bytes, why: str) -> None:
    for read in (decode, decode_exact):
        with pytest.raises(DocumentError) as refused:
            read(body)
        assert refused.value.text == why


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


def _as_floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_floats(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


@given(_VALUES)
def test_what_is_written_reads_back(value: Any) -> None:
    """Any value a mapping can build; numbers by value, since integral floats are written as integers."""
    written = encode(value)
    assert _as_floats(json.loads(written)) == _as_floats(value)
    assert encode(decode(written)) == written
    assert encode(decode_exact(written)) == written
    if is_plain(value):
        assert encode(value, plain=True) == written


def _outcome(read: Callable[[bytes], Any], body: bytes) -> bytes | str:
    try:
        return encode(read(body))
    except DocumentError as error:
        return error.text


@given(st.binary(max_size=40) | st.text(alphabet='[]{}":,0123456789eE+-.tfn \\u', max_size=40).map(str.encode))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """M-61: no exception but DocumentError, and both readers agree."""
    assert _outcome(decode, body) == _outcome(decode_exact, body)
