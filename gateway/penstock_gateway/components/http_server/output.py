"""Output `http_server`: the outlet where clients fetch messages one by one or follow them as a stream."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from penstock_gateway.components.http_server.fields import CorsFields, OwnAddress, PathText, TlsFile
from penstock_gateway.message import Batch
from penstock_gateway.registry import Config, Context, Kind, Outlet, OutletOptions, Output, component
from penstock_gateway.units import Duration


@component("http_server", Kind.OUTPUT, summary="Hands messages to clients.", clients=True)
class HttpServerOutput(Config):
    """Fields as Bento's. Which clients get a message, and whether they can resume, is the stream's `delivery`."""

    address: OwnAddress = Field("", description="A listener of its own; only for `penstock run`.")
    path: PathText = Field("/get", description="Where a request fetches the next batch.")
    stream_path: PathText = Field("/get/stream", description="Where a request follows all messages.")
    stream_format: Literal["raw_bytes", "event_source"] = Field(
        "raw_bytes", description="`event_source`: server-sent events; `raw_bytes`: a line each."
    )
    heartbeat: Duration = Field(0.0, description="Pause after which an idle event stream gets a comment; 0 = never.")
    ws_path: PathText = Field("/get/ws", description="Where WebSockets follow all messages.")
    ws_message_type: Literal["binary", "text"] = Field("binary", description="The type of WebSocket frames.")
    allowed_verbs: list[str] = Field(["GET"], description="Methods that are accepted.", min_length=1)
    timeout: Duration = Field(5.0, description="How long a request waits for a message.")
    cert_file: TlsFile = Field("", description="Not supported: TLS ends in front of the gateway.")
    key_file: TlsFile = Field("", description="Not supported: TLS ends in front of the gateway.")
    cors: CorsFields = Field(CorsFields(), description="Which web pages may call.")
    write_wait: Duration = Field(10.0, description="How long a WebSocket may take to accept a frame.")
    pong_wait: Duration = Field(60.0, description="How long a WebSocket may be silent before it is cut.", gt=0)
    ping_period: Duration = Field(54.0, description="Pause between pings; below `pong_wait`.", gt=0)

    def build(self, context: Context) -> Output:
        """Ask for the outlet."""
        options = OutletOptions(
            path=self.path,
            stream_path=self.stream_path,
            stream_format=self.stream_format,
            ws_path=self.ws_path,
            ws_message_type=self.ws_message_type,
            allowed_verbs=tuple(verb.upper() for verb in self.allowed_verbs),
            timeout=self.timeout,
            heartbeat=self.heartbeat,
            pong_wait=self.pong_wait,
            ping_period=self.ping_period,
            write_wait=self.write_wait,
            address=self.address,
            cors=self.cors.cors(),
            yields=tuple(name for name in ("path", "stream_path", "ws_path") if name not in self.model_fields_set),
        )
        return ClientsOutput(context.outlet(options))


class ClientsOutput:
    """Hands batches to the outlet, which knows who gets them and when they count as delivered."""

    max_in_flight = 64

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet

    async def connect(self) -> None:
        """The outlet is always there."""

    async def write(self, batch: Batch) -> None:
        """Give a batch to the outlet."""
        await self._outlet.write(batch)

    async def close(self) -> None:
        """Clients stay: the outlet outlives the instance."""
