"""`/healthz`, `/readyz` and `/metrics` of the operator: whether its loops turn, whether it knows the world, what it did."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from penstock_operator.reconcile import Reconciler
from penstock_operator.world import NEEDED

SILENT = 300.0
"""Seconds without a turn of the resync loop, or with a due key that nobody takes, after which the process is restarted."""


@dataclass(slots=True)
class Pulse:
    """What the loops leave behind. `turned`: monotonic seconds of the last resync, whether it worked or not."""

    turned: float
    whole: bool = False
    leading: bool = False


class Health:
    """Answers about one process."""

    def __init__(
        self, pulse: Pulse, reconciler: Reconciler, writes: Callable[[], int], monotonic: Callable[[], float]
    ) -> None:
        self._pulse, self._reconciler, self._writes, self._monotonic = pulse, reconciler, writes, monotonic
        self._runner: web.AppRunner | None = None
        self._registry = CollectorRegistry()
        self._registry.register(_Figures(self))

    def complaint(self) -> str:
        """Why the process should be restarted; "" = it is well."""
        if self._pulse.leading and self._monotonic() - self._pulse.turned > SILENT:
            return "the resync loop does not turn"
        if self._reconciler.queue.overdue() > SILENT:
            return "the queue does not move"
        return ""

    def figures(self) -> dict[str, tuple[str, float]]:
        """Name → what it counts, value; a name that ends in `_total` is a counter."""
        queue, counters = self._reconciler.queue, self._reconciler.counters
        world = self._reconciler.mirror.store.snapshot()
        return {
            "penstock_operator_leading": ("Whether this process leads.", float(self._pulse.leading)),
            "penstock_operator_world_known": ("Whether every kind could be listed.", float(world.known >= NEEDED)),
            "penstock_operator_resync_age_seconds": (
                "Since the last list of all kinds.",
                self._monotonic() - self._pulse.turned,
            ),
            "penstock_operator_queue_length": ("Keys that wait, due or put off.", float(len(queue))),
            "penstock_operator_queue_overdue_seconds": ("How long the oldest due key waits.", queue.overdue()),
            "penstock_operator_writes_total": ("Writes to the API server.", float(self._writes())),
            "penstock_operator_done_total": ("Keys worked on that were as planned.", float(counters.done)),
            "penstock_operator_overtaken_total": ("Keys planned again at once.", float(counters.overtaken)),
            "penstock_operator_failed_total": ("Keys tried again later.", float(counters.failed)),
            "penstock_operator_stuck_total": ("Keys that need somebody's change.", float(counters.stuck)),
            "penstock_operator_minted_total": ("Credentials generated.", float(counters.minted)),
            "penstock_operator_stream_apis": ("StreamAPIs known.", float(len(world.apis))),
            "penstock_operator_policies": ("Policies known.", float(len(world.policies))),
            "penstock_operator_keys": ("Keys known.", float(len(world.keys))),
        }

    async def start(self, host: str, port: int) -> None:
        """Listen."""
        app = web.Application()
        app.add_routes(
            [web.get("/healthz", self._healthz), web.get("/readyz", self._readyz), web.get("/metrics", self._metrics)]
        )
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()

    async def stop(self) -> None:
        """Close the port."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, request: web.Request) -> web.Response:
        complaint = self.complaint()
        return web.Response(status=503 if complaint else 200, text=f"{complaint or 'ok'}\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        """A candidate that waits for the lease is ready; a leader only when it knows the world."""
        if self._pulse.leading and not self._pulse.whole:
            return web.Response(status=503, text="not every kind could be listed\n")
        return web.Response(text="ok, leading\n" if self._pulse.leading else "ok, waiting to lead\n")

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(self._registry), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )


class _Figures(Collector):
    """The figures at the moment they are asked for."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        for name, (text, value) in self._health.figures().items():
            if name.endswith("_total"):
                yield CounterMetricFamily(name, text, value=value)
            else:
                yield GaugeMetricFamily(name, text, value=value)

    def describe(self) -> Iterator[Metric]:
        """Nothing beforehand: the figures exist only once the operator runs."""
        return iter(())
