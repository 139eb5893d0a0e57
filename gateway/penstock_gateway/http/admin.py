"""The admin port: `/healthz`, `/readyz` and `/metrics` for everybody, `/status` and `/decisions` for whoever has the token.

The token is read anew for each request from `admin.json`, so that it may change; without the file nobody gets in.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from penstock_gateway.http.listener import Listener
from penstock_gateway.http.problems import CONTENT_TYPE, problem
from penstock_gateway.http.usage import Decision
from penstock_gateway.metrics import GatewayCounters, Metrics

_SHORTEST_TOKEN = 16


class Admin:
    """The admin port. `status` gives what is true now as JSON-ready values; `decisions` the latest refusals."""

    def __init__(
        self,
        folder: Path,
        metrics: Metrics,
        *,
        ready: Callable[[], bool],
        status: Callable[[], dict[str, Any]],
        decisions: Callable[[], Sequence[Decision]] = tuple,
    ) -> None:
        self.port = 0
        self._file = folder / "admin.json"
        self._metrics = metrics
        self._ready, self._status, self._decisions = ready, status, decisions
        self._listener = Listener(self._handle, GatewayCounters(), most=200)

    async def start(self, host: str, port: int) -> None:
        """Listen; 0 = any port, see `port`."""
        self.port = await self._listener.open(host, port)

    async def stop(self) -> None:
        """Close the port."""
        await self._listener.close(0.5)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method not in ("GET", "HEAD"):
            return _error(405, "method", "Incorrect method")
        path = request.raw_path.partition("?")[0]
        if path == "/healthz":
            return web.Response(text="ok\n")
        if path == "/readyz":
            ready = self._ready()
            return web.Response(status=200 if ready else 503, text="ok\n" if ready else "not ready\n")
        if path == "/metrics":
            body = self._metrics.exposition()
            return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})
        if path not in ("/status", "/decisions"):
            return _error(404, "no-route", "not found")
        if not self._is_admin(request.headers.get("Authorization", "")):
            response = _error(401, "credential-invalid", "Authorization field missing or wrong")
            response.headers["WWW-Authenticate"] = 'Bearer realm="admin"'
            return response
        return web.json_response(self._status() if path == "/status" else self._recent())

    def _recent(self) -> dict[str, Any]:
        found = self._decisions()
        return {
            "decisions": [
                {"id": d.id, "at": d.at, "api": d.api, "consumer": d.consumer, "code": d.code} for d in reversed(found)
            ]
        }

    def _is_admin(self, value: str) -> bool:
        scheme, _, given = value.partition(" ")
        try:
            token = json.loads(self._file.read_bytes())["token"]
        except (OSError, ValueError, KeyError, TypeError):
            return False
        if not isinstance(token, str) or len(token) < _SHORTEST_TOKEN or scheme.lower() != "bearer":
            return False
        return hmac.compare_digest(token.encode(), given.strip().encode())


def _error(status: int, code: str, error: str) -> web.Response:
    return web.Response(status=status, body=problem(status, code, error), content_type=CONTENT_TYPE)
