"""Input `stdin` and output `stdout`, by lines: for `penstock run` only."""

from __future__ import annotations

import asyncio
import sys
from typing import BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, Field

from penstock_gateway.errors import EndOfInput
from penstock_gateway.message import Batch, Message
from penstock_gateway.registry import Config, Context, Delivery, Input, Kind, Output, component


class LinesScanner(BaseModel):
    """The `lines` scanner."""

    model_config = ConfigDict(extra="forbid")

    custom_delimiter: str = Field("", description="What ends a message instead of a line break.")
    max_buffer_size: int = Field(65536, description="Longest line in bytes.", ge=1)
    omit_empty: bool = Field(False, description="Whether empty lines are left out.")


class Scanner(BaseModel):
    """How bytes are cut into messages; only by lines here."""

    model_config = ConfigDict(extra="forbid")

    lines: LinesScanner = Field(default_factory=LinesScanner, description="One message a line.")


@component("stdin", Kind.INPUT, summary="Reads standard input, one message a line.", host=True, sharing="singleton")
class Stdin(Config):
    """Fields as Bento's, with the `lines` scanner."""

    scanner: Scanner = Field(default_factory=Scanner, description="How the bytes are cut into messages.")
    auto_replay_nacks: bool = Field(True, description="Whether refused messages are sent again.")

    def build(self, context: Context) -> Input:
        """The runtime."""
        return StdinInput(self.scanner.lines, sys.stdin.buffer, self.auto_replay_nacks)


@component("stdout", Kind.OUTPUT, summary="Writes messages to standard output.", host=True)
class Stdout(Config):
    """Fields as Bento's."""

    codec: str = Field("lines", description="lines, all-bytes, append, or delim:x.")

    def build(self, context: Context) -> Output:
        """The runtime."""
        return StdoutOutput(self.codec, sys.stdout.buffer)


class StdinInput:
    """Reads in a thread, since a terminal cannot be waited for otherwise."""

    def __init__(self, scanner: LinesScanner, stream: BinaryIO, replays: bool) -> None:
        self.scanner, self.stream, self.replays = scanner, stream, replays
        self._rest = b""
        self._ended = False

    async def connect(self) -> None:
        """Always there."""

    async def read(self) -> list[Delivery]:
        """The next lines."""
        delimiter = self.scanner.custom_delimiter.encode() or b"\n"
        while True:
            lines = self._cut(delimiter)
            if lines:
                return [Delivery([Message(line)], _nothing) for line in lines]
            if self._ended:
                raise EndOfInput
            chunk = await asyncio.to_thread(self.stream.read1, 1 << 16)  # type: ignore[attr-defined]  # a buffered reader has it
            self._ended = not chunk
            self._rest += chunk

    def _cut(self, delimiter: bytes) -> list[bytes]:
        *lines, rest = self._rest.split(delimiter)
        if self._ended and rest:
            lines, rest = [*lines, rest], b""
        self._rest = rest
        if delimiter == b"\n":
            lines = [line.removesuffix(b"\r") for line in lines]
        return [line for line in lines if line] if self.scanner.omit_empty else lines

    async def close(self) -> None:
        """Standard input stays open."""


class StdoutOutput:
    """One write at a time, so lines never mix."""

    max_in_flight = 1

    def __init__(self, codec: str, stream: BinaryIO) -> None:
        self.stream = stream
        self.kind: Literal["lines", "append"] = "lines" if codec == "lines" else "append"
        self.delimiter = (
            codec.removeprefix("delim:").encode() if codec.startswith("delim:") else b"\n" * (self.kind == "lines")
        )

    async def connect(self) -> None:
        """Always there."""

    async def write(self, batch: Batch) -> None:
        """Every message and its delimiter; a batch of several lines ends with an empty one, as in Bento."""
        data = b"".join(message.raw + self.delimiter for message in batch)
        if len(batch) > 1 and self.kind == "lines":
            data += self.delimiter
        self.stream.write(data)
        self.stream.flush()

    async def close(self) -> None:
        """Standard output stays open."""


def _nothing(error: Exception | None) -> None:
    """What was read from a pipe cannot be put back."""
