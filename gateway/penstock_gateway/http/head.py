"""Reads the head of a request: path, query, cookies, headers; and what about it is refused before anything is looked up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import unquote_plus

from aiohttp import web

from penstock_gateway import paths
from penstock_gateway.access import ApiDocument
from penstock_gateway.http.connection import refuse_version

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_VERSIONS = frozenset({(1, 0), (1, 1)})
QUERY_LIMIT = 1000
"""Parameters a query may have."""


class Fault(Exception):
    """A request that is not acceptable as it is: the status, the text and more headers of the answer."""

    def __init__(self, status: int, text: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        self.status, self.text, self.headers = status, text, headers
        super().__init__(text)


class Source:
    """A request's head. Built once per request; cookies and query are taken apart when they are asked for."""

    __slots__ = ("_cookies", "_query", "method", "path", "query_text", "request")

    def __init__(self, request: web.BaseRequest) -> None:
        self.request = request
        self.method = request.method
        target = request.raw_path
        raw, _, self.query_text = target.partition("?")
        path = paths.decode(raw) if target.startswith("/") else None
        if path is None:
            raise Fault(400, "Bad request target")
        self.path = path
        self._query: list[tuple[str, str]] | None = None
        self._cookies: dict[str, str] | None = None

    @property
    def query(self) -> Sequence[tuple[str, str]]:
        """Decoded parameters in order."""
        if self._query is None:
            parts = [part.partition("=") for part in self.query_text.split("&") if part]
            self._query = [(unquote_plus(name), unquote_plus(value)) for name, _, value in parts]
        return self._query

    @property
    def cookies(self) -> Mapping[str, str]:
        """Cookies without quotes; of equal names the last."""
        if self._cookies is None:
            self._cookies = dict(cookie_pairs(self.header("Cookie")))
        return self._cookies

    def header(self, name: str) -> Sequence[str]:
        """All values of a header."""
        return self.request.headers.getall(name, ())

    def first(self, name: str) -> str:
        """The first value of a header, "" without one."""
        return self.request.headers.get(name, "")


def cookie_pairs(lines: Sequence[str]) -> list[tuple[str, str]]:
    """Name and value of every cookie, quotes removed; what is no cookie is left out."""
    pairs = []
    for line in lines:
        for part in line.split(";"):
            name, equals, value = part.strip().partition("=")
            if equals and name:
                pairs.append((name, value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value))
    return pairs


def check(source: Source, strict: bool) -> None:
    """Refuse what no route should ever see; `strict` on the doors of APIs, where other programs' rules rest on header names."""
    request = source.request
    if tuple(request.version) not in _VERSIONS:
        refuse_version(request)
    if tuple(request.version) == (1, 0) and "Transfer-Encoding" in request.headers:
        raise Fault(400, "Bad request body")
    if source.method not in _METHODS:
        raise Fault(501, "Method not implemented")
    expect = source.first("Expect")
    if expect and expect.lower() != "100-continue":
        raise Fault(417, "Expectation failed")
    hosts = source.header("Host")
    if len(hosts) > 1 or (not hosts and tuple(request.version) == (1, 1)):
        raise Fault(400, "Bad Host header")
    if hosts and not _is_host(hosts[0]):
        raise Fault(400, "Bad Host header")
    if strict and any("_" in name for name in request.headers):
        raise Fault(400, "Header names with an underscore are not accepted")
    if source.query_text.count("&") >= QUERY_LIMIT:
        raise Fault(400, "Too many query parameters")


def _is_host(host: str) -> bool:
    name, colon, port = host.rpartition(":") if not host.endswith("]") else (host, "", "")
    if not colon:
        name, port = host, ""
    allowed = name and all(c.isalnum() or c in "-._[]:%~" for c in name) and name.isascii()
    return bool(allowed) and (not colon or (port.isdigit() and int(port) < 65536))


def without_credentials(source: Source, document: ApiDocument) -> tuple[list[tuple[str, str]], set[str], set[str]]:
    """The headers a pipeline may see, and the names of query parameters and cookies it may not: keys never become metadata."""
    methods = [method.api_key for method in document.authentication.methods]
    names = {key.header.lower() for key in methods} - {""}
    cookies = {key.cookie for key in methods} - {""}
    headers = []
    for name, value in source.request.headers.items():
        lower = name.lower()
        if lower in names or (methods and lower == "sec-websocket-protocol"):
            continue
        if lower == "cookie" and cookies:
            kept = [part for part in value.split(";") if part.strip().partition("=")[0] not in cookies]
            value = ";".join(kept).strip()
            if not value:
                continue
        headers.append((name, value))
    return headers, {key.query for key in methods} - {""}, cookies
