"""Tokens of XML text, read as leniently as Go's encoding/xml does with Strict off; entities of a DTD are never expanded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_NAME = r"[^\s<>/=\"'!?&]+"
_OPEN = re.compile(rf"<({_NAME})")
_CLOSE = re.compile(rf"</({_NAME})\s*>")
_ATTRIBUTE = re.compile(rf"\s*({_NAME})(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s<>/=\"'`]+)))?")
_TAG_END = re.compile(r"\s*(/?)>")
_ENTITY = re.compile(r"&(#[0-9]{1,8}|#x[0-9a-fA-F]{1,8}|lt|gt|amp|apos|quot);")
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "apos": "'", "quot": '"'}


class XMLError(ValueError):
    """A text that is no XML, in Go's words."""


@dataclass(slots=True)
class Open:
    """The start of an element; names are without their namespace prefix."""

    name: str
    attributes: list[tuple[str, str]]


@dataclass(slots=True)
class Close:
    """The end of an element."""

    name: str


@dataclass(slots=True)
class Text:
    """Characters between tags, entities resolved."""

    text: str


Token = Open | Close | Text


def _local(name: str) -> str:
    prefix, colon, local = name.partition(":")
    return local if colon and prefix and local else name


def _character(match: re.Match[str]) -> str:
    name = match[1]
    if name[0] != "#":
        return _NAMED[name]
    code = int(name[2:], 16) if name[1] == "x" else int(name[1:])
    return chr(code) if code <= 0x10FFFF and not 0xD800 <= code < 0xE000 else "\ufffd"


def resolve(text: str) -> str:
    """Resolve the predefined and numeric entities; others stay."""
    return _ENTITY.sub(_character, text) if "&" in text else text


def tokens(text: str) -> Iterator[Token]:
    """Read tokens; comments, instructions and directives are skipped.

    Raises XMLError.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    at = 0
    while at < len(text):
        if text[at] != "<":
            end = text.find("<", at)
            end = len(text) if end < 0 else end
            yield Text(resolve(text[at:end]))
            at = end
        elif text.startswith("<![CDATA[", at):
            end = _find(text, "]]>", at, "unexpected EOF in CDATA section")
            yield Text(text[at + 9 : end - 3])
            at = end
        elif text.startswith("<!--", at):
            at = _find(text, "-->", at + 4, "unexpected EOF")
        elif text.startswith("<?", at):
            at = _find(text, "?>", at, "unexpected EOF")
        elif text.startswith("<!", at):
            at = _directive_end(text, at)
        elif text.startswith("</", at):
            match = _CLOSE.match(text, at)
            if match is None:
                raise _error(text, at, "expected element name after </")
            yield Close(_local(match[1]))
            at = match.end()
        else:
            opened, empty, at = _opened(text, at)
            yield opened
            if empty:
                yield Close(opened.name)


def _opened(text: str, at: int) -> tuple[Open, bool, int]:
    match = _OPEN.match(text, at)
    if match is None:
        raise _error(text, at, "expected element name after <" if at + 1 < len(text) else "unexpected EOF")
    opened = Open(_local(match[1]), [])
    at = match.end()
    while True:
        end = _TAG_END.match(text, at)
        if end is not None:
            return opened, end[1] == "/", end.end()
        attribute = _ATTRIBUTE.match(text, at)
        if attribute is None:
            rest = text[at:].lstrip()
            problem = "expected attribute name in element" if rest else "unexpected EOF"
            raise _error(text, at, problem)
        name = attribute[1]
        value = next((group for group in attribute.groups()[1:] if group is not None), name)
        opened.attributes.append((_local(name), resolve(value)))
        at = attribute.end()


def _directive_end(text: str, at: int) -> int:
    """A directive ends at its `>`; inner brackets and quotes are skipped."""
    depth, quote = 0, ""
    for position in range(at + 2, len(text)):
        char = text[position]
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char == "<":
            depth += 1
        elif char == ">":
            if depth == 0:
                return position + 1
            depth -= 1
    raise _error(text, len(text), "unexpected EOF")


def _find(text: str, mark: str, at: int, problem: str) -> int:
    found = text.find(mark, at)
    if found < 0:
        raise _error(text, len(text), problem)
    return found + len(mark)


def _error(text: str, at: int, problem: str) -> XMLError:
    return XMLError(f"XML syntax error on line {text.count(chr(10), 0, at) + 1}: {problem}")


def end_error(text: str) -> XMLError:
    """Give the error of a text that ends inside of an element."""
    return _error(text, len(text), "unexpected EOF")


def stray_end_error(text: str, name: str) -> XMLError:
    """Give the error of an end tag without a start."""
    return _error(text, len(text), f"unexpected end element </{name}>")
