"""The lowest level of the parser: a cursor over the text, white space, names, strings, numbers, and failures with a position.

Failures work as in Bento: every failure has a place and the names of what was expected there. Where alternatives were tried
the one that came farthest counts; names at the same place are joined. A *fatal* failure ends the search at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from penstock_gateway.document import INT64_MAX
from penstock_gateway.language.errors import ParseError

_T = TypeVar("_T")

NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
SNAKE = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")
_DIGITS = frozenset("0123456789")
_REQUIRED = "required"


class Miss(Exception):
    """What was tried does not stand at this place. `fatal` holds the text of a failure that nothing may recover from."""

    def __init__(self, at: int, expected: Sequence[str] = (), fatal: str | None = None, detail: str = "") -> None:
        super().__init__(at, expected, fatal)
        self.detail = detail
        self.at = at
        self.expected = list(expected)
        self.fatal = fatal

    @property
    def text(self) -> str:
        """The text without position: `expected A, B, or C`, with what made it fatal before it."""
        parts = [] if self.fatal is None else [self.fatal]
        if len(self.expected) == 1:
            parts.append("expected " + self.expected[0])
        elif self.expected:
            names = list(dict.fromkeys(self.expected))
            joint = ", or " if len(names) > 2 else " or "
            parts.append("expected " + ", ".join(names[:-1]) + joint + names[-1])
        return ": ".join(parts)

    def error(self, text: str) -> ParseError:
        """The failure as the error of a whole text."""
        line = text.count("\n", 0, self.at) + 1
        column = self.at - (text.rfind("\n", 0, self.at) + 1) + 1
        return ParseError(self.text, line, column, self.detail)


class Scanner:
    """A text and a place in it. Methods that match advance `at`; on failure they raise Miss and `at` means nothing."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.end = len(text)

    # --- combining ------------------------------------------------------------------------------------------------

    def one_of(self, *alternatives: Callable[[], _T]) -> _T:
        """The first alternative that matches; else the failure that came farthest."""
        start = self.at
        best: Miss | None = None
        for alternative in alternatives:
            self.at = start
            try:
                return alternative()
            except Miss as miss:
                if miss.fatal is not None:
                    raise
                if best is None or miss.at > best.at:
                    best = miss
                elif miss.at == best.at:
                    best.expected += miss.expected
        assert best is not None
        raise best

    def must(self, match: Callable[[], _T], *expected: str) -> _T:
        """A match that is required: its failure is fatal (`required: expected …`). `expected` renames it."""
        try:
            return match()
        except Miss as miss:
            if miss.fatal is None:
                if expected:
                    miss.expected = list(expected)
                miss.fatal = _REQUIRED
            raise

    def expect(self, match: Callable[[], _T], *expected: str) -> _T:
        """A match whose failure is told with other names."""
        try:
            return match()
        except Miss as miss:
            if miss.fatal is None:
                miss.expected = list(expected)
            raise

    def optional(self, match: Callable[[], _T]) -> _T | None:
        """The match, or None with the cursor where it was."""
        start = self.at
        try:
            return match()
        except Miss as miss:
            if miss.fatal is not None:
                raise
            self.at = start
            return None

    def delimited(
        self,
        item: Callable[[], _T],
        delimiter: Callable[[], object],
        close: Callable[[], object],
    ) -> list[_T]:
        """Items with delimiters between them up to `close`; a trailing delimiter is fine."""
        items: list[_T] = []
        while True:
            start = self.at
            try:
                items.append(item())
            except Miss as miss:
                self.at = start
                if self._matches(close):
                    return items
                raise miss from None
            start = self.at
            try:
                delimiter()
            except Miss as miss:
                self.at = start
                try:
                    close()
                except Miss as other:
                    miss.expected += other.expected
                    raise miss from None
                return items

    def _matches(self, match: Callable[[], object]) -> bool:
        try:
            match()
        except Miss:
            return False
        return True

    # --- matching -------------------------------------------------------------------------------------------------

    def term(self, word: str) -> None:
        """Exactly this text."""
        if not self.text.startswith(word, self.at):
            raise Miss(self.at, (word,))
        self.at += len(word)

    def peek(self, word: str) -> bool:
        """Whether this text stands here."""
        return self.text.startswith(word, self.at)

    def blanks(self) -> None:
        """One or more spaces and tabs."""
        if not self.skip_blanks():
            raise Miss(self.at, ("whitespace",))

    def skip_blanks(self) -> bool:
        """Any spaces and tabs; whether there were some."""
        start = self.at
        text, end = self.text, self.end
        while self.at < end and text[self.at] in " \t":
            self.at += 1
        return self.at > start

    def skip_lines(self) -> None:
        """Any white space, line breaks and comments."""
        while True:
            self.skip_blanks()
            start = self.at
            try:
                self.line_break()
            except Miss:
                self.at = start
                return

    def line_break(self) -> None:
        """A line break, with a comment before it if there is one. A comment may also end the text."""
        start = self.at
        if self.peek("#"):
            newline = self.text.find("\n", self.at)
            self.at = self.end if newline < 0 else newline + 1
            return
        if self.peek("\r"):
            self.at += 1
        if not self.peek("\n"):
            raise Miss(start, ("line break",))
        self.at += 1

    def name(self, expected: str, letters: frozenset[str] = NAME) -> str:
        """A run of letters, digits and underscores."""
        start = at = self.at
        text, end = self.text, self.end
        while at < end and text[at] in letters:
            at += 1
        if at == start:
            raise Miss(start, (expected,))
        self.at = at
        return text[start:at]

    def triple_quoted(self) -> str:
        """A raw string in three quotes."""
        if not self.peek('"""') or self.end - self.at < 6:
            raise Miss(self.at, ("quoted string",))
        close = self.text.find('"""', self.at + 3)
        if close < 0:
            raise Miss(self.end, ("end triple-quote",), _REQUIRED)
        inner = self.text[self.at + 3 : close]
        self.at = close + 3
        return inner

    def quoted(self) -> str:
        """A string in quotes with Go's escapes."""
        start = self.at
        if not self.peek('"'):
            raise Miss(start, ("quoted string",))
        at, text = start + 1, self.text
        while at < self.end and text[at] != '"':
            at += 2 if text[at] == "\\" else 1
        if at >= self.end:
            raise Miss(self.end, ("end quote",), _REQUIRED)
        self.at = at + 1
        try:
            return unquoted(text[start + 1 : at])
        except ValueError:
            raise Miss(start, (), "failed to unescape quoted string contents: invalid syntax") from None

    def number(self) -> int | float:
        """Digits, or digits with a fraction; a minus sign may stand before."""
        start = self.at
        negative = self.peek("-")
        self.at += negative
        digits = self.name("number", _DIGITS)
        fraction = ""
        if self.peek(".") and self.at + 1 < self.end and self.text[self.at + 1] in _DIGITS:
            self.at += 1
            fraction = self.name("number", _DIGITS)
        if fraction:
            value = float(f"{digits}.{fraction}")
            if value == float("inf"):
                raise Miss(start, (), _out_of_range(f"{digits}.{fraction}", "float", "ParseFloat"))
            return -value if negative else value
        if len(digits.lstrip("0")) > 19 or int(digits[-40:]) > INT64_MAX:
            raise Miss(start, (), _out_of_range(digits, "integer", "ParseInt"))
        return -int(digits) if negative else int(digits)


def _out_of_range(text: str, what: str, function: str) -> str:
    return f"failed to parse '{text}' as {what}: strconv.{function}: parsing \"{text}\": value out of range"


_ESCAPES = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, "'": 39, '"': 34}
_WIDTHS = {"x": 2, "u": 4, "U": 8}


def unquoted(inner: str) -> str:
    """The text between the quotes of a Go string literal, escapes resolved. Raises ValueError."""
    if "\n" in inner:
        raise ValueError("raw line break")
    if "\\" not in inner:
        return inner
    out = bytearray()
    at = 0
    while at < len(inner):
        character = inner[at]
        if character != "\\":
            out += character.encode("utf-8", "surrogatepass")
            at += 1
            continue
        mark = inner[at + 1]
        if mark in _ESCAPES:
            out.append(_ESCAPES[mark])
            at += 2
        elif mark in _WIDTHS:
            width = _WIDTHS[mark]
            out += _code_point(mark, inner[at + 2 : at + 2 + width], width)
            at += 2 + width
        else:
            digits = inner[at + 1 : at + 4]
            if len(digits) < 3 or not set(digits) <= set("01234567") or int(digits, 8) > 255:
                raise ValueError(mark)
            out.append(int(digits, 8))
            at += 4
    return out.decode("utf-8", "surrogateescape")


def _code_point(mark: str, digits: str, width: int) -> bytes:
    if len(digits) < width or not set(digits) <= set("0123456789abcdefABCDEF"):
        raise ValueError(digits)
    code = int(digits, 16)
    if mark == "x":
        return bytes((code,))
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise ValueError(digits)
    return chr(code).encode()
