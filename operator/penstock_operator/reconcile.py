"""Carries plans out: key → snapshot → plan → writes → status once. Everything is decided in `plan`; here is only how it is done.

The order of the writes matters: what revokes access goes first and is followed by a nudge, pods come later, the status last. A process
that dies between any two of them leaves what the next one finishes, because each step looks at what is there.
"""

from __future__ import annotations

import base64
import datetime
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock_operator import keys, manifests, plan, quantities, render, status
from penstock_operator.cluster import Absent, Cluster, ClusterError, Conflict, Exists, NotLeader, Refused, Unavailable
from penstock_operator.compiler import Compiler
from penstock_operator.mirror import GATEWAY, Child, Mirror, marker, owner_uid
from penstock_operator.nudge import Gateways, key_of
from penstock_operator.resources.documents import API_VERSION, Key, Name, Resource, StreamAPI
from penstock_operator.workqueue import WorkQueue
from penstock_operator.world import CREDENTIAL_TYPE, NEEDED, Ref

SOON = 0.2
"""Seconds after which a plan that was overtaken is made again."""
REST, REST_MOST = 2.0, 0.2
"""An API rests for so many times as long as its plan took, at most so many seconds: a thousand new keys make few plans of it."""
COUNTS = ("keys", "targets", "replicas")
COUNTS_EVERY = 10.0
"""Seconds between two writes of a status that differs in nothing but counts."""

_log = logging.getLogger("penstock.operator")


# --- the four endings ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Done:
    """All is as planned. `again`: seconds after which to look again, None = when something happens."""

    again: float | None = None


@dataclass(frozen=True, slots=True)
class Overtaken:
    """The world was another one than planned for."""

    why: str


@dataclass(frozen=True, slots=True)
class Failed:
    """It may work later. `after`: seconds somebody asked to wait."""

    why: str
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Stuck:
    """It will not work until somebody changes something."""

    why: str


Ending = Done | Overtaken | Failed | Stuck


class Taken(Exception):
    """A name that an API needs belongs to something else."""


@dataclass(slots=True)
class Counters:
    """What happened so far, for the metrics."""

    done: int = 0
    overtaken: int = 0
    failed: int = 0
    stuck: int = 0
    minted: int = 0


@dataclass(slots=True)
class Reconciler:
    """Carries out plans. `clock` in Unix seconds; `entropy` gives random bytes; `name` of this process, for Events."""

    cluster: Cluster
    mirror: Mirror
    queue: WorkQueue[Ref]
    gateways: Gateways
    compiler: Compiler
    style: manifests.Style
    clock: Callable[[], float]
    entropy: Callable[[int], bytes]
    name: str = "penstock-operator"
    counters: Counters = field(default_factory=Counters)
    _applied: dict[tuple[str, Name], tuple[str, str]] = field(default_factory=dict)
    _counted: dict[Ref, float] = field(default_factory=dict)
    _wrote: set[Name] = field(default_factory=set)
    _met: bool = False
    _rests: dict[Ref, float] = field(default_factory=dict)

    # --- the world ------------------------------------------------------------------------------------------------------

    async def prime(self) -> bool:
        """List every kind completely; whether the whole world is known. A kind that cannot be listed stops all decisions."""
        whole = True
        for kind, selector in self.mirror.watched.items():
            try:
                self.enqueue(self.mirror.prime(kind, await self.cluster.list(kind, selector)))
            except ClusterError as error:
                _log.error("cannot list %s, nothing is decided until that works: %s", kind, error)
                self.mirror.store.doubt(kind)
                whole = False
        for name in sorted(self.mirror.foreign):
            await self._look_at_foreign(name)
        world = self.mirror.store.snapshot()
        self.compiler.keep_only(world)
        if whole and not self._met:
            await self.gateways.meet(world.apis)
            self._met = True
        self.enqueue({Ref("StreamAPI", name) for name in world.apis} | {Ref("Policy", name) for name in world.policies})
        self.enqueue({Ref("Key", name) for name in world.keys})
        return whole

    async def _look_at_foreign(self, name: Name) -> None:
        try:
            live = await self.cluster.get("Secret", name)
        except ClusterError:
            return
        if live is None:
            self.mirror.foreign.discard(name)
            self.enqueue(self.mirror.lost("Secret", name))

    def enqueue(self, refs: set[Ref]) -> None:
        """It is their turn, if they are of a kind that has turns."""
        for ref in refs:
            if ref.kind in ("StreamAPI", "Policy", "Key", GATEWAY):
                self.queue.add(ref, max(0.0, self._rests.get(ref, 0.0) - self.clock()))

    # --- one key --------------------------------------------------------------------------------------------------------

    async def act(self, ref: Ref) -> None:
        """Work on one key, whatever happens."""
        match await self._ending(ref):
            case Done(again):
                self.counters.done += 1
                self.queue.forgive(ref)
                if again is not None:
                    self.queue.add(ref, again)
            case Overtaken(why):
                self.counters.overtaken += 1
                _log.info("%s %s is planned again: %s", ref.kind, ref.name, why)
                self.queue.add(ref, SOON)
            case Failed(why, after):
                self.counters.failed += 1
                delay = self.queue.retry(ref, after)
                _log.warning("%s %s is tried again in %.1f s: %s", ref.kind, ref.name, delay, why)
            case Stuck(why):
                self.counters.stuck += 1
                delay = self.queue.retry(ref, 60.0)
                _log.error("%s %s cannot be carried out, next look in %.0f s: %s", ref.kind, ref.name, delay, why)

    async def _ending(self, ref: Ref) -> Ending:
        began = self.clock()
        try:
            return await self._outcome(ref)
        finally:
            if ref.kind == "StreamAPI":
                self._rests[ref] = self.clock() + min(REST_MOST, REST * (self.clock() - began))

    async def _outcome(self, ref: Ref) -> Ending:
        try:
            if ref.kind == GATEWAY:
                return await self._gateways(ref.name)
            return await self._resource(ref)
        except NotLeader as error:
            return Failed(str(error))
        except (Conflict, Exists, Absent) as error:
            return Overtaken(str(error))
        except Refused as error:
            return Stuck(str(error))
        except Unavailable as error:
            return Failed(str(error), error.after)
        except Exception as error:  # the loop of reconciles must survive a mistake in one of them
            _log.exception("%s %s: unexpected", ref.kind, ref.name)
            return Failed(f"unexpected {type(error).__name__}")

    async def _resource(self, ref: Ref) -> Ending:
        store = self.mirror.store
        api = store.snapshot().apis.get(ref.name) if ref.kind == "StreamAPI" else None
        if api is not None:
            if await self.compiler.learn(store.snapshot(), api):
                store.observe_compiled(self.compiler.known)
            store.observe_conflict(ref.name, "")
        elif ref.kind == "StreamAPI":
            self.gateways.drop(ref.name)
            self._rests.pop(ref, None)
        done = self._plan(ref)
        if api is not None and done.status is not None:
            try:
                await self._children(api, done)
            except Taken as taken:
                store.observe_conflict(ref.name, str(taken))
                done = self._plan(ref)
        for mint in done.mint:
            return await self._mint(mint, done.events)
        rest = await self._status(ref, done)
        waits = [seconds for seconds in (rest, done.again_in) if seconds is not None]
        return Done(min(waits, default=None))

    def _plan(self, ref: Ref) -> plan.Plan:
        return plan.plan(self.mirror.store.snapshot(), ref, self.clock())

    async def _gateways(self, api: Name) -> Ending:
        if not self.mirror.store.snapshot().known >= NEEDED:
            return Done(1.0)
        first = api in self._wrote
        self._wrote.discard(api)
        again, refs = await self.gateways.look(api, nudge_first=first)
        self.enqueue(refs)
        return Done(again)

    # --- children of a StreamAPI ----------------------------------------------------------------------------------------

    async def _children(self, api: StreamAPI, done: plan.Plan) -> None:
        name = api.meta.name
        deployed = self.mirror.child("Deployment", Name(name.namespace, manifests.gateway_name(name)))
        mounted = deployed.shards if deployed is not None else 0
        world = self.mirror.store.snapshot()
        wanted = manifests.children(world, api, done.apply, done.create, self.style, mounted)
        for secret, path in wanted.once.items():
            await self._once(api, secret, path)
        wrote = [await self._ensure(api, body) for body in wanted.hot]
        self.gateways.expect(name, plan.revision(done.apply))
        if any(wrote):
            self._wrote.add(name)
        if any(wrote) or done.nudge or name not in self.mirror.store.snapshot().gateways:
            self.queue.add(key_of(name))
        for body in wanted.cold:
            await self._ensure(api, body)
        await self._budget(api, wanted.budget)
        await self._remove_surplus(api, wanted, done)

    async def _once(self, api: StreamAPI, secret: str, path: str) -> None:
        """Random bytes that are made once and then left alone."""
        child = self.mirror.child("Secret", Name(api.meta.name.namespace, secret))
        if child is None:
            entry = "token" if path == "admin.json" else "current"
            body = {entry: base64.b64encode(self.entropy(32)).decode()}
            await self._make(api, manifests.secret(api, path, body))
        elif child.owner != api.meta.uid:
            await self._must_be_ours(api, "Secret", child.name)

    async def _ensure(self, api: StreamAPI, body: manifests.Object) -> bool:
        """An object as it should be; whether anything was written."""
        place = (body["kind"], Name(body["metadata"]["namespace"], body["metadata"]["name"]))
        child = self.mirror.child(*place)
        digest = render.digest(body)
        if child is None:
            child = await self._make(api, body)
            self._applied[place] = (digest, child.marker)
            return True
        if child.owner != api.meta.uid:
            await self._must_be_ours(api, *place)
        if child.deleting:
            raise Unavailable(f"{place[0]} {place[1]} is going away", 1.0)
        if body.get("immutable") or self._applied.get(place) == (digest, child.marker):
            return False
        intent = {**body, "metadata": {**body["metadata"], "uid": child.uid}}
        try:
            answer = await self.cluster.apply(intent)
        except (Absent, Conflict):
            await self._look(*place)
            raise
        self._observe(answer)
        self._applied[place] = (digest, marker(answer))
        return str(answer["metadata"].get("resourceVersion")) != child.version

    async def _make(self, api: StreamAPI, body: manifests.Object) -> Child:
        """Make a child; what has its name already must be ours."""
        place = (body["kind"], Name(body["metadata"]["namespace"], body["metadata"]["name"]))
        try:
            self._observe(await self.cluster.create(body))
        except Exists:
            await self._must_be_ours(api, *place)
        child = self.mirror.child(*place)
        if child is None:
            raise Conflict(f"{place[0]} {place[1]} is not ours any more")
        return child

    async def _must_be_ours(self, api: StreamAPI, kind: str, name: Name) -> None:
        live = await self._look(kind, name)
        if live is None:
            raise Conflict(f"{kind} {name} was there and is gone")
        if owner_uid(live) != api.meta.uid:
            text = f"{kind} {name.name} exists and does not belong to this StreamAPI: remove it, or choose another name"
            raise Taken(text)

    async def _look(self, kind: str, name: Name) -> manifests.Object | None:
        """An object as it is now, taken note of."""
        live = await self.cluster.get(kind, name)
        if live is None:
            self.enqueue(self.mirror.lost(kind, name))
        else:
            self._observe(live)
        return live

    def _observe(self, document: Mapping[str, Any]) -> None:
        self.enqueue(self.mirror.observe(document))

    async def _budget(self, api: StreamAPI, body: manifests.Object | None) -> None:
        name = Name(api.meta.name.namespace, manifests.gateway_name(api.meta.name))
        child = self.mirror.child("PodDisruptionBudget", name)
        if body is not None:
            await self._ensure(api, body)
        elif child is not None and child.owner == api.meta.uid:
            await self._delete(child)

    async def _remove_surplus(self, api: StreamAPI, wanted: manifests.Children, done: plan.Plan) -> None:
        """Key shards that are not used any more, and all but the latest pipeline documents."""
        name = api.meta.name
        hot = {body["metadata"]["name"] for body in wanted.hot}
        used = {body["metadata"]["name"] for body in wanted.cold if body["kind"] == "ConfigMap"}
        shards = [it for it in self.mirror.children(name, "Secret") if it.name.name.startswith(f"{name.name}-keys-")]
        maps = [it for it in self.mirror.children(name, "ConfigMap") if it.name.name not in used]
        old = maps[: -(manifests.KEPT - 1)] if used else []
        for child in [*(it for it in shards if it.name.name not in hot), *old]:
            if child.owner == api.meta.uid and not child.deleting:
                await self._delete(child)

    async def _delete(self, child: Child) -> None:
        """Deleting first looks again."""
        live = await self._look(child.kind, child.name)
        if live is not None and owner_uid(live) == child.owner:
            await self.cluster.delete(child.kind, child.name, child.uid)
            self._applied.pop((child.kind, child.name), None)

    # --- credentials ----------------------------------------------------------------------------------------------------

    async def _mint(self, mint: plan.Mint, events: tuple[plan.Event, ...]) -> Ending:
        """Generate a credential into the consumer's Secret, after a look at what is really there."""
        live_key = await self.cluster.get("Key", mint.key)
        if live_key is None:
            self.enqueue(self.mirror.lost("Key", mint.key))
            return Done()
        self._observe(live_key)
        key = self.mirror.store.snapshot().keys.get(mint.key)
        if key is None or key.meta.uid != mint.uid or key.meta.deleting:
            return Overtaken("the Key is another one by now, or is going away")
        live = await self.cluster.get("Secret", mint.secret)
        if live is not None and not self._is_damaged(live, mint):
            if owner_uid(live) != mint.uid:
                self.mirror.foreign.add(mint.secret)
            self._observe(live)
            return Overtaken(f"Secret {mint.secret} is there")
        text = keys.mint(self.entropy(keys.ENTROPY))
        issued = quantities.show_instant(self.clock())
        body = manifests.credential(key, mint.secret.name, {**mint.data, "key": text}, issued)
        if live is not None and live.get("type") != CREDENTIAL_TYPE:
            await self.cluster.delete("Secret", mint.secret, live["metadata"]["uid"])
            live = None
        if live is None:
            self._observe(await self.cluster.create(body))
        else:
            body["metadata"]["uid"] = live["metadata"]["uid"]
            self._observe(await self.cluster.apply(body))
        self.counters.minted += 1
        for event in events:
            await self._tell(key, event)
        self.queue.add(Ref("Key", mint.key))
        return Done()

    @staticmethod
    def _is_damaged(live: Mapping[str, Any], mint: plan.Mint) -> bool:
        """Ours, and without a usable key."""
        try:
            text = base64.b64decode((live.get("data") or {}).get("key", "")).decode()
        except ValueError:
            text = ""
        usable = keys.is_well_formed(text) and live.get("type") == CREDENTIAL_TYPE
        return owner_uid(live) == mint.uid and not usable and "deletionTimestamp" not in live["metadata"]

    # --- telling --------------------------------------------------------------------------------------------------------

    async def _status(self, ref: Ref, done: plan.Plan) -> float | None:
        """Write the status if it says something new; seconds until it should be written if it can wait."""
        world = self.mirror.store.snapshot()
        tables: Mapping[str, Mapping[Name, Resource]] = {
            "StreamAPI": world.apis,
            "Policy": world.policies,
            "Key": world.keys,
        }
        resource = tables[ref.kind].get(ref.name)
        if resource is None or done.status is None or resource.meta.status == done.status:
            return None
        wait = self._counted.get(ref, 0.0) + COUNTS_EVERY - self.clock()
        if wait > 0 and _without_counts(resource.meta.status) == _without_counts(done.status):
            return wait
        self._counted[ref] = self.clock()
        ours = {*status.POSITIVE, *status.NEGATIVE, *status.NEGATIVE_MORE}
        body = {
            "apiVersion": API_VERSION,
            "kind": ref.kind,
            "metadata": {"namespace": ref.name.namespace, "name": ref.name.name, "uid": resource.meta.uid},
            "status": {**done.status, "conditions": [it for it in done.status["conditions"] if it["type"] in ours]},
        }
        try:
            self._observe(await self.cluster.apply_status(body))
        except Absent:
            self.enqueue(self.mirror.lost(ref.kind, ref.name))
            return None
        if isinstance(resource, StreamAPI):
            for event in _turns(resource.meta.status, done.status):
                await self._tell(resource, event)
        return None

    async def _tell(self, resource: Key | StreamAPI, event: plan.Event) -> None:
        """An Event on a resource; nothing depends on it."""
        name = resource.meta.name
        stamp = datetime.datetime.fromtimestamp(self.clock(), datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        regarding = {"apiVersion": API_VERSION, "kind": resource.kind, "uid": resource.meta.uid, **name._asdict()}
        body = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"generateName": f"{name.name}-", "namespace": name.namespace},
            "eventTime": stamp,
            "reportingController": "penstock.dev/operator",
            "reportingInstance": self.name,
            "type": event.type,
            "action": "Reconcile",
            "reason": event.reason,
            "note": event.message[:1024],
            "regarding": regarding,
        }
        try:
            await self.cluster.create(body)
        except ClusterError as error:
            _log.warning("an Event could not be written: %s", error)


def _turns(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[plan.Event]:
    """What is worth an Event: an API is refused, or it begins to work."""
    old = {it["type"]: it["status"] for it in before.get("conditions", ())}
    for condition in after["conditions"]:
        if old.get(condition["type"]) == condition["status"]:
            continue
        match condition["type"], condition["status"]:
            case "Accepted", "False":
                yield plan.Event("Warning", condition["reason"], condition["message"])
            case "Ready", "True":
                yield plan.Event("Normal", condition["reason"], condition["message"])


def _without_counts(shown: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in shown.items() if name not in COUNTS}
