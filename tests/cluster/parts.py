"""How the tests of this folder get a cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from testbed.cluster import Cluster, cluster
from testbed.kafka import Unavailable


@contextmanager
def started() -> Iterator[Cluster]:
    """A cluster for the length of a block; where this machine cannot run one the test is skipped with the reason, under CI it fails."""
    try:
        with cluster() as it:
            yield it
    except Unavailable as reason:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(reason))
