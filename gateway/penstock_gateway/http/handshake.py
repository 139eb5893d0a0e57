"""Whether a request may become a WebSocket: its handshake and its origin."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection
from urllib.parse import urlsplit

from aiohttp import web

from penstock_gateway.http.head import Fault

OFFERS, OFFER_LENGTH = 32, 4096
"""Subprotocols a client may offer, and their characters in sum."""


def protocols(request: web.BaseRequest) -> list[str]:
    """The subprotocols the client offers; one may carry its key, so they are neither logged nor sent back unseen."""
    lines = request.headers.getall("Sec-WebSocket-Protocol", ())
    return [offer.strip() for line in lines for offer in line.split(",") if offer.strip()]


def check(request: web.BaseRequest) -> None:
    """Raises Fault 400 when the request is no handshake of version 13."""
    headers = request.headers
    options = {option.strip().lower() for line in headers.getall("Connection", ()) for option in line.split(",")}
    if request.method != "GET" or headers.get("Upgrade", "").strip().lower() != "websocket" or "upgrade" not in options:
        raise Fault(400, "Bad Request")
    if headers.get("Sec-WebSocket-Version") != "13":
        raise Fault(400, "Bad Request", (("Sec-WebSocket-Version", "13"),))
    offers = protocols(request)
    if len(offers) > OFFERS or sum(map(len, offers)) > OFFER_LENGTH:
        raise Fault(400, "Bad Request")
    if not _is_key(headers.getall("Sec-WebSocket-Key", ())):
        raise Fault(400, "Bad Request")


def _is_key(values: Collection[str]) -> bool:
    try:
        return len(values) == 1 and len(base64.b64decode(next(iter(values)), validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


def is_foreign(request: web.BaseRequest, allowed: Collection[str]) -> bool:
    """Whether a web page of another host opens it that is not allowed to. Programs that are no browser send no origin."""
    origin = request.headers.get("Origin")
    if origin is None or "*" in allowed or origin in allowed:
        return False
    try:
        return urlsplit(origin).netloc.lower() != request.headers.get("Host", "").lower()
    except ValueError:
        return True
