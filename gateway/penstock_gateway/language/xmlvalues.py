"""XML as values and back, by the rules of clbanning/mxj: `-attribute`, `#text`, repeated elements become arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from penstock_gateway.document import MAX_DEPTH, Number, Value, go_float, kind
from penstock_gateway.language.gonumbers import NumberError, parse_bool, parse_float
from penstock_gateway.language.gotext import go_type
from penstock_gateway.language.sizes import Sink
from penstock_gateway.language.values import to_string
from penstock_gateway.language.xmltokens import Close, Open, Text, XMLError, end_error, tokens

_BLANKS = "\t\r\b\n "
_ROOT = "doc"


class _Element:
    """An element that is being read: what it holds so far and its simple text."""

    __slots__ = ("fields", "name", "text")

    def __init__(self, opened: Open, cast: bool) -> None:
        self.name = opened.name
        self.fields: dict[str, Value] = {f"-{name}": _cast(value, cast) for name, value in opened.attributes}
        self.text: Value = None

    def add_text(self, text: str, cast: bool) -> None:
        trimmed = text.strip(_BLANKS)
        if not trimmed:
            return
        if self.fields:
            self.fields["#text"] = _cast(trimmed, cast)
        else:
            self.text = _cast(trimmed, cast)

    def add_child(self, name: str, value: Value) -> None:
        if name not in self.fields:
            self.fields[name] = value
        elif type(self.fields[name]) is list:
            self.fields[name].append(value)
        else:
            self.fields[name] = [self.fields[name], value]

    def value(self) -> Value:
        if self.text is None:
            return self.fields or ""
        if self.fields:
            self.fields["#text"] = self.text
            return self.fields
        return self.text


def _cast(text: str, cast: bool) -> Value:
    if not cast or text.lower() in ("nan", "inf", "-inf"):
        return text
    try:
        return parse_float(text)
    except NumberError:
        pass
    if 0 < len(text) < 6 and text[0] in "tTfF":
        found = parse_bool(text)
        if found is not None:
            return found
    return text


def parse(text: str, *, cast: bool) -> Value:
    """Read the first element of a text as {name: value}; with cast, numbers and bools are recognised.

    Raises XMLError.
    """
    for found in documents(text, cast=cast):
        return found
    raise XMLError("EOF")


def documents(text: str, *, cast: bool) -> Iterator[Value]:
    """Read every outermost element of a text, each as {name: value}.

    Raises XMLError.
    """
    stack: list[_Element] = []
    for token in tokens(text):
        if isinstance(token, Open):
            if len(stack) >= MAX_DEPTH:
                raise XMLError("exceeded max depth")
            stack.append(_Element(token, cast))
        elif isinstance(token, Text):
            if stack:
                stack[-1].add_text(token.text, cast)
        elif stack:
            found = _closed(stack, token)
            if found is not None:
                yield found
    if stack:
        raise end_error(text)


def _closed(stack: list[_Element], token: Close) -> Value:
    """Close elements up to the one that is named; gives the document when the last is closed."""
    while stack:
        element = stack.pop()
        if not stack:
            return {element.name: element.value()}
        stack[-1].add_child(element.name, element.value())
        if element.name == token.name:
            return None
    return None


# --- writing ----------------------------------------------------------------------------------------------------------


def write(value: dict[str, Value], indent: str | None) -> str:
    """Write an object as XML; more than one key, or an array of simple values, gets the root `doc`.

    Raises XMLError for an attribute that is no simple value.
    """
    out = Sink()
    writer = _Writer(indent, out)
    if len(value) == 1:
        ((name, item),) = value.items()
        if type(item) is not list or all(type(element) is dict for element in item):
            writer.element(name, item, 0)
            return out.text().removesuffix("\n")
    writer.element(_ROOT, value, 0)
    return out.text().removesuffix("\n")


class _Writer:
    """Appends elements to a text."""

    def __init__(self, indent: str | None, out: Sink) -> None:
        self.indent = indent
        self.write = out.append

    def line(self, text: str, depth: int) -> None:
        if self.indent is None:
            self.write(text)
        else:
            self.write(self.indent * depth + text + "\n")

    def element(self, name: str, value: Value, depth: int) -> None:
        if type(value) is list:
            for item in value:
                self.element(name, item, depth)
            if not value:
                self.line(f"<{name}/>", depth)
        elif type(value) is dict:
            self.object(name, value, depth)
        else:
            text = _text(value)
            self.line(f"<{name}>{text}</{name}>" if text else f"<{name}/>", depth)

    def object(self, name: str, value: dict[str, Value], depth: int) -> None:
        attributes = sorted((key, item) for key, item in value.items() if len(key) > 1 and key[0] == "-")
        head = name + "".join(f' {key[1:]}="{_attribute(key, item)}"' for key, item in attributes)
        children = sorted(key for key in value if key != "#text" and not (len(key) > 1 and key[0] == "-"))
        text = _text(value["#text"]) if "#text" in value else ""
        if not children:
            if "#text" in value:
                self.line(f"<{head}>{text}</{name}>", depth)
            else:
                self.line(f"<{head}/>" if attributes or not value else f"<{head}></{name}>", depth)
            return
        self.line(f"<{head}>{text}", depth)
        for key in children:
            self.element(key, value[key], depth + 1)
        self.line(f"</{name}>", depth)


def _text(value: Value) -> str:
    if value is None:
        return ""
    if type(value) is str:
        return value
    if isinstance(value, float):
        return go_float(value)
    if type(value) is Number:
        return value.text
    return to_string(value)


def _attribute(key: str, value: Any) -> str:
    if kind(value) not in ("string", "number", "bool", "bytes"):
        raise XMLError(f"invalid attribute value for: {key}:<{go_type(value)}>")
    return _text(value)
