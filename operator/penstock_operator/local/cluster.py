"""DirCluster: plans what a folder of YAML files asks for and carries the plans out in the gateway's folder.

The same `plan()` as in a cluster decides. What Kubernetes would keep (uids, creation times, generations, status, generated Secrets) is
kept in the state folder, so that keys and ids survive a restart. The state of an API whose streams cannot be used stays as it was;
access never does.
"""

from __future__ import annotations

import base64
import os
import secrets as randomness
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock_gateway.errors import Problem
from penstock_operator import checks, compiling, keys, plan, quantities, render, world
from penstock_operator.local.sources import Folder, Reading, Source
from penstock_operator.local.storage import Storage
from penstock_operator.resources import documents
from penstock_operator.resources.documents import Name
from penstock_operator.world import GatewayFacts, Ref, Settings, Store, World

ROUNDS = 5
"""A plan that mints is made again with the Secret in place; more rounds than this would be a mistake in the plan."""


@dataclass(slots=True)
class Applied:
    """What one pass over the folder led to."""

    world: World
    plans: dict[Ref, plan.Plan]
    problems: list[Problem]
    notes: list[str]
    changed: list[str] = field(default_factory=list)
    endpoints: dict[Name, dict[str, Mapping[str, str]]] = field(default_factory=dict)
    """Where clients meet each stream of each API that is served, below its listen path."""
    events: list[plan.Event] = field(default_factory=list)
    again_in: float | None = None


class DirCluster:
    """A folder of YAML files in, the gateway's folder out."""

    def __init__(
        self,
        folders: Sequence[Path],
        state: Path,
        settings: Settings | None = None,
        clock: Callable[[], float] = time.time,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.folder = Folder(*folders)
        self.storage = Storage(state)
        self.settings = settings or Settings(shared_port=True)
        self._clock, self._entropy = clock, entropy
        self._objects: dict[str, dict[str, Any]] = _objects(self.storage.read_json("state.json"))
        self._compiled: dict[str, world.Compiled] = {}
        self._pipelines: dict[Name, Mapping[str, Any]] = {}
        self._endpoints: dict[Name, dict[str, Mapping[str, str]]] = {}
        self._revisions: dict[Name, str] = {}
        self._gateways: dict[Name, GatewayFacts] = {}

    def apply(self) -> Applied:
        """Read everything, plan everything, carry it out."""
        reading = self.folder.read()
        now = self._clock()
        applied = self._planned(reading, now)
        self._remember(reading, applied, now)
        applied.changed += self._carry_out(reading, applied)
        return applied

    def render(self) -> Applied:
        """Read and plan without carrying anything out; keys that would be generated stay planned."""
        reading = self.folder.read()
        return self._plan_once(reading, self._clock())

    def observe(self, status: Mapping[str, Any]) -> None:
        """What the gateway says of itself (`Gateway.status()`), for the next pass."""
        self._gateways = {}
        for shown, streams in (status.get("apis") or {}).items():
            name = Name(*shown.split("/", 1))
            body = self._pipelines.get(name)
            running = {stream["name"] for stream in streams}
            complete = body is not None and running == {stream["name"] for stream in body["apis"][0]["streams"]}
            current = complete and not status.get("problems")
            faults = [str(fault) for stream in streams for fault in stream.get("faults", ())]
            self._gateways[name] = GatewayFacts(
                ready=int(all(stream.get("ready") for stream in streams)),
                hash=render.document_hash(body) if body is not None and current else "",
                revision=self._revisions.get(name, ""),
                connected=all(stream.get("connected") for stream in streams),
                message="; ".join(dict.fromkeys([*faults, *map(str, status.get("problems") or ())])),
            )

    def key_text(self, name: Name) -> str | None:
        """The plain text of a key's generated credential, for the table of `penstock dev`."""
        stored = self.storage.read_json(_secret_path(name))
        values = world.secret_values(stored) if isinstance(stored, dict) else {}
        return values["key"].decode() if "key" in values else None

    # --- planning -------------------------------------------------------------------------------------------------------

    def _planned(self, reading: Reading, now: float) -> Applied:
        events: list[plan.Event] = []
        for _ in range(ROUNDS):
            applied = self._plan_once(reading, now)
            applied.events = events = events + [event for done in applied.plans.values() for event in done.events]
            mints = [mint for done in applied.plans.values() for mint in done.mint]
            if not mints:
                return applied
            for mint in mints:
                self._mint(mint, now)
        raise AssertionError("the plan generates keys again and again")

    def _plan_once(self, reading: Reading, now: float) -> Applied:
        seen = self._observed(reading, now)
        plans = {ref: plan.plan(seen, ref, now) for ref in refs(seen)}
        moments = [done.again_in for done in plans.values() if done.again_in is not None]
        problems = reading.problems + list(_placed(reading, seen, plans))
        return Applied(seen, plans, problems, reading.notes, again_in=min(moments, default=None))

    def _observed(self, reading: Reading, now: float) -> World:
        store = Store(self.settings)
        for kind in world.NEEDED:
            store.prime(kind, [self._object(source, now) for source in reading.sources if source.kind == kind])
        given = {source.name for source in reading.sources if source.kind == "Secret"}
        minted = self.storage.root / "secrets"
        for path in sorted(minted.glob("*.json")) if minted.is_dir() else ():
            stored = self.storage.read_json(f"secrets/{path.name}")
            if isinstance(stored, dict) and world.reduce_secret(stored).name not in given:
                store.observe(stored)
        for name, facts in self._gateways.items():
            store.observe_gateways(name, facts)
        self._compiled = compiling.compile_world(store.snapshot(), self._compiled)
        store.observe_compiled(self._compiled)
        return store.snapshot()

    def _object(self, source: Source, now: float) -> dict[str, Any]:
        """The document with what an API server would have added."""
        known = self._objects.get(source.id, {})
        metadata = dict(world.fields_of(source.data.get("metadata")))
        metadata["uid"] = uid(source.kind, source.name)
        metadata["creationTimestamp"] = quantities.show_instant(known.get("created", now))
        same = known.get("spec") == render.digest(source.data.get("spec"))
        metadata["generation"] = known.get("generation", 1) + (0 if same or not known else 1)
        return {**source.data, "metadata": metadata, "status": known.get("status", {})}

    # --- carrying out ---------------------------------------------------------------------------------------------------

    def _mint(self, mint: plan.Mint, now: float) -> None:
        text = keys.mint(self._entropy(keys.ENTROPY))
        data = {name: base64.b64encode(value.encode()).decode() for name, value in {**mint.data, "key": text}.items()}
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": world.CREDENTIAL_TYPE,
            "metadata": {
                "namespace": mint.secret.namespace,
                "name": mint.secret.name,
                "labels": {world.MANAGED_BY: world.OPERATOR},
                "annotations": {world.ISSUED: quantities.show_instant(now)},
                "ownerReferences": [{"kind": "Key", "name": mint.key.name, "uid": mint.uid, "controller": True}],
            },
            "data": data,
        }
        self.storage.write_json(_secret_path(mint.secret), secret)

    def _remember(self, reading: Reading, applied: Applied, now: float) -> None:
        kept: dict[str, dict[str, Any]] = {}
        for source in reading.sources:
            filled = self._object(source, now)
            ref = Ref(source.kind, source.name)
            done = applied.plans.get(ref)
            kept[source.id] = {
                "created": quantities.instant(filled["metadata"]["creationTimestamp"]),
                "generation": filled["metadata"]["generation"],
                "spec": render.digest(source.data.get("spec")),
                "status": dict(done.status) if done and done.status else {},
            }
        self._objects = kept
        self.storage.write_json("state.json", {"objects": kept})

    def _carry_out(self, reading: Reading, applied: Applied) -> list[str]:
        planned = [document for done in applied.plans.values() for document in done.apply]
        for document in planned:
            if document.kind == "pipeline":
                self._pipelines[document.api] = document.body
                views = render.streams(applied.world, applied.world.apis[document.api])
                self._endpoints[document.api] = {it.name: it.compiled.endpoints for it in views if it.compiled}
        self._pipelines = {api: body for api, body in self._pipelines.items() if api in applied.world.apis}
        served = {*self._pipelines}
        applied.endpoints = {api: ends for api, ends in self._endpoints.items() if api in served}
        self._revisions = {api: plan.revision(it for it in planned if it.api == api) for api in served}
        changed: list[str] = []
        hot = {it.path: it.body for it in planned if it.kind != "pipeline" and it.api in served}
        wanted = self._attachments(reading, applied, served)
        for path, body in hot.items():
            changed += [path] if self.storage.write_json(path, body) else []
        mounted = [path for path, content in wanted.items() if self.storage.write(path, content)]
        changed += mounted
        for api in sorted(served):
            self._ensure(f"signing/{api.namespace}.{api.name}.json", "current")
        self._ensure("admin.json", "token")
        if self._write_pipeline(applied, again=bool(mounted)):
            changed.append("pipeline.json")
        for folder in ("access", "keys"):
            changed += self.storage.keep_only(folder, hot)
        for folder in ("variables", "files"):
            changed += self.storage.keep_only(folder, wanted)
        self.storage.keep_only("signing", {f"signing/{api.namespace}.{api.name}.json" for api in served})
        return changed

    def _write_pipeline(self, applied: Applied, again: bool) -> bool:
        """The streams of every API that is on. `again`: a mounted value changed, so the gateway shall look although the document did
        not."""
        active = [api for api in sorted(self._pipelines) if not _is_disabled(applied, api)]
        apis = [entry for api in active for entry in self._pipelines[api]["apis"]]
        body = {"version": render.VERSION, "apis": apis}
        if self.storage.write_json("pipeline.json", body):
            return True
        if again:
            self.storage.touch("pipeline.json")
        return again

    def _ensure(self, path: str, field_name: str) -> None:
        if self.storage.read_json(path) is None:
            self.storage.write_json(path, {field_name: base64.b64encode(randomness.token_bytes(32)).decode()})

    def _attachments(self, reading: Reading, applied: Applied, served: set[Name]) -> dict[str, bytes]:
        """Variables from Secrets, and files, as the kubelet would have mounted them."""
        held = {(source.kind, source.name): source.data for source in reading.sources}
        wanted: dict[str, bytes] = {}
        for api in served:
            spec = applied.world.apis[api].spec
            known = {path.relative_to(self.storage.root): path for path in self._mounted(api)}
            if spec is None or _unresolved(applied, api):
                wanted |= {str(path): full.read_bytes() for path, full in known.items()}
                continue
            for variable in spec.variables or ():
                if variable.value_from is not None and variable.value_from.secret_key_ref is not None:
                    reference = variable.value_from.secret_key_ref
                    values = _values(held, "Secret", Name(api.namespace, reference.name))
                    wanted[f"variables/{api.namespace}.{api.name}/{variable.name}"] = values.get(reference.key, b"")
            for files in spec.files or ():
                reads = files.config_map_ref or files.secret_ref
                if reads is not None:
                    kind = "ConfigMap" if files.config_map_ref else "Secret"
                    values = _values(held, kind, Name(api.namespace, reads.name))
                    for entry in reads.items or list(values):
                        wanted[f"files/{api.namespace}.{api.name}/{files.name}/{entry}"] = values.get(entry, b"")
        return wanted

    def _mounted(self, api: Name) -> list[Path]:
        roots = [self.storage.root / part / f"{api.namespace}.{api.name}" for part in ("variables", "files")]
        return [path for root in roots if root.is_dir() for path in root.rglob("*") if path.is_file()]


def refs(seen: World) -> list[Ref]:
    """Every resource of a world that plans are made for."""
    found = [Ref("StreamAPI", name) for name in seen.apis] + [Ref("Policy", name) for name in seen.policies]
    return sorted(found + [Ref("Key", name) for name in seen.keys])


def uid(kind: str, name: Name) -> str:
    """A uid that stays the same for a name, so that ids, counters and cursors survive a restart."""
    return keys.stable_id(f"uid {kind} {name}")


def _objects(state: Any) -> dict[str, dict[str, Any]]:
    found = state.get("objects") if isinstance(state, dict) else None
    return {str(name): it for name, it in found.items() if isinstance(it, dict)} if isinstance(found, dict) else {}


def _secret_path(name: Name) -> str:
    return f"secrets/{name.namespace}.{name.name}.json"


def _is_disabled(applied: Applied, api: Name) -> bool:
    access = applied.world.apis[api].access
    return access is not None and access.state == "Disabled"


def _unresolved(applied: Applied, api: Name) -> bool:
    done = applied.plans[Ref("StreamAPI", api)]
    return not any(document.kind == "pipeline" for document in done.apply)


def _values(held: Mapping[tuple[str, Name], Mapping[str, Any]], kind: str, name: Name) -> dict[str, bytes]:
    data = held.get((kind, name), {})
    if kind == "Secret":
        return world.secret_values(data)
    return {entry: text.encode("utf-8", "surrogatepass") for entry, text in world.config_map_values(data).items()}


def _placed(reading: Reading, seen: World, plans: Mapping[Ref, plan.Plan]) -> list[Problem]:
    """What the plans refuse, at the place of the file that says it; problems of the schema were reported when it was read."""
    found = []
    for source in reading.sources:
        done = plans.get(Ref(source.kind, source.name))
        for condition in (done.status or {}).get("conditions", ()) if done else ():
            refused = condition["type"] in ("Accepted", "ResolvedRefs") and condition["status"] == "False"
            if refused and condition["reason"] != "Invalid":
                found += [source.text.place(it) for it in _problems(source, seen, condition)]
    return found


def _problems(source: Source, seen: World, condition: Mapping[str, Any]) -> list[Problem]:
    if condition["reason"] == "ConfigInvalid" and source.name in seen.apis:
        listed = checks.config_problems(seen, seen.apis[source.name])
        if listed:
            return listed
    where = ("spec",) if source.kind in documents.KINDS else ()
    return [Problem(f"{source.id}: {condition['message']}", where, rule=str(condition["reason"]))]
