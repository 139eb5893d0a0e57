"""Input `stdin` and output `stdout`: for `penstock run` only."""

from __future__ import annotations

import sys
from typing import Any, BinaryIO

from pydantic import Field, model_validator

from penstock_gateway.codecs import Codec, CodecName, parse_codec
from penstock_gateway.errors import EndOfInput
from penstock_gateway.message import Batch
from penstock_gateway.registry import Config, Context, Delivery, Input, Kind, Output, Slot, component
from penstock_gateway.scanning import (
    Ahead,
    ScanError,
    Scanner,
    ScannerSlot,
    Source,
    build_scanner,
    fields_from_codec,
    lines_slot,
)


@component("stdin", Kind.INPUT, summary="Reads standard input.", host=True, sharing="singleton")
class Stdin(Config):
    """Fields as Bento's."""

    scanner: ScannerSlot = Field(default_factory=lines_slot, description="How the bytes are cut into messages.")
    auto_replay_nacks: bool = Field(True, description="Whether refused messages are sent again.")

    @model_validator(mode="before")
    @classmethod
    def _without_codec(cls, fields: Any) -> Any:
        return fields_from_codec(fields)

    def build(self, context: Context) -> Input:
        """The runtime."""
        return StdinInput(self.scanner, self.auto_replay_nacks, context)


@component("stdout", Kind.OUTPUT, summary="Writes messages to standard output.", host=True)
class Stdout(Config):
    """Fields as Bento's."""

    codec: CodecName = Field("lines", description="lines, all-bytes, append, or delim:x.")

    def build(self, context: Context) -> Output:
        """The runtime."""
        return StdoutOutput(parse_codec(self.codec), sys.stdout.buffer)


class StdinInput:
    """Reads in a thread, since a terminal cannot be waited for otherwise, and without Python's buffer and its lock."""

    def __init__(self, slot: Slot, replays: bool, context: Context) -> None:
        self.replays, self.context = replays, context
        self._scanner: Scanner = build_scanner(slot, context)
        self._ahead: Ahead | None = None

    async def connect(self) -> None:
        """Begin to read."""
        if self._ahead is None:
            self._ahead = Ahead(self._scanner.scan(_standard_input(), ""))

    async def read(self) -> list[Delivery]:
        """The next messages; bytes that the scanner cannot read end the input, and the log says why."""
        assert self._ahead is not None
        try:
            messages = await self._ahead.take()
        except (ScanError, OSError) as error:
            self.context.log.error("Failed to read from stdin: %s", error)
            messages = []
        if not messages:
            raise EndOfInput
        return [Delivery([message], _nothing) for message in messages]

    async def close(self) -> None:
        """Standard input stays open."""
        if self._ahead is not None:
            self._ahead.close()


class StdoutOutput:
    """One write at a time, so messages never mix."""

    max_in_flight = 1

    def __init__(self, codec: Codec, stream: BinaryIO) -> None:
        self.codec, self.stream = codec, stream

    async def connect(self) -> None:
        """Always there."""

    async def write(self, batch: Batch) -> None:
        """Every message as the codec says."""
        self.stream.write(b"".join([self.codec.frame(message.raw) for message in batch]))
        self.stream.flush()

    async def close(self) -> None:
        """Standard output stays open."""


def _standard_input() -> Source:
    """Without a buffer: a thread that still waits for bytes at the end of the process must hold no lock."""
    return open(0, "rb", buffering=0, closefd=False)


def _nothing(error: Exception | None) -> None:
    """What was read from a pipe cannot be put back."""
