"""Parses server-sent events: bytes in, events out. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_END = re.compile(rb"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Event:
    """One event as a client dispatches it."""

    data: str
    type: str = "message"


class Parser:
    """Takes a stream's bytes as they come; keeps the last id and the reconnection time (seconds)."""

    def __init__(self) -> None:
        self.last_id = ""
        self.retry = 2.0
        self._rest = b""
        self._type = ""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that are complete now."""
        text = self._rest + chunk
        held = text.endswith(b"\r")
        lines = _END.split(text[:-1] if held else text)
        self._rest = lines.pop() + (b"\r" if held else b"")
        for line in lines:
            event = self._line(line.decode("utf-8", "replace"))
            if event is not None:
                yield event

    def _line(self, line: str) -> Event | None:
        if not line:
            event = Event("\n".join(self._data), self._type or "message") if self._data else None
            self._type, self._data = "", []
            return event
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._type = value
        elif name == "id" and "\0" not in value:
            self.last_id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry = int(value) / 1000
        return None

    def cut(self) -> None:
        """The connection is gone: what was not complete is dropped."""
        self._rest, self._type, self._data = b"", "", []
