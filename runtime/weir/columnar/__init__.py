"""Streams of columns: expressions, aggregates and keyed tables over Arrow batches. What is declared here runs without a Python call a row.

Needs numpy and pyarrow, the extra ``weir-stream[columnar]``; ``require`` says so where they are missing. ``expressions`` and
``aggregates`` are what users write and import neither, so a graph is recorded without loading them.
"""

from __future__ import annotations

from importlib.util import find_spec

from weir.errors import GraphError


def require(call: str) -> None:
    """Raises ``GraphError`` naming what is missing for columns, and how to get it."""
    missing = [name for name in ("numpy", "pyarrow") if find_spec(name) is None]
    if missing:
        raise GraphError(
            f"{call} needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed here; "
            "pip install 'weir-stream[columnar]'"
        )
