"""API keys: where one is read in a request, its form, and its digest.

A key is read in the header (with or without `Bearer `), else in the cookie, else among the subprotocols a WebSocket offers
(`penstock.key.<key>`, for browsers, which cannot set headers there), and in the query only when the API says so. A key in the
query and another one elsewhere is refused, never tried one after the other. What is read here is never logged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Protocol

from penstock_gateway.access import ApiKey

PROTOCOL = "penstock.key."
SHORTEST, LONGEST = 32, 1024


class Ambiguous(Exception):
    """The request presents several credentials."""


class Source(Protocol):
    """The parts of a request a credential can be in."""

    @property
    def cookies(self) -> Mapping[str, str]:
        """Cookies by name."""

    @property
    def query(self) -> Sequence[tuple[str, str]]:
        """Decoded query parameters in order."""

    def header(self, name: str) -> Sequence[str]:
        """All values of a header."""


def presented(where: ApiKey, request: Source) -> str:
    """The key a request presents, "" for none; raises Ambiguous."""
    found = (
        _in_header(where.header, request)
        or (where.cookie and request.cookies.get(where.cookie, ""))
        or _in_protocols(request)
    )
    in_query = [value for name, value in request.query if name == where.query] if where.query else []
    if len(set(in_query) | ({found} if found else set())) > 1:
        raise Ambiguous
    return found or (in_query[0] if in_query else "")


def _in_header(name: str, request: Source) -> str:
    values = request.header(name) if name else ()
    if len(values) > 1:
        raise Ambiguous
    value = values[0].strip(" \t") if values else ""
    scheme, _, rest = value.partition(" ")
    return rest.strip(" ") if rest and scheme.lower() == "bearer" else value


def _in_protocols(request: Source) -> str:
    offers = [offer.strip() for value in request.header("Sec-WebSocket-Protocol") for offer in value.split(",")]
    keys = [offer.removeprefix(PROTOCOL) for offer in offers if offer.startswith(PROTOCOL)]
    if len(keys) > 1:
        raise Ambiguous
    return keys[0] if keys else ""


def digest(key: str) -> str | None:
    """SHA-256 of the key in hexadecimal, None when it cannot be a key."""
    if not SHORTEST <= len(key) <= LONGEST or not key.isascii() or not key.isprintable() or " " in key:
        return None
    return hashlib.sha256(key.encode()).hexdigest()
