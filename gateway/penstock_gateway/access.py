"""The access documents: what they say, and what several policies of one key give together (`merge`).

Fields that are not known make a document unreadable, because one of them might restrict; an API whose document cannot be read
answers 503, and no older state is ever used in its place. Durations are seconds, sizes bytes, instants Unix seconds. An absent
limit means no limit, and so it is the most generous one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from penstock_gateway.errors import ConfigError
from penstock_gateway.paths import Pattern, pattern

VERSION = 1
Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", omit_defaults=True):
    """A part of a document; the keys are camelCase."""


class Rate(Part, frozen=True):
    """Requests or connection attempts in any window of that length."""

    requests: Positive
    window: Seconds


class Throttle(Part, frozen=True):
    """A request over its rate is held and tried again before it is refused."""

    retries: Annotated[int, Meta(ge=1, le=100)]
    interval: Annotated[float, Meta(gt=0, le=60)]


class Quota(Part, frozen=True):
    """Requests in a window that starts with the first of them; window 0 = never renewed."""

    requests: Positive
    window: Annotated[float, Meta(ge=0)]


class Limits(Part, frozen=True):
    """What a policy limits, already as it holds for this API."""

    rate: Rate | None = None
    throttle: Throttle | None = None
    quota: Quota | None = None
    connections: Positive | None = None
    connection_age: Seconds | None = None


class PathRule(Part, frozen=True):
    """A path below the listen path, in the form routes have, and its methods; none = all methods."""

    path: str
    methods: tuple[str, ...] = ()


class Policy(Part, frozen=True):
    """A policy as far as it concerns one API. No paths = all of them."""

    state: Literal["Active", "Draft", "Denied"] = "Active"
    limits: Limits = Limits()
    paths: tuple[PathRule, ...] = ()
    key_expiry: Seconds | None = None


class ApiKey(Part, frozen=True):
    """Where a key is read; an empty name = not there."""

    header: str = "Authorization"
    query: str = ""
    cookie: str = ""


class Method(Part, frozen=True):
    """One way to authenticate."""

    name: str
    api_key: ApiKey


class Authentication(Part, frozen=True):
    """How clients prove who they are; no methods = nobody is asked."""

    methods: tuple[Method, ...]
    mode: Literal["Any", "All"] = "Any"


class ApiLimits(Part, frozen=True):
    """Limits of an API as a whole, over all replicas; sizes are of one body and one message."""

    rate: Rate | None = None
    connections: Positive | None = None
    body_size: Positive = 1 << 20
    message_size: Positive = 1 << 20


class Cors(Part, frozen=True):
    """Which web pages may call; `*` = any, never together with credentials."""

    allow_origins: tuple[str, ...] = ()


class ApiDocument(Part, frozen=True):
    """`access/<namespace>.<name>.json`."""

    version: int
    namespace: str
    name: str
    listen_path: str
    authentication: Authentication
    state: Literal["Active", "Disabled"] = "Active"
    replicas: Positive = 1
    limits: ApiLimits = ApiLimits()
    cors: Cors = Cors()
    policies: dict[str, Policy] = {}


class KeyRecord(Part, frozen=True):
    """What is known about a key whose digest was presented; `uid` is whose counters it uses, `key` the public name."""

    id: str
    uid: str
    key: str
    policies: tuple[str, ...] = ()
    state: Literal["Active", "Disabled"] = "Active"
    expires: float | None = None


class KeyShard(Part, frozen=True):
    """`keys/<namespace>.<name>-<n>.json`: SHA-256 in lower-case hex → record."""

    version: int
    keys: dict[str, KeyRecord]


_D = TypeVar("_D", ApiDocument, KeyShard)


def _read(data: bytes, sort: type[_D]) -> _D:
    try:
        document = msgspec.json.decode(data, type=sort)
    except (msgspec.DecodeError, UnicodeDecodeError) as why:
        raise ConfigError(f"the document cannot be read: {why}") from None
    if document.version != VERSION:
        raise ConfigError(f"version {document.version} is not known here", ("version",))
    return document


def read_api(data: bytes) -> ApiDocument:
    """Parse an access document; raises ConfigError."""
    document = _read(data, ApiDocument)
    path = document.listen_path
    if not path.startswith("/") or (path != "/" and path.endswith("/")) or "{" in path:
        raise ConfigError(f"{path!r} cannot be a listen path", ("listenPath",))
    for method in document.authentication.methods:
        if method.api_key == ApiKey(header=""):
            raise ConfigError(f"method {method.name!r} reads its key nowhere", ("authentication",))
    return document


def read_keys(data: bytes) -> KeyShard:
    """Parse a shard of keys; raises ConfigError."""
    return _read(data, KeyShard)


def revision(documents: Mapping[str, bytes]) -> str:
    """What identifies a set of documents (file name with its folder → content) to whoever asks which are in force."""
    whole = hashlib.sha256()
    for name in sorted(documents):
        whole.update(f"{name}\0{len(documents[name])}\0".encode() + documents[name])
    return whole.hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Right:
    """A compiled path rule."""

    pattern: Pattern
    methods: frozenset[str]

    def covers(self, path: str, method: str) -> bool:
        """Whether a request for the decoded path below the listen path is covered."""
        return (not self.methods or method in self.methods) and self.pattern.match(path) is not None


@dataclass(frozen=True, slots=True)
class Effective:
    """What a key may do at one API: the policies merged. `sources` names the policy each limit comes from."""

    rights: tuple[Right, ...] = ()
    rate: Rate | None = None
    throttle: Throttle | None = None
    quota: Quota | None = None
    connections: int | None = None
    connection_age: float | None = None
    sources: Mapping[str, str] = field(default_factory=dict)

    def permits(self, path: str, method: str) -> bool:
        """The right to a path; no rules = everything."""
        return not self.rights or any(right.covers(path, method) for right in self.rights)


_T = TypeVar("_T", Rate, Quota, int, float)


def _most_generous(limits: Mapping[str, _T | None], size: Callable[[_T], tuple[float, ...]]) -> tuple[_T | None, str]:
    """Of the policies' limits the greatest, and whose it is; a policy without one does not limit, and wins."""
    best: _T | None = None
    source = ""
    for name, value in limits.items():
        if value is None:
            return None, ""
        if best is None or size(value) > size(best):
            best, source = value, name
    return best, source


def _rate_size(rate: Rate) -> tuple[float, ...]:
    return (rate.requests / rate.window, rate.requests)


def _itself(number: float) -> tuple[float, ...]:
    return (number,)


def _quota_size(quota: Quota) -> tuple[float, ...]:
    return (quota.requests, -quota.window if quota.window else -float("inf"))


def _rights(policies: Mapping[str, Policy]) -> tuple[Right, ...]:
    if any(not policy.paths for policy in policies.values()):
        return ()
    rules = dict.fromkeys(rule for policy in policies.values() for rule in policy.paths)
    return tuple(Right(pattern(rule.path), frozenset(rule.methods)) for rule in rules)


def _throttle(policies: Mapping[str, Policy]) -> tuple[Throttle | None, str]:
    """The larger retries and the larger interval of those that have one: a throttle is a favour, not a limit."""
    found = {name: p.limits.throttle for name, p in policies.items() if p.limits.throttle is not None}
    if not found:
        return None, ""
    merged = Throttle(max(t.retries for t in found.values()), max(t.interval for t in found.values()))
    return merged, max(found, key=lambda name: (found[name].retries, found[name].interval))


def merge(policies: Mapping[str, Policy]) -> Effective:
    """What several policies give together: rights united; the rate with the most requests per second; the quota with the most
    requests, whole, from one policy; of throttle, connections and connection age the larger."""
    limits = {name: policy.limits for name, policy in policies.items()}
    rate, rate_of = _most_generous({n: x.rate for n, x in limits.items()}, _rate_size)
    throttle, throttle_of = _throttle(policies)
    quota, quota_of = _most_generous({n: x.quota for n, x in limits.items()}, _quota_size)
    connections, connections_of = _most_generous({n: x.connections for n, x in limits.items()}, _itself)
    age, age_of = _most_generous({n: x.connection_age for n, x in limits.items()}, _itself)
    sources = {
        "rate": rate_of,
        "throttle": throttle_of,
        "quota": quota_of,
        "connections": connections_of,
        "connectionAge": age_of,
    }
    return Effective(
        rights=_rights(policies),
        rate=rate,
        throttle=throttle,
        quota=quota,
        connections=connections,
        connection_age=age,
        sources={member: source for member, source in sources.items() if source},
    )
