"""Reads `.proto` texts of syntax proto2 and proto3 into file descriptors; services, options and extensions are passed over."""

from __future__ import annotations

import re
from typing import Any

_TOKEN = re.compile(
    r"""\s+|//[^\n]*|/\*.*?\*/|(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?P<word>[.\w][\w.]*)|(?P<mark>[^\s\w])""",
    re.DOTALL,
)
_SCALARS = {
    "double": 1, "float": 2, "int64": 3, "uint64": 4, "int32": 5, "fixed64": 6, "fixed32": 7, "bool": 8, "string": 9,
    "bytes": 12, "uint32": 13, "sfixed32": 15, "sfixed64": 16, "sint32": 17, "sint64": 18,
}  # fmt: skip
_OPTIONAL, _REQUIRED, _REPEATED = 1, 2, 3
_MESSAGE = 11
_LABELS = {"optional": _OPTIONAL, "required": _REQUIRED, "repeated": _REPEATED}
_MAX_DEPTH = 50


class ProtoError(ValueError):
    """A text that is no .proto file; the message names the line."""


def read(name: str, text: str, descriptors: Any) -> Any:
    """The FileDescriptorProto of a text; `descriptors` is the module `google.protobuf.descriptor_pb2`. Raises ProtoError."""
    file = descriptors.FileDescriptorProto(name=name, syntax="proto2")
    _Reader(text, file).file_body()
    if file.syntax == "proto2":
        file.ClearField("syntax")
    return file


class _Reader:
    """The tokens of a text, each with its line, and where reading stands."""

    def __init__(self, text: str, file: Any) -> None:
        self.file = file
        self.tokens: list[tuple[str, int]] = []
        self.at = 0
        line, position = 1, 0
        while position < len(text):
            found = _TOKEN.match(text, position)
            if found is None:
                raise ProtoError(f"line {line}: unexpected {text[position]!r}")
            if found.lastgroup:
                self.tokens.append((found[0], line))
            line += found[0].count("\n")
            position = found.end()

    # --- tokens ---------------------------------------------------------------------------------------------------------

    def next(self) -> str:
        if self.at >= len(self.tokens):
            raise ProtoError("unexpected end of the text")
        self.at += 1
        return self.tokens[self.at - 1][0]

    def peek(self) -> str:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else ""

    def take(self, wanted: str) -> bool:
        if self.peek() == wanted:
            self.at += 1
            return True
        return False

    def must(self, wanted: str) -> None:
        found = self.next()
        if found != wanted:
            raise self.error(f"expected {wanted!r}, found {found!r}")

    def error(self, text: str) -> ProtoError:
        return ProtoError(f"line {self.tokens[max(self.at - 1, 0)][1]}: {text}")

    def number(self) -> int:
        sign = -1 if self.take("-") else 1
        try:
            return sign * int(self.next(), 0)
        except ValueError:
            raise self.error("expected a number") from None

    def quoted(self) -> str:
        return self.next()[1:-1]

    def skip(self) -> None:
        """To the end of a statement, over everything in its brackets."""
        depth = 0
        while True:
            word = self.next()
            if word in "{[(":
                depth += 1
            elif word in "}])":
                depth -= 1
            if depth <= 0 and word in ";}":
                return

    # --- structure ------------------------------------------------------------------------------------------------------

    def file_body(self) -> None:
        while self.at < len(self.tokens):
            word = self.next()
            if word in ("syntax", "edition"):
                self.must("=")
                self.file.syntax = self.quoted()
                if self.file.syntax not in ("proto2", "proto3"):
                    raise self.error(f"syntax {self.file.syntax!r} is not supported: proto2 and proto3 are")
                self.must(";")
            elif word == "package":
                self.file.package = self.next()
                self.must(";")
            elif word == "import":
                if self.peek() in ("public", "weak"):
                    self.next()
                self.file.dependency.append(self.quoted())
                self.must(";")
            elif word == "message":
                self.message(self.file.message_type.add(), 0)
            elif word == "enum":
                self.enum(self.file.enum_type.add())
            elif word != ";":
                self.skip()  # option, service, extend

    def message(self, message: Any, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise self.error("messages are nested too deeply")
        message.name = self.next()
        self.must("{")
        while not self.take("}"):
            word = self.next()
            if word == "message":
                self.message(message.nested_type.add(), depth + 1)
            elif word == "enum":
                self.enum(message.enum_type.add())
            elif word == "oneof":
                self.oneof(message)
            elif word in ("option", "reserved", "extensions", "extend"):
                self.skip()
            elif word != ";":
                self.field(message, word)
        self._settle_optionals(message)

    def _settle_optionals(self, message: Any) -> None:
        """`optional` in proto3: each such field has a oneof of its own, behind the written ones."""
        for field in message.field:
            if field.proto3_optional:
                field.oneof_index = len(message.oneof_decl)
                message.oneof_decl.add(name=f"_{field.name}")

    def oneof(self, message: Any) -> None:
        place = len(message.oneof_decl)
        message.oneof_decl.add(name=self.next())
        self.must("{")
        while not self.take("}"):
            word = self.next()
            if word == "option":
                self.skip()
            elif word != ";":
                self.field(message, word).oneof_index = place

    def field(self, message: Any, word: str) -> Any:
        field = message.field.add(label=_OPTIONAL)
        if word in _LABELS and self.tokens[self.at + 1][0] != "=":
            field.label = _LABELS[word]
            field.proto3_optional = word == "optional" and self.file.syntax == "proto3"
            word = self.next()
        if word == "map" and self.take("<"):
            self._map(message, field)
        else:
            _type(field, word)
            if word == "group":
                raise self.error("groups are not supported")
            field.name = self.next()
        self.must("=")
        field.number = self.number()
        self._options(field)
        return field

    def _options(self, field: Any) -> None:
        """Of the options only `packed` and `json_name` matter; defaults are not written into JSON."""
        if self.take("["):
            while not self.take("]"):
                name = self.next()
                if name in ("packed", "json_name") and self.take("="):
                    value = self.next()
                    if name == "packed":
                        field.options.packed = value == "true"
                    else:
                        field.json_name = value[1:-1]
        self.must(";")

    def _map(self, message: Any, field: Any) -> None:
        key = self.next()
        self.must(",")
        value = self.next()
        self.must(">")
        field.name = self.next()
        field.label = _REPEATED
        entry = message.nested_type.add(name="".join(part.capitalize() for part in field.name.split("_")) + "Entry")
        entry.options.map_entry = True
        for number, (name, sort) in enumerate((("key", key), ("value", value)), 1):
            _type(entry.field.add(name=name, number=number, label=_OPTIONAL), sort)
        field.type, field.type_name = _MESSAGE, entry.name

    def enum(self, enum: Any) -> None:
        enum.name = self.next()
        self.must("{")
        while not self.take("}"):
            word = self.next()
            if word == "option":
                start = self.at
                self.skip()
                if self.tokens[start][0] == "allow_alias":
                    enum.options.allow_alias = True
            elif word == "reserved":
                self.skip()
            elif word != ";":
                self.must("=")
                enum.value.add(name=word, number=self.number())
                if self.take("["):
                    self.at -= 1
                    self.skip()
                else:
                    self.must(";")


def _type(field: Any, word: str) -> None:
    if word in _SCALARS:
        field.type = _SCALARS[word]
    else:
        field.type_name = word
