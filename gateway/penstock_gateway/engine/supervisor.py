"""Which streams run: a reload is a difference between what runs and what is wanted, computed first and applied after."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock_gateway.engine.instance import Instance

_log = logging.getLogger("penstock.engine")

StreamKey = tuple[str, str]
"""API (`namespace/name`) and stream."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One stream that should run: `fingerprint` changes whenever the stream must be started anew."""

    fingerprint: str
    build: Callable[[], Instance]


@dataclass(frozen=True, slots=True)
class Difference:
    """What a reload would do."""

    remove: list[StreamKey]
    change: list[StreamKey]
    add: list[StreamKey]


@dataclass(slots=True)
class _Running:
    fingerprint: str
    instance: Instance


def compare(running: Mapping[StreamKey, str], wanted: Mapping[StreamKey, str]) -> Difference:
    """The difference between two sets of streams by fingerprint; pure."""
    return Difference(
        remove=sorted(key for key in running if key not in wanted),
        change=sorted(key for key in wanted if key in running and running[key] != wanted[key]),
        add=sorted(key for key in wanted if key not in running),
    )


def fingerprint(*parts: Any) -> str:
    """The same text for the same configuration, whatever the order of its keys."""
    return json.dumps(parts, sort_keys=True, default=str)


@dataclass(slots=True)
class Supervisor:
    """Owns the instances. One reload at a time."""

    running: dict[StreamKey, _Running] = field(default_factory=dict)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def apply(self, wanted: Mapping[StreamKey, Wanted]) -> Difference:
        """Run exactly these streams. Everything new is built first: a ConfigError changes nothing."""
        async with self._lock:
            difference = compare(
                {key: entry.fingerprint for key, entry in self.running.items()},
                {key: entry.fingerprint for key, entry in wanted.items()},
            )
            built = {key: wanted[key].build() for key in (*difference.change, *difference.add)}
            for key in (*difference.remove, *difference.change):
                await self._stop(key)
            for key, instance in built.items():
                self.running[key] = _Running(wanted[key].fingerprint, instance)
                await instance.start()
                _log.info("stream %s/%s started", *key)
            return difference

    async def _stop(self, key: StreamKey, grace: float = 20.0) -> None:
        entry = self.running.pop(key)
        await entry.instance.stop(grace)
        _log.info("stream %s/%s stopped", *key)

    async def stop(self, grace: float = 20.0) -> None:
        """Stop all streams, at the same time."""
        async with self._lock:
            await asyncio.gather(*(self._stop(key, grace) for key in list(self.running)))

    def instances(self) -> dict[StreamKey, Instance]:
        """What runs."""
        return {key: entry.instance for key, entry in self.running.items()}
