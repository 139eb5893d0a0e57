"""All outlets of the process: made for the engine, found by the HTTP side, closed and moved off together."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence

from penstock_gateway.delivery import DeliveryPlan, Guarantee, Mode
from penstock_gateway.errors import NotSupported
from penstock_gateway.hub.clients import Verdict
from penstock_gateway.hub.compete import CompeteOutlet
from penstock_gateway.hub.outlet import BroadcastOutlet
from penstock_gateway.metrics import Metrics, OutletCounters
from penstock_gateway.positions import Seal
from penstock_gateway.registry import OutletOptions

HubOutlet = BroadcastOutlet | CompeteOutlet
_Key = tuple[str, str, str, str, str]


class Hub:
    """Outlets by API, stream and paths; they outlive the instances that write to them."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        self._metrics = metrics
        self._outlets: dict[_Key, HubOutlet] = {}
        self._own_key = secrets.token_bytes(32)

    def outlet(
        self, api: str, stream: str, options: OutletOptions, plan: DeliveryPlan, signing_keys: Sequence[bytes] = ()
    ) -> HubOutlet:
        """The outlet of a stream, made or taken over. Without signing keys, cursors end with the process."""
        if plan.guarantee is Guarantee.AT_LEAST_ONCE:
            raise NotSupported(
                "AtLeastOnce is not supported: use Live, or Broadcast with Resume", ("delivery", "guarantee")
            )
        key = (api, stream, options.path, options.stream_path, options.ws_path)
        found = self._outlets.get(key)
        if found is not None and not found.closed:
            if found.mode is plan.mode and found.plan.guarantee is plan.guarantee:
                found.renew(options, plan)
                return found
            found.close()
        made = self._made(api, stream, options, plan, signing_keys)
        self._outlets[key] = made
        return made

    def outlets(self, api: str) -> list[HubOutlet]:
        """The outlets of an API (`namespace/name`)."""
        return [outlet for key, outlet in self._outlets.items() if key[0] == api and not outlet.closed]

    def remove(self, api: str, stream: str | None = None) -> None:
        """A stream, or a whole API, is gone: its clients are let go."""
        for key in [key for key in self._outlets if key[0] == api and stream in (None, key[1])]:
            self._outlets.pop(key).close()

    async def part(self, api: str) -> None:
        """The streams of an API have ended by themselves: end their readers, and wait until somebody at each outlet has heard of it."""
        outlets = self.outlets(api)
        for outlet in outlets:
            outlet.close()
        for outlet in outlets:
            await outlet.parted.wait()

    def close_clients(self, api: str, verdict: Verdict) -> int:
        """Close the clients of an API for which a reason comes back; how many."""
        return sum(outlet.close_clients(verdict) for outlet in self.outlets(api))

    async def drain(self, jitter: float) -> None:
        """Move all clients off, evenly over `jitter` seconds, in random order; each is asked to come back at once or within a second."""
        for outlet in self._outlets.values():
            outlet.release()
        clients = [(outlet, client) for outlet in self._outlets.values() for client in outlet.clients]
        shuffled = secrets.SystemRandom()
        shuffled.shuffle(clients)
        pause = jitter / len(clients) if clients else 0.0
        owed = 0.0
        for outlet, client in clients:
            outlet.move_off(client, shuffled.random())
            owed += pause
            if owed >= _STEP_SECONDS:
                await asyncio.sleep(owed)
                owed = 0.0

    def _made(
        self, api: str, stream: str, options: OutletOptions, plan: DeliveryPlan, signing_keys: Sequence[bytes]
    ) -> HubOutlet:
        seal = Seal(list(signing_keys) or [self._own_key], api, stream)
        counters = self._metrics.outlet(api, stream) if self._metrics is not None else OutletCounters()
        if plan.mode is Mode.COMPETE:
            return CompeteOutlet(f"{api}/{stream}", options, plan, counters)
        return BroadcastOutlet(f"{api}/{stream}", options, plan, seal, counters)


_STEP_SECONDS = 0.02
