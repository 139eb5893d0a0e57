"""Reads the body of a request: bounded in size, in time, and after gzip.

A body must come with at least 500 bytes per second, after 30 seconds of grace.
"""

from __future__ import annotations

import asyncio
import zlib

from aiohttp import StreamReader, web
from aiohttp.web_protocol import RequestPayloadError

from penstock_gateway.http.head import Fault

GRACE, SLOWEST = 30.0, 500.0
"""Seconds any body may take, and the bytes per second it needs beyond."""

TOO_LARGE = "Request body too large"


async def read(request: web.BaseRequest, limit: int, decode: bool) -> bytes:
    """The body, gzip undone when `decode`; raises Fault 400, 408, 413, 415 and 417."""
    coding = request.headers.get("Content-Encoding", "").strip().lower() if decode else ""
    if coding not in ("", "identity", "gzip", "x-gzip"):
        raise Fault(415, "Content-Encoding not supported")
    data = await _raw(request, limit)
    return data if coding in ("", "identity") else _gunzip(data, limit)


async def _raw(request: web.BaseRequest, limit: int) -> bytes:
    content = request.content
    if request.headers.get("Content-Length", "0") == "0" and "Transfer-Encoding" not in request.headers:
        return b""
    if request.content_length is not None and request.content_length > limit:
        raise Fault(413, TOO_LARGE)
    if not content.is_eof() and request.headers.get("Expect") and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    try:
        if content.is_eof():
            return _bounded(content.read_nowait(), limit)
        return await _slowly(content, limit)
    except TimeoutError:
        raise Fault(408, "Request body too slow") from None
    except (RequestPayloadError, ValueError):
        raise Fault(400, "Bad request body") from None


def _bounded(data: bytes, limit: int) -> bytes:
    if len(data) > limit:
        raise Fault(413, TOO_LARGE)
    return data


async def _slowly(content: StreamReader, limit: int) -> bytes:
    loop = asyncio.get_running_loop()
    began = loop.time()
    pieces: list[bytes] = []
    size = 0
    async with asyncio.timeout_at(began + GRACE) as deadline:
        while not content.at_eof():
            piece = await content.readany()
            size += len(piece)
            if size > limit:
                raise Fault(413, TOO_LARGE)
            pieces.append(piece)
            deadline.reschedule(began + max(GRACE, size / SLOWEST))
    return b"".join(pieces)


def _gunzip(data: bytes, limit: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while data:
        member = zlib.decompressobj(16 + zlib.MAX_WBITS)
        try:
            piece = member.decompress(data, limit + 1 - size)
        except zlib.error:
            raise Fault(400, "Bad gzip body") from None
        size += len(piece)
        if size > limit:
            raise Fault(413, TOO_LARGE)
        if not member.eof:
            raise Fault(400, "Bad gzip body")
        pieces.append(piece)
        data = member.unused_data
    return b"".join(pieces)
