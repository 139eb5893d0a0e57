"""Changes of files are noticed once, soon, and however they are made."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import watchfiles

from penstock_gateway import watch

SOON = 3.0


class Watched:
    """A watch under way."""

    def __init__(self, *paths: Path) -> None:
        self._changes = watch.changes(*paths)
        self._next: asyncio.Task[None] | None = None

    def begin(self) -> None:
        self._next = asyncio.ensure_future(anext(self._changes))

    async def noticed(self, seconds: float = SOON) -> bool:
        assert self._next is not None
        done, _ = await asyncio.wait({self._next}, timeout=seconds)
        if done:
            self._next.result()
            self.begin()
        return bool(done)

    async def stop(self) -> None:
        if self._next is not None:
            self._next.cancel()
            await asyncio.gather(self._next, return_exceptions=True)


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    return tmp_path


async def watched(*paths: Path) -> AsyncIterator[Watched]:
    found = Watched(*paths)
    found.begin()
    await asyncio.sleep(0.1)  # the kernel's watch is set up in a thread that tells nobody
    yield found
    await found.stop()


@pytest.mark.parametrize("polling", [False, True])
async def test_writes_replacements_deletions_and_link_swaps(
    folder: Path, polling: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if polling:

        def refuse(*paths: object, **options: object) -> object:
            raise OSError("no watches left")

        monkeypatch.setattr(watchfiles, "awatch", refuse)
        monkeypatch.setattr(watch, "POLL_SECONDS", 0.2)
    async for look in watched(folder):
        (folder / "a.json").write_text("1")
        assert await look.noticed()
        (folder / ".b").write_text("2")
        (folder / ".b").replace(folder / "a.json")
        assert await look.noticed()
        (folder / "a.json").unlink()
        assert await look.noticed()
        for n in (1, 2):  # what a kubelet does
            (folder / f"..{n}").mkdir()
            (folder / f"..{n}" / "c.json").write_text(str(n))
            (folder / "..tmp").symlink_to(f"..{n}")
            os.replace(folder / "..tmp", folder / "..data")
            if n == 1:
                (folder / "c.json").symlink_to("..data/c.json")
            assert await look.noticed()
        assert (folder / "c.json").read_text() == "2"


async def test_touching_hidden_or_equal_is_no_change(folder: Path) -> None:
    (folder / "a.json").write_text("1")
    async for look in watched(folder):
        (folder / ".hidden").write_text("1")
        assert not await look.noticed(1.3)


async def test_a_burst_is_one_change_reported_soon(folder: Path) -> None:
    async for look in watched(folder):
        began = time.monotonic()
        for n in range(20):
            (folder / f"{n}.json").write_text("1")
        assert await look.noticed()
        assert time.monotonic() - began < 1.0
        assert not await look.noticed(1.2)


async def test_folders_may_come_later(folder: Path) -> None:
    async for look in watched(folder / "access", folder / "keys"):
        (folder / "access").mkdir()
        (folder / "access" / "a.json").write_text("1")
        assert await look.noticed()
        (folder / "access" / "a.json").write_text("22")
        assert await look.noticed()


async def test_a_single_file(folder: Path) -> None:
    async for look in watched(folder / "pipeline.json"):
        (folder / "pipeline.json").write_text("1")
        assert await look.noticed()
        (folder / "other.json").write_text("1")
        assert not await look.noticed(1.2)
