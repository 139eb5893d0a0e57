"""The HTTP border as components see it, without an HTTP library: requests, answers, WebSockets, routes, outlets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol


class Request(Protocol):
    """A request as an input sees it; access was decided before."""

    method: str
    path: str
    """The decoded path below the listen path of the API."""
    headers: list[tuple[str, str]]
    query: list[tuple[str, str]]
    cookies: list[tuple[str, str]]
    path_values: Mapping[str, str]
    remote: str
    consumer: str
    """The public name of the key's owner, "" without a key."""

    async def body(self) -> bytes:
        """The whole body, gzip undone and bounded by the API's size limit."""


@dataclass(slots=True)
class Response:
    """What a request input answers."""

    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""


class Channel(Protocol):
    """An open WebSocket as a request input sees it."""

    request: Request

    @property
    def gone(self) -> bool:
        """Whether the client has left."""

    async def receive(self) -> bytes | None:
        """The next frame's payload; None when the client has left."""

    async def send(self, data: bytes, *, text: bool = True) -> None:
        """One frame to the client."""


@dataclass(frozen=True, slots=True)
class Cors:
    """Which web pages may call a path; the field `cors` of the `http_server` components."""

    origins: tuple[str, ...]
    headers: tuple[str, ...] = ()
    methods: tuple[str, ...] = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class Route:
    """A path a request input serves. `respond` answers requests, `converse` owns a WebSocket; one of them is set."""

    path: str
    methods: frozenset[str]
    respond: Callable[[Request], Awaitable[Response]] | None = None
    converse: Callable[[Channel], Awaitable[None]] | None = None
    address: str = ""
    """A bare configuration may ask for a listener of its own; "" = the gateway's port."""
    cors: Cors | None = None
    yields: bool = False
    """The path is a default nobody asked for: it gives way where somebody else serves it."""


@dataclass(frozen=True, slots=True)
class OutletOptions:
    """How clients meet a stream: the fields of the `http_server` output, durations in seconds."""

    path: str = ""
    stream_path: str = ""
    stream_format: Literal["raw_bytes", "event_source"] = "raw_bytes"
    ws_path: str = ""
    ws_message_type: Literal["binary", "text"] = "binary"
    allowed_verbs: tuple[str, ...] = ("GET",)
    timeout: float = 5.0
    heartbeat: float = 0.0
    pong_wait: float = 60.0
    ping_period: float = 54.0
    write_wait: float = 10.0
    address: str = ""
    cors: Cors | None = None
    yields: tuple[str, ...] = ()
    """Fields whose paths are defaults nobody asked for (see `Route.yields`)."""
