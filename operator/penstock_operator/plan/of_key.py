"""Plans a Key: the credential to generate, and its status. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from penstock_gateway import access as gateway_access
from penstock_operator import access, checks, keys, quantities, status
from penstock_operator.checks import Finding
from penstock_operator.plan.of_api import fields_of
from penstock_operator.plan.of_policy import programmed_at
from penstock_operator.plan.parts import Event, Mint, Plan, again_in, previous, written
from penstock_operator.resources.documents import Key, Name
from penstock_operator.status import Outcome
from penstock_operator.world import World

MOST_EFFECTIVE = 16
"""APIs whose merged limits a Key's status shows."""


def plan_key(world: World, key: Key, now: float) -> Plan:
    """What to do about a Key."""
    accepted = checks.first(checks.KEY_ACCEPTED, world, key)
    resolved = checks.first(checks.KEY_RESOLVED, world, key) if accepted is None else None
    held = access.holdings(world, key)
    apis = sorted({api for holding in held for api in holding.apis})
    known = access.credentials(world, key, now)
    mint, events = _minting(world, key, known, apis)
    end = access.expires(world, key, known.found[-1]) if known.found else None
    programmed = _key_programmed(world, mint, apis, now)
    outcome = Outcome(accepted, resolved, programmed, _key_blocked(world, key, end, now))
    conditions, again = status.summary(outcome, previous(key), now)
    merged = status.merge(previous(key), conditions, key.meta.generation, now)
    return Plan(
        mint=mint,
        status=written(key, merged, _key_fields(world, key, known, held, end)),
        events=events,
        again_in=again_in(now, again, end),
    )


def _key_programmed(world: World, mint: tuple[Mint, ...], apis: list[Name], now: float) -> Finding | None:
    if mint:
        return Finding("Pending", "the credential is being generated")
    if not apis:
        return Finding("NoTarget", "no StreamAPI that its policies name is there and lets it in")
    return programmed_at(world, apis, now)


def _minting(
    world: World, key: Key, known: access.Credentials, apis: list[Name]
) -> tuple[tuple[Mint, ...], tuple[Event, ...]]:
    if not access.is_generated(key) or known.reason not in ("Pending", "Damaged"):
        return (), ()
    damaged = known.reason == "Damaged"
    mint = Mint(key.meta.name, key.meta.uid, access.secret_name(key), dict(_binding(world, apis)), damaged)
    lost = damaged or bool(key.meta.status.get("fingerprint"))
    event = Event("Warning", "KeyRegenerated", f"Secret {mint.secret.name} was lost or damaged: the credential is new")
    return (mint,), (event,) if lost else ()


def _binding(world: World, apis: list[Name]) -> Iterable[tuple[str, str]]:
    """What the consumer's Secret says beside the key, in the words of the Service Binding specification."""
    yield "type", "stream-api"
    yield "provider", "penstock"
    api = world.apis.get(apis[0]) if apis else None
    if api is None or api.access is None:
        return
    methods = [method.api_key for method in api.access.authentication.methods if method.api_key]
    yield "header", (methods[0].header if methods else None) or "Authorization"
    fields = fields_of(world, api, checks.listen_path(world, api), None, 0)
    yield "uri", str(fields["url"])


def _key_blocked(world: World, key: Key, end: float | None, now: float) -> Finding | None:
    if key.spec is not None and key.spec.state == "Disabled":
        return Finding("Disabled", "spec.state is 'Disabled'")
    if end is not None and end <= now:
        return Finding("Expired", f"the credential expired at {quantities.show_instant(end)}")
    for holding in access.holdings(world, key):
        policy = world.policies.get(holding.policy)
        if policy is not None and policy.spec is not None and policy.spec.state == "Denied":
            return Finding("PolicyDenied", f"Policy {holding.policy} is 'Denied': all its keys are off")
    return None


def _key_fields(
    world: World, key: Key, known: access.Credentials, held: tuple[access.Holding, ...], end: float | None
) -> dict[str, Any]:
    last = known.found[-1] if known.found else None
    listed = [str(holding.policy) for holding in held if holding.standing == "Granted"]
    return {
        "credentialID": last.id if last else None,
        "fingerprint": keys.fingerprint(last.digest) if last else None,
        "expirationTime": quantities.show_instant(end) if end is not None else None,
        "credentialExpirationTime": _settled(world, key, last, held),
        "lastRotatedTime": quantities.show_instant(last.issued) if last and last.issued else None,
        "policies": listed,
        "effective": list(_effective(world, held))[:MOST_EFFECTIVE],
        "binding": {"name": access.secret_name(key).name} if access.is_generated(key) else None,
    }


def _settled(world: World, key: Key, last: access.Credential | None, held: tuple[access.Holding, ...]) -> str | None:
    """The end that the policies set for the credential, once all of them are known."""
    if last is None or any(holding.standing != "Granted" for holding in held):
        return None
    end = access.end_by_policies(world, key, last)
    return access.NEVER if end is None else quantities.show_instant(end)


def _effective(world: World, held: tuple[access.Holding, ...]) -> Iterable[dict[str, Any]]:
    """The merged limits of a key at each API, and the policy each comes from."""
    for name in sorted({api for holding in held for api in holding.apis}):
        policies = {}
        for holding in held:
            policy = world.policies.get(holding.policy)
            if name in holding.apis and policy is not None:
                policies[str(holding.policy)] = msgspec.convert(
                    access.policy_document(policy, name.name), gateway_access.Policy
                )
        merged = gateway_access.merge(policies)
        limits = {
            "rate": merged.rate and f"{merged.rate.requests}/{merged.rate.window:g}s",
            "quota": merged.quota
            and f"{merged.quota.requests}/" + (f"{merged.quota.window:g}s" if merged.quota.window else "Never"),
            "throttle": merged.throttle and f"{merged.throttle.retries}x{merged.throttle.interval:g}s",
            "connections": merged.connections and str(merged.connections),
            "connectionAge": merged.connection_age and f"{merged.connection_age:g}s",
        }
        shown = [
            {"name": member, "value": value, "policy": merged.sources.get(member, "")}
            for member, value in limits.items()
            if value
        ]
        yield {"api": str(name), "limits": shown}
