"""What `penstock dev` shows of a local cluster: the facts of `dev.json`, the tables and the lines to paste."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from penstock_operator import access, plan
from penstock_operator.local.cluster import Applied, DirCluster
from penstock_operator.resources.documents import Name
from penstock_operator.world import Ref, World


@dataclass(frozen=True, slots=True)
class Report:
    """Everything there is to show."""

    ready: bool
    kafka: str
    apis: list[dict[str, Any]]
    keys: list[dict[str, Any]]

    def facts(self) -> dict[str, Any]:
        """The content of `dev.json`."""
        return {"ready": self.ready, "kafka": self.kafka, "apis": self.apis, "keys": self.keys}


def report(cluster: DirCluster, applied: Applied, kafka: str) -> Report:
    """The report of a local cluster after a pass."""
    apis = [_api(applied, name) for name in sorted(applied.world.apis)]
    keys = [_key(cluster, applied.world, name) for name in sorted(applied.world.keys)]
    return Report(all(api["ready"] for api in apis), kafka, apis, keys)


def condition(done: plan.Plan | None, type_: str) -> Mapping[str, Any]:
    """A condition of a plan's status, or an empty one."""
    for found in (done.status or {}).get("conditions", ()) if done else ():
        if found["type"] == type_:
            return dict(found)
    return {}


def _api(applied: Applied, name: Name) -> dict[str, Any]:
    done = applied.plans.get(Ref("StreamAPI", name))
    status = (done.status if done else None) or {}
    streams = {stream: dict(ends) for stream, ends in applied.endpoints.get(name, {}).items()}
    ready = condition(done, "Ready").get("status") == "True"
    return {
        "namespace": name.namespace,
        "name": name.name,
        "url": status.get("url", ""),
        "ready": ready,
        "streams": streams,
    }


def _key(cluster: DirCluster, seen: World, name: Name) -> dict[str, Any]:
    key = seen.keys[name]
    text = cluster.key_text(access.secret_name(key)) if access.is_generated(key) else None
    refs = key.spec.policy_refs if key.spec else []
    policies = [it.name if it.namespace in (None, name.namespace) else f"{it.namespace}/{it.name}" for it in refs]
    return {"namespace": name.namespace, "name": name.name, "key": text or "", "policies": policies}


def curl_lines(shown: Report, seen: World) -> Iterator[str]:
    """Lines to paste, for every stream with clients, with a key that opens it."""
    for api in shown.apis:
        name = Name(api["namespace"], api["name"])
        header = _header(seen, name, shown)
        for ends in api["streams"].values() if api["ready"] else ():
            for kind in ("sse", "stream"):
                if kind in ends:
                    yield f"curl -N{header} {api['url']}{ends[kind]}"
            if "post" in ends:
                yield f'curl{header} -d \'{{"id": "mine", "customer": "me", "amount": 12.5}}\' {api["url"]}{ends["post"]}'


def _header(seen: World, name: Name, shown: Report) -> str:
    api = seen.apis[name]
    methods = [it.api_key for it in api.access.authentication.methods if it.api_key] if api.access else []
    if not methods:
        return ""
    field = methods[0].header or "Authorization"
    text = next(_openers(seen, name, shown), "<key>")
    return f" -H '{field}: {'Bearer ' if field.lower() == 'authorization' else ''}{text}'"


def _openers(seen: World, name: Name, shown: Report) -> Iterator[str]:
    for key in shown.keys:
        held = access.holdings(seen, seen.keys[Name(key["namespace"], key["name"])])
        if key["key"] and any(name in holding.apis for holding in held):
            yield key["key"]
