"""Plans a StreamAPI: its pipeline and access documents, and its status. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from penstock_operator import access, checks, render, status
from penstock_operator.checks import Finding
from penstock_operator.plan.parts import Document, Plan, again_in, previous, revision, written
from penstock_operator.resources.documents import Name, StreamAPI
from penstock_operator.status import Condition, Outcome
from penstock_operator.world import World

PORT = 8080
GRACE = 60.0
"""Seconds without broker before an API counts as not ready."""


def plan_api(world: World, api: StreamAPI, now: float) -> Plan:
    """What to do about a StreamAPI."""
    accepted = checks.first(checks.API_ACCEPTED, world, api)
    resolved = checks.first(checks.API_RESOLVED, world, api) if api.spec else None
    path = checks.listen_path(world, api)
    documents = list(access_documents(world, api, "" if _has_no_path(accepted) else path, now))
    pipeline = None
    if accepted is None and resolved is None:
        pipeline = render.pipeline(world, api)
        documents.insert(0, Document("pipeline", api.meta.name, "pipeline.json", pipeline))
    held = revision(documents)
    expected = render.document_hash(pipeline) if pipeline else None
    programmed = _api_programmed(world, api, expected, held)
    outcome = Outcome(accepted, resolved, programmed, _api_blocked(world, api, now))
    conditions, again = status.summary(outcome, previous(api), now)
    conditions += connected(world, api) + advice(world, api)
    records = sum(len(it.body["keys"]) for it in documents if it.kind == "keys")
    if records >= access.MOST_KEYS:
        text = f"only the first {access.MOST_KEYS} keys by digest are served"
        conditions.append(Condition("KeysTruncated", True, "TooManyKeys", text))
    merged = status.merge(previous(api), conditions, api.meta.generation, now)
    facts = world.gateways.get(api.meta.name)
    stem = f"{api.meta.name.namespace}.{api.meta.name.name}"
    return Plan(
        apply=tuple(documents),
        create=(f"signing/{stem}.json", "admin.json"),
        nudge=(api.meta.name,) if facts is not None and facts.revision != held else (),
        status=written(api, merged, fields_of(world, api, path, expected, records)),
        again_in=again_in(now, again, _patience_ends(world, api, now)),
    )


def _has_no_path(accepted: Finding | None) -> bool:
    return accepted is not None and accepted.reason in ("InvalidPath", "ListenPathConflict")


def wanted_revision(world: World, api: StreamAPI, now: float) -> str:
    """Names the hot documents that the gateways of an API should hold now."""
    known: dict[Name, str] = world.memo.setdefault("revisions", {})
    if api.meta.name not in known:
        accepted = checks.first(checks.API_ACCEPTED, world, api)
        path = "" if _has_no_path(accepted) else checks.listen_path(world, api)
        known[api.meta.name] = revision(access_documents(world, api, path, now))
    return known[api.meta.name]


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


def _api_programmed(world: World, api: StreamAPI, expected: str | None, held: str) -> Finding | None:
    facts = world.gateways.get(api.meta.name)
    if facts is None or facts.ready == 0:
        return Finding("NoGateway", facts.message if facts and facts.message else "no gateway is ready yet")
    if expected is not None and facts.hash != expected:
        return Finding("RollingOut", facts.message or "the gateways do not all run this configuration yet")
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
    began = status.since(previous(api), "Connected", "False")
    return (now if began is None else began) + GRACE


def connected(world: World, api: StreamAPI) -> list[Condition]:
    facts = world.gateways.get(api.meta.name)
    if facts is None or facts.connected is None:
        return [Condition("Connected", None, "Unknown", "no gateway has said yet")]
    if facts.connected:
        return [Condition("Connected", True, "Connected", "every input and output is connected")]
    return [Condition("Connected", False, "NotConnected", facts.message or "an input or output has no connection")]


def advice(world: World, api: StreamAPI) -> list[Condition]:
    """What follows from the streams' delivery that the author should know: one condition per reason."""
    found: dict[str, list[str]] = {}
    for view in render.streams(world, api):
        for condition in view.verdict.conditions if view.verdict else ():
            found.setdefault(condition.reason, []).append(f"stream {view.name}: {condition.text}")
        for group, other in checks.shared_groups(world, api, view):
            text = f"stream {view.name}: StreamAPI {other} reads with the same consumer group {group}, each gets a part"
            found.setdefault("SharedGroup", []).append(text)
    return [Condition(reason, True, reason, "; ".join(texts)) for reason, texts in sorted(found.items())]


def fields_of(world: World, api: StreamAPI, path: str, expected: str | None, records: int) -> dict[str, Any]:
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
