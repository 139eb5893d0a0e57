"""What is known of the world: the Store takes what is observed, the World is its frozen snapshot that every decision reads.

Secrets are reduced at the door: of each entry only its digest, its size and whether it has the form of a key stay in memory. A World
says which kinds were listed completely; nothing is decided before all of `NEEDED` were.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from penstock_gateway import delivery
from penstock_gateway.errors import Problem
from penstock_operator import keys, quantities
from penstock_operator.resources import documents
from penstock_operator.resources.documents import Key, Name, Policy, StreamAPI

NEEDED = frozenset({"StreamAPI", "Policy", "Key", "Secret", "ConfigMap", "Namespace"})
USABLE_BY = "penstock.dev/usable-by"
ISSUED = "penstock.dev/issued-time"
REFUSED_TYPES = ("servicebinding.io/stream-api", "kubernetes.io/service-account-token", "helm.sh/release.v1")
MANAGED_BY, OPERATOR = "app.kubernetes.io/managed-by", "penstock-operator"
CREDENTIAL_TYPE = "servicebinding.io/stream-api"


class Ref(NamedTuple):
    """The kind and name of an object; what the work queue is keyed by."""

    kind: str
    name: Name


@dataclass(frozen=True, slots=True)
class Entry:
    """What stays of one entry of a Secret: nothing that opens anything."""

    digest: str
    size: int
    public_id: str
    is_key: bool


@dataclass(frozen=True, slots=True)
class Secret:
    """What stays of a Secret. `owner` is the uid of the object that controls it, `issued` in Unix seconds (0 = unknown), `ours`: the
    operator manages it."""

    name: Name
    type: str
    usable_by: str
    owner: str
    issued: float
    entries: Mapping[str, Entry]
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Compiled:
    """What the gateway's configuration language says about one stream: what is wrong with it, else the facts that decide delivery."""

    problems: tuple[Problem, ...] = ()
    inputs: tuple[delivery.InputFacts, ...] = ()
    processors: tuple[delivery.ProcessorFacts, ...] = ()
    outputs: tuple[delivery.OutputFacts, ...] = ()
    endpoints: Mapping[str, str] = field(default_factory=dict)
    """Where clients meet the stream, below the listen path: `post`, `get`, `stream`, `sse`, `ws`, `ws_in`."""
    routes: tuple[tuple[str, frozenset[str]], ...] = ()
    """Paths it serves, with their methods; none = WebSockets, which share a path with nobody."""
    groups: tuple[str, ...] = ()
    """Consumer groups it joins, each with its brokers."""


@dataclass(frozen=True, slots=True)
class GatewayFacts:
    """What the gateways of one API last said: ready pods, the pipeline hash all of them run ("" = they differ or none), records they
    hold, and the brokers of each stream (None = has none)."""

    ready: int = 0
    hash: str = ""
    revision: str = ""
    connected: bool | None = None
    message: str = ""


@dataclass(frozen=True)
class Settings:
    """What the place of work decides, not the resources. `shared_port`: all APIs are served on one port (local mode)."""

    shared_port: bool = False
    labelled_secrets: bool = True
    labelled_only: bool = False
    """Whether Secrets and ConfigMaps without the label `penstock.dev/usable-by` are not even seen (a cluster)."""
    base_url: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Overrides variables of that name in every StreamAPI (local mode's `BROKERS`)."""


@dataclass(frozen=True)
class World:
    """A frozen snapshot of everything a plan may look at."""

    apis: Mapping[Name, StreamAPI] = field(default_factory=dict)
    policies: Mapping[Name, Policy] = field(default_factory=dict)
    keys: Mapping[Name, Key] = field(default_factory=dict)
    secrets: Mapping[Name, Secret] = field(default_factory=dict)
    config_maps: Mapping[Name, Mapping[str, str]] = field(default_factory=dict)
    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    gateways: Mapping[Name, GatewayFacts] = field(default_factory=dict)
    conflicts: Mapping[Name, str] = field(default_factory=dict)
    """For each API whose children cannot be made because a name is taken: what to do about it."""
    known: frozenset[str] = NEEDED
    settings: Settings = field(default_factory=Settings)
    compiled: Mapping[str, Compiled] = field(default_factory=dict)
    """What is known of stream configurations, by their digest (`render.compile_digest`)."""
    memo: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """What decisions derive once from this snapshot."""

    @cached_property
    def policies_by_api(self) -> Mapping[Name, tuple[Policy, ...]]:
        """For each API the policies that name it, readable or not (an unreadable one names nothing)."""
        found: dict[Name, list[Policy]] = {}
        for policy in self.policies.values():
            for target in policy.spec.targets if policy.spec else ():
                found.setdefault(Name(policy.meta.name.namespace, target.name), []).append(policy)
        return {api: tuple(sorted(those, key=lambda it: it.meta.name)) for api, those in found.items()}

    @cached_property
    def keys_by_policy(self) -> Mapping[Name, tuple[Key, ...]]:
        """For each policy the keys that list it, the oldest first."""
        found: dict[Name, list[Key]] = {}
        for key in self.keys.values():
            for policy in policies_of(key):
                found.setdefault(policy, []).append(key)
        return {policy: tuple(sorted(those, key=lambda it: it.meta.age_key)) for policy, those in found.items()}


def absent(world: World, kind: str, name: str) -> str:
    """What to say of a ConfigMap or Secret that is not known."""
    unseen = world.settings.labelled_only and (kind == "ConfigMap" or world.settings.labelled_secrets)
    hint = f", or lacks the label {USABLE_BY}" if unseen else ""
    return f"{kind} {name} does not exist{hint}"


def policies_of(key: Key) -> tuple[Name, ...]:
    """The policies a key lists, with their namespaces."""
    if key.spec is None:
        return ()
    own = key.meta.name.namespace
    return tuple(Name(ref.namespace or own, ref.name) for ref in key.spec.policy_refs)


def reduce_secret(document: Mapping[str, Any]) -> Secret:
    """A Secret without what is secret."""
    meta = fields_of(document.get("metadata"))
    labels = fields_of(meta.get("labels"))
    owners = meta.get("ownerReferences")
    entries = {name: _entry(value) for name, value in secret_values(document).items()}
    references = [fields_of(it) for it in owners] if isinstance(owners, list) else []
    owner = next((it.get("uid", "") for it in references if it.get("controller")), "")
    issued = fields_of(meta.get("annotations")).get(ISSUED, "")
    return Secret(
        Name(str(meta.get("namespace") or "default"), str(meta.get("name"))),
        str(document.get("type") or "Opaque"),
        str(labels.get(USABLE_BY, "")),
        str(owner),
        _instant(issued),
        entries,
        labels.get(MANAGED_BY) == OPERATOR,
    )


def secret_values(document: Mapping[str, Any]) -> dict[str, bytes]:
    """The entries of a Secret document; ones that are not base64, or whose names are no names of entries, are left out."""
    found: dict[str, bytes] = {}
    for name, value in fields_of(document.get("data")).items():
        try:
            found[name] = base64.b64decode(str(value or ""), validate=True)
        except (binascii.Error, ValueError):
            continue
    for name, value in fields_of(document.get("stringData")).items():
        found[name] = str(value).encode("utf-8", "surrogatepass")
    return {name: value for name, value in found.items() if is_entry(name)}


def config_map_values(document: Mapping[str, Any]) -> dict[str, str]:
    """The entries of a ConfigMap document, without those whose names are no names of entries."""
    data = fields_of(document.get("data"))
    return {str(name): str(value) for name, value in data.items() if is_entry(str(name))}


def is_entry(name: str) -> bool:
    """Whether an entry of a Secret or ConfigMap may have this name; it becomes the name of a file."""
    return _ENTRY.fullmatch(name) is not None and not name.startswith("..") and name != "."


def fields_of(value: Any) -> Mapping[str, Any]:
    """A part of a document that should be an object; anything else counts as empty."""
    return value if isinstance(value, Mapping) else {}


_ENTRY = re.compile(r"[-._a-zA-Z0-9]{1,253}")


def _entry(value: bytes) -> Entry:
    """One line end at the end is not part of a credential: no client could send it."""
    value = value.removesuffix(b"\n").removesuffix(b"\r")
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = ""
    public = keys.public_id(text) if text else ""
    return Entry(hashlib.sha256(value).hexdigest(), len(value), public, keys.is_well_formed(text))


def _instant(text: Any) -> float:
    try:
        return quantities.instant(str(text))
    except ValueError:
        return 0.0


class Store:
    """Everything observed so far; `snapshot` freezes it."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._tables: dict[str, dict[Name, Any]] = {kind: {} for kind in NEEDED}
        self._gateways: dict[Name, GatewayFacts] = {}
        self._conflicts: dict[Name, str] = {}
        self._compiled: dict[str, Compiled] = {}
        self._known: set[str] = set()
        self._settings = settings or Settings()
        self._world: World | None = None
        self._memo: dict[str, Any] = {}

    def observe(self, document: Mapping[str, Any], *, same_access: bool = False) -> Ref:
        """Take one object as it is now. `same_access`: what was derived of access stays true (only a status differs)."""
        kind = str(document.get("kind"))
        name, value = _reduced(kind, document)
        self._tables[kind][name] = value
        self._world = None
        if not same_access:
            self._memo = {}
        return Ref(kind, name)

    def derive_anew(self) -> None:
        """What was derived of access is not true any more."""
        self._world, self._memo = None, {}

    def forget(self, ref: Ref) -> None:
        """The object is gone."""
        if self._tables[ref.kind].pop(ref.name, None) is not None:
            self.derive_anew()

    def observe_gateways(self, name: Name, facts: GatewayFacts | None) -> None:
        """What an API's gateways say now; None = there are none."""
        if facts is None:
            self._gateways.pop(name, None)
        else:
            self._gateways[name] = facts
        self._world = None

    def observe_conflict(self, name: Name, message: str) -> bool:
        """A name that an API needs is taken; "" = not any more. Whether that is new."""
        if self._conflicts.get(name, "") == message:
            return False
        self._conflicts = {api: text for api, text in self._conflicts.items() if api != name}
        self._conflicts |= {name: message} if message else {}
        self.derive_anew()
        return True

    def observe_compiled(self, compiled: Mapping[str, Compiled]) -> None:
        """What the configuration language says, by digest; replaces everything said before."""
        self._compiled = dict(compiled)
        self.derive_anew()

    def prime(self, kind: str, listed: Iterable[Mapping[str, Any]]) -> None:
        """A complete list of one kind: what is not in it is gone."""
        self._tables[kind] = dict(_reduced(kind, document) for document in listed)
        self._known.add(kind)
        self.derive_anew()

    def confirm(self, kind: str) -> None:
        """A kind was listed completely, object by object."""
        if kind not in self._known:
            self._known.add(kind)
            self.derive_anew()

    def doubt(self, kind: str) -> None:
        """A kind cannot be listed any more: nothing is decided until it was."""
        self._known.discard(kind)
        self.derive_anew()

    def snapshot(self) -> World:
        """The world as it is known now."""
        if self._world is None:
            tables = self._tables
            self._world = World(
                dict(tables["StreamAPI"]),
                dict(tables["Policy"]),
                dict(tables["Key"]),
                dict(tables["Secret"]),
                dict(tables["ConfigMap"]),
                {name.name: labels for name, labels in tables["Namespace"].items()},
                dict(self._gateways),
                self._conflicts,
                frozenset(self._known),
                self._settings,
                dict(self._compiled),
                self._memo,
            )
        return self._world

    def affected(self, ref: Ref) -> set[Ref]:
        """Whose plans may change when this object does: itself, if it has plans, and whatever reads it."""
        world = self.snapshot()
        match ref.kind:
            case "StreamAPI":
                return {ref} | _policies_and_keys(world, ref.name)
            case "Policy":
                return {ref} | _around_policy(world, ref.name)
            case "Key":
                return {ref} | _apis_of_key(world, ref.name)
            case "Namespace":
                return _everything(world)
            case _:
                return _readers(world, ref)


def _reduced(kind: str, document: Mapping[str, Any]) -> tuple[Name, Any]:
    if kind in documents.KINDS:
        resource = documents.read(document)
        return resource.meta.name, resource
    if kind == "Secret":
        secret = reduce_secret(document)
        return secret.name, secret
    meta = fields_of(document.get("metadata"))
    if kind == "Namespace":
        return Name("", str(meta.get("name"))), dict(fields_of(meta.get("labels")))
    if kind == "ConfigMap":
        data = config_map_values(document)
        return Name(str(meta.get("namespace") or "default"), str(meta.get("name"))), data
    raise ValueError(f"the store does not keep {kind}")


def _policies_and_keys(world: World, api: Name) -> set[Ref]:
    found = set()
    for policy in world.policies_by_api.get(api, ()):
        found.add(Ref("Policy", policy.meta.name))
        found |= {Ref("Key", key.meta.name) for key in world.keys_by_policy.get(policy.meta.name, ())}
    return found | {Ref("StreamAPI", other) for other in world.apis if other.namespace == api.namespace}


def _around_policy(world: World, policy: Name) -> set[Ref]:
    apis = {Ref("StreamAPI", name) for name in world.apis if name.namespace == policy.namespace}
    return apis | {Ref("Key", key.meta.name) for key in world.keys_by_policy.get(policy, ())}


def _apis_of_key(world: World, name: Name) -> set[Ref]:
    key = world.keys.get(name)
    return _everything(world) if key is None else around_keys(world, [key])


def around_keys(world: World, changed: Iterable[Key]) -> set[Ref]:
    """What depends on some keys: APIs and policies they may reach, and siblings that compete for a place or a credential."""
    policies: set[Name] = set()
    rivals: set[Name] = set()
    for key in changed:
        listed = policies_of(key)
        policies.update(listed)
        given = key.spec is None or key.spec.hashes is not None or key.spec.value_from is not None
        rivals.update(name for name in listed if given or _counts_keys(world.policies.get(name)))
    namespaces = {policy.namespace for policy in policies}
    apis = {Ref("StreamAPI", api) for api in world.apis if api.namespace in namespaces}
    siblings = {Ref("Key", other.meta.name) for policy in rivals for other in world.keys_by_policy.get(policy, ())}
    return apis | siblings | {Ref("Policy", policy) for policy in policies if policy in world.policies}


def _counts_keys(policy: Policy | None) -> bool:
    allowed = policy.spec.allowed_keys if policy and policy.spec else None
    return allowed is not None and allowed.max_per_namespace is not None


def _readers(world: World, ref: Ref) -> set[Ref]:
    namespace = ref.name.namespace
    found = {Ref("StreamAPI", name) for name in world.apis if name.namespace == namespace}
    if ref.kind == "Secret":
        own = [key for name, key in world.keys.items() if name.namespace == namespace]
        found |= {Ref("Key", key.meta.name) for key in own} | around_keys(world, own)
    return found


def _everything(world: World) -> set[Ref]:
    apis = {Ref("StreamAPI", name) for name in world.apis}
    return apis | {Ref("Policy", name) for name in world.policies} | {Ref("Key", name) for name in world.keys}
