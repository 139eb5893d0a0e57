"""Scanners that read documents one behind another: json_documents and xml_documents."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from penstock_gateway import document as documents
from penstock_gateway.document import DocumentError
from penstock_gateway.language import xmlvalues
from penstock_gateway.language.xmltokens import XMLError
from penstock_gateway.message import Batch, Message
from penstock_gateway.registry import Config, Context, Kind, component
from penstock_gateway.scanning import CHUNK, MAX_MESSAGE, ScanError, Scanner, Source, read_all, too_long

_BLANK = re.compile(rb"[ \t\r\n]*")
_MARK = re.compile(rb'["{}\[\]]')
_IN_TEXT = re.compile(rb'["\\]')
_SCALAR_END = re.compile(rb'[ \t\r\n,:"{}\[\]]')


@component("json_documents", Kind.SCANNER, summary="One message a JSON document.")
class JSONDocuments(Config):
    """There is nothing to set."""

    def build(self, context: Context) -> Scanner:
        """The runtime."""
        return JSONScanner()


class JSONScanner:
    """Documents may stand on one line or over many."""

    def scan(self, source: Source, name: str) -> Iterator[Batch]:
        """Documents as they are complete."""
        cutter = Cutter()
        while chunk := source.read(CHUNK):
            cutter.data += chunk
            yield from self._complete(cutter, ended=False)
            if len(cutter.data) > MAX_MESSAGE:
                raise too_long(MAX_MESSAGE)
        yield from self._complete(cutter, ended=True)
        if cutter.data:
            raise ScanError("unexpected EOF")

    def _complete(self, cutter: Cutter, *, ended: bool) -> Iterator[Batch]:
        batch: Batch = []
        try:
            while raw := cutter.cut(ended=ended):
                batch.append(Message(document=documents.decode(raw)))
        except DocumentError as error:
            if batch:
                yield batch
            raise ScanError(error.text) from None
        if batch:
            yield batch


class Cutter:
    """Finds where the first JSON document of some bytes ends; every byte is looked at once."""

    def __init__(self) -> None:
        self.data = bytearray()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._at = self._depth = 0
        self._in_text = self._begun = False

    def cut(self, *, ended: bool) -> bytes:
        """Take the first document off; nothing when it is not complete."""
        if not self._begun:
            blank = _BLANK.match(self.data)
            del self.data[: blank.end() if blank else 0]
            if not self.data:
                return b""
            self._begun = True
        end = self._structure_end() if self.data[0] in b'{["' else self._scalar_end(ended)
        if not end:
            return b""
        raw = bytes(self.data[:end])
        del self.data[:end]
        self._begin_anew()
        return raw

    def _scalar_end(self, ended: bool) -> int:
        found = _SCALAR_END.search(self.data, max(1, self._at))
        if found is None:
            self._at = len(self.data)
            return len(self.data) if ended else 0
        return found.start()

    def _structure_end(self) -> int:
        while found := (_IN_TEXT if self._in_text else _MARK).search(self.data, self._at):
            mark = self.data[found.start()]
            self._at = found.end()
            if mark == 0x5C:  # a backslash takes the byte behind it along, also when that is not there yet
                self._at += 1
            elif mark == 0x22:
                self._in_text = not self._in_text
            else:
                self._depth += 1 if mark in b"{[" else -1
            if not self._depth and not self._in_text:
                return self._at
        self._at = max(self._at, len(self.data))
        return 0


@component("xml_documents", Kind.SCANNER, summary="One message an XML document.")
class XMLDocuments(Config):
    """Fields as Bento's."""

    operator: Literal["", "to_json"] = Field("", description="to_json gives structured messages; else XML text.")
    cast: bool = Field(False, description="Whether numbers and bools in texts become values.")

    def build(self, context: Context) -> Scanner:
        """The runtime."""
        return XMLScanner(self.operator == "to_json", self.cast)


class XMLScanner:
    """Reads the whole source first, entities of a document are never followed."""

    def __init__(self, to_json: bool, cast: bool) -> None:
        self.to_json, self.cast = to_json, cast

    def scan(self, source: Source, name: str) -> Iterator[Batch]:
        """One document at a time."""
        text = read_all(source).decode("utf-8", "surrogateescape")
        try:
            for value in xmlvalues.documents(text, cast=self.cast):
                if self.to_json:
                    yield [Message(document=value)]
                else:
                    yield [Message(xmlvalues.write(value, None).encode("utf-8", "surrogateescape"))]
        except XMLError as error:
            raise ScanError(str(error)) from None
