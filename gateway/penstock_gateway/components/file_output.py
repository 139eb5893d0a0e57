"""Output `file`: appends messages to files, or writes each to a file of its own; for `penstock run` only."""

from __future__ import annotations

import os
from typing import BinaryIO

from pydantic import Field

from penstock_gateway import language
from penstock_gateway.codecs import Codec, CodecName, parse_codec
from penstock_gateway.errors import BatchError, WriteError
from penstock_gateway.message import Batch
from penstock_gateway.registry import Config, Context, Interpolated, Kind, Output, component


@component("file", Kind.OUTPUT, summary="Writes messages to files.", host=True, effects="external")
class FileOutput(Config):
    """Fields as Bento's."""

    path: Interpolated = Field(
        description="The file, made with its folders where it is missing; one is open at a time."
    )
    codec: CodecName = Field(
        "lines", description="lines, append or delim:x add to a file; all-bytes replaces it by each message."
    )

    def build(self, context: Context) -> Output:
        """Compile the path."""
        return FileWriter(context.interpolation(self.path, "path"), parse_codec(self.codec))


class FileWriter:
    """One write at a time, so that messages never mix."""

    max_in_flight = 1

    def __init__(self, path: language.Interpolation, codec: Codec) -> None:
        self.path, self.codec = path, codec
        self._open: BinaryIO | None = None
        self._opened = ""

    async def connect(self) -> None:
        """Files are opened when something is written to them."""

    async def write(self, batch: Batch) -> None:
        """Write message by message; what could not be written is told by position."""
        failed: dict[int, Exception] = {}
        for n, message in enumerate(batch):
            try:
                self._write(self.path.evaluate(batch, n), self.codec.frame(message.raw))
            except language.EvaluationError as error:
                failed[n] = WriteError(f"path interpolation error: {error}")
            except (OSError, ValueError) as error:
                self._leave()
                failed[n] = WriteError(_reason(error))
        try:
            if self._open is not None:
                self._open.flush()
        except OSError as error:
            self._leave()
            raise WriteError(_reason(error)) from None
        if failed:
            raise BatchError(failed)

    def _write(self, path: str, data: bytes) -> None:
        path = os.path.normpath(path)
        if self._open is None or path != self._opened:
            self._leave()
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
            self._open = open(path, "ab" if self.codec.append else "wb")  # noqa: SIM115  # stays open between batches
            self._opened = path
        self._open.write(data)
        if not self.codec.append:
            self._leave()

    def _leave(self) -> None:
        """Close the open file; what its buffer held and could not be written is an OSError."""
        left, self._open = self._open, None
        if left is not None:
            left.close()

    async def close(self) -> None:
        """Close the open file."""
        self._leave()


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"open {error.filename}: {(error.strerror or 'failed').lower()}"
    return str(error)
