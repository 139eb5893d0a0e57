"""What is wrong with a text that is no JSON document, in the words of Go's encoding/json."""

from __future__ import annotations

import re

MAX_DEPTH = 500
"""Levels of nesting a document may have (Go: 10,000; far below what would exhaust the interpreter's stack)."""


class DocumentError(Exception):
    """A body that is no document, or a document that cannot be written: the sender's fault; the message is flagged."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]')


def depth_exceeded(text: str) -> bool:
    """Whether the text opens more than MAX_DEPTH brackets at once, wherever in it."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    depth = 0
    for match in _BRACKETS.finditer(text):
        mark = match[0]
        if mark in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif mark in "]}":
            depth -= 1
    return False


_SPACE = " \t\r\n"
_NUMBER_AFTER = {
    "-": "in numeric literal",
    ".": "after decimal point in numeric literal",
    "e": "in exponent of numeric literal",
}


class _End(Exception):
    """The text ended too early."""


class _Wrong(Exception):
    """A character that may not stand here; carries the whole complaint."""


def complaint(text: str) -> str:
    """The error text of Go for this text: `invalid character 'o' in literal null (expecting 'u')` and the like."""
    if not text.strip(_SPACE):
        return "message is empty" if not text else "unexpected end of JSON input"
    try:
        end = _blanks(text, _value(text, _blanks(text, 0)))
    except _End:
        return "unexpected end of JSON input"
    except _Wrong as wrong:
        return str(wrong)
    if end < len(text):
        return _trailing(text, end)
    return "invalid document"


def _trailing(text: str, at: int) -> str:
    try:
        _value(text, at)
    except (_End, _Wrong):
        return f"invalid character {_quote(text[at])} after top-level value"
    return "message contains multiple valid documents"


def _quote(character: str) -> str:
    """A character as Go's quoteChar shows it."""
    if character == "'":
        return "'\\''"
    if character == '"':
        return "'\"'"
    named = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\a": "\\a", "\v": "\\v"}
    if character in named:
        return f"'{named[character]}'"
    if ord(character) < 0x20 or ord(character) == 0x7F:
        return f"'\\x{ord(character):02x}'"
    if ord(character) >= 0x80:  # Go looks at bytes and shows the first one
        first = character.encode("utf-8", "surrogatepass")[0]
        return f"'{chr(first)}'" if first >= 0xA1 and first != 0xAD else f"'\\u{first:04x}'"
    return f"'{character}'"


def _fail(text: str, at: int, context: str) -> _Wrong:
    if at >= len(text):
        raise _End
    return _Wrong(f"invalid character {_quote(text[at])} {context}")


def _blanks(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _value(text: str, at: int) -> int:
    """The offset behind the value that starts at `at`; containers are walked with an explicit stack."""
    stack: list[str] = []
    while True:
        at = _blanks(text, at)
        if at >= len(text):
            raise _End
        character = text[at]
        if character in "[{":
            after = _blanks(text, at + 1)
            if after >= len(text):
                raise _End
            if text[after] == ("]" if character == "[" else "}"):
                at = after + 1
            else:
                stack.append(character)
                at = after if character == "[" else _key(text, after)
                continue
        else:
            at = _leaf(text, at)
        at = _close(text, at, stack)
        if not stack:
            return at
        at = _key(text, _blanks(text, at + 1)) if stack[-1] == "{" else at + 1


def _close(text: str, at: int, stack: list[str]) -> int:
    """Behind a value: closes finished containers; the offset of the comma, or behind the last container."""
    while stack:
        at = _blanks(text, at)
        where = "after array element" if stack[-1] == "[" else "after object key:value pair"
        if at >= len(text):
            raise _End
        if text[at] == ",":
            return at
        if text[at] != ("]" if stack[-1] == "[" else "}"):
            raise _fail(text, at, where)
        stack.pop()
        at += 1
    return at


def _key(text: str, at: int) -> int:
    """The offset behind `"key":`."""
    if at >= len(text) or text[at] != '"':
        raise _fail(text, at, "looking for beginning of object key string")
    at = _blanks(text, _string(text, at))
    if at >= len(text) or text[at] != ":":
        raise _fail(text, at, "after object key")
    return at + 1


def _leaf(text: str, at: int) -> int:
    character = text[at]
    if character == '"':
        return _string(text, at)
    for word in ("true", "false", "null"):
        if character == word[0]:
            for offset, wanted in enumerate(word):
                if at + offset >= len(text) or text[at + offset] != wanted:
                    raise _fail(text, at + offset, f"in literal {word} (expecting '{wanted}')")
            return at + len(word)
    if character == "-" or (character.isascii() and character.isdigit()):
        return _number(text, at)
    raise _fail(text, at, "looking for beginning of value")


def _string(text: str, at: int) -> int:
    at += 1
    while at < len(text):
        character = text[at]
        if character == '"':
            return at + 1
        if ord(character) < 0x20:
            raise _fail(text, at, "in string literal")
        if character == "\\":
            at += 1
            if at < len(text) and text[at] == "u":
                for _ in range(4):
                    at += 1
                    if at >= len(text) or text[at] not in "0123456789abcdefABCDEF":
                        raise _fail(text, at, "in \\u hexadecimal character escape")
            elif at >= len(text) or text[at] not in '"\\/bfnrt':
                raise _fail(text, at, "in string escape code")
        at += 1
    raise _End


def _digit_run(text: str, at: int, context: str) -> int:
    start = at
    while at < len(text) and text[at] in "0123456789":
        at += 1
    if at == start:
        raise _fail(text, at, context)
    return at


def _number(text: str, at: int) -> int:
    if text[at] == "-":
        at += 1
    if at < len(text) and text[at] == "0":
        at += 1
    else:
        at = _digit_run(text, at, _NUMBER_AFTER["-"])
    if at < len(text) and text[at] == ".":
        at = _digit_run(text, at + 1, _NUMBER_AFTER["."])
    if at < len(text) and text[at] in "eE":
        at += 1
        if at < len(text) and text[at] in "+-":
            at += 1
        at = _digit_run(text, at, _NUMBER_AFTER["e"])
    return at
