"""Processor `avro`: Avro to JSON and back, by a schema of the configuration."""

from __future__ import annotations

import importlib
import io
import struct
from typing import Any, Literal

from pydantic import Field, model_validator

from penstock_gateway.document import DocumentError, decode, encode
from penstock_gateway.errors import ConfigError, NotSupported
from penstock_gateway.message import Batch, Message
from penstock_gateway.per_message import MessageFault, PerMessage, plain, with_raw
from penstock_gateway.registry import Config, Context, Kind, Processor, component

_SINGLE = b"\xc3\x01"


@component("avro", Kind.PROCESSOR, summary="Converts messages from and to Avro (extra `avro`).", status="beta")
class Avro(Config):
    """Fields as Bento's."""

    operator: Literal["to_json", "from_json"] = Field(description="Which way to convert.")
    encoding: Literal["textual", "binary", "single"] = Field("textual", description="Form of the Avro side.")
    schema_text: str = Field("", alias="schema", description="The schema as JSON text.")
    schema_path: str = Field("", description="A file that holds the schema, `file://` and its path.")

    @model_validator(mode="after")
    def _one_of_them(self) -> Avro:
        if not self.schema_text and not self.schema_path:
            raise ValueError("a schema must be specified with either the schema or schema_path fields")
        return self

    def build(self, context: Context) -> Processor:
        """Compile the schema."""
        raw = self.schema_text.encode()
        if self.schema_path:
            raw = context.file(self.schema_path.removeprefix("file://"), "schema_path")
        converter = _Converter(self, raw, context)
        return PerMessage(converter.to_json if self.operator == "to_json" else converter.from_json, context)


_BAD = (
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    EOFError,
    struct.error,
    OverflowError,
    AttributeError,
    RecursionError,
)
"""What fastavro raises for data that do not fit their schema."""


class _Converter:
    """Unions are `{"type": value}` in the JSON, as Avro's own JSON has them."""

    def __init__(self, config: Avro, raw: bytes, context: Context) -> None:
        try:
            self.avro: Any = importlib.import_module("fastavro")
        except ImportError:
            text = "the processor avro needs the extra avro: pip install 'penstock[avro]'"
            raise NotSupported(text, context.path) from None
        place = (*context.path, "avro", "schema_path" if config.schema_path else "schema")
        try:
            document = plain(decode(raw))
            self.schema: Any = self.avro.parse_schema(document)
            form = self.avro.schema.to_parsing_canonical_form(document)
            self.fingerprint = bytes.fromhex(self.avro.schema.fingerprint(form, "CRC-64-AVRO"))
        except (*_BAD, self.avro.schema.SchemaParseException, self.avro.schema.UnknownType) as error:
            raise ConfigError(f"failed to parse schema: {_reason(error)}", place) from None
        if _endless(document):
            raise ConfigError("arrays and maps of values without bytes (null) can be endless: not supported", place)
        self.encoding = config.encoding

    def to_json(self, batch: Batch, n: int) -> Batch:
        """Avro in, JSON out."""
        try:
            record = self._from_text(batch[n]) if self.encoding == "textual" else self._from_binary(batch[n].raw)
            text = self._to_text(record)
        except DocumentError as error:
            raise MessageFault(f"failed to convert Avro document to JSON: {error.text}") from None
        except _BAD as error:
            raise MessageFault(f"failed to convert Avro document to JSON: {_reason(error)}") from None
        result = batch[n].copy()
        result.set_document(decode(text))
        return [result]

    def from_json(self, batch: Batch, n: int) -> Batch:
        """JSON in, Avro out."""
        try:
            record = self._from_text(batch[n])
            raw = self._to_text(record) if self.encoding == "textual" else self._to_binary(record)
        except DocumentError as error:
            raise MessageFault(f"failed to convert JSON to Avro schema: {error.text}") from None
        except _BAD as error:
            raise MessageFault(f"failed to convert JSON to Avro schema: {_reason(error)}") from None
        return [with_raw(batch[n], raw)]

    def _from_text(self, message: Message) -> Any:
        text = encode(message.document).decode()  # a DocumentError says where a text is no JSON
        record = next(iter(self.avro.json_reader(io.StringIO(text), self.schema)))
        try:
            self.avro.validation.validate(record, self.schema)
        except self.avro.validation.ValidationError as error:
            raise ValueError(" ".join(str(error).split())) from None
        return record

    def _to_text(self, record: Any) -> bytes:
        target = io.StringIO()
        self.avro.json_writer(target, self.schema, [record])
        return encode(decode(target.getvalue().encode()))

    def _from_binary(self, raw: bytes) -> Any:
        if self.encoding == "single":
            if raw[:2] != _SINGLE:
                raise ValueError("cannot decode buffer as single-object encoding: unknown schema magic bytes")
            if raw[2:10] != self.fingerprint:
                raise ValueError(f"unknown SOE fingerprint: {raw[2:10].hex()}")
            raw = raw[10:]
        return self.avro.schemaless_reader(io.BytesIO(raw), self.schema)

    def _to_binary(self, record: Any) -> bytes:
        target = io.BytesIO()
        self.avro.schemaless_writer(target, self.schema, record)
        body = target.getvalue()
        return _SINGLE + self.fingerprint + body if self.encoding == "single" else body


def _reason(error: BaseException) -> str:
    return f"{str(error) or type(error).__name__}"[:500]


def _endless(schema: Any) -> bool:
    """Whether an array or map may claim any number of items without a byte of them."""
    if isinstance(schema, list):
        return any(_endless(item) for item in schema)
    if not isinstance(schema, dict):
        return False
    if schema.get("type") == "array" and _weightless(schema.get("items")):
        return True
    inner = [schema.get("type"), schema.get("items"), schema.get("values")]
    fields = schema.get("fields")
    inner += [field.get("type") for field in fields if isinstance(field, dict)] if isinstance(fields, list) else []
    return any(_endless(item) for item in inner)


def _weightless(schema: Any) -> bool:
    if not isinstance(schema, dict):
        return bool(schema == "null")
    sort = schema.get("type")
    if sort == "record":
        return all(_weightless(field.get("type")) for field in schema.get("fields", []))
    return sort == "null" or (sort == "fixed" and schema.get("size") == 0)
