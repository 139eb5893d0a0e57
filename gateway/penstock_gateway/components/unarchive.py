"""Processor `unarchive`: makes many messages of each."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator

from pydantic import Field, field_validator

from penstock_gateway.document import DocumentError, Value, decode, kind
from penstock_gateway.language.compression import MAX_OUTPUT
from penstock_gateway.language.csvtext import CSVError, read_records
from penstock_gateway.language.xmltokens import XMLError
from penstock_gateway.language.xmlvalues import documents
from penstock_gateway.message import Batch, Message
from penstock_gateway.per_message import MessageFault, PerMessage, with_raw
from penstock_gateway.registry import Config, Context, Kind, Processor, component

_GO_TYPES = {"object": "map[string]interface {}", "array": "[]interface {}", "number": "json.Number", "null": "<nil>"}
_BAD_BINARY = "serialised message bytes were in unexpected format"


@component("unarchive", Kind.PROCESSOR, summary="Makes a message of each part of a message.", shape="1:n")
class Unarchive(Config):
    """Fields as Bento's."""

    format: str = Field(
        description="What the messages are: binary, csv, csv:x (x separates), json_array, json_documents, json_map, lines, tar, "
        "xml_documents_to_json, xml_documents_to_json:cast or zip. At most 32 MiB come out of one archive."
    )

    @field_validator("format")
    @classmethod
    def _known(cls, value: str) -> str:
        if value in _FORMATS or value.startswith("csv:"):
            if value.startswith("csv:") and len(_delimiter(value)) != 1:
                raise ValueError("the separator of csv:x must be a single character")
            return value
        raise ValueError(f"value {value} is not a valid option for this field: {', '.join([*_FORMATS, 'csv:x'])}")

    def build(self, context: Context) -> Processor:
        """The runtime."""
        split = _FORMATS.get(self.format) or _csv(_delimiter(self.format))
        return PerMessage(lambda batch, n: _split(split, batch[n]), context)


def _delimiter(text: str) -> str:
    delimiter = text.removeprefix("csv:")
    return "\t" if delimiter == "\\t" else delimiter


Split = Callable[[Message], Iterator[Message]]


def _split(split: Split, message: Message) -> Batch:
    try:
        return list(split(message))
    except (CSVError, XMLError) as error:
        raise MessageFault(str(error)) from None


def _with_document(message: Message, value: Value) -> Message:
    part = message.copy()
    part.set_document(value)
    return part


def _lines(message: Message) -> Iterator[Message]:
    for line in message.raw.split(b"\n"):
        yield with_raw(message, line)


def _json_array(message: Message) -> Iterator[Message]:
    value = _structured(message, "array")
    if not isinstance(value, list):
        raise MessageFault(f"failed to parse message into JSON array: invalid type '{_go_type(value)}'")
    for item in value:
        yield _with_document(message, item)


def _json_map(message: Message) -> Iterator[Message]:
    value = _structured(message, "map")
    if not isinstance(value, dict):
        raise MessageFault(f"failed to parse message into JSON map: invalid type '{_go_type(value)}'")
    for key, item in value.items():
        part = _with_document(message, item)
        part.meta["archive_key"] = key
        yield part


def _structured(message: Message, wanted: str) -> Value:
    try:
        return message.document
    except DocumentError as error:
        raise MessageFault(f"failed to parse message into JSON {wanted}: {error.text}") from None


def _go_type(value: Value) -> str:
    name = kind(value)
    return _GO_TYPES.get(name, name)


_reader = json.JSONDecoder()
_BLANKS = " \t\r\n"


def _json_documents(message: Message) -> Iterator[Message]:
    """JSON texts one after another, with or without blanks between them."""
    text = message.raw.decode("utf-8", "surrogateescape")
    at = 0
    while True:
        while at < len(text) and text[at] in _BLANKS:
            at += 1
        if at == len(text):
            return
        try:
            _, end = _reader.raw_decode(text, at)
        except RecursionError:
            raise MessageFault("exceeded max depth") from None
        except ValueError:
            end = len(text)
        try:
            value = decode(text[at:end].encode("utf-8", "surrogateescape"))
        except DocumentError as error:
            ended = error.text == "unexpected end of JSON input"
            raise MessageFault("unexpected EOF" if ended else error.text) from None
        yield _with_document(message, value)
        at = end


def _csv(delimiter: str) -> Split:
    def split(message: Message) -> Iterator[Message]:
        records = read_records(message.raw.decode("utf-8", "replace"), delimiter)
        if not records:
            raise MessageFault("EOF")
        for record in records[1:]:
            yield _with_document(message, dict(zip(records[0], record, strict=True)))

    return split


def _binary(message: Message) -> Iterator[Message]:
    """See the processor archive."""
    raw = message.raw
    if len(raw) < 4:
        raise MessageFault(_BAD_BINARY)
    (count,) = struct.unpack_from(">I", raw)
    at = 4
    for _ in range(count):
        if len(raw) < at + 4:
            raise MessageFault(_BAD_BINARY)
        (size,) = struct.unpack_from(">I", raw, at)
        at += 4 + size
        if len(raw) < at:
            raise MessageFault(_BAD_BINARY)
        yield with_raw(message, raw[at - size : at])


def _file(message: Message, name: str, raw: bytes) -> Message:
    part = with_raw(message, raw)
    part.meta["archive_filename"] = name
    return part


def _tar(message: Message) -> Iterator[Message]:
    """Files only; sparse ones, which may be far larger than their archive, are refused."""
    left = MAX_OUTPUT
    try:
        with tarfile.open(fileobj=io.BytesIO(message.raw), mode="r:") as archive:
            for member in archive:
                if not member.isreg():
                    continue
                left -= member.size
                content = None if member.issparse() or left < 0 else archive.extractfile(member)
                if content is None:
                    raise MessageFault(f"the unarchived data exceeds {MAX_OUTPUT} bytes")
                raw = content.read()
                if len(raw) < member.size:
                    raise MessageFault("unexpected EOF")
                yield _file(message, member.name, raw)
    except (tarfile.TarError, OSError, ValueError) as error:
        short = "unexpected end" in str(error) or "truncated" in str(error)
        raise MessageFault("unexpected EOF" if short else "archive/tar: invalid tar header") from None


def _zip(message: Message) -> Iterator[Message]:
    """What is unpacked is counted, not what the archive says of itself."""
    left = MAX_OUTPUT
    try:
        with zipfile.ZipFile(io.BytesIO(message.raw)) as archive:
            for info in archive.infolist():
                with archive.open(info) as content:
                    raw = content.read(left + 1)
                left -= len(raw)
                if left < 0:
                    raise MessageFault(f"the unarchived data exceeds {MAX_OUTPUT} bytes")
                yield _file(message, info.filename, raw)
    except zipfile.BadZipFile as error:
        checksum = "CRC" in str(error)
        raise MessageFault("zip: checksum error" if checksum else "zip: not a valid zip file") from None
    except (zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError, struct.error) as error:
        raise MessageFault(f"zip: {error or 'unexpected EOF'}") from None


def _xml(cast: bool) -> Split:
    def split(message: Message) -> Iterator[Message]:
        for value in documents(message.raw.decode("utf-8", "replace"), cast=cast):
            yield _with_document(message, value)

    return split


_FORMATS: dict[str, Split] = {
    "binary": _binary,
    "csv": _csv(","),
    "json_array": _json_array,
    "json_documents": _json_documents,
    "json_map": _json_map,
    "lines": _lines,
    "tar": _tar,
    "xml_documents_to_json": _xml(cast=False),
    "xml_documents_to_json:cast": _xml(cast=True),
    "zip": _zip,
}
