"""The election in virtual time: one leader at most, expiry by the own clock, release (O5)."""

from __future__ import annotations

import pytest

from fakes.cluster import FakeCluster
from penstock_operator.cluster import Unavailable
from penstock_operator.lease import DEADLINE, DURATION, Election
from penstock_operator.resources.documents import Name

LEASE = Name("penstock-system", "penstock-operator")


class Clocks:
    """A monotonic clock and a wall clock that may be off."""

    def __init__(self) -> None:
        self.now = 100.0

    def candidate(self, cluster: FakeCluster, identity: str, skew: float = 0.0) -> Election:
        return Election(cluster, LEASE, identity, lambda: self.now, lambda: 1_700_000_000 + self.now + skew)


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


async def test_the_second_candidate_waits_for_the_first_to_fall_silent(clocks: Clocks) -> None:
    cluster = FakeCluster()
    one, two = clocks.candidate(cluster, "one"), clocks.candidate(cluster, "two", skew=300.0)
    assert await one.attempt()
    for _ in range(10):
        clocks.now += 2.0
        assert await one.attempt()
        assert not await two.attempt()
    assert one.holds()
    clocks.now += DURATION - 0.5
    assert not await two.attempt()
    assert not one.holds(), "a leader that could not renew stops before anybody else starts"
    clocks.now += 1.0
    assert await two.attempt()
    assert cluster.of("Lease")[LEASE.name]["spec"]["leaseTransitions"] == 1
    assert not await one.attempt(), "an old leader that comes back has lost"
    assert not one.holds()


async def test_a_released_lease_is_taken_at_once(clocks: Clocks) -> None:
    cluster = FakeCluster()
    one, two = clocks.candidate(cluster, "one"), clocks.candidate(cluster, "two")
    assert await one.attempt()
    await one.release()
    assert not one.holds()
    assert await two.attempt()


async def test_only_one_of_two_wins_a_race(clocks: Clocks) -> None:
    cluster = FakeCluster()
    one, two = clocks.candidate(cluster, "one"), clocks.candidate(cluster, "two")
    won: list[bool] = []
    before = cluster.before

    async def other() -> None:
        cluster.before = before
        won.append(await two.attempt())

    def between(verb: str, kind: str, name: Name) -> None:
        cluster.before = before
        coroutine = other()
        with pytest.raises(StopIteration):  # the cluster in memory never waits
            coroutine.send(None)

    cluster.before = between
    assert not await one.attempt()
    assert won == [True]


async def test_an_unreachable_server_ends_the_lead_in_time(clocks: Clocks) -> None:
    cluster = FakeCluster()
    one = clocks.candidate(cluster, "one")
    assert await one.attempt()

    def down(verb: str, kind: str, name: Name) -> None:
        raise Unavailable("down")

    cluster.before = down
    clocks.now += DEADLINE - 1
    with pytest.raises(Unavailable):
        await one.attempt()
    assert one.holds()
    clocks.now += 1.0
    assert not one.holds()
