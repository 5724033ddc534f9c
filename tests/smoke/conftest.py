"""The fixtures of a cluster, and the time that the first of these tests takes where nothing is built yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.fixtures import FIRST_TEST_LIMIT_S, cluster, namespace, weir_image

__all__ = ["cluster", "namespace", "weir_image"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(FIRST_TEST_LIMIT_S))
