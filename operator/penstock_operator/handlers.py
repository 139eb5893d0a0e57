"""Lets kopf watch and hand over every event: the only module that knows kopf. No object of a user ever carries its bookkeeping."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from penstock_operator.cluster import EXTRA, VERSIONS, ClusterError

PLURALS: Mapping[str, str] = {
    "StreamAPI": "streamapis",
    "Policy": "policies",
    "Key": "keys",
    "Namespace": "namespaces",
    "Secret": "secrets",
    "ConfigMap": "configmaps",
    "Deployment": "deployments",
    "Service": "services",
    "ServiceAccount": "serviceaccounts",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "Pod": "pods",
}
PAGE = 500

Feed = Callable[[str | None, Mapping[str, Any]], None]
"""Type of the event (None = it was there already, ADDED, MODIFIED, DELETED) and the object."""


class Backoffs:
    """Seconds between the tries of a watch; never ends, so that an API server that is away for long ends nothing."""

    def __iter__(self) -> Iterator[float]:
        yield 0.5
        yield 1.0
        while True:
            yield 2.0


async def watch(watched: Mapping[str, str], namespaces: Sequence[str], identity: str, feed: Feed) -> None:
    """Watch all kinds, with their label selectors, until the process is told to end. `identity` names this process."""
    try:
        import kopf
    except ImportError as error:
        raise ClusterError(EXTRA) from error
    logging.getLogger("kopf.objects").setLevel("WARNING")
    registry = kopf.OperatorRegistry()
    settings = kopf.OperatorSettings()
    settings.networking.error_backoffs = Backoffs()
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.watching.chunk_size = PAGE
    settings.scanning.disabled = bool(namespaces)
    for kind, selector in watched.items():
        if kind == "Namespace" and namespaces:
            continue
        group, _, version = VERSIONS[kind].rpartition("/")
        if selector:
            settings.watching.label_selectors[group, version, PLURALS[kind]] = selector
        kopf.on.event(group, version, PLURALS[kind], id=PLURALS[kind], registry=registry)(_handler(kind, feed))

    async def login(**arguments: Any) -> Any:
        return kopf.login_with_service_account(**arguments) or kopf.login_with_kubeconfig(**arguments)

    kopf.on.login(registry=registry)(login)
    await kopf.operator(
        registry=registry,
        settings=settings,
        identity=identity,  # type: ignore[arg-type]  # a NewType of str; without it kopf asks for the name of our user
        clusterwide=not namespaces,
        namespaces=list(namespaces),
    )


def _handler(kind: str, feed: Feed) -> Any:
    async def changed(event: Mapping[str, Any], **_: Any) -> None:
        feed(event["type"], {**event["object"], "apiVersion": VERSIONS[kind], "kind": kind})

    return changed
