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
    """Takes a stream's bytes as they come; keeps the reconnection time (seconds) and the id of the last event that was complete: a cut
    inside an event leaves the older id in force."""

    def __init__(self) -> None:
        self.last_id = ""
        self.retry = 2.0
        self._rest = b""
        self._type = ""
        self._id: str | None = None
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
            self.last_id = self.last_id if self._id is None else self._id
            event = Event("\n".join(self._data), self._type or "message") if self._data else None
            self._type, self._id, self._data = "", None, []
            return event
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._type = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry = int(value) / 1000
        return None

    def cut(self) -> None:
        """The connection is gone: what was not complete is dropped."""
        self._rest, self._type, self._id, self._data = b"", "", None, []
