"""A hub behind a real aiohttp server on loopback, and readers on raw sockets."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock_gateway.delivery import DeliveryPlan, Guarantee, Mode
from penstock_gateway.hub.hub import Hub, HubOutlet
from penstock_gateway.message import Message, Origin
from penstock_gateway.registry import Begin, OutletOptions

DEADLINE = 10.0
RESUME = DeliveryPlan(Mode.BROADCAST, Guarantee.RESUME, heartbeat=0.0)
LIVE = DeliveryPlan(Mode.BROADCAST, Guarantee.LIVE, heartbeat=0.0)
EVENTS = OutletOptions(path="/get", stream_path="/events", stream_format="event_source", ws_path="/ws")
API = "shop/orders"
KEYS = (b"current signing key",)


@dataclass
class Allowed:
    """A grant."""

    consumer: str = "shop/mobile"
    expires: float | None = None


async def eventually(condition: Callable[[], Any], text: str = "the condition") -> None:
    """Wait until a condition holds; at most DEADLINE seconds."""
    end = asyncio.get_running_loop().time() + DEADLINE
    while not condition():
        assert asyncio.get_running_loop().time() < end, f"{text} did not come about"
        await asyncio.sleep(0.005)


def message(body: str | bytes, source: str = "", offset: int = 0) -> Message:
    """A message with an origin."""
    return Message(body.encode() if isinstance(body, str) else body, origin=Origin(source, offset) if source else None)


async def feed(outlet: HubOutlet, source: str, offset: int, *bodies: str) -> None:
    """Deliver messages of consecutive offsets, each as a batch of its own, as an engine would."""
    for number, body in enumerate(bodies):
        await outlet.write([message(body, source, offset + number)])
        outlet.advance({source: offset + number + 1})


def begin(outlet: HubOutlet, sources: Iterable[str] = ("t/0",), start: int = 0) -> None:
    """Say where the inputs start."""
    where = dict.fromkeys(sources, start)
    outlet.begin(Begin(where, where, {"t": "one"}))


@dataclass
class Event:
    """A dispatched event, as the WHATWG parser of EventSource sees it."""

    data: str
    type: str = "message"
    id: str = ""

    @property
    def json(self) -> Any:
        return json.loads(self.data)


@dataclass
class Reader:
    """An EventSource on a raw socket: the parser follows the specification, byte by byte if need be."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    status: int
    headers: Mapping[str, str]
    last_id: str = ""
    retry: int | None = None
    ended: bool = False
    comments: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    raw: bytearray = field(default_factory=bytearray)
    _text: bytes = b""
    _data: list[str] = field(default_factory=list)
    _type: str = ""
    _id: str | None = None

    async def _chunk(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return await self.reader.read(65536)
        line = await self.reader.readline()
        if not line:
            return b""
        size = int(line, 16)
        data = await self.reader.readexactly(size + 2)
        return data[:-2]

    async def more(self) -> bool:
        """Take the next chunk; False at the end."""
        try:
            data = await asyncio.wait_for(self._chunk(), DEADLINE)
        except (asyncio.IncompleteReadError, ConnectionResetError):
            data = b""
        if not data:
            self.ended = True
            return False
        self.read(data)
        return True

    def read(self, data: bytes) -> None:
        """Parse a piece of the stream."""
        self.raw += data
        self._text += data
        *lines, self._text = re.split(rb"\r\n|\r(?!\Z)|\n", self._text)
        for line in lines:
            self._line(line.decode(errors="replace"))

    def _line(self, line: str) -> None:
        if not line:
            if self._id is not None:
                self.last_id = self._id
            if self._data:
                self.events.append(Event("\n".join(self._data), self._type or "message", self.last_id))
            self._data, self._type = [], ""
            return
        if line.startswith(":"):
            self.comments.append(line[1:].strip())
            return
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._type = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isdecimal():
            self.retry = int(value)

    async def take(self, count: int = 1) -> list[Event]:
        """The next events."""
        while len(self.events) < count and await self.more():
            pass
        taken, self.events = self.events[:count], self.events[count:]
        assert len(taken) == count, f"the stream ended after {len(taken)} of {count} events"
        return taken

    async def rest(self) -> list[Event]:
        """Everything up to the end of the stream."""
        while await self.more():
            pass
        taken, self.events = self.events, []
        return taken

    async def close(self) -> None:
        self.writer.transport.abort()
        await asyncio.sleep(0)


@dataclass
class Edge:
    """A server for the outlets of one hub."""

    hub: Hub
    port: int
    grant: Allowed = field(default_factory=Allowed)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def close(self) -> None:
        """Let all readers go."""
        for writer in self.writers:
            writer.transport.abort()
            try:
                await writer.wait_closed()
            except ConnectionError:
                continue

    def outlet(self, plan: DeliveryPlan = RESUME, options: OutletOptions = EVENTS, stream: str = "live") -> HubOutlet:
        return self.hub.outlet(API, stream, options, plan, KEYS)

    async def events(
        self, last_id: str = "", query: str = "", path: str = "/live/events", version: str = "1.1"
    ) -> Reader:
        head = f"GET {path}{query} HTTP/{version}\r\nHost: t\r\n"
        if last_id:
            head += f"Last-Event-ID: {last_id}\r\n"
        return await self.raw(head + "\r\n")

    async def raw(self, head: str) -> Reader:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**24)
        self.writers.append(writer)
        writer.write(head.encode())
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), DEADLINE)
        lines = answer.decode().split("\r\n")
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines[1:] if line)
        }
        return Reader(reader, writer, int(lines[0].split()[1]), headers)
