"""Where a scenario of the operator begins."""

from __future__ import annotations

import pytest

from tests.support.simulated_cluster import Cluster
from tests.support.simulated_operator import Operator


@pytest.fixture
def cluster() -> Cluster:
    """One StreamJob that was just created."""
    return Cluster()


@pytest.fixture
def operator(cluster: Cluster) -> Operator:
    """The job runs, and nothing is under way."""
    operator = Operator(cluster)
    operator.settle()
    return operator
