"""Plans a Policy: its status, which is that of the documents it reaches. Pure."""

from __future__ import annotations

from penstock_operator import checks, status
from penstock_operator.checks import Finding
from penstock_operator.plan.of_api import wanted_revision
from penstock_operator.plan.parts import Plan, again_in, previous, written
from penstock_operator.resources.documents import Name, Policy
from penstock_operator.status import Outcome
from penstock_operator.world import World


def plan_policy(world: World, policy: Policy, now: float) -> Plan:
    """What to do about a Policy."""
    accepted = checks.first(checks.POLICY_ACCEPTED, world, policy)
    resolved = checks.first(checks.POLICY_RESOLVED, world, policy)
    reached = [target.name for target in policy.spec.targets] if policy.spec else []
    apis = [Name(policy.meta.name.namespace, name) for name in reached]
    outcome = Outcome(accepted, resolved, programmed_at(world, apis, now))
    conditions, again = status.summary(outcome, previous(policy), now)
    merged = status.merge(previous(policy), conditions, policy.meta.generation, now)
    holders = len(world.keys_by_policy.get(policy.meta.name, ()))
    fields = {"keys": holders, "targets": len([api for api in apis if api in world.apis])}
    return Plan(status=written(policy, merged, fields), again_in=again_in(now, again))


def programmed_at(world: World, apis: list[Name], now: float) -> Finding | None:
    """Whether the gateways of all active APIs hold the documents as they should be now."""
    for name in sorted(apis):
        api = world.apis.get(name)
        facts = world.gateways.get(name)
        if api is None or api.access is None or api.access.state == "Disabled":
            continue
        if facts is None or facts.ready == 0:
            return Finding("NoGateway", f"no gateway of StreamAPI {name} is ready yet")
        if facts.revision != wanted_revision(world, api, now):
            return Finding("Updating", f"the gateways of StreamAPI {name} do not all hold the access documents yet")
    return None
