"""Gateways for the tests of the edge."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.http.parts import ECHO, LIVE, META, Site, api_of, record

Open = Callable[..., Awaitable[Site]]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Open]:
    """Starts a gateway with the API `orders` (streams echo, meta, live) and the key `mobile`; options are its access document's."""
    sites: list[Site] = []

    async def start(policies: dict[str, Any] | None = None, *, apis: list[Any] | None = None, **access: Any) -> Site:
        started = Site(tmp_path / f"gateway{len(list(tmp_path.iterdir()))}")
        started.pipeline(*(apis or [api_of("orders", ECHO, META, LIVE)]))
        started.access("orders", policies, **access)
        started.keys("orders", mobile=record())
        started.write("admin.json", {"token": "t" * 32})
        try:
            await started.gateway.start()
        except BaseException:
            await started.session.close()
            raise
        sites.append(started)
        return started

    yield start
    for started in sites:
        await started.close()
