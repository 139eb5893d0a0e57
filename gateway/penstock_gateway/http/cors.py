"""What web pages of other origins may do: answers to preflight requests, and the headers of all other answers. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from penstock_gateway.access import ApiDocument
from penstock_gateway.registry import Cors

Headers = list[tuple[str, str]]
_SIMPLE_HEADERS = frozenset({"Accept", "Accept-Language", "Content-Language", "Origin"})
_SIMPLE_METHODS = frozenset({"GET", "HEAD", "POST"})
_EXPOSED = "Retry-After, RateLimit, RateLimit-Policy"
_MAX_AGE = "600"


def canonical(name: str) -> str:
    """A header name as Go writes it: `x-api-key` as `X-Api-Key`."""
    return "-".join(part[:1].upper() + part[1:].lower() for part in name.split("-"))


def origin_headers(cors: Cors, origin: str) -> Headers:
    """The headers for a request of that origin; none when it is not allowed."""
    if not origin or not ("*" in cors.origins or origin in cors.origins):
        return []
    headers = [("Access-Control-Allow-Origin", "*" if "*" in cors.origins else origin)]
    if len(cors.origins) > 1:
        headers.append(("Vary", "Origin"))
    return headers


def preflight(cors: Cors, origin: str, method: str | None, wanted: Iterable[str]) -> tuple[int, Headers]:
    """Bento's answer to OPTIONS: the status and the headers."""
    allowed = origin_headers(cors, origin)
    if not allowed:
        return 200, []
    if method is None:
        return 400, []
    if method not in cors.methods:
        return 405, []
    may = {canonical(name) for name in cors.headers} | _SIMPLE_HEADERS
    names = [canonical(name.strip()) for name in wanted if name.strip()]
    if any(name not in may for name in names):
        return 403, []
    if asked := [name for name in names if name not in _SIMPLE_HEADERS]:
        allowed.append(("Access-Control-Allow-Headers", ",".join(asked)))
    if method not in _SIMPLE_METHODS:
        allowed.append(("Access-Control-Allow-Methods", method))
    return 200, allowed


def of_api(document: ApiDocument, own: Cors | None) -> tuple[str, ...]:
    """The origins an API allows: the StreamAPI's, else those in the stream's own configuration."""
    return document.cors.allow_origins or (own.origins if own is not None else ())


def api_headers(document: ApiDocument, origins: Collection[str], origin: str) -> Headers:
    """The headers of an API's answers. Cookies are only for origins named one by one, never for `*`."""
    if not origins or not origin:
        return [("Vary", "Origin")] if origins and "*" not in origins else []
    if "*" in origins:
        return [("Access-Control-Allow-Origin", "*"), ("Access-Control-Expose-Headers", _EXPOSED)]
    if origin not in origins:
        return [("Vary", "Origin")]
    headers = [
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Expose-Headers", _EXPOSED),
        ("Vary", "Origin"),
    ]
    if any(method.api_key.cookie for method in document.authentication.methods):
        headers.append(("Access-Control-Allow-Credentials", "true"))
    return headers


def api_preflight(document: ApiDocument, origins: Collection[str], origin: str, methods: Iterable[str]) -> Headers:
    """The headers that answer a preflight request for a path with these methods."""
    headers = api_headers(document, origins, origin)
    if not any(name == "Access-Control-Allow-Origin" for name, _ in headers):
        return headers
    names = {method.api_key.header for method in document.authentication.methods} - {""}
    allowed = sorted(names | {"Content-Type", "Content-Encoding", "Last-Event-ID", "Cache-Control"})
    return [
        *headers,
        ("Access-Control-Allow-Methods", ", ".join(sorted(methods))),
        ("Access-Control-Allow-Headers", ", ".join(allowed)),
        ("Access-Control-Max-Age", _MAX_AGE),
    ]
