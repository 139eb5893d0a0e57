"""Processor `command`: runs a program for each message and takes what it prints."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import Field

from penstock_gateway import language
from penstock_gateway.document import DocumentError
from penstock_gateway.language.values import to_string
from penstock_gateway.message import Batch, Message
from penstock_gateway.per_message import MessageFault, marked, with_raw
from penstock_gateway.programs import reap
from penstock_gateway.registry import Config, Context, Interpolated, Kind, MappingText, Processor, component

MAX_OUTPUT = 32 * 1024 * 1024
_CHUNK = 65_536


@component("command", Kind.PROCESSOR, summary="Runs a program for each message.", host=True, effects="external")
class Command(Config):
    """Fields as Bento's."""

    name: Interpolated = Field(description="The program.")
    args_mapping: MappingText = Field("", description="A mapping that gives the program's arguments as an array.")

    def build(self, context: Context) -> Processor:
        """Compile name and arguments."""
        arguments = context.mapping(self.args_mapping, "args_mapping") if self.args_mapping else None
        return CommandProcessor(context.interpolation(self.name, "name"), arguments, context)


class CommandProcessor:
    """The body goes to the program's standard input; a program that fails marks the message with what it said."""

    def __init__(self, name: language.Interpolation, arguments: language.Mapping | None, context: Context) -> None:
        self.name, self.arguments, self.context = name, arguments, context

    async def process(self, batch: Batch) -> list[Batch]:
        """The same batch, with other bodies."""
        results: Batch = []
        for n, message in enumerate(batch):
            try:
                results.append(await self._one(batch, n, message))
            except MessageFault as error:
                results.append(marked(message, self.context, str(error)))
        return [results]

    async def _one(self, batch: Batch, n: int, message: Message) -> Message:
        try:
            name = self.name.evaluate(batch, n)
        except language.EvaluationError as error:
            raise MessageFault(f"name interpolation error: {error}") from None
        out = await _run(name, self._arguments(batch, n), message.raw)
        return with_raw(message, out)

    def _arguments(self, batch: Batch, n: int) -> list[str]:
        if self.arguments is None:
            return []
        try:
            mapped = self.arguments.apply(batch, n)
            found: Any = mapped.document if mapped is not None else None
        except language.EvaluationError as error:
            raise MessageFault(f"failed to execute args mapping: {error}") from None
        except DocumentError:
            found = None
        if not isinstance(found, list):
            raise MessageFault("args mapping returned non-array value")
        return [item if isinstance(item, str) else to_string(item) for item in found]

    async def close(self) -> None:
        """Nothing is held."""


async def _run(name: str, arguments: list[str], given: bytes) -> bytes:
    """What the program prints; it is killed when nobody waits any more, or when it prints too much."""
    try:
        process = await asyncio.create_subprocess_exec(
            name,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except (OSError, ValueError) as error:
        raise MessageFault(f'exec: "{name}": {getattr(error, "strerror", None) or error}') from None
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None  # noqa: PT018  # pipes
    try:
        _, out, complaint = await asyncio.gather(
            _feed(process.stdin, given), _bounded(process.stdout), _bounded(process.stderr)
        )
        status = await process.wait()
    finally:
        if process.returncode is None:
            await reap(process)
    if status != 0:
        said = complaint.decode("utf-8", "replace").strip()
        raise MessageFault(f"exit status {status}" + (f": {said}" if said else ""))
    return out


async def _feed(stream: asyncio.StreamWriter, given: bytes) -> None:
    """A program may leave without reading all of it."""
    try:
        stream.write(given)
        await stream.drain()
        stream.close()
        await stream.wait_closed()
    except (BrokenPipeError, ConnectionResetError):
        pass


async def _bounded(stream: asyncio.StreamReader) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := await stream.read(_CHUNK):
        parts.append(part)
        size += len(part)
        if size > MAX_OUTPUT:
            raise MessageFault(f"the program prints more than {MAX_OUTPUT} bytes")
    return b"".join(parts)
