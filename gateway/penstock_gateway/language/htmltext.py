"""HTML without its tags, as microcosm-cc/bluemonday leaves it: text escaped, scripts and styles gone."""

from __future__ import annotations

import html
import re

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;"})
_SKIPPED = frozenset(
    ("frame", "frameset", "iframe", "noembed", "noframes", "noscript", "nostyle", "object", "script", "style"),
)
_RAW = frozenset(
    ("iframe", "noembed", "noframes", "noscript", "plaintext", "script", "style", "title", "textarea", "xmp")
)
_ENDS = {name: re.compile(f"</{name}", re.IGNORECASE) for name in _RAW}
_NEED_ATTRIBUTES = frozenset(
    ("a", "area", "embed", "font", "form", "img", "input", "label", "link", "map", "meta", "param")
)


def strip(text: str, preserve: frozenset[str]) -> str:
    """Drop all tags but those of preserved elements, whose attributes are dropped."""
    out: list[str] = []
    at, skipping = 0, ""
    while at < len(text):
        start = text.find("<", at)
        if start < 0:
            start = len(text)
        if not skipping:
            out.append(_escaped(text[at:start]))
        if start == len(text):
            break
        name, closing, empty, end = _tag(text, start)
        if end < 0:  # no tag: the bracket is text
            if not skipping:
                out.append("&lt;")
            at = start + 1
            continue
        at = end
        if skipping:
            if closing and name == skipping:
                skipping = ""
            continue
        if name in preserve:
            if name not in _NEED_ATTRIBUTES:
                out.append(f"</{name}>" if closing else f"<{name}/>" if empty else f"<{name}>")
        elif name in _SKIPPED and not closing and not empty:
            skipping = name
        if name in _RAW and not closing and not empty:
            at = _raw_text(text, at, name, out, bool(skipping))
    return "".join(out)


def _escaped(text: str) -> str:
    return html.unescape(text).translate(_ESCAPES) if text else ""


def _raw_text(text: str, at: int, name: str, out: list[str], skipped: bool) -> int:
    """Inside of such elements nothing is a tag but their own end."""
    found = _ENDS[name].search(text, at) if name != "plaintext" else None
    end = found.start() if found else len(text)
    if not skipped:
        out.append(_escaped(text[at:end]))
    return end


def _tag(text: str, start: int) -> tuple[str, bool, bool, int]:
    """Read the tag at a bracket: (name, whether it closes, whether it is empty, position behind it or -1)."""
    following = text[start + 1 : start + 2]
    if text.startswith("<!--", start):
        end = text.find("-->", start + 4)
        return "", False, False, len(text) if end < 0 else end + 3
    if following in ("!", "?"):
        end = text.find(">", start)
        return "", False, False, len(text) if end < 0 else end + 1
    closing = following == "/"
    at = start + 2 if closing else start + 1
    if not (text[at : at + 1].isascii() and text[at : at + 1].isalpha()):
        return "", False, False, -1
    begin = at
    while at < len(text) and text[at] not in " \t\n\r\f/>":
        at += 1
    name = text[begin:at].lower()
    at = _behind_attributes(text, at)
    return name, closing, text[at - 2 : at] == "/>", at


def _behind_attributes(text: str, at: int) -> int:
    while at < len(text):
        char = text[at]
        if char == ">":
            return at + 1
        if char in "\"'" and text[at - 1] in "= \t\n":
            closing = text.find(char, at + 1)
            if closing < 0:
                return len(text)
            at = closing
        at += 1
    return len(text)
