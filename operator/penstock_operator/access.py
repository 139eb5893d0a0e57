"""Decides who may hold a key and what it opens, and renders that as the access and key documents of the gateway. Pure.

A Key gets API X through Policy P only if both P's and X's `allowedKeys` permit the Key's namespace. Whatever is missing, unreadable or
withdrawn grants nothing; nothing here ever falls back to an older state. Document format: docs/decisions/0001-documents.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from penstock_operator import keys, quantities
from penstock_operator.resources.documents import Key, Name, Policy, StreamAPI
from penstock_operator.resources.fields import AllowedKeys, Rate
from penstock_operator.resources.policy import Limits, Target
from penstock_operator.resources.streamapi import AccessPart
from penstock_operator.world import CREDENTIAL_TYPE, REFUSED_TYPES, USABLE_BY, Secret, World, absent, policies_of

VERSION = 1
SHARD_LIMIT = 3_000
"""Above so many keys an API's records are spread over sixteen shards by the first digit of the digest."""
MOST_KEYS = 50_000
NEVER = "Never"

Standing = Literal["Granted", "PolicyNotFound", "PolicyInvalid", "RefNotPermitted", "PolicyDraft", "TooManyKeys"]


@dataclass(frozen=True, slots=True)
class Holding:
    """One policy of one key: whether the key holds it, the APIs it opens, and those that refuse the key's namespace."""

    policy: Name
    standing: Standing
    apis: tuple[Name, ...] = ()
    refused: tuple[Name, ...] = ()


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential by its digest; `issued` in Unix seconds."""

    digest: str
    id: str
    issued: float


@dataclass(frozen=True, slots=True)
class Credentials:
    """What is known of a key's credentials: at least one, or the reason why there is none."""

    found: tuple[Credential, ...] = ()
    reason: str = ""
    message: str = ""


# --- who may ------------------------------------------------------------------------------------------------------------


def permits(allowed: AllowedKeys | None, own: str, namespace: str, labels: Mapping[str, str]) -> bool:
    """Whether an object of namespace `own` lets in keys of a namespace that carries these labels."""
    rule = allowed.namespaces if allowed else None
    if rule is None or rule.from_ == "Same":
        return namespace == own
    if rule.from_ == "All":
        return True
    wanted = rule.selector.match_labels if rule.selector else {}
    return bool(wanted) and all(labels.get(name) == value for name, value in wanted.items())


def holdings(world: World, key: Key) -> tuple[Holding, ...]:
    """What each policy that a key lists gives it."""
    return tuple(_holding(world, key, name) for name in policies_of(key))


def _holding(world: World, key: Key, name: Name) -> Holding:
    policy = world.policies.get(name)
    if policy is None:
        return Holding(name, "PolicyNotFound")
    if policy.spec is None:
        return Holding(name, "PolicyInvalid")
    namespace = key.meta.name.namespace
    labels = world.namespaces.get(namespace, {})
    if not permits(policy.spec.allowed_keys, name.namespace, namespace, labels):
        return Holding(name, "RefNotPermitted")
    if policy.spec.state == "Draft" and str(name) not in (key.meta.status.get("policies") or ()):
        return Holding(name, "PolicyDraft")
    if not _is_within_count(world, key, policy):
        return Holding(name, "TooManyKeys")
    opened, refused = [], []
    for target in policy.spec.targets:
        api = world.apis.get(Name(name.namespace, target.name))
        if api is None or api.access is None:
            continue
        if permits(api.access.allowed_keys, name.namespace, namespace, labels):
            opened.append(api.meta.name)
        else:
            refused.append(api.meta.name)
    return Holding(name, "Granted", tuple(opened), tuple(refused))


def _is_within_count(world: World, key: Key, policy: Policy) -> bool:
    allowed = policy.spec.allowed_keys if policy.spec else None
    if allowed is None or allowed.max_per_namespace is None:
        return True
    namespace = key.meta.name.namespace
    listing = [it for it in world.keys_by_policy.get(policy.meta.name, ()) if it.meta.name.namespace == namespace]
    return key.meta.name in [it.meta.name for it in listing[: allowed.max_per_namespace]]


# --- credentials --------------------------------------------------------------------------------------------------------


def secret_name(key: Key) -> Name:
    """The Secret that a generated credential lives in."""
    given = key.spec.secret_name if key.spec else None
    return Name(key.meta.name.namespace, given or f"{key.meta.name.name}-key")


def is_generated(key: Key) -> bool:
    """Whether the operator makes this key's credential."""
    return key.spec is not None and key.spec.hashes is None and key.spec.value_from is None


def credentials(world: World, key: Key, now: float) -> Credentials:
    """The credentials of a key as its source stands now."""
    if key.spec is None:
        return Credentials(reason="Invalid", message="the specification cannot be used")
    if key.spec.hashes is not None:
        digests = [text.removeprefix("sha256:") for text in key.spec.hashes]
        issued = _issued(key, digests, now)
        return Credentials(tuple(Credential(digest, keys.id_of_digest(digest), issued) for digest in digests))
    if key.spec.value_from is not None and key.spec.value_from.secret_key_ref is not None:
        reference = key.spec.value_from.secret_key_ref
        return _referenced(world, key, Name(key.meta.name.namespace, reference.name), reference.key, now)
    return _generated(world, key)


def _generated(world: World, key: Key) -> Credentials:
    name = secret_name(key)
    secret = world.secrets.get(name)
    if secret is None:
        return Credentials(reason="Pending", message="the credential is being generated")
    if secret.owner != key.meta.uid:
        text = f"Secret {name.name} exists and does not belong to this Key: choose another `secretName`, or remove it"
        return Credentials(reason="NameConflict", message=text)
    entry = secret.entries.get("key")
    if entry is None or not entry.is_key or secret.type != CREDENTIAL_TYPE:
        return Credentials(
            reason="Damaged", message=f"Secret {name.name} holds no key any more: a new one is generated"
        )
    return Credentials((Credential(entry.digest, entry.public_id, secret.issued or key.meta.created),))


def _referenced(world: World, key: Key, name: Name, entry_name: str, now: float) -> Credentials:
    secret = world.secrets.get(name)
    if secret is None:
        return Credentials(reason="SecretNotFound", message=absent(world, "Secret", name.name))
    refusal = refusal_of(secret, "key", world.settings.labelled_secrets)
    if refusal:
        return Credentials(reason="RefNotPermitted", message=refusal)
    entry = secret.entries.get(entry_name)
    if entry is None:
        return Credentials(reason="SecretNotFound", message=f"Secret {name.name} has no entry {entry_name}")
    if entry.size < keys.IMPORTED_MINIMUM or not entry.public_id:
        text = f"Secret {name.name}, entry {entry_name}: a credential is text of at least {keys.IMPORTED_MINIMUM} characters"
        return Credentials(reason="InvalidCredential", message=text)
    return Credentials((Credential(entry.digest, entry.public_id, _issued(key, [entry.digest], now)),))


def refusal_of(secret: Secret, purpose: str, labelled: bool) -> str:
    """Why a Secret may not be used for a purpose (`stream-api` or `key`); "" = it may."""
    if secret.type in REFUSED_TYPES or secret.ours:
        return f"Secret {secret.name.name} ({secret.type}) is of a kind that is never read through a resource"
    if labelled and secret.usable_by != purpose:
        return f"Secret {secret.name.name} needs the label {USABLE_BY}: {purpose}, set by whoever owns it"
    return ""


def _issued(key: Key, digests: list[str], now: float) -> float:
    """When a credential that is not generated here came in: kept in status as long as it is the same credential."""
    status = key.meta.status
    if not status.get("fingerprint"):
        return key.meta.created or now
    if status["fingerprint"] == keys.fingerprint(digests[-1]) and status.get("lastRotatedTime"):
        return quantities.instant(str(status["lastRotatedTime"]))
    return now


def expires(world: World, key: Key, credential: Credential) -> float | None:
    """The earlier of `expirationTime` and the end that the policies set for this credential; None = never."""
    ends = [quantities.instant(key.spec.expiration_time)] if key.spec and key.spec.expiration_time else []
    by_policies = end_by_policies(world, key, credential)
    return min([*ends, *([] if by_policies is None else [by_policies])], default=None)


def end_by_policies(world: World, key: Key, credential: Credential) -> float | None:
    """The credential's issue plus the shortest `keyExpiry` of its policies. It is set once: what the status says of the same credential
    stands, whatever became of the policies."""
    status = key.meta.status
    settled = status.get("credentialExpirationTime")
    if settled and status.get("fingerprint") == keys.fingerprint(credential.digest):
        return None if settled == NEVER else quantities.instant(str(settled))
    ends = []
    for name in policies_of(key):
        policy = world.policies.get(name)
        if policy is not None and policy.spec is not None and policy.spec.key_expiry:
            ends.append(credential.issued + quantities.seconds(policy.spec.key_expiry))
    return min(ends, default=None)


def duplicate_of(world: World, key: Key, digest: str) -> Name | None:
    """The older Key that has this credential at some API that both reach, if there is one: that one keeps it."""
    mine = set(_reached(world, key))
    for other in _by_digest(world).get(digest, ()):
        if other.meta.age_key < key.meta.age_key and mine & set(_reached(world, other)):
            return other.meta.name
    return None


def _by_digest(world: World) -> Mapping[str, list[Key]]:
    if "keys by digest" not in world.memo:
        found: dict[str, list[Key]] = {}
        for key in sorted(world.keys.values(), key=lambda it: it.meta.age_key):
            for credential in credentials(world, key, 0.0).found:
                found.setdefault(credential.digest, []).append(key)
        world.memo["keys by digest"] = found
    known: Mapping[str, list[Key]] = world.memo["keys by digest"]
    return known


def _reached(world: World, key: Key) -> Iterator[Name]:
    for holding in holdings(world, key):
        yield from holding.apis


# --- documents ----------------------------------------------------------------------------------------------------------


def access_document(world: World, api: StreamAPI, path: str) -> dict[str, Any]:
    """The hot half of an API. Without a usable access half the document has no `listenPath`, so no gateway can read it: 503."""
    name = api.meta.name
    head = {"version": VERSION, "namespace": name.namespace, "name": name.name}
    if api.access is None:
        return head | {"invalid": "the StreamAPI's access settings cannot be used"}
    part = api.access
    return head | {
        "state": part.state or "Active",
        "listenPath": path,
        "replicas": max(1, part.gateway.replicas),
        "authentication": _authentication(part),
        "limits": _api_limits(part),
        "cors": {"allowOrigins": list(part.cors.allow_origins)} if part.cors else {},
        "policies": dict(_policies(world, api)),
    }


def _authentication(part: AccessPart) -> dict[str, Any]:
    methods = []
    for method in part.authentication.methods:
        if method.api_key is not None:
            given = method.api_key
            reads = {
                "header": given.header or "Authorization",
                "query": given.query or "",
                "cookie": given.cookie or "",
            }
            methods.append({"name": method.name, "apiKey": reads})
    return {"mode": part.authentication.mode or "Any", "methods": methods}


def _api_limits(part: AccessPart) -> dict[str, Any]:
    limits = part.limits
    if limits is None:
        return {}
    found: dict[str, Any] = {}
    if limits.rate is not None:
        found["rate"] = _rate(limits.rate)
    if limits.connections is not None:
        found["connections"] = limits.connections
    if limits.body_size is not None:
        found["bodySize"] = quantities.size(limits.body_size)
    if limits.message_size is not None:
        found["messageSize"] = quantities.size(limits.message_size)
    return found


def _policies(world: World, api: StreamAPI) -> Iterator[tuple[str, dict[str, Any]]]:
    """The policies that reach the API, and every denied one that one of its keys lists: a denied policy turns its keys off."""
    targeting = world.policies_by_api.get(api.meta.name, ())
    listed = {
        name
        for policy in targeting
        for key in world.keys_by_policy.get(policy.meta.name, ())
        for name in policies_of(key)
    }
    for policy in targeting:
        yield str(policy.meta.name), policy_document(policy, api.meta.name.name)
    names = {policy.meta.name for policy in targeting}
    for name in sorted(listed - names):
        other = world.policies.get(name)
        if other is not None and other.spec is not None and other.spec.state == "Denied":
            yield str(name), {"state": "Denied", "limits": {}, "paths": []}


def policy_document(policy: Policy, api: str) -> dict[str, Any]:
    """A policy as it is effective at one API: members of the target's limits have replaced the policy's."""
    if policy.spec is None:
        raise ValueError(f"policy {policy.meta.name} cannot be used")
    target: Target = next(target for target in policy.spec.targets if target.name == api)
    found: dict[str, Any] = {
        "state": policy.spec.state or "Active",
        "limits": limits_document(policy.spec.limits) | limits_document(target.limits),
        "paths": [{"path": rule.path, "methods": list(rule.methods or ())} for rule in target.paths or ()],
    }
    if policy.spec.key_expiry:
        found["keyExpiry"] = quantities.seconds(policy.spec.key_expiry)
    return found


def limits_document(limits: Limits | None) -> dict[str, Any]:
    """The members of a policy's limits that are set, in seconds."""
    found: dict[str, Any] = {}
    if limits is None:
        return found
    if limits.rate is not None:
        found["rate"] = _rate(limits.rate)
    if limits.throttle is not None:
        found["throttle"] = {
            "retries": limits.throttle.retries,
            "interval": quantities.seconds(limits.throttle.interval),
        }
    if limits.quota is not None:
        window = limits.quota.window
        renewal = 0 if window == "Never" else quantities.seconds(window)
        found["quota"] = {"requests": limits.quota.requests, "window": renewal}
    if limits.connections is not None:
        found["connections"] = limits.connections
    if limits.connection_age is not None:
        found["connectionAge"] = quantities.seconds(limits.connection_age)
    return found


def _rate(rate: Rate) -> dict[str, Any]:
    return {"requests": rate.requests, "window": quantities.seconds(rate.window)}


def key_records(world: World, api: Name, now: float) -> dict[str, dict[str, Any]]:
    """The records of an API by digest. Where two Keys share a credential the oldest has it."""
    holders = {
        key.meta.name: key
        for policy in world.policies_by_api.get(api, ())
        for key in world.keys_by_policy.get(policy.meta.name, ())
    }
    records: dict[str, dict[str, Any]] = {}
    for key in sorted(holders.values(), key=lambda it: it.meta.age_key):
        held = holdings(world, key)
        if key.meta.deleting or not any(api in holding.apis for holding in held):
            continue
        policies = [str(it.policy) for it in held if api in it.apis or _is_denied(world, it.policy)]
        for credential in credentials(world, key, now).found:
            records.setdefault(credential.digest, _record(world, key, credential, policies))
    return records


def _is_denied(world: World, name: Name) -> bool:
    policy = world.policies.get(name)
    return policy is not None and policy.spec is not None and policy.spec.state == "Denied"


def _record(world: World, key: Key, credential: Credential, policies: list[str]) -> dict[str, Any]:
    record = {
        "id": credential.id,
        "uid": key.meta.uid,
        "key": str(key.meta.name),
        "state": (key.spec.state if key.spec else None) or "Active",
        "policies": policies,
    }
    end = expires(world, key, credential)
    return record if end is None else record | {"expires": end}


def key_shards(records: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The records as documents: one, or sixteen by the first digit of the digest."""
    kept = dict(sorted(records.items())[:MOST_KEYS])
    if len(kept) <= SHARD_LIMIT:
        return [{"version": VERSION, "keys": kept}]
    digits = "0123456789abcdef"
    return [{"version": VERSION, "keys": {d: r for d, r in kept.items() if d[0] == digit}} for digit in digits]
