"""Ending programs that processors have started, whatever their pipes still hold."""

from __future__ import annotations

import asyncio

_PATIENCE = 2.0


async def reap(process: asyncio.subprocess.Process) -> None:
    """Kill the program and take its status; what it had printed is thrown away, for a full pipe would keep it from ending."""
    if process.returncode is None:
        try:
            process.kill()
        except ProcessLookupError:
            pass
    pipes = [pipe.read() for pipe in (process.stdout, process.stderr) if pipe is not None and pipe.exception() is None]
    try:
        async with asyncio.timeout(_PATIENCE):  # a child of the program may hold the pipes open
            await asyncio.gather(*pipes, process.wait(), return_exceptions=True)
    except TimeoutError:
        pass
