"""State backends by name, and the limit of the one that keeps snapshots in the metadata.

``Memory`` and ``FileSystem`` both keep state on the heap; they differ in where a snapshot goes: inline with
the acknowledgement, or as a file to storage.
"""

from __future__ import annotations

from typing import Final

from weir.config.options import StateBackendType
from weir.errors import SnapshotError

__all__ = ["MEMORY_LIMIT_BYTES", "StateBackendType", "check_memory_limit"]

#: Flink's limit of its in-memory checkpoint storage, per operator and subtask.
MEMORY_LIMIT_BYTES: Final = 5 * 1024 * 1024


def check_memory_limit(operator: str, subtask: int, size: int, limit: int = MEMORY_LIMIT_BYTES) -> None:
    """Raises ``SnapshotError`` when a subtask's state of one operator is too large to go inline (bytes)."""
    if size > limit:
        raise SnapshotError(
            f"state of operator {operator}, subtask {subtask}, is {size} bytes; the Memory backend keeps at most "
            f"{limit} bytes per operator and subtask; set stateBackend.type: FileSystem"
        )
