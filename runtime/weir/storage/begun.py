"""Uploads in parts that somebody began, for those who clear up."""

from __future__ import annotations

from weir.errors import StorageError, StorageUnavailable
from weir.storage.base import Storage, Upload


def begun_uploads(storage: Storage, prefix: str = "") -> list[Upload]:
    """Those of names that start with ``prefix``. None where they may not be listed, or the store cannot: clearing up goes on without."""
    try:
        return list(storage.uploads(prefix))
    except StorageUnavailable:
        raise
    except StorageError:
        return []
