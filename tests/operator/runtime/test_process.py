"""Settings, health and events of the operator process."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from fakes.rig import Rig
from penstock_operator import compiling, process, settings
from penstock_operator.cluster import Absent, ClusterError, Conflict, Exists, Refused, Unavailable, explain
from penstock_operator.compiler import Compiler
from penstock_operator.health import Health, Pulse
from penstock_operator.lease import LeaseThread
from penstock_operator.resources.documents import Name


def test_settings_come_from_the_environment() -> None:
    found = settings.read(
        {"PENSTOCK_GATEWAY_IMAGE": "a/b:1", "PENSTOCK_WATCH_NAMESPACES": "a, b", "PENSTOCK_SECRET_REFERENCES": "Any"}
    )
    assert found.gateway_image == "a/b:1"
    assert found.watch_namespaces == ("a", "b")
    assert found.labelled_secrets is False


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GATEWAY_IMAGE", ""),
        ("SECRET_REFERENCES", "Some"),
        ("WORKERS", "x"),
        ("GATEWAY_RESOURCES", "["),
        ("GATEWAY_RESOURCES", "1"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(name: str, value: str) -> None:
    with pytest.raises(settings.SettingsError, match=name):
        settings.read({"PENSTOCK_GATEWAY_IMAGE": "x", f"PENSTOCK_{name}": value})


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (404, "404 page not found", Absent),
        (409, '{"reason": "AlreadyExists"}', Exists),
        (409, '{"reason": "Conflict"}', Conflict),
        (422, '{"message": "metadata.uid: Invalid value"}', Conflict),
        (422, '{"message": "spec.replicas: Invalid value"}', Refused),
        (403, '{"message": "may not"}', Refused),
        (500, '{"message": "failed to create typed patch object (x): field not declared in schema"}', Refused),
        (500, '{"message": "etcd is away"}', Unavailable),
        (429, '{"details": {"retryAfterSeconds": 5}}', Unavailable),
        (504, "", Unavailable),
        (None, None, Unavailable),
    ],
)
def test_answers_of_the_api_server_say_what_follows(
    status: int | None, body: str | None, kind: type[ClusterError]
) -> None:
    error = explain(status, body)
    assert type(error) is kind
    if isinstance(error, Unavailable) and status == 429:
        assert error.after == 5.0


@pytest.fixture
async def health() -> AsyncIterator[tuple[Rig, Pulse, str]]:
    rig = Rig()
    rig.apply()
    await rig.run()
    pulse = Pulse(rig.now, whole=True, leading=True)
    found = Health(pulse, rig.reconciler, lambda: len(rig.cluster.log), rig.clock)
    await found.start("127.0.0.1", 0)
    assert found._runner is not None
    port = found._runner.addresses[0][1]
    yield rig, pulse, f"http://127.0.0.1:{port}"
    await found.stop()


async def test_health_knows_the_age_of_its_loops(health: tuple[Rig, Pulse, str]) -> None:
    rig, pulse, url = health
    async with aiohttp.ClientSession() as session:

        async def status(path: str) -> int:
            async with session.get(url + path) as answer:
                return answer.status

        assert (await status("/healthz"), await status("/readyz")) == (200, 200)
        pulse.whole = False
        assert (await status("/healthz"), await status("/readyz")) == (200, 503)
        rig.now += 301.0
        assert await status("/healthz") == 503
        async with session.get(url + "/metrics") as answer:
            text = await answer.text()
    assert "penstock_operator_keys 2.0" in text
    assert "penstock_operator_minted_total 2.0" in text


async def test_events_feed_the_queue() -> None:
    rig = Rig()
    rig.apply()
    await rig.run()
    feed = process.feed(rig.reconciler)
    key = dict(rig.cluster.of("Key")["mobile"])
    key["metadata"] = {**key["metadata"], "resourceVersion": "999999"}
    feed("DELETED", key)
    assert Name("default", "mobile") not in rig.store.snapshot().keys
    assert len(rig.queue)


async def test_a_lost_lease_ends_the_process() -> None:
    """O5: also when the thread that renews it breaks."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def connect() -> None:
        raise RuntimeError("unforeseen")

    logging.getLogger("penstock.operator.lease").setLevel(logging.CRITICAL)

    def end() -> None:
        loop.call_soon_threadsafe(ended.set)

    lease = LeaseThread(connect, Name("a", "b"), "one", end)
    lease._thread.start()
    await asyncio.wait_for(ended.wait(), 10)
    assert not lease.holds()
    lease.stop()


@pytest.mark.process
async def test_a_configuration_is_compiled_elsewhere_within_a_limit(tmp_path: Path) -> None:
    """AC: a hostile configuration costs its author the answer, and nobody else anything."""
    compiler = Compiler(limit=30.0)
    good = {"input": {"generate": {"mapping": "root = 1"}}, "output": {"drop": {}}}
    try:
        compiled = await asyncio.to_thread(compiler._ask, good, {})
        assert compiled == compiling.compile_stream(good, {})
        assert compiler._process is not None
        assert compiler._process.pid is not None
        os.kill(compiler._process.pid, signal.SIGSTOP)  # as if it were busy for ever
        compiler._limit = 0.1
        (problem,) = (await asyncio.to_thread(compiler._ask, good, {})).problems
        assert "takes longer" in problem.text
        compiler._limit = 30.0
        assert not (await asyncio.to_thread(compiler._ask, good, {})).problems
    finally:
        compiler.close()
