"""Keeps what is observed in order: feeds the Store, remembers of children and pods what decisions need, says whose turn it is.

Events, lists and the answers to our own writes arrive in any order; of each object only the newest version counts. A complete list
also removes what is gone, because a watch that was away reports no deletions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from penstock_operator import access, manifests
from penstock_operator.cluster import Listed, name_of
from penstock_operator.resources.documents import KINDS, Name
from penstock_operator.world import CREDENTIAL_TYPE, MANAGED_BY, OPERATOR, USABLE_BY, Ref, Store, around_keys

OURS = f"{MANAGED_BY}={OPERATOR}"
CHILDREN = ("Deployment", "Service", "ServiceAccount", "PodDisruptionBudget")
WATCHED: Mapping[str, str] = {
    **dict.fromkeys(KINDS, ""),
    "Namespace": "",
    "Secret": USABLE_BY,
    "ConfigMap": USABLE_BY,
    **dict.fromkeys(CHILDREN, OURS),
    "Pod": OURS,
}
"""Every kind that is watched, with the labels that select it on the server."""
GATEWAY = "Gateway"
"""Kind of the keys that stand for the running gateways of an API."""


@dataclass(frozen=True, slots=True)
class Child:
    """An object of ours. `marker`: changes with what we set (generation, else version)."""

    kind: str
    name: Name
    uid: str
    owner: str
    api: Name | None
    marker: str
    version: str
    deleting: bool
    created: str
    shards: int
    """Of a Deployment: key shards that its pods mount."""


@dataclass(frozen=True, slots=True)
class Pod:
    """A gateway pod. `hash`: the pipeline document it runs; `trouble`: why it does not start, if anybody says so."""

    name: Name
    uid: str
    api: Name
    address: str
    ready: bool
    hash: str
    deleting: bool
    trouble: str


class Mirror:
    """What is known of the cluster, newest version of each object."""

    def __init__(self, store: Store, secrets: str = USABLE_BY) -> None:
        self.store = store
        self.watched = {**WATCHED, "Secret": secrets}
        self.foreign: set[Name] = set()
        """Secrets that no watch selects and that stand where one of ours should be."""
        self._versions: dict[tuple[str, Name], int] = {}
        self._gone: dict[tuple[str, Name], int] = {}
        self._children: dict[tuple[str, Name], Child] = {}
        self._pods: dict[Name, Pod] = {}

    # --- asking ---------------------------------------------------------------------------------------------------------

    def child(self, kind: str, name: Name) -> Child | None:
        """An object of ours, if it is there."""
        return self._children.get((kind, name))

    def children(self, api: Name, kind: str) -> list[Child]:
        """The children of one kind of an API, the oldest first."""
        found = [it for it in self._children.values() if it.kind == kind and it.api == api]
        return sorted(found, key=lambda it: (it.created, it.name))

    def pods(self, api: Name) -> list[Pod]:
        """The gateway pods of an API that are not going away."""
        return sorted((it for it in self._pods.values() if it.api == api and not it.deleting), key=lambda it: it.name)

    # --- observing ------------------------------------------------------------------------------------------------------

    def observe(self, document: Mapping[str, Any]) -> set[Ref]:
        """An object as it is now; whose turn it is because of that."""
        place = (str(document["kind"]), name_of(document))
        version = _version(document)
        if version <= max(self._versions.get(place, -1), self._gone.get(place, -1)):
            return set()
        self._versions[place] = version
        self._gone.pop(place, None)
        return self._take(place, document)

    def forget(self, document: Mapping[str, Any]) -> set[Ref]:
        """The object is gone, or no longer ours to watch."""
        place = (str(document["kind"]), name_of(document))
        version = _version(document)
        if version < self._versions.get(place, -1):
            return set()
        self._gone[place] = version
        return self._drop(place)

    def lost(self, kind: str, name: Name) -> set[Ref]:
        """A look-up did not find the object."""
        return self._drop((kind, name))

    def prime(self, kind: str, listed: Listed) -> set[Ref]:
        """A complete list: what it lacks is gone, unless it is newer than the list."""
        taken = int(listed.version) if listed.version.isdigit() else 0
        here = {name_of(document) for document in listed.items}
        refs: set[Ref] = set()
        for document in listed.items:
            refs |= self.observe(document)
        for place in [place for place in self._versions if place[0] == kind and place[1] not in here]:
            foreign = kind == "Secret" and place[1] in self.foreign
            if self._versions[place] <= taken and not foreign:
                refs |= self._drop(place)
        self._gone = {place: version for place, version in self._gone.items() if place[0] != kind or version > taken}
        self.store.confirm(kind)
        return refs

    def _take(self, place: tuple[str, Name], document: Mapping[str, Any]) -> set[Ref]:
        kind, name = place
        meta = document["metadata"]
        ours = (meta.get("labels") or {}).get(MANAGED_BY) == OPERATOR
        if kind == "Pod":
            return self._take_pod(name, document)
        refs: set[Ref] = set()
        if ours and kind not in KINDS:
            child = self._children[place] = _child(kind, name, document)
            if child.api is not None:
                return {Ref("StreamAPI", child.api)}
        if kind in KINDS or (kind in ("Secret", "ConfigMap", "Namespace") and (not ours or _is_credential(document))):
            return refs | self._store(document)
        return refs

    def _store(self, document: Mapping[str, Any]) -> set[Ref]:
        kind, name = str(document["kind"]), name_of(document)
        ref = Ref(kind, name)
        before = self._known(ref)
        if kind in KINDS and before is not None and not _differs(before, document):
            return self._store_status(ref, document)
        if _is_credential(document):
            self.store.observe(document)
            return self._around_credential(name, document)
        if kind == "Namespace" and before == (document["metadata"].get("labels") or {}):
            return set()
        refs = set() if before is None else self.store.affected(ref)
        self.store.observe(document)
        return refs | self.store.affected(ref)

    def _store_status(self, ref: Ref, document: Mapping[str, Any]) -> set[Ref]:
        """Only the status differs. What a Key's status says of its credential may matter to its APIs."""
        before = self._stance(ref)
        self.store.observe(document, same_access=True)
        if before == self._stance(ref):
            return {ref}
        self.store.derive_anew()
        return {ref} | {other for other in self.store.affected(ref) if other.kind == "StreamAPI"}

    def _stance(self, ref: Ref) -> Any:
        world = self.store.snapshot()
        key = world.keys.get(ref.name) if ref.kind == "Key" else None
        if key is None:
            return None
        known = access.credentials(world, key, 0.0)
        return known, [access.expires(world, key, it) for it in known.found], access.holdings(world, key)

    def _around_credential(self, name: Name, document: Mapping[str, Any]) -> set[Ref]:
        """A credential that was generated concerns its Key and the APIs of that alone."""
        world = self.store.snapshot()
        references = document["metadata"].get("ownerReferences") or ()
        owners = {str(it.get("name")) for it in references if it.get("kind") == "Key"}
        held = [key for owner in owners if (key := world.keys.get(Name(name.namespace, owner))) is not None]
        if not held:
            return self.store.affected(Ref("Secret", name))
        return {Ref("Key", key.meta.name) for key in held} | around_keys(world, held)

    def _known(self, ref: Ref) -> Any:
        world = self.store.snapshot()
        tables: Mapping[str, Mapping[Any, Any]] = {
            "StreamAPI": world.apis,
            "Policy": world.policies,
            "Key": world.keys,
            "Secret": world.secrets,
            "ConfigMap": world.config_maps,
        }
        return tables[ref.kind].get(ref.name) if ref.kind in tables else world.namespaces.get(ref.name.name)

    def _take_pod(self, name: Name, document: Mapping[str, Any]) -> set[Ref]:
        pod = _pod(name, document)
        if pod is None or self._pods.get(name) == pod:
            return set()
        self._pods[name] = pod
        return {Ref(GATEWAY, pod.api)}

    def _drop(self, place: tuple[str, Name]) -> set[Ref]:
        kind, name = place
        self._versions.pop(place, None)
        if kind == "Pod":
            pod = self._pods.pop(name, None)
            return {Ref(GATEWAY, pod.api)} if pod else set()
        child = self._children.pop(place, None)
        ref = Ref(kind, name)
        if child is not None and child.api is not None:
            return {Ref("StreamAPI", child.api)}
        if kind in CHILDREN or kind == GATEWAY:
            return set()
        refs = self.store.affected(ref)
        self.store.forget(ref)
        return refs | self.store.affected(ref)


# --- reading ------------------------------------------------------------------------------------------------------------


def _version(document: Mapping[str, Any]) -> int:
    text = str((document.get("metadata") or {}).get("resourceVersion") or "0")
    return int(text) if text.isdigit() else 0


def _is_credential(document: Mapping[str, Any]) -> bool:
    return document.get("kind") == "Secret" and document.get("type") == CREDENTIAL_TYPE


def _differs(before: Any, document: Mapping[str, Any]) -> bool:
    """Whether more than the status may have changed."""
    meta = document["metadata"]
    deleting = "deletionTimestamp" in meta
    same: bool = before.meta.uid == meta.get("uid") and before.meta.generation == int(meta.get("generation") or 1)
    return not same or before.meta.deleting != deleting


def owner_uid(document: Mapping[str, Any]) -> str:
    """The uid of the object that controls another one; "" when there is none."""
    references = (document.get("metadata") or {}).get("ownerReferences") or ()
    return next((str(it.get("uid")) for it in references if it.get("controller")), "")


def _child(kind: str, name: Name, document: Mapping[str, Any]) -> Child:
    meta = document["metadata"]
    api = (meta.get("labels") or {}).get(manifests.API_LABEL)
    return Child(
        kind,
        name,
        str(meta.get("uid") or ""),
        owner_uid(document),
        Name(name.namespace, api) if api else None,
        marker(document),
        str(meta.get("resourceVersion") or ""),
        "deletionTimestamp" in meta,
        str(meta.get("creationTimestamp") or ""),
        manifests.mounted_shards(document) if kind == "Deployment" else 0,
    )


def marker(document: Mapping[str, Any]) -> str:
    """What changes whenever somebody changes what we set."""
    meta = document["metadata"]
    return f"g{meta['generation']}" if meta.get("generation") else f"v{meta.get('resourceVersion')}"


def _pod(name: Name, document: Mapping[str, Any]) -> Pod | None:
    meta, status = document["metadata"], document.get("status") or {}
    api = (meta.get("labels") or {}).get(manifests.API_LABEL)
    if not api:
        return None
    ready = any(it.get("type") == "Ready" and it.get("status") == "True" for it in status.get("conditions") or ())
    return Pod(
        name,
        str(meta.get("uid") or ""),
        Name(name.namespace, api),
        str(status.get("podIP") or ""),
        ready,
        str((meta.get("annotations") or {}).get(manifests.HASH, "")),
        "deletionTimestamp" in meta or status.get("phase") in ("Failed", "Succeeded"),
        "; ".join(_troubles(status)),
    )


def _troubles(status: Mapping[str, Any]) -> Iterator[str]:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            yield f"{condition.get('reason')}: {condition.get('message')}"[:300]
    for container in status.get("containerStatuses") or ():
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
            yield f"{waiting['reason']}: {waiting.get('message', '')}"[:300]
