"""Input `http_server`: each request is a batch and gets its answer when the batch is settled; each frame of a WebSocket too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from pydantic import BaseModel, ConfigDict, Field

from penstock_gateway.components.http_server import requests
from penstock_gateway.components.http_server.fields import CorsFields, Expression, OwnAddress, PathText, TlsFile
from penstock_gateway.components.http_server.formats import OCTETS, FormatError
from penstock_gateway.components.http_server.requests import Answers, MetadataFilter, refusal
from penstock_gateway.errors import PenstockError, Rejected, Stopping
from penstock_gateway.message import Message, Reply
from penstock_gateway.registry import (
    Channel,
    Config,
    Context,
    Cors,
    Emit,
    Interpolated,
    Kind,
    PushInput,
    RateLimit,
    RateLimitLabel,
    Request,
    Response,
    Route,
    component,
)
from penstock_gateway.units import Duration

_QUICK_TRIES = 3
_PAUSE = 1.0


class MetadataHeaders(BaseModel):
    """Which metadata become headers."""

    model_config = ConfigDict(extra="forbid")

    include_prefixes: list[str] = Field([], description="Metadata whose name begins so.")
    include_patterns: list[Expression] = Field(
        [], description="Metadata whose name matches one of these regular expressions."
    )


class SyncResponse(BaseModel):
    """The answer made of what the pipeline stored by `sync_response`."""

    model_config = ConfigDict(extra="forbid")

    status: Interpolated = Field("200", description="The status code.")
    headers: dict[str, Interpolated] = Field(
        {"Content-Type": OCTETS}, description="Headers; when set without a content type, it is told from the body."
    )
    metadata_headers: MetadataHeaders = Field(MetadataHeaders(), description="Metadata that become headers.")


@component("http_server", Kind.INPUT, summary="Takes requests and WebSocket messages.", sharing="push")
class HttpServerInput(Config):
    """Fields as Bento's. In a StreamAPI the paths are below its listen path, and clients need what it demands."""

    address: OwnAddress = Field("", description="A listener of its own; only for `penstock run`.")
    path: PathText = Field(
        "/post", description="Where requests come in; may hold `{names}`; ends in `/` = everything below."
    )
    ws_path: PathText = Field("/post/ws", description="Where WebSockets come in.")
    ws_welcome_message: str = Field("", description="Sent first on a new WebSocket.")
    ws_rate_limit_message: str = Field("", description="Sent when the rate limit holds a message back.")
    allowed_verbs: list[str] = Field(["POST"], description="Methods that are accepted.", min_length=1)
    timeout: Duration = Field(5.0, description="How long a request waits for its batch to be settled.")
    rate_limit: RateLimitLabel = Field("", description="Label of a rate limit resource; beyond it requests get 429.")
    cert_file: TlsFile = Field("", description="Not supported: TLS ends in front of the gateway.")
    key_file: TlsFile = Field("", description="Not supported: TLS ends in front of the gateway.")
    cors: CorsFields = Field(CorsFields(), description="Which web pages may call.")
    sync_response: SyncResponse = Field(SyncResponse(), description="The answer, where the pipeline stored one.")

    def build(self, context: Context) -> PushInput:
        """Compile the answer's texts."""
        limit = context.rate_limit(self.rate_limit) if self.rate_limit else None
        return HttpServer(self, self._answers(context), self.cors.cors(), limit, context)

    def _answers(self, context: Context) -> Answers:
        fields = self.sync_response
        chosen = MetadataFilter(fields.metadata_headers.include_prefixes, fields.metadata_headers.include_patterns)
        headers = {
            name: context.interpolation(text, "sync_response", "headers", name) for name, text in fields.headers.items()
        }
        return Answers(context.interpolation(fields.status, "sync_response", "status"), headers, chosen, context.random)


class HttpServer:
    """The runtime: registers its routes, and runs one batch per request."""

    def __init__(
        self,
        config: HttpServerInput,
        answers: Answers,
        cors: Cors | None,
        limit: RateLimit | None,
        context: Context,
    ) -> None:
        self._limit = limit
        self._config, self._answers, self._cors, self._context = config, answers, cors, context
        self._removers: list[Callable[[], None]] = []
        self._under_way: set[asyncio.Task[None]] = set()

    async def connect(self, emit: Emit) -> None:
        """Register the routes."""
        config = self._config
        self._emit = emit
        verbs = frozenset(verb.upper() for verb in config.allowed_verbs)
        given = Route("", verbs, address=config.address, cors=self._cors)
        if config.path:
            self._serve(replace(given, path=config.path, respond=self.respond, yields=self._unasked("path")))
        if config.ws_path:
            socket = replace(given, path=config.ws_path, methods=frozenset(), converse=self.converse)
            self._serve(replace(socket, yields=self._unasked("ws_path")))

    def _unasked(self, field: str) -> bool:
        """A path that nobody wrote gives way: two inputs of one API may both leave `ws_path` at its default."""
        return field not in self._config.model_fields_set

    def _serve(self, route: Route) -> None:
        self._removers.append(self._context.route(route))

    async def close(self) -> None:
        """Take the routes away."""
        for remove in self._removers:
            remove()
        self._removers.clear()

    async def respond(self, request: Request) -> Response:
        """Run a request's batch and answer it. After the timeout the batch goes on without it."""
        if self._limit is not None:
            try:
                pause = await self._limit.access()
            except PenstockError as error:
                self._context.log.error("the rate limit could not be asked: %s", error)
                return refusal(502, "Server error")
            if pause > 0:
                refused = refusal(429, "Too Many Requests")
                refused.headers.append(("Retry-After", str(int(pause))))
                return refused
        reply = Reply()
        body = await request.body()
        try:
            batch = requests.messages(request, body, reply)
        except FormatError:
            return refusal(400, "Bad request")
        if not batch:
            return Response(200)
        task = asyncio.ensure_future(self._emit(batch))
        self._under_way.add(task)
        task.add_done_callback(self._done)
        await asyncio.wait({task}, timeout=self._config.timeout)
        if not task.done():
            return refusal(408, "Request timed out")
        try:
            task.result()
        except Rejected as error:
            return refusal(502, str(error))
        except (Stopping, asyncio.CancelledError):
            return refusal(503, "Server closing")
        return self._answers.answer(reply)

    def _done(self, task: asyncio.Future[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # a late refusal has nobody left to tell

    async def converse(self, channel: Channel) -> None:
        """One message a frame, in order; a refused one is tried again as long as the client is there."""
        if self._config.ws_welcome_message:
            await channel.send(self._config.ws_welcome_message.encode(), text=False)
        request = channel.request
        meta = requests.metadata(request, {"http_server_user_agent": requests.user_agent(request)})
        try:
            while (data := await channel.receive()) is not None:
                await self._take(channel, data, meta)
        except Stopping:
            return

    async def _admitted(self, channel: Channel) -> None:
        """Hold a frame back while the rate limit says so; the client is told once."""
        told = not self._config.ws_rate_limit_message
        while self._limit is not None and not channel.gone:
            try:
                pause = await self._limit.access()
            except PenstockError as error:
                self._context.log.error("the rate limit could not be asked: %s", error)
                pause = _PAUSE
            if pause <= 0:
                return
            if not told:
                told = True
                await channel.send(self._config.ws_rate_limit_message.encode(), text=False)
            await asyncio.sleep(pause)

    async def _take(self, channel: Channel, data: bytes, meta: dict[str, object]) -> None:
        await self._admitted(channel)
        tries = 0
        while True:
            reply = Reply()
            refused = False
            try:
                await self._emit([Message(data, dict(meta), reply=reply)])
            except Rejected:
                refused = True
            for stored in reply.batches:
                for message in stored:
                    await channel.send(message.raw)
            if not refused or channel.gone:
                return
            tries += 1
            if tries > _QUICK_TRIES:
                await asyncio.sleep(_PAUSE)
