"""Decides everything one reconcile would do, as data: `plan(world, ref, now) -> Plan`. Pure, and the same everywhere.

The cluster, local mode, `penstock render` and the tests execute or print the same Plan. A plan for a StreamAPI carries its documents,
one for a Key mints its credential, and every plan carries the status of its resource. Nothing is decided before the world is known.
"""

from __future__ import annotations

from collections.abc import Mapping

from penstock_operator.plan.of_api import plan_api
from penstock_operator.plan.of_key import plan_key
from penstock_operator.plan.of_policy import plan_policy
from penstock_operator.plan.parts import Document, Event, Mint, Plan, revision
from penstock_operator.resources.documents import Name, Policy, Resource, StreamAPI
from penstock_operator.world import NEEDED, Ref, World

__all__ = ["Document", "Event", "Mint", "Plan", "plan", "revision"]


def plan(world: World, ref: Ref, now: float) -> Plan:
    """What to do about one resource; `now` in Unix seconds."""
    if not world.known >= NEEDED:
        return Plan(again_in=1.0)
    table: Mapping[str, Mapping[Name, Resource]] = {
        "StreamAPI": world.apis,
        "Policy": world.policies,
        "Key": world.keys,
    }
    resource = table[ref.kind].get(ref.name)
    if resource is None:
        return _gone(ref)
    if resource.meta.deleting:
        return Plan()
    if isinstance(resource, StreamAPI):
        return plan_api(world, resource, now)
    if isinstance(resource, Policy):
        return plan_policy(world, resource, now)
    return plan_key(world, resource, now)


def _gone(ref: Ref) -> Plan:
    if ref.kind != "StreamAPI":
        return Plan()
    stem = f"{ref.name.namespace}.{ref.name.name}"
    return Plan(delete=(f"access/{stem}.json", f"keys/{stem}-*.json", f"signing/{stem}.json"))
