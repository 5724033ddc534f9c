"""Bytes at a URI: the one protocol behind which local folders, S3 and memory stand.

A :class:`Storage` is opened for a root URI (``file:///a/b``, ``s3://bucket/prefix``) and takes names
relative to it, with ``/`` between parts. All calls block; callers on an event loop or a data thread
hand them to a worker thread. Semantics every implementation must hold:

- ``write`` is atomic: a reader sees the old object, the new one, or none, never a part.
- ``create_if_absent`` is atomic among all writers of the store; after a refusal the caller reads the
  object back and compares its writer id, since a lost response makes an own success look refused.
- read after write and list after write are consistent.
- transient faults are retried inside within a small budget, then raised as ``StorageUnavailable``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol


class ObjectInfo(NamedTuple):
    """One listed object."""

    name: str  #: relative to the storage's root
    size: int  #: bytes
    modified_ms: int  #: wall time of the store, milliseconds


class Upload(NamedTuple):
    """An upload in parts that was begun, and neither completed nor given up."""

    name: str  #: of the object that it would become, relative to the storage's root
    id: str  #: the store's own
    begun_ms: int  #: wall time of the store, milliseconds


class Storage(Protocol):
    """Objects below one root URI."""

    @property
    def uri(self) -> str:
        """The root, without a trailing slash."""
        ...

    def read(self, name: str) -> bytes:
        """The whole object. Raises ``ObjectNotFound``."""
        ...

    def read_range(self, name: str, start: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``start``; shorter only at the object's end. Raises ``ObjectNotFound``."""
        ...

    def size(self, name: str) -> int:
        """Bytes of the object. Raises ``ObjectNotFound``."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Create or replace the object, durably."""
        ...

    def write_pieces(self, name: str, pieces: Iterable[bytes]) -> None:
        """As :meth:`write`, of bytes that come in pieces, each taken once; so many megabytes of them are held as one upload takes.

        What ``pieces`` raises is raised here, and nothing was written.
        """
        ...

    def create_if_absent(self, name: str, data: bytes) -> None:
        """Create the object durably, unless one exists: then ``ObjectExists`` and nothing is changed."""
        ...

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Objects whose name starts with ``prefix`` (recursive), in the order of their names."""
        ...

    def delete(self, name: str) -> None:
        """Remove the object; no error if it is not there."""
        ...

    def rename(self, source: str, target: str) -> None:
        """Move an object (S3: copy, then delete). Replaces the target. Raises ``ObjectNotFound``."""
        ...

    def uploads(self, prefix: str = "") -> Iterator[Upload]:
        """Uploads in parts under way, or left by processes that died, of objects whose name starts with ``prefix``; no listing has them."""
        ...

    def abort(self, upload: Upload) -> None:
        """Give an upload up, with the parts that it has; no error if it is over. Whoever is at it fails."""
        ...
