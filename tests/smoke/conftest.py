"""The fixtures of a cluster, and the time that the first of these tests takes where nothing is built yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.fixtures import FIRST_TEST_LIMIT_S, cluster, namespace, spare_node, weir_image
from tests.cluster.skips import pytest_runtest_makereport

__all__ = ["cluster", "namespace", "pytest_runtest_makereport", "spare_node", "weir_image"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(FIRST_TEST_LIMIT_S))
