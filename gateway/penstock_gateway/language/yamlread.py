"""YAML text into values, from libyaml's events and without recursion; error texts as those of Go's yaml.v3."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any

import yaml

from penstock_gateway.document import MAX_DEPTH, Value
from penstock_gateway.language.gonumbers import NumberError, parse_float, parse_int
from penstock_gateway.language.goquote import quote
from penstock_gateway.language.yamlscalars import resolve

MAX_NODES = 2_000_000
"""Values that a document may have once its aliases are counted as often as they occur."""

_TAG = "tag:yaml.org,2002:"


class YAMLError(ValueError):
    """A text that is no YAML document, in Go's words (they begin with `yaml: `)."""


def parse(text: str) -> Value:
    """Read the first document of a text; an empty text is null.

    Raises YAMLError.
    """
    builder = _Builder()
    try:
        for event in _events(text):
            builder.take(event)
            if builder.done:
                break
    except yaml.YAMLError as error:
        raise YAMLError(_syntax_problem(error)) from None
    except RecursionError:
        raise YAMLError("yaml: exceeded max depth") from None
    if builder.problems:
        raise YAMLError("yaml: unmarshal errors:\n" + "\n".join(builder.problems))
    return builder.result


def _events(text: str) -> Iterator[Any]:
    loader = yaml.CSafeLoader(text)
    try:
        while loader.check_event():
            yield loader.get_event()
    finally:
        loader.dispose()


def _syntax_problem(error: yaml.YAMLError) -> str:
    if not isinstance(error, yaml.MarkedYAMLError):
        if "special characters" in str(error):
            return "yaml: control characters are not allowed"
        return "yaml: " + str(error).partition("\n")[0]
    problem = error.problem or "unknown problem parsing YAML content"
    mark = error.context_mark if error.context_mark and error.context_mark.line else error.problem_mark
    line = mark.line if mark else 0
    if line and isinstance(error, yaml.scanner.ScannerError):
        line += 1
    return f"yaml: line {line}: {problem}" if line else f"yaml: {problem}"


class _Frame:
    """A container that is being filled."""

    __slots__ = ("anchor", "key", "key_line", "lines", "merges", "size", "value", "waits_for_key")

    def __init__(self, value: Value, anchor: str | None) -> None:
        self.value = value
        self.anchor = anchor
        self.size = 1
        self.waits_for_key = True
        self.key = ""
        self.key_line = 0
        self.lines: dict[str, int] = {}
        self.merges: list[Value] = []


class _Builder:
    """Turns events into a value: a stack of open containers and the anchors seen so far."""

    def __init__(self) -> None:
        self.result: Value = None
        self.done = False
        self.problems: list[str] = []
        self.stack: list[_Frame] = []
        self.anchors: dict[str, tuple[Value, int]] = {}
        self.open_anchors: set[str] = set()

    def take(self, event: Any) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self.add(_scalar(event), 1, event.anchor, event)
        elif isinstance(event, yaml.SequenceStartEvent):
            self.open([], event.anchor)
        elif isinstance(event, yaml.MappingStartEvent):
            self.open({}, event.anchor)
        elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
            self.close(event)
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor in self.open_anchors:
                raise YAMLError(f"yaml: anchor '{event.anchor}' value contains itself")
            if event.anchor not in self.anchors:
                raise YAMLError(f"yaml: unknown anchor '{event.anchor}' referenced")
            value, size = self.anchors[event.anchor]
            self.add(value, size, None, event)

    def open(self, value: Value, anchor: str | None) -> None:
        if len(self.stack) >= MAX_DEPTH:
            raise YAMLError("yaml: exceeded max depth")
        if anchor:
            self.open_anchors.add(anchor)
        self.stack.append(_Frame(value, anchor))

    def close(self, event: Any) -> None:
        frame = self.stack.pop()
        for merged in frame.merges:
            frame.value = {**merged, **frame.value}
        if frame.anchor:
            self.open_anchors.discard(frame.anchor)
        self.add(frame.value, frame.size, frame.anchor, event)

    def add(self, value: Value, size: int, anchor: str | None, event: Any) -> None:
        if anchor:
            self.anchors[anchor] = (value, size)
        if not self.stack:
            self.result, self.done = value, True
            return
        frame = self.stack[-1]
        frame.size += size
        if frame.size > MAX_NODES:
            raise YAMLError("yaml: document contains excessive aliasing")
        if type(frame.value) is list:
            frame.value.append(value)
        elif frame.waits_for_key:
            self.take_key(frame, value, event)
        else:
            self.put(frame, value)

    def take_key(self, frame: _Frame, value: Value, event: Any) -> None:
        line = event.start_mark.line + 1
        if type(value) is list or type(value) is dict:
            kind = "[]interface {}" if type(value) is list else "map[string]interface {}"
            raise YAMLError(f"yaml: invalid map key: {kind}")
        plain_text = getattr(event, "value", None)
        key = value if type(value) is str else str(plain_text if plain_text is not None else value)
        frame.waits_for_key = False
        frame.key, frame.key_line = key, line
        if not getattr(event, "style", None) and plain_text == "<<":
            frame.key_line = -1
            return
        if key in frame.lines:
            self.problems.append(
                f"  line {line}: mapping key {quote(key)} already defined at line {frame.lines[key]}",
            )
        frame.lines.setdefault(key, line)

    def put(self, frame: _Frame, value: Value) -> None:
        frame.waits_for_key = True
        if frame.key_line != -1:
            frame.value[frame.key] = value
            return
        merges = value if type(value) is list else [value]
        if not all(type(item) is dict for item in merges):
            raise YAMLError("yaml: map merge requires map or sequence of maps as the value")
        frame.merges.extend(merges)


def _scalar(event: Any) -> Value:
    tag = event.tag
    if tag is None or tag == "!":
        plain = not event.style and tag is None and event.implicit[0]
        return resolve(event.value) if plain else event.value
    if tag == _TAG + "str":
        return event.value
    if tag == _TAG + "binary":
        try:
            return base64.b64decode(event.value, validate=False).decode("utf-8", "surrogateescape")
        except binascii.Error:
            raise YAMLError("yaml: !!binary value contains invalid base64 data") from None
    return _tagged(event.value, tag)


def _tagged(text: str, tag: str) -> Value:
    short = tag.removeprefix(_TAG)
    try:
        if short == "int":
            return parse_int(text.replace("_", ""), signed=True)
        if short == "float":
            return parse_float(text)
    except NumberError:
        raise YAMLError(f"yaml: cannot decode !!str `{text}` as a !!{short}") from None
    if short in ("null", "bool", "timestamp"):
        return resolve(text)
    return text
