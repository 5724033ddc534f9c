"""Bytes at a URI: local folders, S3 and memory behind one protocol.

Other rooms open a root by :func:`open_storage` or a user's path by :func:`resolve` and from then on see only the
:class:`Storage` protocol and the ``StorageError`` branch of the exception tree. ``storage.faults`` wraps any of
them for tests. minio is imported with the first ``s3://`` URI, not before.
"""

from weir.storage.base import ObjectInfo, Storage, Upload
from weir.storage.begun import begun_uploads
from weir.storage.local import LocalStorage
from weir.storage.memory import MemoryStorage
from weir.storage.names import check_name
from weir.storage.opening import Resolved, absolute_uri, expand, join_uri, open_storage, resolve
from weir.storage.prefixed import PrefixedStorage
from weir.storage.s3_options import S3Options

__all__ = [
    "LocalStorage",
    "MemoryStorage",
    "ObjectInfo",
    "PrefixedStorage",
    "Resolved",
    "S3Options",
    "Storage",
    "Upload",
    "absolute_uri",
    "begun_uploads",
    "check_name",
    "expand",
    "join_uri",
    "open_storage",
    "resolve",
]
