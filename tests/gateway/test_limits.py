"""Rates, quotas and their headers, with a clock made of numbers."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as some

from penstock_gateway.limits import (
    QuotaWindow,
    SlidingWindow,
    Standing,
    Usage,
    limit_header,
    policy_header,
    retry_after,
    share,
)

CASES = yaml.safe_load((Path(__file__).parents[1] / "cases/limits/windows.yaml").read_text())


def admit(window: SlidingWindow, limit: int, now: float) -> bool:
    if window.used(now) >= limit:
        return False
    window.add(now)
    return True


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_sliding_window(case: dict[str, Any]) -> None:
    window = SlidingWindow(case["window"])
    assert [admit(window, case["limit"], now) for now in case["at"]] == case["allowed"]
    if "wait" in case:
        assert window.wait(case["now"], case["limit"]) == pytest.approx(case["wait"])


@given(
    some.integers(1, 40),
    some.sampled_from([0.5, 1.0, 7.0, 60.0, 3600.0]),
    some.lists(some.floats(0, 0.4, allow_nan=False), min_size=1, max_size=200),
)
@settings(max_examples=200, deadline=None)
def test_never_more_than_the_limit_in_any_window(limit: int, width: float, steps: list[float]) -> None:
    """G15: in any window of that length at most the limit passes, and after the promised wait the next one does."""
    window, now = SlidingWindow(width), 0.0
    passed: list[float] = []
    for step in steps:
        now += step * width
        if admit(window, limit, now):
            passed.append(now)
        else:
            wait = window.wait(now, limit)
            assert 0 < wait <= width * 129 / 128 + 1e-6
            later = SlidingWindow(width)
            later._slots.update(window._slots)
            later._last = window._last
            later._total = window._total
            assert admit(later, limit, now + wait * 1.000001 + 1e-9)
    for first, start in enumerate(passed):
        assert sum(start <= at < start + width for at in passed[first:]) <= limit


def test_at_twice_the_load_less_than_one_in_a_hundred_is_lost() -> None:
    """G15: over ten windows at double the load, at least 99 % of what is allowed passes."""
    limit, width = 1000, 10.0
    window, chance = SlidingWindow(width), random.Random(7)
    instants = sorted(chance.random() * width * 10 for _ in range(limit * 20))
    passed = sum(admit(window, limit, now) for now in instants)
    assert limit * 10 * 0.99 <= passed <= limit * 11


def test_a_window_of_another_length_forgives_nothing() -> None:
    usage = Usage()
    usage.window(0.0, 60.0).add(0.0, 5)
    assert usage.window(30.0, 10.0).used(30.0) == 5
    assert usage.window(30.0, 10.0).used(41.0) == 0


def test_memory_of_a_window_is_bounded() -> None:
    window = SlidingWindow(1.0)
    for n in range(100_000):
        window.add(n / 10_000)
    assert len(window._slots) <= 129


def test_a_quota_begins_with_its_first_request_and_is_renewed_whole() -> None:
    quota = QuotaWindow()
    assert quota.wait(7.0, 60.0) == 0
    quota.add(7.0, 60.0)
    quota.add(30.0, 60.0)
    assert quota.used(66.9, 60.0) == 2
    assert quota.wait(66.9, 60.0) == pytest.approx(0.1)
    assert quota.used(67.0, 60.0) == 0
    quota.add(80.0, 60.0)
    assert quota.used(139.9, 60.0) == 1


def test_a_quota_may_never_be_renewed() -> None:
    quota = QuotaWindow()
    quota.add(0.0, 0)
    assert quota.used(1e9, 0) == 1
    assert math.isinf(quota.wait(1e9, 0))


@pytest.mark.parametrize(("limit", "replicas", "each"), [(10, 1, 10), (10, 3, 3), (2, 5, 1), (1, 1, 1)])
def test_shares_never_exceed_the_limit_unless_it_is_below_the_replicas(limit: int, replicas: int, each: int) -> None:
    assert share(limit, replicas) == each


def test_headers() -> None:
    standings = [Standing("rate", 10, 1.0, 3, 0.25), Standing("quota", 100, 0, -1, math.inf)]
    assert policy_header(standings) == '"rate";q=10;w=1, "quota";q=100'
    assert limit_header(standings) == '"rate";r=3;t=1, "quota";r=0'
    assert [retry_after(seconds) for seconds in (0.01, 1.0, 1.2)] == [1, 1, 2]


def test_usage_is_forgotten_only_when_nothing_of_it_counts() -> None:
    usage = Usage()
    assert usage.idle(0)
    usage.window(0, 1.0).add(0)
    assert not usage.idle(0.5)
    assert usage.idle(3)
    usage.connections = 1
    assert not usage.idle(3)
