"""Caches: what they keep, what makes room, and what a key must not reach."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.components.whole import build_cache
from penstock_gateway.errors import ConfigError, WriteError


class Clock:
    """Time that passes when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def cache(*resources: dict[str, Any], clock: Clock | None = None) -> Any:
    return build_cache(clock or Clock(), *resources)


async def test_the_least_recently_used_makes_room() -> None:
    lru = cache({"label": "c", "lru": {"cap": 2, "init_values": {"a": "1"}}})
    await lru.set("b", b"2")
    assert await lru.get("a") == b"1"
    await lru.set("c", b"3")
    assert [await lru.get(key) for key in "abc"] == [b"1", None, b"3"]


async def test_ttlru_forgets_after_its_time() -> None:
    clock = Clock()
    ttlru = cache({"label": "c", "ttlru": {"default_ttl": "10s"}}, clock=clock)
    assert await ttlru.add("a", b"1")
    assert not await ttlru.add("a", b"2")
    clock.now = 10.0
    assert await ttlru.get("a") is None
    assert await ttlru.add("a", b"2")


async def test_levels_are_filled_from_below() -> None:
    levels = [{"label": "fast", "lru": {}}, {"label": "slow", "lru": {"init_values": {"a": "1"}}}]
    both = cache(*levels, {"label": "c", "multilevel": ["fast", "slow"]})
    fast, slow = both.levels
    assert await both.get("a") == b"1"
    assert await fast.get("a") == b"1"
    assert not await both.add("a", b"2")
    assert await both.add("b", b"2")
    assert [await level.get("b") for level in (fast, slow)] == [b"2", b"2"]
    await both.delete("b")
    assert [await level.get("b") for level in (fast, slow)] == [None, None]


def test_levels_cannot_contain_themselves() -> None:
    with pytest.raises(ConfigError, match="contains itself"):
        cache({"label": "a", "lru": {}}, {"label": "c", "multilevel": ["a", "c"]})


async def test_noop_keeps_nothing() -> None:
    noop = cache({"label": "c", "noop": {}})
    await noop.set("a", b"1")
    assert await noop.add("a", b"1")
    assert await noop.get("a") is None


async def test_values_in_files_stay_and_keys_stay_in_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    folder.mkdir()
    files = cache({"label": "c", "file": {"directory": str(folder)}})
    assert await files.add("a", b"1")
    assert not await files.add("a", b"2")
    await files.set("a", b"3")
    assert [path.name for path in folder.iterdir()] == ["a"]
    assert await cache({"label": "c", "file": {"directory": str(folder)}}).get("a") == b"3"
    for key in ("../x", "/etc/passwd", "", "a\0b", "x/../../y"):
        with pytest.raises(WriteError, match="leads out"):
            await files.set(key, b"")
    await files.delete("a")
    assert await files.get("a") is None
