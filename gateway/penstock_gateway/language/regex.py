"""Regular expressions as Go runs them: RE2 syntax, Go's rule for empty matches, `$1` templates, Go's error texts.

Subjects are bytes: matching is linear in them, and offsets are the ones the language counts in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import re2

Spans = list[tuple[int, int]]
Spend = Callable[[int], None]  # takes the price of some work, raises when it is not affordable

SPAN_COST = 8  # a remembered span weighs as much as that many elements of a range

_MESSAGES = (
    # RE2's wording -> Go's
    ("missing )", "missing closing )"),
    ("missing ]", "missing closing ]"),
    ("unexpected )", "unexpected )"),
    ("no argument for repetition operator", "missing argument to repetition operator"),
    ("bad repetition operator", "invalid nested repetition operator"),
    ("invalid repetition size", "invalid repeat count"),
    ("invalid perl operator", "invalid or unsupported Perl syntax"),
    ("invalid named capture group", "invalid named capture"),
    ("invalid character class range", "invalid character class range"),
    ("invalid character class", "invalid character class"),
    ("invalid escape sequence", "invalid escape sequence"),
    ("invalid UTF-8", "invalid UTF-8"),
    ("pattern too large", "expression too large"),
)
_TRAILING = "trailing \\"
_NAME = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"


class PatternError(ValueError):
    """A text that is no regular expression, in the words of Go's regexp package."""


class Regex:
    """A compiled expression over bytes."""

    __slots__ = ("_iterate", "_match_cost", "_search", "groups", "names")

    def __init__(self, pattern: str) -> None:
        _refuse_single_byte(pattern)
        options = re2.Options()
        options.log_errors = False
        try:
            compiled: Any = re2.compile(  # type: ignore[no-untyped-call]  # the package has no types
                pattern.encode("utf-8", "surrogateescape"),
                options,
            )
        except re2.error as error:
            raise PatternError(_go_message(error.args[0], pattern)) from None
        self._search: Callable[..., Any] = compiled.search
        self._iterate: Callable[[bytes], Iterator[Any]] = compiled.finditer
        self.groups: int = compiled.groups
        self._match_cost = SPAN_COST * (self.groups + 1)
        self.names = [""] * (self.groups + 1)
        for name, index in compiled.groupindex.items():
            self.names[index] = name.decode()

    def matches(self, subject: bytes) -> bool:
        """Tell whether the expression occurs anywhere in the subject."""
        return self._search(subject) is not None

    def first(self, subject: bytes) -> Spans | None:
        """Give the spans of the whole match and of every group; (-1, -1) for a group that took no part."""
        return self._at(subject, 0)

    def _at(self, subject: bytes, position: int) -> Spans | None:
        match = self._search(subject, position)
        return None if match is None else self._spans(match)

    def _spans(self, match: Any) -> Spans:
        if not self.groups:
            return [match.span()]
        return [match.span(group) for group in range(self.groups + 1)]

    def _filled(self, subject: bytes, spend: Spend) -> list[Spans] | None:
        """All matches when none of them is empty: then all engines agree on them. None: there is an empty one."""
        found: list[Spans] = []
        cost = self._match_cost
        for match in self._iterate(subject):
            spend(cost)
            spans = self._spans(match)
            if spans[0][0] == spans[0][1]:
                return None
            found.append(spans)
        return found

    def every(self, subject: bytes, spend: Spend) -> list[Spans]:
        """Give all successive matches, each of them paid for; an empty one right behind another does not count."""
        filled = self._filled(subject, spend)
        if filled is not None:
            return filled
        found: list[Spans] = []
        position, previous_end, end = 0, -1, len(subject)
        while position <= end:
            spans = self._at(subject, position)
            if spans is None:
                break
            spend(self._match_cost)
            start, stop = spans[0]
            accept = True
            if stop == position:
                accept = start != previous_end
                position += _rune_length(subject, position)
            else:
                position = stop
            previous_end = stop
            if accept:
                found.append(spans)
        return found

    def replace(self, subject: bytes, template: Template, limit: int, spend: Spend) -> bytes | None:
        """Replace all matches by what the template makes of them; None where the result would exceed the limit."""
        filled = self._filled(subject, spend)
        if filled is not None:
            return _filled_in(subject, filled, template, limit)
        out: list[bytes] = []
        size = len(subject)
        last_end = position = 0
        end = len(subject)
        while position <= end:
            spans = self._at(subject, position)
            if spans is None:
                break
            spend(self._match_cost)
            start, stop = spans[0]
            out.append(subject[last_end:start])
            if stop > last_end or start == 0:
                size += template.size(spans)
                if size > limit:
                    return None
                out.append(template.expand(subject, spans))
            last_end = stop
            width = _rune_length(subject, position)
            position = max(position + width, stop) if position < end else position + 1
        out.append(subject[last_end:])
        return b"".join(out)


def _filled_in(subject: bytes, matches: list[Spans], template: Template, limit: int) -> bytes | None:
    out: list[bytes] = []
    position, size = 0, len(subject)
    for spans in matches:
        start, stop = spans[0]
        out.append(subject[position:start])
        size += template.size(spans)
        if size > limit:
            return None
        out.append(template.expand(subject, spans))
        position = stop
    if not out:
        return subject
    out.append(subject[position:])
    return b"".join(out)


def _rune_length(subject: bytes, position: int) -> int:
    if position >= len(subject):
        return 1
    first = subject[position]
    if first < 0xC0:
        return 1
    length = 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    for following in range(position + 1, position + length):
        if following >= len(subject) or subject[following] & 0xC0 != 0x80:
            return 1
    return length


class Template:
    """A replacement with `$1`, `$name`, `${name}` and `$$`."""

    __slots__ = ("_fixed", "_groups", "_pieces")

    def __init__(self, text: str, regex: Regex) -> None:
        self._pieces: list[bytes | list[int]] = []
        self._parse(text, regex)
        self._fixed = sum(len(piece) for piece in self._pieces if isinstance(piece, bytes))
        self._groups = sum(1 for piece in self._pieces if isinstance(piece, list))

    def _parse(self, text: str, regex: Regex) -> None:
        position = 0
        while True:
            dollar = text.find("$", position)
            if dollar < 0:
                self._literal(text[position:])
                return
            self._literal(text[position:dollar])
            name, after = _template_name(text, dollar + 1)
            if name is None:
                self._literal("$")
            else:
                self._pieces.append(_group_indexes(name, regex))
            position = after

    def _literal(self, text: str) -> None:
        if text:
            self._pieces.append(text.encode("utf-8", "surrogateescape"))

    def size(self, spans: Spans) -> int:
        """Give an upper bound of what one match is replaced by."""
        whole = spans[0][1] - spans[0][0]
        return self._fixed + whole * self._groups

    def expand(self, subject: bytes, spans: Spans) -> bytes:
        """Fill in one match."""
        if len(self._pieces) == 1 and isinstance(self._pieces[0], bytes):
            return self._pieces[0]
        out = []
        for piece in self._pieces:
            if isinstance(piece, bytes):
                out.append(piece)
                continue
            for group in piece:
                start, stop = spans[group]
                if start >= 0:
                    out.append(subject[start:stop])
                    break
        return b"".join(out)


def _template_name(text: str, at: int) -> tuple[str | None, int]:
    """Read the name behind a `$`; None stands for a literal dollar."""
    if text[at : at + 1] == "$":
        return None, at + 1
    start = at + 1 if text[at : at + 1] == "{" else at
    end = start
    while end < len(text) and (text[end] in _NAME or (text[end] > "\x7f" and text[end].isalnum())):
        end += 1
    if end == start:
        return None, at
    if start > at:
        return (text[start:end], end + 1) if text[end : end + 1] == "}" else (None, at)
    return text[start:end], end


def _group_indexes(name: str, regex: Regex) -> list[int]:
    if name.isascii() and name.isdigit():
        index = int(name) if len(name) < 9 else regex.groups + 1
        return [index] if index <= regex.groups else []
    return [index for index, known in enumerate(regex.names) if index and known == name]


def _refuse_single_byte(pattern: str) -> None:
    """Refuse `\\C`: RE2 knows it, Go does not, and it would cut characters apart."""
    position = 0
    while True:
        position = pattern.find("\\", position)
        if position < 0:
            return
        following = pattern[position + 1 : position + 2]
        if following == "C":
            raise PatternError("error parsing regexp: invalid escape sequence: `\\C`")
        if following == "Q":
            end = pattern.find("\\E", position)
            position = len(pattern) if end < 0 else end
        position += 2


def _go_message(raw: bytes | str, pattern: str) -> str:
    message = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    if message.startswith(_TRAILING):
        return "error parsing regexp: trailing backslash at end of expression: ``"
    for theirs, ours in _MESSAGES:
        if message.startswith(theirs):
            argument = message[len(theirs) :].removeprefix(": ")
            if theirs in ("missing )", "unexpected )"):
                argument = pattern
            return f"error parsing regexp: {ours}: `{argument}`"
    return f"error parsing regexp: {message}"


@lru_cache(maxsize=16)  # one may take megabytes, and they may come from messages; those of the text are kept there
def compiled(pattern: str) -> Regex:
    """Compile, keeping the last few expressions.

    Raises PatternError.
    """
    return Regex(pattern)
