"""Go string literals: strconv.Quote, strconv.Unquote and the quoting of package time."""

from __future__ import annotations

import re

_SIMPLE = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
}
_UNESCAPE = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92}
_HEX_LENGTH = {"x": 2, "u": 4, "U": 8}


_ASCII = {code: f"\\x{code:02x}" for code in (*range(0x20), 0x7F)} | {ord(char): text for char, text in _SIMPLE.items()}
_TABLES = {mark: _ASCII | {ord(mark): "\\" + mark} for mark in "\"'"}
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


def quote(text: str, mark: str = '"', ascii_only: bool = False) -> str:
    """Write text as Go's %q does; bytes that are no UTF-8 (surrogate escapes) become `\\xNN`."""
    if mark in text or "\\" in text or not text.isprintable():
        text = text.translate(_TABLES[mark])
        if not text.isprintable():
            text = _NOT_ASCII.sub(_escape, text)
    if ascii_only and not text.isascii():
        text = _NOT_ASCII.sub(_escape_always, text)
    return mark + text + mark


def _escape(match: re.Match[str]) -> str:
    return match[0] if match[0].isprintable() else _escape_always(match)


def _escape_always(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def quote_time(text: str) -> str:
    """Quote as package time does in its errors: everything but printable ASCII as `\\xNN`."""
    out = ['"']
    for byte in text.encode("utf-8", "surrogateescape"):
        if byte >= 0x80 or byte < 0x20:
            out.append(f"\\x{byte:02x}")
        elif byte in (0x22, 0x5C):
            out.append("\\" + chr(byte))
        else:
            out.append(chr(byte))
    out.append('"')
    return "".join(out)


def unquote(text: str) -> str:
    """Read a Go string or character literal.

    Raises ValueError("invalid syntax") as strconv.Unquote does.
    """
    if len(text) < 2 or text[0] != text[-1] or text[0] not in "\"'`":
        raise ValueError("invalid syntax")
    mark, body = text[0], text[1:-1]
    if mark == "`":
        if "`" in body:
            raise ValueError("invalid syntax")
        return body.replace("\r", "")
    if "\n" in body:
        raise ValueError("invalid syntax")
    out = bytearray()
    position = characters = 0
    while position < len(body):
        position = _unescape(body, position, mark, out)
        characters += 1
    if mark == "'" and characters != 1:
        raise ValueError("invalid syntax")
    return out.decode("utf-8", "surrogateescape")


def _unescape(body: str, position: int, mark: str, out: bytearray) -> int:
    char = body[position]
    if char == mark:
        raise ValueError("invalid syntax")
    if char != "\\":
        out += char.encode("utf-8", "surrogateescape")
        return position + 1
    if position + 1 >= len(body):
        raise ValueError("invalid syntax")
    kind = body[position + 1]
    if kind in _UNESCAPE:
        out.append(_UNESCAPE[kind])
        return position + 2
    if kind == mark:
        out += kind.encode()
        return position + 2
    if kind in _HEX_LENGTH:
        return _unescape_hex(body, position + 2, kind, out)
    digits = body[position + 1 : position + 4]
    if len(digits) != 3 or any(digit not in "01234567" for digit in digits) or int(digits, 8) > 255:
        raise ValueError("invalid syntax")
    out.append(int(digits, 8))
    return position + 4


def _unescape_hex(body: str, start: int, kind: str, out: bytearray) -> int:
    end = start + _HEX_LENGTH[kind]
    digits = body[start:end]
    if len(digits) != end - start or any(digit not in "0123456789abcdefABCDEF" for digit in digits):
        raise ValueError("invalid syntax")
    code = int(digits, 16)
    if kind == "x":
        out.append(code)
    elif code > 0x10FFFF or 0xD800 <= code < 0xE000:
        raise ValueError("invalid syntax")
    else:
        out += chr(code).encode()
    return end
