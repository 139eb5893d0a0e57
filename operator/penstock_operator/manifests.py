"""Turns the documents of a plan into what a cluster keeps: ConfigMap, Secrets, ServiceAccount, Deployment, Service, budget. Pure.

| document of the plan | child of the StreamAPI | in the pod, below `FOLDER` |
|---|---|---|
| pipeline | ConfigMap `<api>-gateway-<hash10>`, immutable | `pipeline.json` |
| access | Secret `<api>-access` | `access/<namespace>.<api>.json` |
| keys, one or sixteen | Secrets `<api>-keys-<n>` | `keys/<namespace>.<api>-<n>.json` |
| `signing/…`, `admin.json` | Secrets `<api>-signing`, `<api>-admin`, made once | the same names |
| variables and files of other owners | nothing: projected as they are, optional | `variables/…`, `files/…` |

Only labels of our own, never those of the parent; every child carries its owner's uid and is removed with it by garbage collection.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock_operator import access, render
from penstock_operator.resources.documents import API_VERSION, Key, Name, StreamAPI
from penstock_operator.world import CREDENTIAL_TYPE, ISSUED, MANAGED_BY, OPERATOR, USABLE_BY, World

FOLDER = "/etc/penstock"
PORT, ADMIN_PORT = 8080, 8081
API_LABEL = "penstock.dev/stream-api"
"""On every child of a StreamAPI and on its pods: the name of the StreamAPI."""
HASH = "penstock.dev/config-hash"
"""On pods: the pipeline document they were started with."""
REVISION = "penstock.dev/access-revision"
"""On pods: the nudge that makes the kubelet look at the mounted Secrets again."""
RESERVED = "penstock"
"""Value of `penstock.dev/usable-by` on our own Secrets: seen by the same watch as those of others, usable by nobody."""
KEPT = 3
"""Pipeline ConfigMaps that stay: the one in use and those before it."""
USER = 65532
SINGLE, SHARDED = 1, 16

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Style:
    """What the installation decides about gateway pods. `resources` in the form of a container's."""

    image: str
    pull_policy: str = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()
    resources: Mapping[str, Any] = field(
        default_factory=lambda: {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}}
    )
    grace: int = 60
    endpoint_delay: float = 5.0


# --- names --------------------------------------------------------------------------------------------------------------


def gateway_name(api: Name) -> str:
    """The Deployment, Service, ServiceAccount and budget of an API."""
    return f"{api.name}-gateway"


def config_map_name(api: Name, digest: str) -> str:
    """The ConfigMap of a pipeline document."""
    return f"{gateway_name(api)}-{digest}"


def secret_name(api: Name, path: str) -> str:
    """The Secret that a document of the gateway's folder lives in, by its path there."""
    folder, _, file = path.partition("/")
    if folder == "keys":
        return f"{api.name}-keys-{file.removesuffix('.json').rpartition('-')[2]}"
    return f"{api.name}-{folder.removesuffix('.json')}"


# --- children -----------------------------------------------------------------------------------------------------------


def owner_of(resource: StreamAPI | Key) -> Object:
    """The reference by which garbage collection finds a child."""
    return {
        "apiVersion": API_VERSION,
        "kind": resource.kind,
        "name": resource.meta.name.name,
        "uid": resource.meta.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def labels(api: Name) -> dict[str, str]:
    """The labels of an API's children and pods."""
    return {**selector(api), "app.kubernetes.io/component": "gateway", MANAGED_BY: OPERATOR}


def selector(api: Name) -> dict[str, str]:
    """What selects an API's gateway pods."""
    return {
        "app.kubernetes.io/name": "penstock-gateway",
        "app.kubernetes.io/instance": api.name,
        API_LABEL: api.name,
    }


def _child(api: StreamAPI, version: str, kind: str, name: str, **rest: Any) -> Object:
    own = api.meta.name
    metadata = {"namespace": own.namespace, "name": name, "labels": labels(own), "ownerReferences": [owner_of(api)]}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}


def secret(api: StreamAPI, path: str, body: Any) -> Object:
    """The Secret of a hot document, or of one that is made once."""
    file = path.rpartition("/")[2]
    found = _child(api, "v1", "Secret", secret_name(api.meta.name, path), type="Opaque", data={file: _base64(body)})
    found["metadata"]["labels"][USABLE_BY] = RESERVED
    return found


def _base64(body: Any) -> str:
    return base64.b64encode(render.encode(body)).decode()


def config_map(api: StreamAPI, pipeline: Mapping[str, Any]) -> Object:
    """The pipeline document, named by its hash; it never changes."""
    name = config_map_name(api.meta.name, render.document_hash(pipeline))
    found = _child(
        api, "v1", "ConfigMap", name, immutable=True, data={"pipeline.json": render.encode(pipeline).decode()}
    )
    found["metadata"]["labels"][USABLE_BY] = RESERVED
    return found


def credential(key: Key, name: str, data: Mapping[str, str], issued: str) -> Object:
    """The Secret of the consumer; the only place a generated credential is kept."""
    own = key.meta.name
    metadata = {
        "namespace": own.namespace,
        "name": name,
        "labels": {MANAGED_BY: OPERATOR, USABLE_BY: RESERVED},
        "annotations": {ISSUED: issued},
        "ownerReferences": [owner_of(key)],
    }
    encoded = {entry: base64.b64encode(value.encode()).decode() for entry, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "type": CREDENTIAL_TYPE, "metadata": metadata, "data": encoded}


def service_account(api: StreamAPI) -> Object:
    """An identity without a token: gateways never talk to the API server."""
    return _child(api, "v1", "ServiceAccount", gateway_name(api.meta.name), automountServiceAccountToken=False)


def service(api: StreamAPI) -> Object:
    """Where clients inside the cluster reach the API."""
    spec = {
        "type": "ClusterIP",
        "selector": selector(api.meta.name),
        "ports": [{"name": "http", "port": PORT, "targetPort": "http", "protocol": "TCP"}],
    }
    return _child(api, "v1", "Service", gateway_name(api.meta.name), spec=spec)


def budget(api: StreamAPI) -> Object:
    """Evictions take one gateway at a time."""
    spec = {
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": selector(api.meta.name)},
    }
    return _child(api, "policy/v1", "PodDisruptionBudget", gateway_name(api.meta.name), spec=spec)


def replicas(world: World, api: StreamAPI) -> int:
    """Gateway pods to run: what is asked for, but one where an input would give every replica its own copy."""
    wanted = api.access.gateway.replicas if api.access else 1
    verdicts = [view.verdict for view in render.streams(world, api)]
    single = any(it.reason == "SingleReplica" for verdict in verdicts if verdict for it in verdict.conditions)
    return min(wanted, 1) if single else wanted


# --- the gateway's Deployment -------------------------------------------------------------------------------------------


def deployment(world: World, api: StreamAPI, pipeline: Mapping[str, Any], shards: int, style: Style) -> Object:
    """The gateways of an API. Everything that must lead to new pods is in the template, and nothing else."""
    name = api.meta.name
    digest = render.document_hash(pipeline)
    spec = {
        "replicas": replicas(world, api),
        "revisionHistoryLimit": KEPT,
        "selector": {"matchLabels": selector(name)},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "template": {
            "metadata": {"labels": labels(name), "annotations": {HASH: digest}},
            "spec": _pod(world, api, digest, shards, style),
        },
    }
    return _child(api, "apps/v1", "Deployment", gateway_name(name), spec=spec)


def _pod(world: World, api: StreamAPI, digest: str, shards: int, style: Style) -> Object:
    name = api.meta.name
    spread = [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": selector(name)},
        }
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]
    sources = list(_sources(world, api, digest, shards))
    pod: Object = {
        "serviceAccountName": gateway_name(name),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": style.grace,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": spread,
        "containers": [_container(style)],
        "volumes": [
            {"name": "documents", "projected": {"defaultMode": 0o440, "sources": sources}},
            {"name": "scratch", "emptyDir": {"sizeLimit": "64Mi"}},
        ],
    }
    if style.pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in style.pull_secrets]
    return pod


def _container(style: Style) -> Object:
    return {
        "name": "gateway",
        "image": style.image,
        "imagePullPolicy": style.pull_policy,
        "command": ["penstock-gateway"],
        "args": [
            "run",
            FOLDER,
            "--host=0.0.0.0",
            f"--port={PORT}",
            f"--admin-port={ADMIN_PORT}",
            f"--endpoint-delay={style.endpoint_delay:g}",
        ],
        "ports": [
            {"name": "http", "containerPort": PORT, "protocol": "TCP"},
            {"name": "admin", "containerPort": ADMIN_PORT, "protocol": "TCP"},
        ],
        "startupProbe": _probe("/healthz", period=1, failures=60),
        "readinessProbe": _probe("/readyz", period=2, failures=2),
        "livenessProbe": _probe("/healthz", period=10, failures=6),
        "resources": dict(style.resources),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "documents", "mountPath": FOLDER, "readOnly": True},
            {"name": "scratch", "mountPath": "/tmp"},  # noqa: S108 - the pod's own scratch folder
        ],
    }


def _probe(path: str, *, period: int, failures: int) -> Object:
    return {
        "httpGet": {"path": path, "port": "admin"},
        "periodSeconds": period,
        "timeoutSeconds": 3,
        "failureThreshold": failures,
    }


def _sources(world: World, api: StreamAPI, digest: str, shards: int) -> Iterator[Object]:
    """What a pod finds in its folder, in the layout of docs/decisions/0001-documents.md."""
    name = api.meta.name
    stem = f"{name.namespace}.{name.name}"
    pipeline = [{"key": "pipeline.json", "path": "pipeline.json"}]
    yield {"configMap": {"name": config_map_name(name, digest), "items": pipeline}}
    for path in (f"access/{stem}.json", f"signing/{stem}.json", "admin.json"):
        yield _secret_source(secret_name(name, path), {path.rpartition("/")[2]: path}, optional=False)
    for number in range(shards):
        path = f"keys/{stem}-{number}.json"
        yield _secret_source(secret_name(name, path), {path.rpartition("/")[2]: path})
    yield from _references(world, api, stem)


def _secret_source(name: str, items: Mapping[str, str], *, optional: bool = True) -> Object:
    return {"secret": {"name": name, "items": _items(items), "optional": optional}}


def _items(items: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "path": path} for key, path in items.items()]


def _references(world: World, api: StreamAPI, stem: str) -> Iterator[Object]:
    """Secrets and ConfigMaps of other owners, where the pipeline document says they are."""
    spec, namespace = api.spec, api.meta.name.namespace
    for variable in (spec.variables if spec else None) or ():
        reference = variable.value_from.secret_key_ref if variable.value_from else None
        if reference is not None and variable.name not in world.settings.variables:
            yield _secret_source(reference.name, {reference.key: f"variables/{stem}/{variable.name}"})
    for files in (spec.files if spec else None) or ():
        place = f"files/{stem}/{files.name}"
        if files.secret_ref is not None:
            held = world.secrets.get(Name(namespace, files.secret_ref.name))
            entries: Iterable[str] = files.secret_ref.items or (sorted(held.entries) if held else ())
            yield _secret_source(files.secret_ref.name, {entry: f"{place}/{entry}" for entry in entries})
        elif files.config_map_ref is not None:
            there = world.config_maps.get(Name(namespace, files.config_map_ref.name), {})
            listed = _items({entry: f"{place}/{entry}" for entry in files.config_map_ref.items or sorted(there)})
            yield {"configMap": {"name": files.config_map_ref.name, "items": listed, "optional": True}}


# --- all of it ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Children:
    """What an API should consist of. `hot` first: access must never wait for a rollout. Without a pipeline document the pods stay as
    they are. `once`: by name, the path of what is generated if it is not there."""

    hot: Sequence[Object]
    once: Mapping[str, str]
    cold: Sequence[Object]
    budget: Object | None


def mounted_shards(document: Mapping[str, Any]) -> int:
    """How many key shards the pods of a gateway's Deployment mount."""
    volumes = (((document.get("spec") or {}).get("template") or {}).get("spec") or {}).get("volumes") or ()
    sources = [source for volume in volumes for source in (volume.get("projected") or {}).get("sources") or ()]
    start = str((document["metadata"].get("labels") or {}).get(API_LABEL, "")) + "-keys-"
    return sum(str((source.get("secret") or {}).get("name", "")).startswith(start) for source in sources)


def _shards(documents: Sequence[Any], mounted: int) -> int:
    """Sixteen are mounted long before there are sixteen, so that no pod misses one when the keys are spread; and for ever after."""
    records = sum(len(it.body["keys"]) for it in documents if it.kind == "keys")
    return SHARDED if mounted >= SHARDED or records > access.SHARD_LIMIT // 2 else SINGLE


def children(
    world: World, api: StreamAPI, apply: Iterable[Any], create: Iterable[str], style: Style, mounted: int = 0
) -> Children:
    """The children of an API for the documents (`plan.Document`) and the create-once paths of its plan; `mounted`: key shards that its
    pods mount already."""
    documents = list(apply)
    hot = [secret(api, it.path, it.body) for it in documents if it.kind != "pipeline"]
    shards = _shards(documents, mounted)
    once = {secret_name(api.meta.name, path): path for path in create}
    cold: list[Object] = [service_account(api), service(api)]
    pipeline = next((it.body for it in documents if it.kind == "pipeline"), None)
    if pipeline is not None:
        cold = [config_map(api, pipeline), *cold, deployment(world, api, pipeline, shards, style)]
    return Children(hot, once, cold, budget(api) if replicas(world, api) > 1 else None)
