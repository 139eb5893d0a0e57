"""Processor `subprocess`: a program that runs all the time gets each message on its standard input and answers it on the other side."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from typing import Literal

from pydantic import Field

from penstock_gateway.message import Batch, Message
from penstock_gateway.per_message import MessageFault, marked, with_raw
from penstock_gateway.programs import reap
from penstock_gateway.registry import Config, Context, Kind, Processor, component

Codec = Literal["lines", "length_prefixed_uint32_be", "netstring"]


@component(
    "subprocess", Kind.PROCESSOR, summary="Lets a running program answer messages.", host=True, effects="external"
)
class Subprocess(Config):
    """Fields as Bento's."""

    name: str = Field(description="The program.")
    args: list[str] = Field(default_factory=list, description="Its arguments.")
    max_buffer: int = Field(65_536, description="Largest answer in bytes.", gt=0)
    codec_send: Codec = Field("lines", description="How messages are told apart on their way to the program.")
    codec_recv: Codec = Field("lines", description="How answers are told apart.")

    def build(self, context: Context) -> Processor:
        """The runtime; the program is started with the first message."""
        return SubprocessProcessor(self, context)


class SubprocessProcessor:
    """One program for all messages, one message at a time; it is started again after it has ended."""

    def __init__(self, config: Subprocess, context: Context) -> None:
        self.config, self.context = config, context
        self.lock = asyncio.Lock()
        self.process_: asyncio.subprocess.Process | None = None
        self.listening: asyncio.Task[None] | None = None

    async def process(self, batch: Batch) -> list[Batch]:
        """The same batch, with the program's answers."""
        results: Batch = []
        async with self.lock:
            for message in batch:
                try:
                    results.append(await self._one(message))
                except MessageFault as error:
                    results.append(marked(message, self.context, str(error)))
        return [results]

    async def _one(self, message: Message) -> Message:
        program = await self._running()
        answered = False
        assert program.stdin is not None
        assert program.stdout is not None
        try:
            for part in message.raw.split(b"\n") if self.config.codec_send == "lines" else [message.raw]:
                program.stdin.write(_SEND[self.config.codec_send](part))
            await program.stdin.drain()
            parts = [await self._answer(program.stdout) for _ in range(self._count(message))]
            answered = True
            return with_raw(message, b"\n".join(parts))
        except (ConnectionError, asyncio.IncompleteReadError):
            raise MessageFault("the program has ended without an answer") from None
        finally:
            if not answered:  # what it says now would be taken for the next message's answer
                await self._end()

    def _count(self, message: Message) -> int:
        return message.raw.count(b"\n") + 1 if self.config.codec_send == self.config.codec_recv == "lines" else 1

    async def _answer(self, stream: asyncio.StreamReader) -> bytes:
        try:
            return await _RECEIVE[self.config.codec_recv](stream, self.config.max_buffer)
        except (asyncio.LimitOverrunError, ValueError):
            raise MessageFault(f"the program's answer is longer than {self.config.max_buffer} bytes") from None

    async def _running(self) -> asyncio.subprocess.Process:
        if self.process_ is None or self.process_.returncode is not None:
            await self._end()
            pipe = asyncio.subprocess.PIPE
            try:
                self.process_ = await asyncio.create_subprocess_exec(
                    self.config.name,
                    *self.config.args,
                    stdin=pipe,
                    stdout=pipe,
                    stderr=pipe,
                    limit=self.config.max_buffer,
                )
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or error
                raise MessageFault(f'exec: "{self.config.name}": {reason}') from None
            assert self.process_.stderr is not None
            self.listening = asyncio.create_task(self._listen(self.process_.stderr))
        return self.process_

    async def _listen(self, stream: asyncio.StreamReader) -> None:
        while part := await stream.read(4096):
            self.context.log.error("subprocess %s says: %s", self.config.name, part.decode("utf-8", "replace").strip())

    async def _end(self) -> None:
        program, self.process_ = self.process_, None
        if self.listening is not None:
            self.listening.cancel()
            await asyncio.wait({self.listening})
            self.listening = None
        if program is not None:
            await reap(program)

    async def close(self) -> None:
        """End the program."""
        async with self.lock:
            await self._end()


async def _lines(stream: asyncio.StreamReader, most: int) -> bytes:
    return (await stream.readuntil(b"\n"))[:-1]


async def _prefixed(stream: asyncio.StreamReader, most: int) -> bytes:
    (size,) = struct.unpack(">I", await stream.readexactly(4))
    return await _sized(stream, size, most)


async def _netstring(stream: asyncio.StreamReader, most: int) -> bytes:
    head = await stream.readuntil(b":")
    answer = await _sized(stream, int(head[:-1]), most)
    await stream.readexactly(1)
    return answer


async def _sized(stream: asyncio.StreamReader, size: int, most: int) -> bytes:
    if not 0 <= size <= most:
        raise ValueError(size)
    return await stream.readexactly(size)


_SEND: dict[str, Callable[[bytes], bytes]] = {
    "lines": lambda raw: raw + b"\n",
    "length_prefixed_uint32_be": lambda raw: struct.pack(">I", len(raw)) + raw,
    "netstring": lambda raw: b"%d:%b," % (len(raw), raw),
}
_RECEIVE: dict[str, Callable[[asyncio.StreamReader, int], Awaitable[bytes]]] = {
    "lines": _lines,
    "length_prefixed_uint32_be": _prefixed,
    "netstring": _netstring,
}
