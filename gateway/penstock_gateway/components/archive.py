"""Processor `archive`: makes one message of a batch."""

from __future__ import annotations

import io
import struct
import tarfile
import time
import zipfile
from collections.abc import Callable
from typing import Literal

from pydantic import Field

from penstock_gateway import language
from penstock_gateway.document import DocumentError
from penstock_gateway.message import Batch, Message
from penstock_gateway.per_message import marked
from penstock_gateway.registry import Config, Context, Interpolated, Kind, Processor, component

Entry = tuple[str, Message]
_MODE = 0o666


@component("archive", Kind.PROCESSOR, summary="Makes one message of all messages of a batch.", shape="n:m")
class Archive(Config):
    """Fields as Bento's."""

    format: Literal["binary", "concatenate", "json_array", "lines", "tar", "zip"] = Field(
        description="What the messages are joined to."
    )
    path: Interpolated = Field("", description="Name of each message in a tar or zip archive.")

    def build(self, context: Context) -> Processor:
        """Compile the path."""
        return ArchiveProcessor(_FORMATS[self.format], context.interpolation(self.path, "path"), context)


class ArchiveProcessor:
    """The result has the metadata of the first message; a batch that cannot be archived goes on as it was, marked."""

    def __init__(self, join: Callable[[list[Entry]], Message], path: language.Interpolation, context: Context) -> None:
        self.join, self.path, self.context = join, path, context

    async def process(self, batch: Batch) -> list[Batch]:
        """A batch of one."""
        try:
            entries = [(self.path.evaluate(batch, n), message) for n, message in enumerate(batch)]
            return [[self.join(entries)]]
        except DocumentError as error:
            text = f"failed to parse message as JSON: {error.text}"
        except (language.EvaluationError, ValueError) as error:
            text = str(error)
        return [[marked(message, self.context, text) for message in batch]]

    async def close(self) -> None:
        """Nothing is held."""


def _joined(entries: list[Entry], raw: bytes) -> Message:
    result = entries[0][1].copy()
    result.set_raw(raw)
    return result


def _json_array(entries: list[Entry]) -> Message:
    result = entries[0][1].copy()
    result.set_document([message.document for _, message in entries])
    return result


def _binary(entries: list[Entry]) -> Message:
    """Big-endian 32-bit numbers: how many messages, then before each its length."""
    parts = [struct.pack(">I", len(entries))]
    for _, message in entries:
        parts += [struct.pack(">I", len(message.raw)), message.raw]
    return _joined(entries, b"".join(parts))


def _tar(entries: list[Entry]) -> Message:
    target, now = io.BytesIO(), int(time.time())
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, message in entries:
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(message.raw), _MODE, now
            archive.addfile(info, io.BytesIO(message.raw))
    return _joined(entries, target.getvalue())


def _zip(entries: list[Entry]) -> Message:
    target, now = io.BytesIO(), time.gmtime()[:6]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, message in entries:
            info = zipfile.ZipInfo("x", now)
            info.filename = name  # as it is, not as this system would write a path
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, _MODE << 16
            archive.writestr(info, message.raw)
    return _joined(entries, target.getvalue())


_FORMATS: dict[str, Callable[[list[Entry]], Message]] = {
    "binary": _binary,
    "concatenate": lambda entries: _joined(entries, b"".join(message.raw for _, message in entries)),
    "json_array": _json_array,
    "lines": lambda entries: _joined(entries, b"\n".join(message.raw for _, message in entries)),
    "tar": _tar,
    "zip": _zip,
}
