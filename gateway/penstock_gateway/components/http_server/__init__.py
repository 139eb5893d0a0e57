"""`http_server`: requests and WebSocket messages come in as messages; clients fetch or stream what goes out."""

from __future__ import annotations

from penstock_gateway.components.http_server.input import HttpServerInput
from penstock_gateway.components.http_server.output import HttpServerOutput

__all__ = ["HttpServerInput", "HttpServerOutput"]
