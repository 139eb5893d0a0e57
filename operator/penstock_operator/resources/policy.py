"""Policy: what the holders of a key may use, how much and how long."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from penstock_gateway import paths
from penstock_gateway.errors import ConfigError
from penstock_operator.resources.fields import (
    AllowedKeys,
    Count,
    Default,
    DisplayName,
    Duration,
    DurationOrNever,
    ItemName,
    Items,
    Model,
    Rate,
    Text,
    duration_text,
)

Tag = Annotated[str, Text(r"^[-._A-Za-z0-9]+$", 63, "must be letters, digits, '-', '_', '.'")]


def _route(text: str) -> None:
    try:
        paths.pattern(text)
    except ConfigError as error:
        raise ValueError(str(error)) from error


SubPath = Annotated[
    str,
    Text(r"^/[^\s?#]*$", 200, "must be a path below the listen path, like '/events' or '/orders/{id}'", check=_route),
]
HttpMethod = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class Throttle(Model):
    """Holds a request that is over its rate and tries again, before it is refused."""

    retries: Annotated[int, Field(ge=1, le=100)]
    """How often it is tried again."""
    interval: Annotated[str, duration_text(1 / 60)]
    """How long it is held each time, at most a minute."""


class Quota(Model):
    """How many requests in a long window that starts with the first request."""

    requests: Count
    """Requests, or connection attempts, allowed in one window."""
    window: DurationOrNever
    """Length of the window, for example `24h`; `Never` = it is never renewed."""


class Limits(Model):
    """What one key may use."""

    rate: Rate | None = None
    """Requests or connection attempts."""
    throttle: Throttle | None = None
    """Hold and retry instead of refusing at once."""
    quota: Quota | None = None
    """Requests in a long window."""
    connections: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Open streams at the same time."""
    connection_age: Duration | None = None
    """How long one stream may stay open."""


class PathRule(Model):
    """A path and the methods allowed on it."""

    path: SubPath
    """Path below the listen path."""
    methods: Annotated[Annotated[list[HttpMethod], Items(7, least=1)] | None, Default("all", "gateway")] = None
    """Methods."""


class Target(Model):
    """One StreamAPI of the same namespace that the policy opens."""

    name: ItemName
    """Name of the StreamAPI."""
    limits: Limits | None = None
    """A member set here replaces that member of the policy's limits for this API."""
    paths: Annotated[Annotated[list[PathRule], Items(64, ("path",), least=1)] | None, Default("all", "gateway")] = None
    """Paths the policy opens."""


class PolicyKeys(AllowedKeys):
    """Whose Keys may list this policy."""

    max_per_namespace: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """How many Keys of one namespace may list this policy, the oldest first."""


class PolicySpec(Model):
    """What the policy allows."""

    display_name: DisplayName | None = None
    """Name for people."""
    state: Annotated[Literal["Active", "Draft", "Denied"] | None, Default("Active")] = None
    """`Active`; `Draft`: serves only keys that list it already; `Denied`: all its keys are off."""
    targets: Annotated[list[Target], Items(64, ("name",), least=1)]
    """StreamAPIs of the same namespace that the policy opens."""
    limits: Limits | None = None
    """What one key may use, for each API by itself."""
    key_expiry: Duration | None = None
    """How long after its issue a credential expires."""
    allowed_keys: PolicyKeys | None = None
    """Which namespaces' Keys may list this policy."""
    tags: Annotated[list[Tag], Items(32)] | None = None
    """Words to find the policy by."""
    metadata: dict[Tag, Annotated[str, Text("", 1024, "", least=0)]] | None = Field(None, max_length=32)
    """Free names and values that belong to the holders of its keys."""
