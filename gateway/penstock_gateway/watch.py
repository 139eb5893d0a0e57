"""Notices that a file or folder changed: ordinary writes, and the swap of the `..data` link by which a kubelet replaces files.

The kernel's notifications only hasten a look; what counts is the fingerprint of the files, taken at least once a second, so
nothing is missed on file systems without notifications, and touching a file without changing it is no change.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path

import watchfiles

POLL_SECONDS = 1.0
SETTLE_SECONDS = 0.05
"""A change is reported once nothing changed for that long …"""

SETTLE_MOST = 0.2
"""… but at the latest after this time."""

_log = logging.getLogger(__name__)
_Mark = tuple[str, int, int, int]


def fingerprint(path: Path) -> tuple[_Mark, ...]:
    """What is at `path`: for each file its name, time of change, size and inode. Links are followed; hidden entries are not."""
    marks: list[_Mark] = []
    if path.is_dir():
        for folder, folders, names in os.walk(path, followlinks=True):
            folders[:] = [name for name in folders if not name.startswith(".")]
            marks += [_mark(os.path.join(folder, name)) for name in names if not name.startswith(".")]
        return tuple(sorted(marks))
    return (_mark(str(path)),)


def _mark(name: str) -> _Mark:
    try:
        facts = os.stat(name)
    except OSError:
        return (name, 0, -1, 0)
    return (name, facts.st_mtime_ns, facts.st_size, facts.st_ino)


async def changes(*paths: Path) -> AsyncIterator[None]:
    """Yields after each change of one of the files or folders. They need not exist yet."""
    seen = [fingerprint(path) for path in paths]
    async for _ in _hints({_nearest(path) for path in paths}):
        now = [fingerprint(path) for path in paths]
        if now == seen:
            continue
        seen = await _settled(paths, now)
        yield


def _nearest(path: Path) -> Path:
    """The folder itself, or the next one above that exists."""
    while not path.is_dir():
        path = path.parent
    return path


async def _settled(paths: tuple[Path, ...], now: list[tuple[_Mark, ...]]) -> list[tuple[_Mark, ...]]:
    waited = 0.0
    while waited < SETTLE_MOST:
        await asyncio.sleep(SETTLE_SECONDS)
        waited += SETTLE_SECONDS
        later = [fingerprint(path) for path in paths]
        if later == now:
            return now
        now = later
    return now


async def _hints(folders: set[Path]) -> AsyncIterator[None]:
    """Yields when something may have changed, and at least once a second."""
    try:
        async for _ in watchfiles.awatch(
            *folders,
            watch_filter=None,
            debounce=50,
            step=20,
            rust_timeout=int(POLL_SECONDS * 1000),
            yield_on_timeout=True,
            ignore_permission_denied=True,
        ):
            yield
    except (OSError, RuntimeError) as why:  # out of watches, or the folder was replaced
        _log.info("no notifications of changes (%s): looking once a second", why)
    while True:
        await asyncio.sleep(POLL_SECONDS)
        yield
