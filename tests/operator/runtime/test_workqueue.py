"""The work queue in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from penstock_operator.workqueue import LONGEST, WorkQueue


class Clock:
    """Virtual time."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def drained(queue: WorkQueue[str]) -> list[str]:
    found = []
    while (key := queue.take()) is not None:
        found.append(key)
        queue.done(key)
    return found


def test_a_key_waits_once_and_in_order(clock: Clock) -> None:
    queue: WorkQueue[str] = WorkQueue(clock)
    for key in "abab":
        queue.add(key)
    assert drained(queue) == ["a", "b"]


def test_of_several_delays_the_earliest_counts(clock: Clock) -> None:
    queue: WorkQueue[str] = WorkQueue(clock)
    queue.add("a", 10.0)
    queue.add("a", 3.0)
    queue.add("a", 20.0)
    clock.now = 2.9
    assert drained(queue) == []
    clock.now = 3.0
    assert drained(queue) == ["a"]
    clock.now = 30.0
    assert drained(queue) == []


def test_a_key_is_with_one_worker_at_a_time(clock: Clock) -> None:
    queue: WorkQueue[str] = WorkQueue(clock)
    queue.add("a")
    assert queue.take() == "a"
    queue.add("a")
    queue.add("b")
    assert queue.take() == "b"
    assert queue.take() is None
    queue.done("a")
    assert queue.take() == "a"


def test_failures_back_off_to_five_minutes_and_a_success_forgives(clock: Clock) -> None:
    queue: WorkQueue[str] = WorkQueue(clock, lambda: 0.5)
    delays = []
    for _ in range(12):
        delays.append(queue.retry("a"))
        clock.now += delays[-1]
        assert queue.take() == "a"
        queue.done("a")
    assert delays[:4] == [1.0, 2.0, 4.0, 8.0]
    assert delays[-1] == LONGEST
    queue.forgive("a")
    assert queue.retry("a") == 1.0


@pytest.mark.parametrize(("chance", "first"), [(0.0, 0.8), (0.999999, 1.2)])
def test_jitter_is_a_fifth_either_way_and_a_wish_for_more_is_kept(clock: Clock, chance: float, first: float) -> None:
    queue: WorkQueue[str] = WorkQueue(clock, lambda: chance)
    assert queue.retry("a") == pytest.approx(first, abs=1e-3)
    assert queue.retry("b", at_least=5.0) == 5.0


async def test_workers_share_the_keys_and_survive_idleness() -> None:
    loop = asyncio.get_running_loop()
    queue: WorkQueue[int] = WorkQueue(loop.time)
    seen: list[int] = []
    running = 0
    most = 0
    finished = asyncio.Event()

    async def act(key: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        seen.append(key)
        if len(seen) == 40:
            finished.set()

    workers = [asyncio.create_task(queue.work(act)) for _ in range(4)]
    await asyncio.sleep(0)
    for key in range(20):
        queue.add(key)
        queue.add(100 + key, 0.01)
    await asyncio.wait_for(finished.wait(), 5)
    assert sorted(seen) == [*range(20), *range(100, 120)]
    assert 1 < most <= 4
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)


def test_the_oldest_due_key_tells_how_long_it_waits(clock: Clock) -> None:
    queue: WorkQueue[str] = WorkQueue(clock)
    queue.add("a")
    queue.add("later", 100.0)
    clock.now = 7.0
    assert queue.overdue() == 7.0
    queue.take()
    assert queue.overdue() == 0.0
