"""What the operator asks of a cluster (`Cluster`), and the real one (`KubeCluster`): the only module that knows the client library.

Objects are plain dicts. Everything that can go wrong is one of these; whose fault it is decides what follows:

    ClusterError
    ├── Unavailable    the server's or the network's: try again later
    ├── Conflict       somebody was faster, or it is another object by now: look again
    ├── Exists         the name is taken
    ├── Absent         the object, its namespace or its kind is gone
    ├── Refused        ours or the author's: trying again does not help
    └── NotLeader      another operator leads: nothing may be written
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import aiohttp

from penstock_operator.resources.documents import API_VERSION, Name

FIELD_MANAGER = "penstock-operator"
TIMEOUT = 30.0
"""Seconds for one request."""
PAGE = 500
NEVER_USED = "1"
"""A resourceVersion that no object has: the store counts on from there with the first write of all."""
EXTRA = "the operator needs its own packages: pip install 'penstock[operator]'"

Object = dict[str, Any]

VERSIONS: Mapping[str, str] = {
    "StreamAPI": API_VERSION,
    "Policy": API_VERSION,
    "Key": API_VERSION,
    "Secret": "v1",
    "ConfigMap": "v1",
    "Namespace": "v1",
    "Pod": "v1",
    "Service": "v1",
    "ServiceAccount": "v1",
    "Deployment": "apps/v1",
    "PodDisruptionBudget": "policy/v1",
    "Lease": "coordination.k8s.io/v1",
    "Event": "events.k8s.io/v1",
}
"""The API version each kind is spoken to in."""


class ClusterError(Exception):
    """The root of what a cluster answers; the text is safe to show and to log."""


class Unavailable(ClusterError):
    """The server cannot answer now. `after`: seconds it asked to wait."""

    def __init__(self, message: str, after: float = 0.0) -> None:
        super().__init__(message)
        self.after = after


class Conflict(ClusterError):
    """The object has changed since it was read, or has another uid."""


class Exists(ClusterError):
    """Something of that name is there."""


class Absent(ClusterError):
    """What is written to is gone."""


class Refused(ClusterError):
    """The server will never take this."""


class NotLeader(ClusterError):
    """Another operator leads."""


class Listed(NamedTuple):
    """A complete list and the version it was taken at."""

    items: list[Object]
    version: str


class Cluster(Protocol):
    """What the operator needs of a cluster. Every method raises ClusterError."""

    async def list(self, kind: str, selector: str = "") -> Listed:
        """All objects of a kind that carry the labels."""

    async def get(self, kind: str, name: Name) -> Object | None:
        """One object as it is now."""

    async def create(self, body: Object) -> Object:
        """Make an object; Exists when the name is taken. Its fields belong to our later applies."""

    async def apply(self, body: Object) -> Object:
        """Set our whole intent of an object that carries its uid; Absent or Conflict when it is not that object."""

    async def apply_status(self, body: Object) -> Object:
        """Set our whole part of a status."""

    async def annotate(self, kind: str, name: Name, annotations: Mapping[str, str]) -> Object:
        """Set annotations and nothing else; Absent when the object is gone."""

    async def delete(self, kind: str, name: Name, uid: str) -> None:
        """Remove this very object; gone already is fine."""

    async def replace(self, body: Object) -> Object:
        """Overwrite an object of the version it carries; Conflict otherwise."""


def name_of(document: Mapping[str, Any]) -> Name:
    """The name of an object; cluster-wide ones have no namespace."""
    meta = document.get("metadata") or {}
    return Name(str(meta.get("namespace") or ""), str(meta.get("name") or ""))


# --- the real one -------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class KubeCluster:
    """A cluster behind its API server. `namespaces`: only these are looked at; `may_write` is asked before each write."""

    client: Any
    api: Any
    namespaces: Sequence[str] = ()
    may_write: Callable[[], bool] = lambda: True
    writes: int = 0

    @classmethod
    async def connect(cls, namespaces: Sequence[str] = (), may_write: Callable[[], bool] = lambda: True) -> KubeCluster:
        """With the rights of the pod it runs in, else with the user's kubeconfig."""
        try:
            from kubernetes.aio import client as library
            from kubernetes.aio import config, dynamic
        except ImportError as error:
            raise ClusterError(EXTRA) from error
        logging.getLogger("kubernetes.aio.dynamic.discovery").setLevel("CRITICAL")  # says that there is no cache
        configuration = library.Configuration()
        try:
            config.load_incluster_config(configuration)
        except config.ConfigException:
            try:
                await config.load_kube_config(client_configuration=configuration)
            except config.ConfigException as error:
                raise Unavailable(f"no cluster is configured: {error}") from error
        api = library.ApiClient(configuration)
        try:
            client = await dynamic.DynamicClient(api, cache_file="/dev/null")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            await api.close()
            raise Unavailable(f"the API server does not answer ({type(error).__name__})") from error
        return cls(client, api, tuple(namespaces), may_write)

    async def close(self) -> None:
        """Let go of the connections."""
        await self.api.close()

    # --- reading --------------------------------------------------------------------------------------------------------

    async def list(self, kind: str, selector: str = "") -> Listed:
        """All objects of a kind that carry the labels, page by page."""
        if kind == "Namespace" and self.namespaces:
            return Listed([], "0")
        items: list[Object] = []
        version = "0"
        for namespace in self.namespaces or ("",):
            token: str | None = None
            while True:
                page = await self._call(
                    kind,
                    "get",
                    namespace=namespace or None,
                    label_selector=selector or None,
                    limit=PAGE,
                    _continue=token,
                )
                version = str(page["metadata"]["resourceVersion"])
                items += [{"apiVersion": VERSIONS[kind], "kind": kind, **item} for item in page["items"]]
                token = page["metadata"].get("continue")
                if not token:
                    break
        return Listed(items, version)

    async def get(self, kind: str, name: Name) -> Object | None:
        """One object as it is now."""
        try:
            return await self._call(kind, "get", name=name.name, namespace=name.namespace or None)
        except Absent:
            return None

    # --- writing --------------------------------------------------------------------------------------------------------

    async def create(self, body: Object) -> Object:
        """An apply that may only create (docs/decisions: making children), because its version is one that no object has."""
        if not body["metadata"].get("name"):
            return await self._write(
                body["kind"], "create", body=body, namespace=_namespace(body), field_manager=FIELD_MANAGER
            )
        try:
            return await self._apply({**body, "metadata": {**body["metadata"], "resourceVersion": NEVER_USED}})
        except Conflict:
            if await self.get(body["kind"], name_of(body)) is not None:
                raise Exists(f"409: {body['kind']} {name_of(body)} is there already") from None
            return await self._post(body)

    async def _post(self, body: Object) -> Object:
        """POST, then hand the fields over to our applies: else a field that a later apply leaves out would stay."""
        made = await self._write(
            body["kind"], "create", body=body, namespace=_namespace(body), field_manager=FIELD_MANAGER
        )
        entries = [dict(it) for it in made["metadata"].get("managedFields") or ()]
        if body.get("immutable"):
            return made
        for entry in entries:
            if entry.get("manager") == FIELD_MANAGER:
                entry["operation"] = "Apply"
        meta = {"resourceVersion": made["metadata"]["resourceVersion"], "managedFields": entries}
        try:
            return await self._merge(body["kind"], name_of(body), {"metadata": meta})
        except Conflict:
            return made  # a controller was faster; the next apply owns the fields as well

    async def apply(self, body: Object) -> Object:
        """Server-side apply. The uid in the body keeps it from making an object that is gone."""
        if not body["metadata"].get("uid"):
            raise ValueError("apply needs the uid of the object")
        return await self._apply(body)

    async def _apply(self, body: Object) -> Object:
        return await self._write(
            body["kind"],
            "server_side_apply",
            body=body,
            namespace=_namespace(body),
            field_manager=FIELD_MANAGER,
            force_conflicts=True,
        )

    async def apply_status(self, body: Object) -> Object:
        """Server-side apply of the subresource."""
        return await self._write(
            body["kind"],
            "server_side_apply",
            part="status",
            body=body,
            namespace=_namespace(body),
            field_manager=FIELD_MANAGER,
            force_conflicts=True,
        )

    async def annotate(self, kind: str, name: Name, annotations: Mapping[str, str]) -> Object:
        """A merge patch of annotations."""
        return await self._merge(kind, name, {"metadata": {"annotations": dict(annotations)}})

    async def _merge(self, kind: str, name: Name, body: Object) -> Object:
        return await self._write(
            kind,
            "patch",
            body=body,
            name=name.name,
            namespace=name.namespace or None,
            field_manager=FIELD_MANAGER,
            content_type="application/merge-patch+json",
        )

    async def delete(self, kind: str, name: Name, uid: str) -> None:
        """Remove this very object."""
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        try:
            await self._write(kind, "delete", name=name.name, namespace=name.namespace, body=options)
        except Absent:
            pass

    async def replace(self, body: Object) -> Object:
        """PUT of the version the body carries."""
        return await self._write(body["kind"], "replace", body=body, namespace=_namespace(body))

    async def _write(self, kind: str, verb: str, **arguments: Any) -> Object:
        if not self.may_write():
            raise NotLeader("another operator leads")
        self.writes += 1
        return await self._call(kind, verb, **arguments)

    async def _call(self, kind: str, verb: str, part: str = "", **arguments: Any) -> Object:
        from kubernetes.aio.client.exceptions import ApiException
        from kubernetes.aio.dynamic.exceptions import ResourceNotFoundError

        try:
            resource = await self.client.resources.get(api_version=VERSIONS[kind], kind=kind)
            target = getattr(resource, part) if part else resource
            answer = await getattr(target, verb)(serialize=False, _request_timeout=TIMEOUT, **arguments)
            found: Object = json.loads(await answer.read())
            return found
        except ApiException as error:
            raise explain(error.status, error.body) from None
        except ResourceNotFoundError:
            raise Absent(f"the cluster does not know the kind {kind}") from None
        except (aiohttp.ClientError, TimeoutError, OSError, json.JSONDecodeError) as error:
            raise Unavailable(f"the API server does not answer ({type(error).__name__})") from None


def _namespace(body: Mapping[str, Any]) -> str | None:
    namespace: str | None = body["metadata"].get("namespace")
    return namespace


_BROKEN = ("failed to create typed patch object", "failed to convert new object", "failed to create manager")


def explain(status: int | None, body: Any) -> ClusterError:
    """What an answer of the API server means. The texts of its 500s tell a body it will never take from an outage."""
    try:
        answer = json.loads(body)
    except (TypeError, ValueError):
        answer = {}
    answer = answer if isinstance(answer, dict) else {}
    text = f"{status}: {str(answer.get('message') or answer.get('reason') or 'no explanation')[:500]}"
    details = answer.get("details") or {}
    match status:
        case 404 | 410:
            return Absent(text)
        case 409:
            return Exists(text) if answer.get("reason") == "AlreadyExists" else Conflict(text)
        case 429:
            return Unavailable(text, float(details.get("retryAfterSeconds") or 1))
        case 500 if _starts(answer, _BROKEN):
            return Refused(text)
        case 422 if "metadata.uid" in text:
            return Conflict(text)
        case 400 | 403 | 405 | 413 | 415 | 422:
            return Refused(text)
        case _:
            return Unavailable(text, float(details.get("retryAfterSeconds") or 0))


def _starts(answer: Mapping[str, Any], beginnings: Iterable[str]) -> bool:
    return str(answer.get("message", "")).startswith(tuple(beginnings))
