"""Settings of the operator process, from its environment; every one has a default but the image of the gateways."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PREFIX = "PENSTOCK_"


class SettingsError(Exception):
    """A setting cannot be used; the text names it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the installation decides. Each field is read from `PENSTOCK_` and its name in capitals."""

    gateway_image: str
    """Image of the gateway pods."""
    gateway_image_pull_policy: str = "IfNotPresent"
    """When the kubelet pulls that image: Always, IfNotPresent, Never."""
    gateway_image_pull_secrets: tuple[str, ...] = ()
    """Secrets, in each namespace, that open its registry."""
    gateway_resources: Mapping[str, Any] | None = None
    """`resources` of the gateway container, as JSON; absent = small requests and a limit of memory."""
    watch_namespaces: tuple[str, ...] = ()
    """The namespaces to serve, comma-separated; empty = all of the cluster."""
    labelled_secrets: bool = True
    """Whether resources may name only Secrets that carry `penstock.dev/usable-by` (`PENSTOCK_SECRET_REFERENCES`: Labelled or Any)."""
    namespace: str = "penstock-system"
    """Namespace of the operator itself, where its lease is."""
    lease: str = "penstock-operator"
    """Name of the lease."""
    identity: str = ""
    """Who this process is among its peers; default: the host's name."""
    health_port: int = 8081
    """Port of /healthz, /readyz and /metrics."""
    health_host: str = "0.0.0.0"  # noqa: S104 - the kubelet asks at the pod's address
    """Address of that port."""
    workers: int = 8
    """Keys worked on at the same time."""
    log_level: str = "INFO"
    """DEBUG, INFO, WARNING or ERROR."""


def read(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of an environment; raises SettingsError."""
    given = os.environ if environment is None else environment

    def text(name: str, default: str = "") -> str:
        return given.get(PREFIX + name, "").strip() or default

    if not text("GATEWAY_IMAGE"):
        raise SettingsError(f"{PREFIX}GATEWAY_IMAGE must name the image of the gateway pods")
    references = text("SECRET_REFERENCES", "Labelled")
    if references not in ("Labelled", "Any"):
        raise SettingsError(f"{PREFIX}SECRET_REFERENCES must be Labelled or Any")
    return Settings(
        gateway_image=text("GATEWAY_IMAGE"),
        gateway_image_pull_policy=text("GATEWAY_IMAGE_PULL_POLICY", "IfNotPresent"),
        gateway_image_pull_secrets=_list(text("GATEWAY_IMAGE_PULL_SECRETS")),
        gateway_resources=_object("GATEWAY_RESOURCES", text("GATEWAY_RESOURCES")),
        watch_namespaces=_list(text("WATCH_NAMESPACES")),
        labelled_secrets=references == "Labelled",
        namespace=text("NAMESPACE", "penstock-system"),
        lease=text("LEASE", "penstock-operator"),
        identity=text("IDENTITY", socket.gethostname()),
        health_port=_number("HEALTH_PORT", text("HEALTH_PORT", "8081")),
        health_host=text("HEALTH_HOST", "0.0.0.0"),  # noqa: S104 - as above
        workers=_number("WORKERS", text("WORKERS", "8")),
        log_level=text("LOG_LEVEL", "INFO"),
    )


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _number(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise SettingsError(f"{PREFIX}{name} must be a number") from None


def _object(name: str, text: str) -> Mapping[str, Any] | None:
    try:
        found = json.loads(text) if text else None
    except ValueError:
        raise SettingsError(f"{PREFIX}{name} must be JSON") from None
    if found is not None and not isinstance(found, dict):
        raise SettingsError(f"{PREFIX}{name} must be an object")
    return found
