"""Writes conditions: what is wanted is merged into what was there, and times change only when a status does. Pure.

Positive types are always present; `Reconciling`, `Stalled` and other negative ones only while true. What others wrote stays. Rules:
metav1.Condition and kstatus.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock_operator import quantities
from penstock_operator.checks import Finding

PATIENCE = 120.0
"""Seconds a missing reference may still appear before the resource counts as stalled."""
LONGEST = 32_768 // 8
"""Characters of a message; the API server takes 32,768, people read fewer."""

POSITIVE = ("Accepted", "ResolvedRefs", "Programmed", "Ready", "Connected")
NEGATIVE = ("Reconciling", "Stalled", "KeysTruncated", "BroadcastSideEffects", "GroupIgnored", "ResumeApproximate")
NEGATIVE_MORE = ("SingleReplica", "BusRequired", "FewerPartitions", "SharedGroup")


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition as it should be now; None = unknown."""

    type: str
    status: bool | None
    reason: str
    message: str = ""


def merge(
    previous: Sequence[Mapping[str, Any]], wanted: Iterable[Condition], generation: int, now: float
) -> list[dict[str, Any]]:
    """The conditions to write, in a stable order, with those of others kept."""
    before = {str(it.get("type")): it for it in previous}
    wanted = list(wanted)
    ours = {condition.type for condition in wanted} | {*POSITIVE, *NEGATIVE, *NEGATIVE_MORE}
    merged = [_written(condition, before.get(condition.type), generation, now) for condition in wanted]
    return merged + [dict(it) for name, it in before.items() if name not in ours]


def _written(condition: Condition, before: Mapping[str, Any] | None, generation: int, now: float) -> dict[str, Any]:
    status = {True: "True", False: "False", None: "Unknown"}[condition.status]
    same = before is not None and before.get("status") == status and before.get("lastTransitionTime")
    return {
        "type": condition.type,
        "status": status,
        "reason": condition.reason,
        "message": condition.message[:LONGEST],
        "lastTransitionTime": before["lastTransitionTime"] if same and before else quantities.show_instant(now),
        "observedGeneration": generation,
    }


def since(previous: Sequence[Mapping[str, Any]], type_: str, status: str) -> float | None:
    """Since when a condition has had a status, in Unix seconds; None when it has another or is not there."""
    for condition in previous:
        if condition.get("type") == type_ and condition.get("status") == status:
            try:
                return quantities.instant(str(condition.get("lastTransitionTime")))
            except ValueError:
                return None
    return None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is known about a resource, from which its summary conditions follow. `programmed`: None = nobody has said yet;
    `blocked` keeps Ready false although all else is well (disabled, expired)."""

    accepted: Finding | None = None
    resolved: Finding | None = None
    programmed: Finding | None = None
    blocked: Finding | None = None


def summary(
    outcome: Outcome, previous: Sequence[Mapping[str, Any]], now: float
) -> tuple[list[Condition], float | None]:
    """The standard conditions, and when to look again (Unix seconds) because patience runs out."""
    accepted = _condition("Accepted", outcome.accepted, "Accepted", "the specification can be used")
    resolved = _condition("ResolvedRefs", outcome.resolved, "ResolvedRefs", "every reference leads somewhere")
    programmed = _condition("Programmed", outcome.programmed, "Programmed", "the gateways know it")
    against = outcome.accepted or outcome.resolved or outcome.blocked or outcome.programmed
    conditions = [accepted, resolved, programmed, _condition("Ready", against, "Ready", "it works")]
    if outcome.accepted is not None:
        return [*conditions, Condition("Stalled", True, outcome.accepted.reason, outcome.accepted.message)], None
    if outcome.resolved is not None:
        return _waiting(conditions, outcome.resolved, previous, now)
    if outcome.programmed is not None and outcome.blocked is None:
        found = outcome.programmed
        conditions.append(Condition("Reconciling", True, found.reason, found.message))
    return conditions, None


def _condition(type_: str, finding: Finding | None, reason: str, message: str) -> Condition:
    if finding is None:
        return Condition(type_, True, reason, message)
    return Condition(type_, False, finding.reason, finding.message)


def _waiting(
    conditions: list[Condition], finding: Finding, previous: Sequence[Mapping[str, Any]], now: float
) -> tuple[list[Condition], float | None]:
    began = since(previous, "ResolvedRefs", "False")
    end = (now if began is None else began) + PATIENCE
    if now >= end:
        return [*conditions, Condition("Stalled", True, finding.reason, finding.message)], None
    return [*conditions, Condition("Reconciling", True, finding.reason, finding.message)], end
