"""One operator process: waits for the lease, learns the world, then watches, works and lists again, until a signal. Decides nothing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp

from penstock_operator import handlers, manifests, world
from penstock_operator.cluster import KubeCluster
from penstock_operator.compiler import Compiler
from penstock_operator.health import Health, Pulse
from penstock_operator.lease import LeaseThread
from penstock_operator.mirror import Mirror
from penstock_operator.nudge import Gateways, HttpAsk
from penstock_operator.reconcile import Reconciler
from penstock_operator.resources.documents import Name
from penstock_operator.settings import Settings
from penstock_operator.workqueue import WorkQueue
from penstock_operator.world import Ref

RESYNC = 60.0
"""Seconds between two complete lists."""
AGAIN = 2.0
"""Seconds until the next try while the world is not known."""

_log = logging.getLogger("penstock.operator")


async def run(settings: Settings) -> int:
    """Run until SIGTERM; the exit status."""
    lease = LeaseThread(KubeCluster.connect, Name(settings.namespace, settings.lease), settings.identity)
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)  # kopf takes them over once it runs
    try:
        async with contextlib.AsyncExitStack() as stack:
            await _work(settings, lease, stack)
    except asyncio.CancelledError:
        _log.info("told to end")
    finally:
        await asyncio.to_thread(lease.stop)
    return 0


async def _work(settings: Settings, lease: LeaseThread, stack: contextlib.AsyncExitStack) -> None:
    cluster = await KubeCluster.connect(settings.watch_namespaces, lease.holds)
    stack.push_async_callback(cluster.close)
    session = await stack.enter_async_context(aiohttp.ClientSession())
    labelled = settings.labelled_secrets
    mirror = Mirror(
        world.Store(world.Settings(labelled_secrets=labelled, labelled_only=True)), world.USABLE_BY if labelled else ""
    )
    queue: WorkQueue[Ref] = WorkQueue(time.time, random.random)
    compiler = Compiler()
    stack.callback(compiler.close)
    gateways = Gateways(cluster, mirror, HttpAsk(session), time.monotonic)
    reconciler = Reconciler(
        cluster, mirror, queue, gateways, compiler, _style(settings), time.time, os.urandom, settings.identity
    )
    pulse = Pulse(time.monotonic())
    health = Health(pulse, reconciler, lambda: cluster.writes, time.monotonic)
    await health.start(settings.health_host, settings.health_port)
    stack.push_async_callback(health.stop)
    await lease.lead()
    pulse.leading, pulse.turned = True, time.monotonic()
    await _learn(reconciler, pulse)
    tasks = [
        asyncio.create_task(queue.work(reconciler.act), name=f"worker {number}") for number in range(settings.workers)
    ]
    tasks.append(asyncio.create_task(_resync(reconciler, pulse), name="resync"))
    stack.push_async_callback(_end, tasks)
    await handlers.watch(mirror.watched, settings.watch_namespaces, settings.identity, feed(reconciler))


def feed(reconciler: Reconciler) -> Callable[[str | None, Mapping[str, Any]], None]:
    """What to do with an event: take note, and queue whose turn it is."""

    def take(type_: str | None, document: Mapping[str, Any]) -> None:
        observe = reconciler.mirror.forget if type_ == "DELETED" else reconciler.mirror.observe
        reconciler.enqueue(observe(document))

    return take


def _style(settings: Settings) -> manifests.Style:
    plain = manifests.Style(
        settings.gateway_image, settings.gateway_image_pull_policy, settings.gateway_image_pull_secrets
    )
    if settings.gateway_resources is None:
        return plain
    return manifests.Style(
        settings.gateway_image,
        settings.gateway_image_pull_policy,
        settings.gateway_image_pull_secrets,
        settings.gateway_resources,
    )


async def _learn(reconciler: Reconciler, pulse: Pulse) -> None:
    """No plan before the whole world is known."""
    while True:
        pulse.whole = await reconciler.prime()
        pulse.turned = time.monotonic()
        if pulse.whole:
            return
        await asyncio.sleep(AGAIN)


async def _resync(reconciler: Reconciler, pulse: Pulse) -> None:
    while True:
        await asyncio.sleep(RESYNC if pulse.whole else AGAIN)
        try:
            pulse.whole = await reconciler.prime()
        except Exception:  # the resync must go on whatever one list contained
            _log.exception("resync failed")
            pulse.whole = False
        pulse.turned = time.monotonic()


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    """Work under way is given up; the next process finishes it."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
