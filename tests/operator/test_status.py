"""Conditions: merged, timed and summed up."""

from __future__ import annotations

from typing import Any

from penstock_operator import status
from penstock_operator.checks import Finding
from penstock_operator.status import Condition, Outcome


def shown(
    outcome: Outcome, previous: list[dict[str, Any]] | None = None, now: float = 1000.0
) -> tuple[dict[str, str], float | None]:
    conditions, again = status.summary(outcome, previous or [], now)
    words = {True: "True", False: "False", None: "Unknown"}
    return {it.type: f"{words[it.status]} {it.reason}" for it in conditions}, again


def test_when_all_is_well_nothing_negative_is_there() -> None:
    found, again = shown(Outcome())
    assert found == {
        "Accepted": "True Accepted",
        "ResolvedRefs": "True ResolvedRefs",
        "Programmed": "True Programmed",
        "Ready": "True Ready",
    }
    assert again is None


def test_what_only_an_edit_can_mend_is_stalled_at_once() -> None:
    found, again = shown(Outcome(accepted=Finding("Invalid", "here")))
    assert found["Ready"] == "False Invalid"
    assert found["Stalled"] == "True Invalid"
    assert again is None


def test_what_may_still_appear_is_waited_for_two_minutes() -> None:
    found, again = shown(Outcome(resolved=Finding("SecretNotFound", "s")))
    assert found["Reconciling"] == "True SecretNotFound"
    assert again == 1120
    before = [{"type": "ResolvedRefs", "status": "False", "lastTransitionTime": "1970-01-01T00:15:00Z"}]
    found, again = shown(Outcome(resolved=Finding("SecretNotFound", "s")), before)
    assert again == 1020
    found, again = shown(Outcome(resolved=Finding("SecretNotFound", "s")), before, 1020.0)
    assert found["Stalled"] == "True SecretNotFound"
    assert "Reconciling" not in found


def test_what_is_switched_off_is_not_in_progress() -> None:
    found, _ = shown(Outcome(blocked=Finding("Disabled", ""), programmed=Finding("NoGateway", "")))
    assert found["Ready"] == "False Disabled"
    assert "Reconciling" not in found


def test_a_time_that_cannot_be_read_starts_anew() -> None:
    before = [{"type": "Ready", "status": "True", "lastTransitionTime": "yesterday"}]
    assert status.since(before, "Ready", "True") is None
    merged = status.merge([], [Condition("Ready", None, "Unknown", "x" * 10_000)], 7, 60.0)
    (only,) = merged
    assert only["status"] == "Unknown"
    assert only["lastTransitionTime"] == "1970-01-01T00:01:00Z"
    assert only["observedGeneration"] == 7
    assert len(only["message"]) == status.LONGEST
