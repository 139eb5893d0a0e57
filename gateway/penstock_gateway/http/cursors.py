"""What a cursor that a reader brings leads to: one rule for server-sent events, WebSockets and polling."""

from __future__ import annotations

from typing import Literal, Protocol

from aiohttp import web

from penstock_gateway.http import problems
from penstock_gateway.positions import Claim, CursorError


class Claims(Protocol):
    """An outlet, as far as cursors go."""

    def claim(self, text: str) -> Claim:
        """What a cursor says; raises CursorError."""


def read(
    outlet: Claims, text: str | None, origin: Literal["header", "query"]
) -> tuple[Claim | None, str] | web.Response:
    """The claim and the fault that makes a gap ("" = none), or the refusal: a bad cursor is 400 in the query only, since
    an EventSource that meets any status but 200 on its `Last-Event-ID` stops for good."""
    if not text:
        return None, ""
    try:
        return outlet.claim(text), ""
    except CursorError as error:
        if origin == "header":
            return None, error.reason
        body = problems.problem(400, f"cursor_{error.reason}", str(error))
        return web.Response(status=400, body=body, content_type=problems.CONTENT_TYPE)
