"""StreamAPI: the streams of one API and how clients get in."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from penstock_operator.resources.fields import (
    AllowedKeys,
    Count,
    Default,
    DisplayName,
    Duration,
    EntryName,
    ItemName,
    Items,
    Model,
    Quantity,
    Rate,
    ResourceName,
    Rule,
    SecretKeyRef,
    Text,
    exactly_one,
)

RESERVED_PATHS = ("healthz", "readyz", "metrics", "status")
"""First segments the gateway keeps for itself, beside everything that starts with `_penstock`."""

PATH = r"^(/[A-Za-z0-9_~.-]+)+$"


def check_path(path: str) -> None:
    """Refuses a listen path the gateway could not serve unambiguously."""
    segments = path.split("/")[1:]
    if any(segment in (".", "..") for segment in segments):
        raise ValueError("must not contain '.' or '..' as a segment")
    if segments[0] in RESERVED_PATHS or any(segment == "_penstock" for segment in segments):
        raise ValueError(f"must not use a path of the gateway: {', '.join(RESERVED_PATHS)}, _penstock")


ListenPath = Annotated[
    str,
    Text(
        PATH,
        200,
        "must be a path like '/orders': letters, digits, '-', '_', '.', '~', no '/' at the end",
        check=check_path,
        cel=(
            ("!self.matches('(^|/)[.][.]?(/|$)')", "must not contain '.' or '..' as a segment"),
            (
                f"!self.matches('^/({'|'.join(RESERVED_PATHS)})(/|$)') && !self.matches('/_penstock(/|$)')",
                "must not use a path of the gateway",
            ),
        ),
    ),
]
_TOKEN = r"^[-!#$%&'*+.^_`|~0-9A-Za-z]+$"  # noqa: S105 - the grammar of a header's name, not a secret
_TRANSPORT = ("host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "keep-alive")


def _header(name: str) -> None:
    if name.lower() in _TRANSPORT:
        raise ValueError("must not be a header that the transport owns")


HeaderName = Annotated[
    str,
    Text(
        _TOKEN,
        64,
        "must be the name of an HTTP header",
        check=_header,
        cel=((f"!(self.lowerAscii() in {list(_TRANSPORT)!r})", "must not be a header that the transport owns"),),
    ),
]
ParameterName = Annotated[str, Text(r"^[-._~A-Za-z0-9]+$", 64, "must be letters, digits, '-', '_', '.', '~'")]
Origin = Annotated[
    str,
    Text(r"^(\*|https?://[a-zA-Z0-9.:\[\]-]+)$", 256, "must be '*' or an origin like 'https://shop.example.com'"),
]


class ValueFrom(Model):
    """Where a value comes from."""

    rules = (exactly_one("secretKeyRef"),)
    secret_key_ref: SecretKeyRef | None = None
    """Entry of a Secret in this namespace, taken as it is, a line end at its end included; the Secret must carry the label
    `penstock.dev/usable-by: stream-api`."""


class Variable(Model):
    """A name that `${NAME}` and `env("NAME")` resolve to in this API's streams."""

    rules = (exactly_one("value", "valueFrom"),)
    name: Annotated[str, Text(r"^[A-Za-z_][A-Za-z0-9_]*$", 63, "must be letters, digits and '_', not a digit first")]
    """Name of the variable."""
    value: Annotated[str, Text("", 4096, "", least=0)] | None = None
    """The value, as text."""
    value_from: ValueFrom | None = None
    """Where the value comes from."""


class ConfigMapItems(Model):
    """Entries of a ConfigMap in the same namespace."""

    name: ResourceName
    """Name of the ConfigMap."""
    items: Annotated[Annotated[list[EntryName], Items(64, least=1)] | None, Default("all")] = None
    """Entries to take."""


class SecretItems(Model):
    """Entries of a Secret in the same namespace."""

    name: ResourceName
    """Name of the Secret; it must carry the label `penstock.dev/usable-by: stream-api`."""
    items: Annotated[Annotated[list[EntryName], Items(64, least=1)] | None, Default("all")] = None
    """Entries to take."""


class FileSet(Model):
    """Files that the streams may read, and no others."""

    rules = (exactly_one("configMapRef", "secretRef"),)
    name: ItemName
    """Name of the folder the files appear in."""
    config_map_ref: ConfigMapItems | None = None
    """Files from a ConfigMap of this namespace."""
    secret_ref: SecretItems | None = None
    """Files from a Secret of this namespace."""


class ConfigMapKeyRef(Model):
    """One entry of a ConfigMap in the same namespace."""

    name: ResourceName
    """Name of the ConfigMap."""
    key: EntryName
    """Entry of the ConfigMap, a Bento configuration in YAML; its text is taken as it is."""


class Stream(Model):
    """One stream: a Bento configuration."""

    rules = (exactly_one("config", "configMapRef"),)
    name: ItemName
    """Name of the stream."""
    config: Annotated[dict[str, Any], Field(min_length=1)] | None = None
    """Bento configuration: `input`, `buffer`, `pipeline`, `output`, `*_resources`, in Bento's snake_case."""
    config_map_ref: ConfigMapKeyRef | None = None
    """The configuration as text in a ConfigMap."""


class History(Model):
    """How much of a stream can be read again after a reconnect; whichever bound is met first."""

    duration: Annotated[Duration | None, Default("5m")] = None
    """How far back."""
    size: Annotated[Annotated[str | int, Quantity(2**34, 65536)] | None, Default("64Mi")] = None
    """How many bytes in memory per stream with clients."""


class Delivery(Model):
    """How messages reach clients; what is absent is derived from the streams and shown in status."""

    mode: Annotated[Literal["Broadcast", "Compete"] | None, Default("from the inputs")] = None
    """`Broadcast`: every client gets every message. `Compete`: each message goes to exactly one client."""
    guarantee: Annotated[Literal["Live", "Resume"] | None, Default("the strongest the inputs allow")] = None
    """`Live`: from now on. `Resume`: a client that reconnects goes on where it left, within the history."""
    history: History | None = None
    """What a client can resume within."""
    slow_consumer: Annotated[Literal["Disconnect"] | None, Default("Disconnect")] = None
    """What happens to a client that the history overruns: `Disconnect`."""
    heartbeat: Annotated[Duration | None, Default("15s")] = None
    """How often a silent connection is proven alive."""


class ApiKey(Model):
    """A Key of this API in a header, a cookie or a query parameter."""

    header: Annotated[HeaderName | None, Default("Authorization")] = None
    """Header that carries the key, with or without `Bearer`."""
    cookie: Annotated[ParameterName | None, Default("none")] = None
    """Cookie that may carry the key."""
    query: Annotated[ParameterName | None, Default("none")] = None
    """Query parameter that may carry the key; addresses end up in logs, so think twice."""


class Method(Model):
    """One way to say who one is."""

    rules = (exactly_one("apiKey"),)
    name: ItemName
    """Name of the method."""
    api_key: ApiKey | None = None
    """A Key."""


class Authentication(Model):
    """How clients say who they are; `methods: []` opens the API to everybody."""

    mode: Annotated[Literal["Any", "All"] | None, Default("Any")] = None
    """Whether any one method is enough or all are needed."""
    methods: Annotated[list[Method], Items(8, ("name",))]
    """The methods. An empty list opens the API to everybody."""


class ApiLimits(Model):
    """What all clients of the API together may use."""

    rate: Rate | None = None
    """Requests or connection attempts of all clients together."""
    connections: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Open streams of all clients together."""
    body_size: Annotated[Annotated[str | int, Quantity(2**30)] | None, Default("1Mi", "gateway")] = None
    """Largest request body after decoding."""
    message_size: Annotated[Annotated[str | int, Quantity(2**30)] | None, Default("1Mi", "gateway")] = None
    """Largest WebSocket message a client may send."""


class Cors(Model):
    """Which web pages may call the API from a browser."""

    allow_origins: Annotated[list[Origin], Items(32, least=1)]
    """Origins, or `*` for all; credentials are never allowed by cookie across origins."""


class Gateway(Model):
    """The pods that serve the API."""

    replicas: Annotated[int, Field(ge=0, le=1000)] = 1
    """Number of gateway pods."""


class PipelinePart(Model):
    """What changes by rollout."""

    variables: Annotated[list[Variable], Items(64, ("name",))] | None = None
    """What `${NAME}` and `env("NAME")` resolve to in the streams; nothing else does."""
    files: Annotated[list[FileSet], Items(16, ("name",))] | None = None
    """Read-only files for the streams."""
    streams: Annotated[list[Stream], Items(32, ("name",), least=1)]
    """The streams."""
    delivery: Delivery | None = None
    """How messages reach clients."""


class AccessPart(Model):
    """What takes effect at once."""

    state: Annotated[Literal["Active", "Disabled"] | None, Default("Active")] = None
    """`Active`, or `Disabled`: streams stop, clients are closed, requests get 404."""
    access: Annotated[Literal["Internal", "External"] | None, Default("Internal")] = None
    """`Internal`: reachable inside the cluster only; or `External`."""
    listen_path: Annotated[ListenPath | None, Default("`/` and the name")] = None
    """Path the API is served under."""
    authentication: Authentication
    """How clients say who they are; must be present."""
    limits: ApiLimits | None = None
    """What all clients together may use."""
    cors: Cors | None = None
    """Which web pages may call the API."""
    allowed_keys: AllowedKeys | None = None
    """Which namespaces' Keys may use this API."""
    gateway: Gateway = Gateway()
    """The pods that serve the API."""


class StreamAPISpec(AccessPart, PipelinePart):
    """What the API is."""

    display_name: DisplayName | None = None
    """Name for people."""


__all__ = ["AccessPart", "Count", "PipelinePart", "Rule", "StreamAPISpec"]
