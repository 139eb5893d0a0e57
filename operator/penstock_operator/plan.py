"""Decides everything one reconcile would do, as data: `plan(world, ref, now) -> Plan`. Pure, and the same everywhere.

The cluster, local mode, `penstock render` and the tests execute or print the same Plan. A plan for a StreamAPI carries its documents,
one for a Key mints its credential, and every plan carries the status of its resource. Nothing is decided before the world is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from penstock_gateway import access as gateway_access
from penstock_operator import access, checks, keys, quantities, render, status
from penstock_operator.checks import Finding
from penstock_operator.resources.documents import Key, Name, Policy, Resource, StreamAPI
from penstock_operator.status import Condition, Outcome
from penstock_operator.world import NEEDED, Ref, World

PORT = 8080
MOST_EFFECTIVE = 16
"""APIs whose merged limits a Key's status shows."""
GRACE = 60.0
"""Seconds without broker before an API counts as not ready."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document for the gateways of an API; `path` is relative to their folder (docs/decisions/0001-documents.md)."""

    kind: Literal["pipeline", "access", "keys"]
    api: Name
    path: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Mint:
    """A credential to generate into a Secret. `replaces`: the Secret is there, ours, and holds no key any more."""

    key: Name
    uid: str
    secret: Name
    data: Mapping[str, str]
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """Something worth telling whoever looks at the resource."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything one reconcile would do. `create`: per-API secrets to make if they are not there; `nudge`: APIs whose gateways do not
    hold the documents yet; `again_in`: seconds after which to plan again although nothing changed."""

    apply: tuple[Document, ...] = ()
    create: tuple[str, ...] = ()
    mint: tuple[Mint, ...] = ()
    delete: tuple[str, ...] = ()
    nudge: tuple[Name, ...] = ()
    status: Mapping[str, Any] | None = None
    events: tuple[Event, ...] = ()
    again_in: float | None = None


@dataclass(frozen=True, slots=True)
class _Judged:
    """The status conditions of a resource and the moment they must be looked at again."""

    conditions: list[dict[str, Any]]
    again_at: float | None = None
    extra: dict[str, Any] = field(default_factory=dict)


def plan(world: World, ref: Ref, now: float) -> Plan:
    """What to do about one resource; `now` in Unix seconds."""
    if not world.known >= NEEDED:
        return Plan(again_in=1.0)
    table: Mapping[str, Mapping[Name, Resource]] = {
        "StreamAPI": world.apis,
        "Policy": world.policies,
        "Key": world.keys,
    }
    resource = table[ref.kind].get(ref.name)
    if resource is None:
        return _gone(ref)
    if resource.meta.deleting:
        return Plan()
    if isinstance(resource, StreamAPI):
        return _plan_api(world, resource, now)
    if isinstance(resource, Policy):
        return _plan_policy(world, resource, now)
    return _plan_key(world, resource, now)


def _gone(ref: Ref) -> Plan:
    if ref.kind != "StreamAPI":
        return Plan()
    stem = f"{ref.name.namespace}.{ref.name.name}"
    return Plan(delete=(f"access/{stem}.json", f"keys/{stem}-*.json", f"signing/{stem}.json"))


def _status(resource: Resource, conditions: list[dict[str, Any]], fields: Mapping[str, Any]) -> dict[str, Any]:
    head = {"observedGeneration": resource.meta.generation, "conditions": conditions}
    return head | {name: value for name, value in fields.items() if value not in (None, "", [], {})}


def _previous(resource: Resource) -> list[Mapping[str, Any]]:
    found = resource.meta.status.get("conditions")
    return [it for it in found if isinstance(it, Mapping)] if isinstance(found, list) else []


def _again(now: float, *moments: float | None) -> float | None:
    ahead = [moment - now for moment in moments if moment is not None and moment > now]
    return min(ahead, default=None)


# --- StreamAPI ----------------------------------------------------------------------------------------------------------


def _plan_api(world: World, api: StreamAPI, now: float) -> Plan:
    accepted = checks.first(checks.API_ACCEPTED, world, api)
    resolved = checks.first(checks.API_RESOLVED, world, api) if api.spec else None
    path = checks.listen_path(world, api)
    closed = accepted is not None and accepted.reason in ("InvalidPath", "ListenPathConflict")
    documents = list(access_documents(world, api, "" if closed else path, now))
    pipeline = None
    if accepted is None and resolved is None:
        pipeline = render.pipeline(world, api)
        documents.insert(0, Document("pipeline", api.meta.name, "pipeline.json", pipeline))
    held = revision(documents)
    expected = render.document_hash(pipeline) if pipeline else None
    programmed = _api_programmed(world, api, expected, held)
    outcome = Outcome(accepted, resolved, programmed, _api_blocked(world, api, now))
    conditions, again = status.summary(outcome, _previous(api), now)
    conditions += _connected(world, api) + _advice(world, api)
    records = sum(len(it.body["keys"]) for it in documents if it.kind == "keys")
    if records >= access.MOST_KEYS:
        text = f"only the first {access.MOST_KEYS} keys by digest are served"
        conditions.append(Condition("KeysTruncated", True, "TooManyKeys", text))
    merged = status.merge(_previous(api), conditions, api.meta.generation, now)
    facts = world.gateways.get(api.meta.name)
    stem = f"{api.meta.name.namespace}.{api.meta.name.name}"
    return Plan(
        apply=tuple(documents),
        create=(f"signing/{stem}.json", "admin.json"),
        nudge=(api.meta.name,) if facts is not None and facts.revision != held else (),
        status=_status(api, merged, _api_fields(world, api, path, expected, records)),
        again_in=_again(now, again, _patience_ends(world, api, now)),
    )


def access_documents(world: World, api: StreamAPI, path: str, now: float) -> Iterable[Document]:
    """The hot documents of an API; without a path the access document is one that no gateway can read, and the API answers 503."""
    name = api.meta.name
    stem = f"{name.namespace}.{name.name}"
    body = access.access_document(world, api, path)
    if not path:
        body = {"version": access.VERSION, "namespace": name.namespace, "name": name.name, "invalid": "listen path"}
    yield Document("access", name, f"access/{stem}.json", body)
    for number, shard in enumerate(access.key_shards(access.key_records(world, name, now))):
        yield Document("keys", name, f"keys/{stem}-{number}.json", shard)


def revision(documents: Iterable[Document]) -> str:
    """Names the hot documents of one API, in the same way as the gateway that holds them."""
    files = {document.path: render.encode(document.body) for document in documents if document.kind != "pipeline"}
    return gateway_access.revision(files)


def _api_programmed(world: World, api: StreamAPI, expected: str | None, held: str) -> Finding | None:
    facts = world.gateways.get(api.meta.name)
    if facts is None or facts.ready == 0:
        return Finding("NoGateway", facts.message if facts and facts.message else "no gateway is ready yet")
    if expected is not None and facts.hash != expected:
        return Finding("RollingOut", "the gateways do not all run this configuration yet")
    if facts.revision != held:
        return Finding("Updating", "the gateways do not all hold the access documents yet")
    return None


def _api_blocked(world: World, api: StreamAPI, now: float) -> Finding | None:
    if api.access is not None and api.access.state == "Disabled":
        return Finding("Disabled", "spec.state is 'Disabled'")
    end = _patience_ends(world, api, now)
    if end is None or now < end:
        return None
    facts = world.gateways[api.meta.name]
    return Finding("NotConnected", facts.message or "an input or output has no connection")


def _patience_ends(world: World, api: StreamAPI, now: float) -> float | None:
    """When an API without broker counts as not ready; None while it has one."""
    facts = world.gateways.get(api.meta.name)
    if facts is None or facts.connected is not False:
        return None
    began = status.since(_previous(api), "Connected", "False")
    return (now if began is None else began) + GRACE


def _connected(world: World, api: StreamAPI) -> list[Condition]:
    facts = world.gateways.get(api.meta.name)
    if facts is None or facts.connected is None:
        return [Condition("Connected", None, "Unknown", "no gateway has said yet")]
    if facts.connected:
        return [Condition("Connected", True, "Connected", "every input and output is connected")]
    return [Condition("Connected", False, "NotConnected", facts.message or "an input or output has no connection")]


def _advice(world: World, api: StreamAPI) -> list[Condition]:
    """What follows from the streams' delivery that the author should know: one condition per reason."""
    found: dict[str, list[str]] = {}
    for view in render.streams(world, api):
        for condition in view.verdict.conditions if view.verdict else ():
            found.setdefault(condition.reason, []).append(f"stream {view.name}: {condition.text}")
        for group, other in checks.shared_groups(world, api, view):
            text = f"stream {view.name}: StreamAPI {other} reads with the same consumer group {group}, each gets a part"
            found.setdefault("SharedGroup", []).append(text)
    return [Condition(reason, True, reason, "; ".join(texts)) for reason, texts in sorted(found.items())]


def _api_fields(world: World, api: StreamAPI, path: str, expected: str | None, records: int) -> dict[str, Any]:
    name = api.meta.name
    views = render.streams(world, api)
    base = world.settings.base_url
    internal = f"http://{name.name}-gateway.{name.namespace}.svc:{PORT}{path}"
    facts = world.gateways.get(name)
    return {
        "apiID": render.api_id(api),
        "url": f"{base}{path}" if base else internal,
        "internalURL": None if base else internal,
        "protocols": ",".join(_protocols(views)),
        "configHash": expected or api.meta.status.get("configHash"),
        "replicas": facts.ready if facts else 0,
        "selector": f"penstock.dev/stream-api={name.name}",
        "delivery": [_delivery_field(view) for view in views if view.verdict],
        "keys": records,
    }


def _delivery_field(view: render.StreamView) -> dict[str, str]:
    verdict = view.verdict
    if verdict is None or verdict.mode is None or verdict.guarantee is None:
        return {"stream": view.name, "reason": verdict.reason if verdict else ""}
    shown = {"mode": verdict.mode.value, "guarantee": verdict.guarantee.value}
    return {"stream": view.name, **shown, "reason": verdict.reason}


_PROTOCOLS = (
    ("sse", "SSE"),
    ("ws", "WebSocket"),
    ("ws_in", "WebSocket"),
    ("stream", "HTTP"),
    ("get", "HTTP"),
    ("post", "HTTP"),
)


def _protocols(views: list[render.StreamView]) -> list[str]:
    used = {end for view in views if view.compiled for end in view.compiled.endpoints}
    return list(dict.fromkeys(shown for end, shown in _PROTOCOLS if end in used))


# --- Policy -------------------------------------------------------------------------------------------------------------


def _plan_policy(world: World, policy: Policy, now: float) -> Plan:
    accepted = checks.first(checks.POLICY_ACCEPTED, world, policy)
    resolved = checks.first(checks.POLICY_RESOLVED, world, policy)
    reached = [target.name for target in policy.spec.targets] if policy.spec else []
    apis = [Name(policy.meta.name.namespace, name) for name in reached]
    outcome = Outcome(accepted, resolved, _records_programmed(world, apis, now))
    conditions, again = status.summary(outcome, _previous(policy), now)
    merged = status.merge(_previous(policy), conditions, policy.meta.generation, now)
    holders = len(world.keys_by_policy.get(policy.meta.name, ()))
    fields = {"keys": holders, "targets": len([api for api in apis if api in world.apis])}
    return Plan(status=_status(policy, merged, fields), again_in=_again(now, again))


def _records_programmed(world: World, apis: list[Name], now: float) -> Finding | None:
    """Whether the gateways of all active APIs hold the documents as they should be now."""
    for name in sorted(apis):
        api = world.apis.get(name)
        facts = world.gateways.get(name)
        if api is None or api.access is None or api.access.state == "Disabled":
            continue
        if facts is None or facts.ready == 0:
            return Finding("NoGateway", f"no gateway of StreamAPI {name} is ready yet")
        if facts.revision != _revision(world, api, now):
            return Finding("Updating", f"the gateways of StreamAPI {name} do not all hold the access documents yet")
    return None


def _revision(world: World, api: StreamAPI, now: float) -> str:
    known: dict[Name, str] = world.memo.setdefault("revisions", {})
    if api.meta.name not in known:
        conflict = checks.first(checks.API_ACCEPTED, world, api)
        closed = conflict is not None and conflict.reason in ("InvalidPath", "ListenPathConflict")
        path = "" if closed else checks.listen_path(world, api)
        known[api.meta.name] = revision(access_documents(world, api, path, now))
    return known[api.meta.name]


# --- Key ----------------------------------------------------------------------------------------------------------------


def _plan_key(world: World, key: Key, now: float) -> Plan:
    accepted = checks.first(checks.KEY_ACCEPTED, world, key)
    resolved = checks.first(checks.KEY_RESOLVED, world, key) if accepted is None else None
    held = access.holdings(world, key)
    apis = sorted({api for holding in held for api in holding.apis})
    known = access.credentials(world, key, now)
    mint, events = _minting(world, key, known, apis)
    end = access.expires(world, key, known.found[-1]) if known.found else None
    programmed = _key_programmed(world, mint, apis, now)
    outcome = Outcome(accepted, resolved, programmed, _key_blocked(world, key, end, now))
    conditions, again = status.summary(outcome, _previous(key), now)
    merged = status.merge(_previous(key), conditions, key.meta.generation, now)
    return Plan(
        mint=mint,
        status=_status(key, merged, _key_fields(world, key, known, held, end)),
        events=events,
        again_in=_again(now, again, end),
    )


def _key_programmed(world: World, mint: tuple[Mint, ...], apis: list[Name], now: float) -> Finding | None:
    if mint:
        return Finding("Pending", "the credential is being generated")
    if not apis:
        return Finding("NoTarget", "no StreamAPI that its policies name is there and lets it in")
    return _records_programmed(world, apis, now)


def _minting(
    world: World, key: Key, known: access.Credentials, apis: list[Name]
) -> tuple[tuple[Mint, ...], tuple[Event, ...]]:
    if not access.is_generated(key) or known.reason not in ("Pending", "Damaged"):
        return (), ()
    damaged = known.reason == "Damaged"
    mint = Mint(key.meta.name, key.meta.uid, access.secret_name(key), dict(_binding(world, apis)), damaged)
    lost = damaged or bool(key.meta.status.get("fingerprint"))
    event = Event("Warning", "KeyRegenerated", f"Secret {mint.secret.name} was lost or damaged: the credential is new")
    return (mint,), (event,) if lost else ()


def _binding(world: World, apis: list[Name]) -> Iterable[tuple[str, str]]:
    """What the consumer's Secret says beside the key, in the words of the Service Binding specification."""
    yield "type", "stream-api"
    yield "provider", "penstock"
    api = world.apis.get(apis[0]) if apis else None
    if api is None or api.access is None:
        return
    methods = [method.api_key for method in api.access.authentication.methods if method.api_key]
    yield "header", (methods[0].header if methods else None) or "Authorization"
    fields = _api_fields(world, api, checks.listen_path(world, api), None, 0)
    yield "uri", str(fields["url"])


def _key_blocked(world: World, key: Key, end: float | None, now: float) -> Finding | None:
    if key.spec is not None and key.spec.state == "Disabled":
        return Finding("Disabled", "spec.state is 'Disabled'")
    if end is not None and end <= now:
        return Finding("Expired", f"the credential expired at {quantities.show_instant(end)}")
    for holding in access.holdings(world, key):
        policy = world.policies.get(holding.policy)
        if policy is not None and policy.spec is not None and policy.spec.state == "Denied":
            return Finding("PolicyDenied", f"Policy {holding.policy} is 'Denied': all its keys are off")
    return None


def _key_fields(
    world: World, key: Key, known: access.Credentials, held: tuple[access.Holding, ...], end: float | None
) -> dict[str, Any]:
    last = known.found[-1] if known.found else None
    listed = [str(holding.policy) for holding in held if holding.standing == "Granted"]
    return {
        "credentialID": last.id if last else None,
        "fingerprint": keys.fingerprint(last.digest) if last else None,
        "expirationTime": quantities.show_instant(end) if end is not None else None,
        "credentialExpirationTime": _settled(world, key, last, held),
        "lastRotatedTime": quantities.show_instant(last.issued) if last and last.issued else None,
        "policies": listed,
        "effective": list(_effective(world, held))[:MOST_EFFECTIVE],
        "binding": {"name": access.secret_name(key).name} if access.is_generated(key) else None,
    }


def _settled(world: World, key: Key, last: access.Credential | None, held: tuple[access.Holding, ...]) -> str | None:
    """The end that the policies set for the credential, once all of them are known."""
    if last is None or any(holding.standing != "Granted" for holding in held):
        return None
    end = access.end_by_policies(world, key, last)
    return access.NEVER if end is None else quantities.show_instant(end)


def _effective(world: World, held: tuple[access.Holding, ...]) -> Iterable[dict[str, Any]]:
    """The merged limits of a key at each API, and the policy each comes from."""
    for name in sorted({api for holding in held for api in holding.apis}):
        policies = {}
        for holding in held:
            policy = world.policies.get(holding.policy)
            if name in holding.apis and policy is not None:
                policies[str(holding.policy)] = msgspec.convert(
                    access.policy_document(policy, name.name), gateway_access.Policy
                )
        merged = gateway_access.merge(policies)
        limits = {
            "rate": merged.rate and f"{merged.rate.requests}/{merged.rate.window:g}s",
            "quota": merged.quota
            and f"{merged.quota.requests}/" + (f"{merged.quota.window:g}s" if merged.quota.window else "Never"),
            "throttle": merged.throttle and f"{merged.throttle.retries}x{merged.throttle.interval:g}s",
            "connections": merged.connections and str(merged.connections),
            "connectionAge": merged.connection_age and f"{merged.connection_age:g}s",
        }
        shown = [
            {"name": member, "value": value, "policy": merged.sources.get(member, "")}
            for member, value in limits.items()
            if value
        ]
        yield {"api": str(name), "limits": shown}
