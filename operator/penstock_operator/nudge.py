"""Sees to it that running gateways hold the access documents: asks each pod's `/status`, nudges the kubelet of those that do not.

A mounted Secret reaches a running pod at the kubelet's next sync, a minute or more. A changed annotation of the pod makes the kubelet
sync at once, nearly always; so the pod is asked afterwards and nudged again with a new value, after 0.3 s, 0.6 s, … 10 s.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from penstock_operator import manifests
from penstock_operator.cluster import Absent, Cluster
from penstock_operator.mirror import GATEWAY, Mirror, Pod
from penstock_operator.resources.documents import Name
from penstock_operator.world import GatewayFacts, Ref

SOONEST, LATEST = 0.3, 10.0
"""Seconds until a pod that was nudged is nudged again: the first time, and at most."""
LOOK = 10.0
"""Seconds between two looks at gateways that are as they should be."""
SOON = 0.1
"""Seconds between two looks while something is awaited."""
PATIENCE = 2.0
"""Seconds a gateway may take to answer."""

Ask = Callable[[str, str], Awaitable[Mapping[str, Any] | None]]
"""Address and token of a gateway → its status; None when it does not answer. Unauthorised is `{}`."""

_log = logging.getLogger("penstock.operator")


@dataclass(slots=True)
class _Watch:
    """What an API's gateways should hold, and how the nudging goes. `due`: when the next nudge may be given."""

    revision: str
    attempt: int = 0
    due: float = 0.0


class Gateways:
    """The running gateways of all APIs. `clock` is monotonic; `ask` asks a pod."""

    def __init__(self, cluster: Cluster, mirror: Mirror, ask: Ask, clock: Callable[[], float]) -> None:
        self._cluster, self._mirror, self._ask, self._clock = cluster, mirror, ask, clock
        self._watches: dict[Name, _Watch] = {}
        self._tokens: dict[Name, str] = {}

    def expect(self, api: Name, revision: str) -> None:
        """The access documents of an API were written; its gateways should hold them."""
        watch = self._watches.get(api)
        if watch is None or watch.revision != revision:
            self._watches[api] = _Watch(revision)

    def drop(self, api: Name) -> None:
        """The API is gone."""
        self._watches.pop(api, None)
        self._tokens.pop(api, None)
        self._mirror.store.observe_gateways(api, None)

    async def look(self, api: Name, *, nudge_first: bool) -> tuple[float | None, set[Ref]]:
        """Ask all gateways of an API, nudge those that are behind: seconds until the next look, and whose turn it is because of news."""
        watch = self._watches.get(api)
        if watch is None:
            return None, set()
        pods = self._mirror.pods(api)
        if nudge_first and watch.attempt == 0:
            await self._nudge(watch, pods)
        answers, refs = await self._hear(api, pods)
        behind = [
            pod
            for pod, answer in zip(pods, answers, strict=True)
            if answer is not None and _revision(answer) != watch.revision
        ]
        if behind:
            await self._nudge(watch, behind)
            return min(SOON * 1.5**watch.attempt, 2.0), refs
        watch.attempt = 0
        silent = any(pod.ready and not answer for pod, answer in zip(pods, answers, strict=True))
        return (1.0 if silent else LOOK if pods else None), refs

    async def meet(self, apis: Iterable[Name]) -> None:
        """Hear what runs already, before a new process says anything about it."""
        known = [(api, pods) for api in apis if (pods := self._mirror.pods(api))]
        await asyncio.gather(*(self._hear(api, pods) for api, pods in known), return_exceptions=True)

    async def _hear(self, api: Name, pods: list[Pod]) -> tuple[list[Mapping[str, Any] | None], set[Ref]]:
        token = await self._token(api) if any(pod.address for pod in pods) else ""
        answers = await asyncio.gather(*(self._status(api, pod, token) for pod in pods))
        return answers, self._tell(api, pods, answers)

    async def _nudge(self, watch: _Watch, pods: list[Pod]) -> None:
        now = self._clock()
        if now < watch.due or not pods:
            return
        watch.due = now + min(LATEST, SOONEST * 2.0**watch.attempt)
        watch.attempt += 1
        value = f"{watch.revision}.{watch.attempt}.{int(now * 1000) % 1_000_000}"
        results = await asyncio.gather(
            *(self._cluster.annotate("Pod", pod.name, {manifests.REVISION: value}) for pod in pods),
            return_exceptions=True,
        )
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, Absent):
                raise result

    async def _token(self, api: Name) -> str:
        if api not in self._tokens:
            stored = await self._cluster.get("Secret", Name(api.namespace, f"{api.name}-admin"))
            self._tokens[api] = _token_of(stored)
        return self._tokens[api]

    async def _status(self, api: Name, pod: Pod, token: str) -> Mapping[str, Any] | None:
        if not pod.address:
            return None
        answer = await self._ask(pod.address, token)
        if answer == {}:
            self._tokens.pop(api, None)
        return answer

    def _tell(self, api: Name, pods: list[Pod], answers: list[Mapping[str, Any] | None]) -> set[Ref]:
        """What the gateways say goes into the store; whose plans depend on it if it is new."""
        facts = facts_of(pods, answers)
        store = self._mirror.store
        if store.snapshot().gateways.get(api) == facts:
            return set()
        store.observe_gateways(api, facts)
        around = store.affected(Ref("StreamAPI", api))
        return {ref for ref in around if ref.kind != "StreamAPI" or ref.name == api}


def facts_of(pods: list[Pod], answers: list[Mapping[str, Any] | None]) -> GatewayFacts:
    """What all ready gateways of an API have in common."""
    ready = [(pod, answer) for pod, answer in zip(pods, answers, strict=True) if pod.ready]
    if not ready:
        return GatewayFacts(message="; ".join(dict.fromkeys(pod.trouble for pod in pods if pod.trouble)))
    hashes = {pod.hash for pod, _ in ready}
    revisions = {_revision(answer) if answer else "" for _, answer in ready}
    streams = [
        stream for _, answer in ready if answer for those in (answer.get("apis") or {}).values() for stream in those
    ]
    faults = [str(fault) for stream in streams for fault in stream.get("faults") or ()]
    silent = any(not answer for _, answer in ready)
    return GatewayFacts(
        ready=len(ready),
        hash=hashes.pop() if len(hashes) == 1 else "",
        revision=revisions.pop() if len(revisions) == 1 else "",
        connected=None if silent else all(stream.get("connected") for stream in streams),
        message="; ".join(dict.fromkeys(faults))[:1000],
    )


def _revision(answer: Mapping[str, Any]) -> str:
    return str((answer.get("access") or {}).get("revision") or "")


def _token_of(stored: Mapping[str, Any] | None) -> str:
    try:
        text = base64.b64decode(((stored or {}).get("data") or {})["admin.json"])
        return str(json.loads(text)["token"])
    except (KeyError, TypeError, ValueError, binascii.Error):
        return ""


class HttpAsk:
    """Asks gateways over the network, at their admin port."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def __call__(self, address: str, token: str) -> Mapping[str, Any] | None:
        """The status of one gateway."""
        host = f"[{address}]" if ":" in address else address
        try:
            async with self._session.get(
                f"http://{host}:{manifests.ADMIN_PORT}/status",
                headers={"Authorization": f"Bearer {token}"},
                timeout=aiohttp.ClientTimeout(total=PATIENCE),
                allow_redirects=False,
            ) as response:
                if response.status == 401:
                    return {}
                return await response.json() if response.status == 200 else None
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return None


def key_of(api: Name) -> Ref:
    """The key under which the gateways of an API wait in the queue."""
    return Ref(GATEWAY, api)
