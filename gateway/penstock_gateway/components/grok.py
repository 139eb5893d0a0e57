"""Processor `grok`: makes JSON of text by patterns that have names."""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field

from penstock_gateway.errors import ConfigError
from penstock_gateway.grok_patterns import PATTERNS
from penstock_gateway.language.regex import PatternError, Regex
from penstock_gateway.message import Batch
from penstock_gateway.per_message import MessageFault, PerMessage
from penstock_gateway.registry import Config, Context, Kind, Processor, component

_REFERENCE = re.compile(r"%\{(\w+)(?::([^:}]+))?(?::(\w+))?\}")
_GROUP = re.compile(r"\(\?P?<([A-Za-z_]\w*)>")
_TYPES = ("", "int", "float", "string")
_MAX_DEPTH, _MAX_LENGTH = 50, 1_000_000


@component("grok", Kind.PROCESSOR, summary="Makes JSON of text by named patterns.")
class Grok(Config):
    """Fields as Bento's."""

    expressions: list[str] = Field(description="Tried in order; the first that matches makes the document.")
    pattern_definitions: dict[str, str] = Field(default_factory=dict, description="Patterns of your own, by name.")
    pattern_paths: list[str] = Field(
        default_factory=list, description="Files of patterns, a name and a pattern in each line."
    )
    named_captures_only: bool = Field(True, description="Whether patterns without a name of their own are left out.")
    use_default_patterns: bool = Field(True, description="Whether the usual patterns are known.")
    remove_empty_values: bool = Field(True, description="Whether what matched nothing is left out.")

    def build(self, context: Context) -> Processor:
        """Compile the expressions."""
        patterns = dict(PATTERNS) if self.use_default_patterns else {}
        for path in self.pattern_paths:
            patterns |= _read(context.file(path, "pattern_paths").decode("utf-8", "replace"))
        patterns |= self.pattern_definitions
        compiled = []
        for n, text in enumerate(self.expressions):
            try:
                compiled.append(_Expression(text, patterns, self))
            except PatternError as error:
                place = (*context.path, "grok", "expressions", n)
                raise ConfigError(f"failed to compile Grok pattern '{text}': {error}", place) from None
        return PerMessage(lambda batch, n: _matched(compiled, batch, n), context)


def _read(text: str) -> dict[str, str]:
    found = {}
    for line in text.splitlines():
        name, blank, pattern = line.strip().partition(" ")
        if blank and not name.startswith("#"):
            found[name] = pattern.strip()
    return found


class _Expression:
    """A compiled expression and what its groups are called."""

    def __init__(self, text: str, patterns: dict[str, str], config: Grok) -> None:
        self.patterns, self.config = patterns, config
        self.fields: list[tuple[str, str]] = []
        self.length = 0
        self.regex = Regex(self._expanded(text, 0))
        numbers = {name: number for number, name in enumerate(self.regex.names) if name}
        self.groups = [(numbers[f"f{n}"], field, sort) for n, (field, sort) in enumerate(self.fields)]

    def _expanded(self, text: str, depth: int) -> str:
        self.length += len(text)
        if depth > _MAX_DEPTH or self.length > _MAX_LENGTH:
            raise PatternError("the patterns lead to one another without end")
        text = _GROUP.sub(lambda match: self._group(match[1], ""), text)
        return _REFERENCE.sub(lambda match: self._reference(match, depth), text)

    def _reference(self, match: re.Match[str], depth: int) -> str:
        name, field, sort = match[1], match[2], match[3] or ""
        if name not in self.patterns:
            raise PatternError(f"no pattern found for %{{{name}}}")
        if sort not in _TYPES:
            raise PatternError(f"type {sort} is not one of int, float and string")
        if not field and self.config.named_captures_only:
            return f"(?:{self._expanded(self.patterns[name], depth + 1)})"
        opened = self._group(field or name, sort)
        return f"{opened}{self._expanded(self.patterns[name], depth + 1)})"

    def _group(self, field: str, sort: str) -> str:
        self.fields.append((field, sort))
        return f"(?P<f{len(self.fields) - 1}>"

    def values(self, raw: bytes) -> dict[str, Any]:
        """What the fields match; empty where the text does not fit."""
        spans = self.regex.first(raw)
        found: dict[str, Any] = {}
        for number, field, sort in self.groups if spans is not None else ():
            assert spans is not None
            start, end = spans[number]
            text = raw[start:end].decode("utf-8", "replace") if start >= 0 else ""
            if text or not (self.config.remove_empty_values or field in found):
                found[field] = _typed(text, sort)
        return found


def _typed(text: str, sort: str) -> Any:
    if sort == "float":
        return float(text or 0)
    if sort == "int":
        return int(float(text or 0)) if "." in text else int(text or 0)
    return text


def _matched(expressions: list[_Expression], batch: Batch, n: int) -> Batch:
    for expression in expressions:
        try:
            values = expression.values(batch[n].raw)
        except (ValueError, OverflowError):  # a field is not of its type
            continue
        if values:
            result = batch[n].copy()
            result.set_document(_nested(values))
            return [result]
    raise MessageFault("no pattern matches found")


def _nested(values: dict[str, Any]) -> dict[str, Any]:
    """A name with dots is a path."""
    document: dict[str, Any] = {}
    for field, value in values.items():
        *above, last = field.split(".")
        place = document
        for name in above:
            inner = place.get(name)
            if not isinstance(inner, dict):
                inner = place[name] = {}
            place = inner
        place[last] = value
    return document
