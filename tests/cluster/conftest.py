"""The cluster that the tests of this folder share; they are left out unless PENSTOCK_CLUSTER is set."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.parts import started
from testbed.cluster import Cluster

HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without PENSTOCK_CLUSTER=1 these tests are deselected: the first start builds Kubernetes, and that takes its time."""
    if os.environ.get("PENSTOCK_CLUSTER"):
        return
    ours = [item for item in items if HERE in item.path.parents]
    if ours:
        config.hook.pytest_deselected(items=ours)
        items[:] = [item for item in items if item not in ours]


@pytest.fixture(scope="session")
def shared_cluster() -> Iterator[Cluster]:
    """One cluster for all tests of a run; each keeps to namespaces of its own."""
    with started() as it:
        yield it
