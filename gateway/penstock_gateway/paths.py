"""Path patterns: how a configured path is read, how it matches, and what a clean path is.

The rules are Bento's: compared after percent-decoding, case-sensitive; `{id}` matches one non-empty segment, `{n:[0-9]+}` and
`{rest:.*}` the expression; a path that ends in `/` is a prefix.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import re2

from penstock_gateway.errors import ConfigError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_QUIET = re2.Options()
_QUIET.log_errors = False


@dataclass(frozen=True, slots=True)
class Pattern:
    """A configured path. `shape` is equal for two patterns that match the same paths as far as can be told from the text."""

    text: str
    shape: str
    exact: bool
    prefix: bool
    names: tuple[str, ...] = ()
    _compiled: Any = field(default=None, compare=False, repr=False)

    @property
    def rank(self) -> tuple[int, int]:
        """Sorts patterns by precedence: exact ones, then parameters, then prefixes, the longest first."""
        return (2, -len(self.text)) if self.prefix else (0 if self.exact else 1, -len(self.text))

    def match(self, path: str) -> Mapping[str, str] | None:
        """The values of the parameters, or None when the pattern does not match the decoded path."""
        if self._compiled is None:
            hit = path.startswith(self.text) if self.prefix else path == self.text
            return {} if hit else None
        found = self._compiled.fullmatch(path)
        if found is None:
            return None
        return {name: found.group(f"v{at}") for at, name in enumerate(self.names)}


def pattern(text: str) -> Pattern:
    """Read a configured path; raises ConfigError when it is not one."""
    if not text.startswith("/"):
        raise ConfigError(f"a path begins with a slash, not {text!r}")
    prefix = text.endswith("/")
    if "{" not in text and "}" not in text:
        return Pattern(text, text, not prefix, prefix)
    names: list[str] = []
    shape = expression = ""
    for literal, name, inner in _pieces(text):
        shape += literal
        expression += re.escape(literal)
        if name:
            shape += "{" + inner + "}"
            expression += f"(?P<v{len(names)}>{inner})"
            names.append(name)
    if len(set(names)) != len(names):
        raise ConfigError(f"a parameter occurs twice in {text!r}")
    try:
        compiled = re2.compile("(?s)" + expression + (".*" if prefix else ""), _QUIET)  # type: ignore[no-untyped-call]  # re2 has no types
    except re2.error as why:
        said = why.args[0] if why.args else ""
        said = said.decode() if isinstance(said, bytes) else said
        raise ConfigError(f"the expression in {text!r} is not valid: {said}") from None
    if compiled.groups != len(names):
        raise ConfigError(f"an expression in {text!r} has a group in it; write (?:…)")
    return Pattern(text, shape, False, prefix, tuple(names), compiled)


def _pieces(text: str) -> list[tuple[str, str, str]]:
    """`/a/{id:[0-9]+}` as (literal, name, expression) triples; braces inside an expression are counted."""
    pieces, at = [], 0
    while (opening := text.find("{", at)) >= 0:
        depth, end = 0, opening
        while end < len(text):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            if depth == 0:
                break
            end += 1
        if depth:
            break
        name, _, inner = text[opening + 1 : end].partition(":")
        if not _NAME.match(name):
            raise ConfigError(f"{name!r} in {text!r} cannot be the name of a parameter")
        pieces.append((text[at:opening], name, inner or "[^/]+"))
        at = end + 1
    if "{" in text[at:] or "}" in text[at:]:
        raise ConfigError(f"the braces in {text!r} are not balanced")
    return [*pieces, (text[at:], "", "")]


def decode(raw: str) -> str | None:
    """The decoded path of a request target, None when an escape or a character is not allowed in one."""
    if "%" not in raw and raw.isascii():
        return raw if raw.isprintable() else None
    if _BAD_ESCAPE.search(raw):
        return None
    try:
        path = unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        return None
    return None if any(c < " " or c == "\x7f" for c in path) else path


def clean(path: str) -> str:
    """The path without empty, `.` and `..` segments; a final slash stays."""
    if "//" not in path and "/." not in path:
        return path
    shortened = posixpath.normpath("/" + path.lstrip("/"))
    ends = path.endswith(("/", "/.", "/.."))
    return shortened + "/" if ends and shortened != "/" else shortened


def encode(path: str) -> str:
    """A decoded path as it stands in a URL."""
    return quote(path, safe="/!$&'()*+,;=:@-._~")
