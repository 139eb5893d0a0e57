"""A cluster in memory that answers like an API server: versions, uids, generations, ownership of fields, garbage collection, watch."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Mapping
from typing import Any

from penstock_operator.cluster import Absent, Cluster, Conflict, Exists, Listed, name_of
from penstock_operator.resources.documents import Name

Object = dict[str, Any]
Place = tuple[str, Name]
WITHOUT_GENERATION = ("Secret", "ConfigMap", "ServiceAccount", "Service", "Pod", "Namespace", "Lease", "Event")


class FakeCluster:
    """Objects by kind and name. `before` sees every write and may raise; `log` lists the writes that took effect."""

    def __init__(self, clock: Callable[[], float] = lambda: 0.0) -> None:
        self.objects: dict[Place, Object] = {}
        self.log: list[tuple[str, str, str]] = []
        self.watchers: list[Callable[[str, Object], None]] = []
        self.before: Callable[[str, str, Name], None] = lambda verb, kind, name: None
        self.after: Callable[[str, str, Name], None] = lambda verb, kind, name: None
        self.unlistable: set[str] = set()
        self.clock = clock
        self._version = itertools.count(100)
        self._uid = itertools.count(1)
        self._intents: dict[Place, Object] = {}
        self.listed_at = 100

    # --- Cluster --------------------------------------------------------------------------------------------------------

    async def list(self, kind: str, selector: str = "") -> Listed:
        """As the API server: label selectors with `=`, or the mere presence of a label."""
        if kind in self.unlistable:
            raise Absent(f"403: {kind} cannot be listed")
        found = [
            copy.deepcopy(it)
            for (one, _), it in sorted(self.objects.items())
            if one == kind and _selected(it, selector)
        ]
        return Listed(found, str(self.listed_at))

    async def get(self, kind: str, name: Name) -> Object | None:
        """A copy of an object."""
        return copy.deepcopy(self.objects.get((kind, name)))

    async def create(self, body: Object) -> Object:
        """POST."""
        made = copy.deepcopy(body)
        meta = made["metadata"]
        if "generateName" in meta:
            meta["name"] = f"{meta.pop('generateName')}{next(self._uid)}"
        place = (body["kind"], name_of(made))
        self.before("create", *place)
        if place in self.objects:
            raise Exists(f"409: {place}")
        meta |= {
            "uid": f"uid-{next(self._uid)}",
            "creationTimestamp": f"1970-01-01T00:00:{int(self.clock()) % 60:02d}Z",
        }
        if body["kind"] not in WITHOUT_GENERATION:
            meta["generation"] = 1
        self._intents[place] = copy.deepcopy(body)
        return self._stored("create", place, made)

    async def apply(self, body: Object) -> Object:
        """Server-side apply by our manager: what the last apply set and this one does not is removed, others' fields stay."""
        place = (body["kind"], name_of(body))
        self.before("apply", *place)
        live = self._live(place, body)
        intent = {name: value for name, value in body.items() if name != "status"}
        changed = _applied(copy.deepcopy(live), intent, self._intents.get(place, {}))
        self._intents[place] = copy.deepcopy(intent)
        if changed == live:
            return copy.deepcopy(live)
        if place[0] not in WITHOUT_GENERATION and changed.get("spec") != live.get("spec"):
            changed["metadata"]["generation"] += 1
        return self._stored("apply", place, changed)

    async def apply_status(self, body: Object) -> Object:
        """Server-side apply of the subresource; conditions of others stay."""
        place = (body["kind"], name_of(body))
        self.before("status", *place)
        live = self._live(place, body)
        wanted = copy.deepcopy(body["status"])
        mine = {it["type"] for it in self._intents.get(("status " + place[0], place[1]), {}).get("conditions", ())}
        mine |= {it["type"] for it in wanted.get("conditions", ())}
        others = [it for it in live.get("status", {}).get("conditions", ()) if it["type"] not in mine]
        self._intents["status " + place[0], place[1]] = copy.deepcopy(wanted)
        changed = {**copy.deepcopy(live), "status": {**wanted, "conditions": wanted.get("conditions", []) + others}}
        return copy.deepcopy(live) if changed == live else self._stored("status", place, changed)

    async def annotate(self, kind: str, name: Name, annotations: Mapping[str, str]) -> Object:
        """A merge patch."""
        self.before("annotate", kind, name)
        live = self.objects.get((kind, name))
        if live is None:
            raise Absent(f"404: {kind} {name}")
        changed = copy.deepcopy(live)
        changed["metadata"].setdefault("annotations", {}).update(annotations)
        return self._stored("annotate", (kind, name), changed)

    async def delete(self, kind: str, name: Name, uid: str) -> None:
        """With everything that belongs to the object."""
        self.before("delete", kind, name)
        live = self.objects.get((kind, name))
        if live is None:
            return
        if live["metadata"]["uid"] != uid:
            raise Conflict("409: uid")
        self.remove(kind, name)
        self.log.append(("delete", kind, name.name))

    async def replace(self, body: Object) -> Object:
        """PUT of the version the body carries."""
        place = (body["kind"], name_of(body))
        self.before("replace", *place)
        live = self._live(place, body)
        if live["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"]:
            raise Conflict("409: resourceVersion")
        return self._stored("replace", place, copy.deepcopy(body))

    # --- what others do -------------------------------------------------------------------------------------------------

    def put(self, document: Object) -> Object:
        """Somebody applies an object."""
        document = copy.deepcopy(document)
        if document["kind"] != "Namespace":
            document["metadata"].setdefault("namespace", "default")
        place = (document["kind"], name_of(document))
        live = self.objects.get(place)
        meta = document["metadata"]
        if live is None:
            meta.setdefault("uid", f"uid-{next(self._uid)}")
            meta.setdefault("creationTimestamp", f"1970-01-01T00:00:{int(self.clock()) % 60:02d}Z")
            meta["generation"] = 1
        else:
            changed = live.get("spec") != document.get("spec")
            meta |= {name: live["metadata"][name] for name in ("uid", "creationTimestamp")}
            meta["generation"] = live["metadata"].get("generation", 1) + changed
            document.setdefault("status", live.get("status", {}))
        return self._stored("", place, document)

    def edit(self, kind: str, name: Name, change: Callable[[Object], None]) -> None:
        """Somebody changes an object in place."""
        changed = copy.deepcopy(self.objects[kind, name])
        change(changed)
        if kind not in WITHOUT_GENERATION and changed.get("spec") != self.objects[kind, name].get("spec"):
            changed["metadata"]["generation"] += 1
        self._stored("", (kind, name), changed)

    def remove(self, kind: str, name: Name) -> None:
        """Somebody deletes an object; garbage collection follows its uid."""
        gone = self.objects.pop((kind, name))
        self._intents.pop((kind, name), None)
        gone["metadata"]["resourceVersion"] = self._next()
        self._notify("DELETED", gone)
        uid = gone["metadata"]["uid"]
        for (one, child), it in list(self.objects.items()):
            if (
                any(owner["uid"] == uid for owner in it["metadata"].get("ownerReferences", ()))
                and (one, child) in self.objects
            ):
                self.remove(one, child)

    def of(self, kind: str) -> dict[str, Object]:
        """All objects of a kind by name."""
        return {name.name: it for (one, name), it in self.objects.items() if one == kind}

    # --- storage --------------------------------------------------------------------------------------------------------

    def _live(self, place: Place, body: Object) -> Object:
        live = self.objects.get(place)
        if live is None:
            raise Conflict("409: uid of an absent object") if body["metadata"].get("uid") else Absent(f"404: {place}")
        if body["metadata"].get("uid") not in (None, live["metadata"]["uid"]):
            raise Conflict("422: metadata.uid")
        return live

    def _next(self) -> str:
        self.listed_at = next(self._version)
        return str(self.listed_at)

    def _stored(self, verb: str, place: Place, document: Object) -> Object:
        fresh = place not in self.objects
        document["metadata"]["resourceVersion"] = self._next()
        self.objects[place] = document
        if verb:
            self.log.append((verb, place[0], place[1].name))
        self._notify("ADDED" if fresh else "MODIFIED", document)
        if verb:
            self.after(verb, *place)
        return copy.deepcopy(document)

    def _notify(self, type_: str, document: Object) -> None:
        for watcher in self.watchers:
            watcher(type_, copy.deepcopy(document))


def _selected(document: Object, selector: str) -> bool:
    labels = document["metadata"].get("labels") or {}
    name, equals, value = selector.partition("=")
    return not selector or (labels.get(name) == value if equals else name in labels)


def _applied(live: Any, intent: Any, before: Any) -> Any:
    """Merges objects field by field; lists are replaced whole."""
    if not isinstance(live, dict) or not isinstance(intent, dict):
        return copy.deepcopy(intent)
    before = before if isinstance(before, dict) else {}
    for name in before:
        if name not in intent and name in live:
            del live[name]
    for name, value in intent.items():
        live[name] = _applied(live.get(name), value, before.get(name))
    return live


_: type[Cluster] = FakeCluster
