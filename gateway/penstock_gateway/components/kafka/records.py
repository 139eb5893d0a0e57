"""Kafka records as messages, and messages as records: bodies, keys, headers ↔ metadata, sizes; pure.

A key or header that is not UTF-8 stays bytes in the metadata, so it goes out again as it came. `kafka_tombstone_message` marks a null
value; a message that still carries that mark and an empty body is written as a null value again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock_gateway import document
from penstock_gateway.message import Batch, Message, Origin

Headers = list[tuple[str, bytes]]

_BATCH_OVERHEAD = 61
"""Bytes of an empty record batch (format 2)."""
_RECORD_OVERHEAD = 21
"""Most bytes a record needs beside key, value and headers: five varints and the attributes."""
_HEADER_OVERHEAD = 10
"""Most bytes a header needs beside its name and value."""
BARE_SIZE = _BATCH_OVERHEAD + _RECORD_OVERHEAD
"""Most bytes of a batch with one record beside that record's key, value and headers."""


def _text(data: bytes | None) -> str | bytes:
    if data is None:
        return ""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def messages_of(records: Sequence[Any], topic: str, partition: int, end: int, *, multi_header: bool) -> Batch:
    """The messages of aiokafka's records of one partition; `end` is the end of its log when they were fetched."""
    source = f"{topic}/{partition}"
    batch: Batch = []
    add, origin = batch.append, tuple.__new__
    for record in records:
        offset, value, stamp, key = record.offset, record.value, record.timestamp, record.key
        lag = end - offset - 1
        try:
            key_text: str | bytes = key.decode() if key else ""
        except UnicodeDecodeError:
            key_text = key
        meta: dict[str, Any] = {
            "kafka_key": key_text,
            "kafka_topic": topic,
            "kafka_partition": partition,
            "kafka_offset": offset,
            "kafka_lag": lag if lag > 0 else 0,
            "kafka_timestamp_unix": stamp // 1000,
            "kafka_timestamp_ms": stamp,
            "kafka_tombstone_message": value is None,
        }
        if record.headers:
            meta = {**_headers_in(record.headers, multi_header), **meta}
        add(
            Message(value or b"", meta, origin(Origin, (source, offset)))
        )  # without the detour through Origin's own __new__
    return batch


def _headers_in(headers: Sequence[tuple[str, bytes | None]], multi: bool) -> dict[str, Any]:
    if not multi:
        return {name: _text(value) for name, value in headers}
    gathered: dict[str, Any] = {}
    for name, value in headers:
        gathered.setdefault(name, []).append(_text(value))
    return gathered


def header_value(value: Any) -> bytes:
    """A metadata value as the bytes of a header: text as it is, everything else as the language writes it as text."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if isinstance(value, bytes):
        return value
    return document.encode(value)


def is_tombstone(message: Message) -> bool:
    """Whether a message stands for a null value."""
    return message.meta.get("kafka_tombstone_message") is True and not message.raw


def size_of(key: bytes | None, value: bytes | None, headers: Headers) -> int:
    """Most bytes a record can take on the wire, in a batch of its own and uncompressed."""
    size = BARE_SIZE
    if key is not None:
        size += len(key)
    if value is not None:
        size += len(value)
    for name, data in headers:
        size += len(name) * 4 if not name.isascii() else len(name)
        size += len(data) + _HEADER_OVERHEAD
    return size
